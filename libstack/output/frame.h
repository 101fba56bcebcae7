/* What is known of a frame, made once for every form; and the walk over a stack. */
#ifndef STK_OUTPUT_FRAME_H
#define STK_OUTPUT_FRAME_H

#include "output/rows.h"
#include "unwind/unwind.h"

/* `words` must outlive the use of the result; NULL: none are looked for. */
struct stk_trace_frame stk_trace_frame_of(struct stk_modules *ms, const struct stk_stack *s,
					  size_t i, struct stk_words *words);

/* Frame `i` as a row, one of frames 0 to `of`. */
void stk_frame_row(struct stk_row_sink sink, struct stk_modules *ms, const struct stk_stack *s,
		   size_t i, size_t of);

/* Frames [from, to) and, where to == n and the stack is not complete, why it stopped. */
void stk_frame_rows(struct stk_row_sink sink, struct stk_modules *ms, const struct stk_stack *s,
		    size_t from, size_t to);

#endif
