/* Stacks: the project's own unwinder over cached CFI rows, with its fallbacks. */
#ifndef STK_UNWIND_UNWIND_H
#define STK_UNWIND_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/trace.h"
#include "step/regs.h"
#include "symbols/module.h"
#include "symbols/scope.h"

/* Why a stack ends where it does. */
enum stk_stack_end {
	STK_END_BASE,        /* the start of the thread: complete */
	STK_END_KERNEL,      /* a thread of the kernel: complete, it has no frames */
	STK_END_NO_REGS,     /* the thread's registers are not in the target */
	STK_END_UNREADABLE,  /* the stack is not in the target */
	STK_END_NO_RULE,     /* no CFI, no frame pointer chain, nothing found by scanning */
	STK_END_GUESS,       /* the start of the thread, by way of a scan */
	STK_END_NO_CODE,     /* a return address is in no code */
	STK_END_NO_CALL,     /* no call stands before a return address */
	STK_END_ZERO,        /* a return address is 0, and the stack goes on above */
	STK_END_LOOP,        /* the CFA did not move on */
	STK_END_LIMIT,       /* as many frames as asked for */
	STK_END_INTERRUPTED, /* Ctrl-C */
	STK_END_MEMORY,      /* ours is exhausted */
	STK_END_BUDGET,      /* the answer's is */
};

struct stk_frame {
	struct stk_regset regs; /* pc is regs.r[arch->pc] */
	uint64_t pc;
	uint64_t cfa; /* 0: not known */
	enum stk_how how;
	bool exact;                      /* pc is where it stands, not behind a call or a trap */
	bool signal;                     /* a signal trampoline */
	struct stk_module *mod;          /* NULL: pc lies in no module */
	const struct stk_scopes *scopes; /* NULL: not looked up or no module */
	unsigned level; /* into scopes->v; > 0 and inlined frames share regs and cfa */
	unsigned phys;  /* number of the physical or tail-called frame, 0 … */
	const struct stk_call_site *tail; /* how == STK_HOW_TAIL: where it left */
};

struct stk_stack {
	const struct stk_thread *thread;
	struct stk_frame *v;
	size_t n, cap;
	enum stk_stack_end end;
	char reason[160]; /* end != BASE: for people ("stack memory 0x7f… is not in the core") */
	const char *absent; /* of the target's ops, for the reason */
	/* The call that was last seen to enter the function that runs: recursion asks again. */
	const struct stk_scopes *direct_callee;
	uint64_t direct_pc;
};

/*
 * An unwinder of a thread. `max` frames at most (0: all; then stop is LIMIT). Frames carry scopes.
 * Damage is data: the call always succeeds with the frames found and the reason of the end; a
 * negative return means that memory is exhausted. Free with stk_stack_done().
 */
typedef int stk_unwind_fn(struct stk_modules *ms, const struct stk_thread *th, size_t max,
			  struct stk_stack *ret);

/* The project's own. (The second opinion is stk_unwind_second() in second.h.) */
stk_unwind_fn stk_unwind;

void stk_stack_done(struct stk_stack *s);

/* true: the stack ends at its base. */
bool stk_stack_complete(const struct stk_stack *s);

/* Whether the function leads back to itself by tail calls, so that what it was first called with
 * says nothing of this activation: 1 it does, 0 it jumps through a pointer somewhere, −1 no. */
int stk_frame_may_return(struct stk_modules *ms, const struct stk_frame *f);

/* The pc by which frames are looked up: pc, or pc − 1 for return addresses. */
uint64_t stk_frame_lookup_pc(const struct stk_frame *f);

/* true: the frame belongs to libc's program or thread start, below main or the thread function. */
bool stk_frame_is_runtime(const struct stk_stack *s, size_t i);

/* The name shown: demangled, or NULL. */
const char *stk_frame_name(const struct stk_frame *f);

#endif
