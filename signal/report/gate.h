/* One thread of the process reports at a time. CRASH context. */
#ifndef SIGNAL_GATE_H
#define SIGNAL_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

enum stk_gate {
	STK_GATE_ENTERED,
	STK_GATE_NESTED,  /* this thread is within: the report has crashed, or got a signal */
	STK_GATE_GIVE_UP, /* the other one's report takes longer than any may */
};

/* Lies in memory that a forked child finds empty (madvise(2), MADV_WIPEONFORK), so that a report
 * of its parent's is not in its way. */
struct stk_gate_word {
	/* 0: free; else pid << 32 | tid of the thread that reports. */
	_Atomic uint64_t owner;
	_Atomic uint32_t turn; /* changes whenever the gate is opened: what others wait on */
};

/*
 * Take the gate. `uc`: the context of the fault, or NULL. A thread that finds it closed waits: its
 * turn comes when the other one's report does not end the program. The owner may be another process
 * in the same memory (vfork): its report is waited for, too, unless it is dead.
 */
enum stk_gate stk_gate_enter(const ucontext_t *uc);

/* The program goes on, or this process was a guest in the memory of another. */
void stk_gate_open(void);

/* NORMAL context: the gate lies here from now on. */
void stk_gate_move(struct stk_gate_word *to);

#endif
