/*
 * What the program sees of its signals: as if the library were not there. ANY context.
 *
 * Our handler stands where the program has the default action, and of the six signals that a fault
 * raises those are never really blocked (a blocked one kills without a word). Both are hidden from
 * what sigaction() and the mask functions report. A signal that the program handles or ignores is
 * its own affair: it is blocked when the program says so.
 */
#ifndef SIGNAL_VIEW_H
#define SIGNAL_VIEW_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

static inline uint64_t stk_bits(const sigset_t *s)
{
	uint64_t v;

	__builtin_memcpy(&v, s, sizeof(v));
	return v;
}

static inline void stk_set_bits(sigset_t *s, uint64_t v)
{
	__builtin_memcpy(s, &v, sizeof(v));
}

/*
 * CRASH context: a signal that somebody sent while the program believes that it blocks it. Block it
 * truly, make it pending again and return true: the handler returns.
 */
bool stk_view_holds_back(int sig, const siginfo_t *si, ucontext_t *uc);

/* The six (at most) that the program believes to have blocked in this thread, though they are not.
 */
uint64_t stk_view_mask(void);
void stk_view_set_mask(uint64_t mask);

/* Our handler stands for this signal, or no longer. */
void stk_view_ours(int sig, bool ours);
uint64_t stk_view_all_ours(void);

/* NORMAL context: before anything is hidden, and in the child of fork(3). */
void stk_view_start(void);

/* true: this is a child that shares its memory with another process (belief.h). All that it sees
 * and does is true from now on. */
bool stk_view_in_child(void);

/* What was taken out of the mask of this signal's handler. */
uint64_t stk_view_hidden(int sig);

/* In a copy of such a child: these are ours, and nothing is hidden. */
void stk_view_anew(uint64_t ours);

/* Move what is truly blocked of our six into the belief of this thread; and the way back: bits of
 * `mask` that are believed become true. */
void stk_view_open(void);
void stk_view_settle(uint64_t mask);

/*
 * A new program inherits the mask that this one believes in, and a new thread that of its creator:
 * make it true around the call. The belief stays as it is: the memory may be that of a vfork
 * parent. The bits that were opened before, for the way back.
 */
uint64_t stk_view_make_true(void);
void stk_view_make_believe(uint64_t opened);

/* Threads that are making a child by posix_spawn(3) and its kin: libc has blocked all signals for
 * so long. One more or less; and is there any? */
void stk_view_spawn(int more);
bool stk_view_spawns(void);

/* sigaction(2) and pthread_sigmask(3) in the program's view. `real`: sigprocmask or
 * pthread_sigmask, which differ in how they say errors. */
int stk_view_action(int sig, const struct sigaction *act, struct sigaction *old);
int stk_view_change(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old);

#endif
