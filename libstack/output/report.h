/*
 * One walk over the answer. A view of a frame is made once; the trace form and the debugger's form
 * are printed from the same view.
 */
#ifndef STK_OUTPUT_REPORT_H
#define STK_OUTPUT_REPORT_H

#include "base/text.h"
#include "unwind/unwind.h"

/* The trace form of DESIGN §4.1 for a whole target: `corectl stack`. Returns 0, or 1 when something
 * was incomplete (a stack that does not end at its base). */
int stk_report_write(struct stk_text *out, struct stk_modules *ms, enum stk_unwinder which);

/* One frame in the debugger's form:
 *  `number`  0x000055d0c1a4c163 in packed({0x19010001})\n    at /src/app.c:8 …
 * `width` is the number's column width. */
void stk_bt_write_frame(struct stk_text *out, struct stk_modules *ms, const struct stk_stack *s,
			size_t i, unsigned width);

/* Frames [from, to) and, where to == n and the stack is not complete, the line `stopped: REASON`.
 */
void stk_bt_write(struct stk_text *out, struct stk_modules *ms, const struct stk_stack *s,
		  size_t from, size_t to);

#endif
