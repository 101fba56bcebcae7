/* One step from a frame to its caller. */
#ifndef STK_UNWIND_STEP_H
#define STK_UNWIND_STEP_H

#include "unwind/unwind.h"

/* Fill `next` (regs, pc, how, exact) from `f`, and f->cfa, f->signal. The stop reason, or
 * STK_STOP_BASE with `more` false at the base of the stack. */
struct stk_step {
	bool more;
	enum stk_stop stop;
	uint64_t addr; /* concerned, for the message */
};
struct stk_step stk_step(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next);

#endif
