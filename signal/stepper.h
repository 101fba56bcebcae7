/*
 * The in-process unwinder: call frame information read where it is mapped (.eh_frame_hdr's search
 * table and .eh_frame; LSB Core, DWARF 5 §6.4), every read guarded, no memory but the caller's, no
 * lock, no libc. CRASH context.
 */
#ifndef SIGNAL_STEPPER_H
#define SIGNAL_STEPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arch.h"
#include "base/trace.h"
#include "images.h"

/* Registers by DWARF number; a bit of `valid` for each that is known. */
struct stk_step_frame {
	uint64_t r[STK_REGS];
	uint32_t valid;
	uint64_t pc;
	uint64_t cfa;     /* set by the step from this frame; 0: not known */
	enum stk_how how; /* how this frame was found; STK_HOW_REGS first */
	bool exact;       /* pc is where it stands, not a return address */
	bool signal;      /* a signal trampoline; set by the step from this frame */
};

enum stk_step_end {
	STK_STEP_MORE,       /* `next` holds the caller */
	STK_STEP_BASE,       /* the stack ends at its base */
	STK_STEP_UNREADABLE, /* stack memory is not readable */
	STK_STEP_NO_RULE, /* no rule for this pc, no frame pointer chain, nothing found by scanning
			   */
	STK_STEP_LOOP,    /* the CFA did not move on */
};

/*
 * One step from `f` to its caller. Fallbacks in order, as the engine's: a call to a bad address
 * (pop the return address), the frame pointer chain, a scan of at most 512 words for an address
 * after a call in an image with CFI at it. Registers that a call may change are not valid in the
 * caller (arch->callee_saved), except across a signal frame.
 */
enum stk_step_end stk_stepper_step(const struct stk_images *im, const struct stk_arch *arch,
				   struct stk_step_frame *f, struct stk_step_frame *next);

#endif
