/* C++ and Rust names (libiberty). Normal context only: it allocates. */
#ifndef STK_SYMBOLS_DEMANGLE_H
#define STK_SYMBOLS_DEMANGLE_H

#include <stdbool.h>

#include "targets/pool.h"

/* The demangled name without parameter types ("ns::Map<int>::insert"), in `pool`; the name itself
 * when it is not mangled. With `params` the parameter types are kept. NULL: out of memory. */
const char *stk_demangle(struct stk_pool *pool, const char *raw, bool params);

#endif
