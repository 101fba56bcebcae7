/*
 * What a thread's program believes of its mask, and whose memory this is. ANY context.
 *
 * The belief lies in the thread's own memory. A child that shares the memory (vfork(2), clone(2)
 * with CLONE_VM) shares it too, and must not write there: the parent goes on with it. So nothing is
 * hidden from such a child: its mask and its actions, which are its own, are made what the program
 * believes, and are true from then on. That this is done is said by the actions themselves, which
 * the kernel keeps: no memory that another process could write or inherit says so.
 */
#ifndef SIGNAL_BELIEF_H
#define SIGNAL_BELIEF_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* `magic` is tied to the record's address: a thread's memory that libc did not make has none. Its
 * size is its alignment: it lies in one page. */
struct stk_belief {
	uint64_t magic;
	uint64_t believed;
	uint64_t held;  /* those of them that were held back, and are truly blocked since */
	uint64_t since; /* the stack pointer of the call that blocked them */
} __attribute__((aligned(64)));

#define STK_BELIEF_MAGIC 0x6665696c65627473ULL

/* NORMAL context: before anything is hidden. `b` is the record of the calling thread. */
void stk_belief_start(const struct stk_belief *b);

/* What the actions of this process say: have they been made true? NONE: none of them is ours, and
 * nothing is hidden. */
enum stk_actions { STK_ACTIONS_NONE, STK_ACTIONS_HIDDEN, STK_ACTIONS_TRUE };
enum stk_actions stk_actions(void);

/* Make them true, with what was taken out of the masks of handlers. */
void stk_actions_make_true(void);

/* Take the sign away: a process that such a child has forked hides things of its own. The signals
 * for which our handler stands. */
uint64_t stk_actions_anew(void);

/*
 * CRASH context: a signal that somebody sent while the program believes that it blocks it. Block it
 * truly, make it pending again and return true: the handler returns.
 */
bool stk_belief_holds_back(int sig, const siginfo_t *si, ucontext_t *uc);

#endif
