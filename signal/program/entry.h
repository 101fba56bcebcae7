/*
 * Where the program's own handlers run. A handler with SA_ONSTACK in a thread whose only alternate
 * stack is ours must run where it would without us: on the stack that was interrupted. The kernel
 * gets an entry of ours instead of the handler; it moves the signal frame there if need be, and
 * jumps to the handler. The same entry gives a signal back to our handler after one that was set
 * for one time (SA_RESETHAND).
 *
 * What an entry stands for never changes: a handler that is being delivered, and the parent of a
 * vfork child, never see another one's.
 */
#ifndef SIGNAL_ENTRY_H
#define SIGNAL_ENTRY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define STK_ENTRIES 128

/* x86_64/entry.c knows the layout. */
struct stk_entry {
	uint64_t handler;
	uint64_t mask;  /* as the program gave it */
	int32_t flags;  /* the same */
	uint32_t state; /* 0: free, 1: being written, 2: for ever */
	int32_t slow;   /* not 0: there is something to do wherever the frame lies */
	int32_t unused;
};
extern struct stk_entry stk_entries[STK_ENTRIES];

/*
 * ANY context. An action as it is about to be set, a handler of the program; `flags` and `mask` are
 * what it shows of it. Put an entry in the handler's place if it needs one; where there is no more
 * room it stays as it is.
 */
void stk_entry_put(int sig, struct sigaction *sa, int flags, uint64_t mask);

/* ANY context. An action that the kernel has: if it is an entry, show what the program gave. */
bool stk_entry_show(struct sigaction *sa);

/* ANY context: a handler of this signal had no entry, and may get one later. */
bool stk_entry_lacks(int sig);

/* CRASH context, all signals blocked: the handler was for one time. The default action is ours. */
void stk_entry_reset(int sig);

/* CRASH context: there is no room for the frame on the stack that was interrupted. Without us the
 * kernel ends the program with SIGSEGV; `uc` is its own context. */
void stk_entry_no_room(int sig, siginfo_t *si, ucontext_t *uc);

/* ANY context: a real-time signal, of which many may wait, that does not block itself. */
static inline bool stk_entry_queues(int sig, int flags)
{
	return sig >= 32 && (flags & SA_NODEFER);
}

/* ANY context: the code of entry `i`; the number of an entry by its code, or -1. */
void *stk_entry_code(int i);
int stk_entry_number(uint64_t code);

#endif
