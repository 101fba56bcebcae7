#ifndef STK_BASE_ARCH_X86_64_H
#define STK_BASE_ARCH_X86_64_H

#include "base/arch.h"

extern const struct stk_arch stk_arch_x86_64;

#endif
