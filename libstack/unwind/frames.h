/* What both unwinders do with a physical frame. Inside unwind/ only. */
#ifndef STK_UNWIND_FRAMES_H
#define STK_UNWIND_FRAMES_H

#include "unwind/unwind.h"

/* The thread's own registers. false: pc or stack pointer are not in the target. */
bool stk_first_frame(struct stk_modules *ms, const struct stk_thread *th, struct stk_frame *f);

/* Find the module and scopes of a physical frame and append it with the calls inlined into it,
 * innermost first, up to `max` frames (0: all); before it, the functions that left by tail calls
 * to the frame appended last. Numbers it. false: memory is exhausted. */
bool stk_append_frame(struct stk_modules *ms, struct stk_stack *s, struct stk_frame *f, size_t max);

#define STK_TAIL_DEPTH 64 /* of a chain */

/* The one way of tail calls from a function to another; n 0: none, or not the only one. */
struct stk_tail_chain {
	struct stk_tail_chain *next;
	uint64_t goal;
	const struct stk_call_site *v[STK_TAIL_DEPTH]; /* outermost first */
	unsigned n;
	bool indirect; /* the search met a jump through a pointer, which could lead anywhere */
};

/* The tail calls by which a call from `caller` must have come to the function that runs in the
 * frame appended last. NULL: it called that function itself, or there is more than one way, or not
 * every way is known. */
const struct stk_tail_chain *stk_tail_chain(struct stk_modules *ms, struct stk_stack *s,
					    const struct stk_frame *caller);

/* Set why the stack ends, and the text of it. */
void stk_end_stack(struct stk_stack *s, enum stk_stack_end why, uint64_t number);

#endif
