/*
 * The in-process unwinder: call frame information read where it is mapped (cfi.h), every read
 * guarded, no memory but the caller's, no lock, no libc. CRASH context.
 */
#ifndef SIGNAL_STEPPER_H
#define SIGNAL_STEPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arch.h"
#include "base/trace.h"
#include "images.h"

/* Registers by DWARF number; a bit of `valid` for each that is known. Frame 0 is made of zeros, its
 * registers, `pc`, `exact` true and `nowhere`. */
struct stk_step_frame {
	uint64_t r[STK_REGS];
	uint32_t valid;
	uint64_t pc;
	uint64_t cfa;     /* set by the step from this frame; 0: not known */
	enum stk_how how; /* how this frame was found; STK_HOW_REGS first */
	bool exact;       /* pc is where it stands, not a return address */
	bool signal;      /* a signal trampoline; set by the step from this frame */
	bool nowhere; /* fetching the instruction at pc was the fault: pc is in no code, though its
			 memory may be readable. (x86: bit 4 of the page fault's error code) */

	/* The step's own: the CFA of the frame that this one called, stacks left downwards. */
	uint64_t below;
	uint8_t switches;
};

enum stk_step_end {
	STK_STEP_MORE,       /* `next` holds the caller */
	STK_STEP_BASE,       /* the stack ends at its base */
	STK_STEP_UNREADABLE, /* stack memory is not readable */
	STK_STEP_NO_RULE, /* no rule for this pc, no frame pointer chain, nothing found by scanning
			   */
	STK_STEP_LOOP, /* the stack does not go on above f->below: f is no frame, and not shown */
};

/*
 * One step from `f` to its caller. Fallbacks in order, as the engine's (unwind/step.c): a call to a
 * bad address (pop the return address), the frame pointer chain, a scan of at most 512 words for an
 * address after a call in an image with CFI at it. Registers that a call may change are not valid
 * in the caller (arch->callee_saved), except across a signal frame.
 *
 * Step from a frame before showing it: the step tells whether it is one (STK_STEP_LOOP). Any stack
 * ends: its frames go upwards, but for at most 16 that a signal put on another stack.
 */
enum stk_step_end stk_stepper_step(const struct stk_images *im, const struct stk_arch *arch,
				   struct stk_step_frame *f, struct stk_step_frame *next);

/* The address by which a frame's code is looked up: within the call before a return address. */
static inline uint64_t stk_step_lookup_pc(const struct stk_step_frame *f)
{
	return f->exact || !f->pc ? f->pc : f->pc - 1;
}

#endif
