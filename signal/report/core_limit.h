/* Whether the kernel will leave a core, and making it so where it may be. CRASH context. */
#ifndef SIGNAL_CORE_LIMIT_H
#define SIGNAL_CORE_LIMIT_H

#include <stdbool.h>

/* Raise the soft limit of core files to the hard one. NULL: a core is to be expected; else why not
 * (static storage, one line). *ret_private: the process does not want its memory to be seen, nobody
 * else may leave one either. */
const char *stk_core_allow(bool *ret_private);

/* The same for the `n` bytes of kernel.core_pattern, NUL-terminated; changes them. */
const char *stk_core_pattern(char *pattern, long n);

#endif
