#include "real.h"

#ifndef STK_WRAP

#include <dlfcn.h>
#include <stdatomic.h>

const struct stk_reals *stk_reals(void)
{
	static struct stk_reals r;
	static atomic_bool known;

	if (!atomic_load_explicit(&known, memory_order_acquire)) {
		/* Threads that meet here write the same values. */
#define STK_X(name, type, args) *(void **)&r.name = dlsym(RTLD_NEXT, #name);
		STK_REALS(STK_X)
		STK_JUMPS(STK_X)
#undef STK_X
		atomic_store_explicit(&known, 1, memory_order_release);
	}
	return &r;
}

#endif
