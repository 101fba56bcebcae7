/* The second opinion: libunwind through its remote accessors over the same memory and registers. */
#ifndef STK_UNWIND_SECOND_H
#define STK_UNWIND_SECOND_H

#include "unwind/unwind.h"

/* As stk_unwind(); frames carry pc, stack pointer and scopes, the other registers as libunwind
 * knows them. */
int stk_unwind_second(struct stk_modules *ms, const struct stk_thread *th, size_t max,
		      struct stk_stack *ret);

#endif
