/* The argument words of a frame as the trace form prints them. */
#ifndef STK_VALUES_ARGS_H
#define STK_VALUES_ARGS_H

#include "base/words.h"
#include "unwind/unwind.h"

/* The words of the parameters of frame `i`, in the order of the declaration. What is not known or
 * would be stale is `_`. A parameter's tokens carry its index into scopes->v[level].params. */
void stk_frame_args(struct stk_modules *ms, const struct stk_stack *s, size_t i,
		    struct stk_words *ret);

/* The same for one parameter alone: for `args`. */
void stk_frame_arg(struct stk_modules *ms, const struct stk_stack *s, size_t i, unsigned param,
		   struct stk_words *ret);

#endif
