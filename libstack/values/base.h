/* The frame base of a function whose debug information names a register. Inside values/ only. */
#ifndef STK_VALUES_BASE_H
#define STK_VALUES_BASE_H

#include "unwind/unwind.h"

/* What the register `reg`, the frame base of the function of `f`, holds in the function's body,
 * wherever in the function the frame stands. false: not known. */
bool stk_base_of_body(struct stk_modules *ms, const struct stk_frame *f, unsigned reg,
		      uint64_t *ret);

/* clang's locations also name the stack pointer or frame pointer itself, and mean the same. true:
 * it is what the frame has now, or `reg` is neither of them. */
bool stk_base_allows(struct stk_modules *ms, const struct stk_frame *f, unsigned reg);

#endif
