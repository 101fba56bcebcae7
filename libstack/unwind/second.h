/* The second opinion: libunwind through its remote accessors over the same memory and registers. */
#ifndef STK_UNWIND_SECOND_H
#define STK_UNWIND_SECOND_H

#include "unwind/unwind.h"

/* As stk_unwind(); frames carry pc, stack pointer and scopes, the other registers as libunwind
 * knows them. */
stk_unwind_fn stk_unwind_second;

#endif
