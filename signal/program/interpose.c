/* What stands before the functions that the library itself calls. Nothing that it calls stands in
 * this file but these (real.h, STK_REAL). ANY context. */
#include "signal/program/altstack.h"
#include "signal/program/real.h"
#include "signal/program/sigaction.h"
#include "signal/program/sigmask.h"

#ifdef STK_WRAP

#undef STK_REAL
#define STK_REAL(name) __real_##name

const struct stk_reals stk_wrap_reals = {
#define STK_X(name, type, args) .name = __real_##name,
    STK_REALS(STK_X)
#undef STK_X
};

#endif

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
