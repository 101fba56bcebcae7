/* The real functions, found once. Not in libstack.a, where the linker finds them. ANY context. */
#include "signal/program/real.h"

#ifndef STK_WRAP
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

/* A function that this libc does not have: the program knows that some systems do not. */
static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

static void *find(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	/* What the program asks of dlerror(3) later is not this. */
	if (!fn)
		(void)dlerror();
	return fn ? fn : (void *)missing;
}

const struct stk_reals *stk_reals(void)
{
	static struct stk_reals r;
	static atomic_bool known;

	if (!atomic_load_explicit(&known, memory_order_acquire)) {
		/* Threads that meet here write the same values. */
#define STK_X(name, type, args) *(void **)&r.name = find(#name);
		STK_REALS(STK_X)
		STK_CALLS(STK_X)
		STK_JUMPS(STK_X)
#undef STK_X
		atomic_store_explicit(&known, 1, memory_order_release);
	}
	return &r;
}
#endif
