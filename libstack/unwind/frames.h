/* What both unwinders do with a physical frame. Inside unwind/ only. */
#ifndef STK_UNWIND_FRAMES_H
#define STK_UNWIND_FRAMES_H

#include "unwind/unwind.h"

/* The thread's own registers. false: pc or stack pointer are not in the target. */
bool stk_first_frame(struct stk_modules *ms, const struct stk_thread *th, struct stk_frame *f);

/* Find the module and scopes of a physical frame and append it with the calls inlined into it,
 * innermost first, up to `max` frames (0: all). false: memory is exhausted. */
bool stk_append_frame(struct stk_modules *ms, struct stk_stack *s, size_t *cap, struct stk_frame *f,
		      size_t max);

/* Set the stop reason and its text. */
void stk_stack_stop(struct stk_stack *s, enum stk_stop why, uint64_t number);

#endif
