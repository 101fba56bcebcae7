/*
 * One step from a frame to its caller, alike in a crashed program, a core and a live process: no
 * memory but the caller's, no lock, no libc.
 *
 * What a handler returns to is known by its instructions and the frame that the kernel has built.
 * Else the row of the pc leads, if there is one. Fallbacks in order: a call to a bad address (pop
 * the return address), an address after a call to the very function that has the pc, the frame
 * pointer chain, a scan of at most 512 words for an address after a call in an image that has call
 * frame information there. Registers that a call may change are not
 * known in the caller (arch->callee_saved), except across a signal frame.
 */
#ifndef STK_STEP_STEP_H
#define STK_STEP_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arch.h"
#include "base/trace.h"
#include "step/cfi.h"
#include "step/reader.h"
#include "step/regs.h"

/* What is at an address. */
enum stk_code_kind {
	STK_CODE_NO,
	STK_CODE_MAYBE, /* readable memory of no image: it may be a just-in-time compiler's */
	STK_CODE_IMAGE, /* code of an image */
	STK_CODE_OTHER, /* executable memory of no image */
};

/* Where a step finds what it needs. */
struct stk_stepper {
	const struct stk_arch *arch;
	const struct stk_reader *mem;
	/* The row at a look-up pc, good until the next is asked for; NULL: there is none. */
	const struct stk_cfi_row *(*row)(void *arg, uint64_t pc);
	enum stk_code_kind (*code)(void *arg, uint64_t addr);
	/* Where the function begins that has a pc; 0: not known. NULL: nobody knows. */
	uint64_t (*entry)(void *arg, uint64_t pc);
	/* Does a function begin at `pc` whose address a run time system puts on a stack for a
	 * return address? NULL: nobody knows. */
	bool (*put)(void *arg, uint64_t pc);
	void *arg;
};

/* Frame 0 is made of zeros, its registers, `pc`, `exact` true and `nowhere`. */
struct stk_step_frame {
	struct stk_regset regs; /* pc is among them, too */
	uint64_t pc;
	uint64_t cfa;     /* set by the step from this frame; 0: not known */
	enum stk_how how; /* how this frame was found; STK_HOW_REGS first */
	bool exact;       /* pc is where it stands, not behind a call or a trap */
	bool signal;      /* a signal trampoline; set by the step from this frame */
	bool nowhere; /* fetching the instruction at pc was the fault: pc is in no code, though its
			 memory may be readable. (x86: bit 4 of the page fault's error code) */

	/* The step's own. */
	uint64_t below;    /* how high the frame that this one called stood */
	uint64_t lowest;   /* where the frames of this stack begin */
	uint16_t switches; /* stacks left downwards */
	struct {
		uint64_t pc, height; /* of a frame gone by */
		uint32_t steps, until;
	} seen;
};

enum stk_step_end {
	STK_STEP_MORE,       /* `next` holds the caller */
	STK_STEP_BASE,       /* the stack ends at its base; addr: the CFA of the last frame, where
				nothing but a return address of 0 says so */
	STK_STEP_UNREADABLE, /* stack memory is not readable; addr: where */
	STK_STEP_NO_RULE,    /* no rule for the pc (addr), no frame pointer chain, nothing found by
				scanning */
	STK_STEP_NO_CODE, /* the return address (addr) is in no code, and f no frame to go on from
			   */
	STK_STEP_NO_CALL, /* no call stands before the return address (addr): f is no frame */
	STK_STEP_LOOP,    /* the stack does not go on above addr: f is no frame, and not shown */
};

struct stk_step {
	enum stk_step_end end;
	uint64_t addr;
};

/*
 * Step from a frame before showing it: the step tells whether it is one (stk_step_is_frame()).
 *
 * Any stack ends: its frames go upwards, but for those that a signal or a function with call frame
 * information put on another stack. Such a stack begins below all frames gone by, and no frame
 * comes twice.
 */
struct stk_step stk_step(const struct stk_stepper *s, struct stk_step_frame *f,
			 struct stk_step_frame *next);

/* Is the frame that the step was made from one? */
static inline bool stk_step_is_frame(enum stk_step_end end)
{
	return end != STK_STEP_LOOP && end != STK_STEP_NO_CALL;
}

/* The address by which a frame's code is looked up: within the call before a return address. */
static inline uint64_t stk_step_lookup_pc(const struct stk_step_frame *f)
{
	return f->exact || !f->pc ? f->pc : f->pc - 1;
}

#endif
