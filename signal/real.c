/* The real functions, found once; and before them those that the library itself calls. ANY context.
 */
#include "real.h"

#include "altstack.h"
#include "view.h"

#ifdef STK_WRAP

#undef STK_REAL
#define STK_REAL(name) __real_##name

const struct stk_reals stk_wrap_reals = {
#define STK_X(name, type, args) .name = __real_##name,
    STK_REALS(STK_X)
#undef STK_X
};

#else

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

/* Those that the library itself calls stand here, and nothing that it calls does: see STK_REAL. */

LIBSTACK_API int STK_NAME(sigaction)(int sig, const struct sigaction *restrict act,
				     struct sigaction *restrict old)
{
	return stk_view_action(sig, act, old);
}

LIBSTACK_API int STK_NAME(sigprocmask)(int how, const sigset_t *restrict set,
				       sigset_t *restrict old)
{
	return stk_view_change(STK_REAL(sigprocmask), how, set, old);
}

LIBSTACK_API int STK_NAME(pthread_sigmask)(int how, const sigset_t *restrict set,
					   sigset_t *restrict old)
{
	return stk_view_change(STK_REAL(pthread_sigmask), how, set, old);
}

LIBSTACK_API int STK_NAME(sigaltstack)(const stack_t *restrict ss, stack_t *restrict old)
{
	return stk_altstack(ss, old);
}

LIBSTACK_API int STK_NAME(pthread_create)(pthread_t *restrict t,
					  const pthread_attr_t *restrict attr, void *(*fn)(void *),
					  void *restrict arg)
{
	return stk_thread_posix(t, attr, fn, arg);
}

LIBSTACK_API int STK_NAME(thrd_create)(thrd_t *t, thrd_start_t fn, void *arg)
{
	return stk_thread_c11(t, fn, arg);
}
