/* One walk: what is printed of a frame, made once for every form. Inside output/ only. */
#ifndef STK_OUTPUT_VIEW_H
#define STK_OUTPUT_VIEW_H

#include "output/report.h"
#include "values/args.h"

/* Everything that the forms print of a frame. `words` must outlive the use of the result. */
struct stk_trace_frame stk_view_frame(struct stk_modules *ms, const struct stk_stack *s, size_t i,
				      struct stk_words *words);

#endif
