/*
 * The functions that the library stands before. In the shared library they have libc's own names
 * and the next definition is found by dlsym(3); in libstack.a they are reached by the linker's
 * --wrap, since a static program has no dlsym(RTLD_NEXT).
 */
#ifndef SIGNAL_REAL_H
#define SIGNAL_REAL_H

#include <pthread.h>
#include <signal.h>
#include <threads.h>

#include "include/libstack.h"

#define STK_REALS(X)                                                                               \
	X(sigaction, int, (int, const struct sigaction *, struct sigaction *))                     \
	X(sigprocmask, int, (int, const sigset_t *, sigset_t *))                                   \
	X(pthread_sigmask, int, (int, const sigset_t *, sigset_t *))                               \
	X(pthread_create, int, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))   \
	X(thrd_create, int, (thrd_t *, thrd_start_t, void *))

#ifdef STK_WRAP
#define STK_NAME(name) __wrap_##name
#define STK_X(name, type, args)                                                                    \
	extern type __real_##name args __attribute__((weak));                                      \
	extern type __wrap_##name args;
STK_REALS(STK_X)
#undef STK_X
/* Linked without --wrap there is nothing before libc's own. */
#define STK_REAL(name) (__real_##name ? __real_##name : name)
#else
#define STK_NAME(name)          name
struct stk_reals {
#define STK_X(name, type, args) type(*name) args;
	STK_REALS(STK_X)
#undef STK_X
};
/* NORMAL context: resolved at the first call, which is before main. */
const struct stk_reals *stk_reals(void);
#define STK_REAL(name) stk_reals()->name
#endif

/* signal(3) and its kin, declared here because not every mode of <signal.h> does. */
#define STK_X(name) __sighandler_t STK_NAME(name)(int sig, __sighandler_t handler);
STK_X(signal)
STK_X(bsd_signal)
STK_X(ssignal)
STK_X(sysv_signal)
STK_X(__sysv_signal)
STK_X(sigset)
#undef STK_X

#endif
