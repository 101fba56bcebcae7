/* x86-64's own instructions. Inside base/ only. */
#ifndef STK_BASE_ARCH_X86_64_H
#define STK_BASE_ARCH_X86_64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As struct stk_arch says of keeps_sp. */
size_t stk_x86_64_keeps_sp(const uint8_t *code, size_t len);

#endif
