/*
 * What the program sees of its signal mask: as if the library were not there (sigaction.h). ANY
 * context.
 */
#ifndef SIGNAL_SIGMASK_H
#define SIGNAL_SIGMASK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The six (at most) that the program believes to have blocked in this thread, though they are not.
 */
uint64_t stk_view_mask(void);
void stk_view_set_mask(uint64_t mask);

/* NORMAL context: before anything is hidden, and in the child of fork(3). */
void stk_view_start(void);

/* true: this is a child that shares its memory with another process (belief.h). All that it sees
 * and does is true from now on. */
bool stk_view_in_child(void);

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
 * so long. One more or less. */
void stk_view_spawn(int more);

/* pthread_sigmask(3) in the program's view. `real`: sigprocmask or
 * pthread_sigmask, which differ in how they say errors. */
int stk_view_change(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old);

#endif
