/* One thread of the process reports at a time. CRASH context. */
#ifndef SIGNAL_GATE_H
#define SIGNAL_GATE_H

#include <stdbool.h>
#include <ucontext.h>

enum stk_gate {
	STK_GATE_ENTERED,
	STK_GATE_NESTED,  /* this thread is within: the report has crashed, or got a signal */
	STK_GATE_GIVE_UP, /* the other one's report takes longer than any may, or is about us */
};

/*
 * Take the gate. `uc`: the context of the fault, or NULL. A thread of this process that finds it
 * closed waits: its turn comes when the other one's report does not end the program. A gate that
 * another process holds is a copy from before a fork (or that of a vfork parent, who stands still,
 * or child, who is dead): it is taken over.
 */
enum stk_gate stk_gate_enter(const ucontext_t *uc);

bool stk_gate_is_mine(void);

/* The program goes on. */
void stk_gate_open(void);

#endif
