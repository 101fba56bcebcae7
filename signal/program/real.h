/*
 * The functions that the library stands before. In the shared library they have libc's own names
 * and the next definition is found by dlsym(3); in libstack.a they are reached by the linker's
 * --wrap, since a static program has no dlsym(RTLD_NEXT).
 */
#ifndef SIGNAL_REAL_H
#define SIGNAL_REAL_H

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <threads.h>

#include "include/libstack.h"

/* Those that the library itself calls. */
#define STK_REALS(X)                                                                               \
	X(sigaction, int, (int, const struct sigaction *, struct sigaction *))                     \
	X(sigprocmask, int, (int, const sigset_t *, sigset_t *))                                   \
	X(pthread_sigmask, int, (int, const sigset_t *, sigset_t *))                               \
	X(pthread_create, int, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))   \
	X(thrd_create, int, (thrd_t *, thrd_start_t, void *))                                      \
	X(sigaltstack, int, (const stack_t *, stack_t *))

/* Those that only the program calls. */
#define STK_CALLS(X)                                                                               \
	X(abort, void, (void))                                                                     \
	X(sigsuspend, int, (const sigset_t *))                                                     \
	X(ppoll, int, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))        \
	X(__ppoll_chk, int,                                                                        \
	  (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t))            \
	X(pselect, int,                                                                            \
	  (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))          \
	X(epoll_pwait, int, (int, struct epoll_event *, int, int, const sigset_t *))               \
	X(epoll_pwait2, int,                                                                       \
	  (int, struct epoll_event *, int, const struct timespec *, const sigset_t *))             \
	X(execve, int, (const char *, char *const *, char *const *))                               \
	X(execvpe, int, (const char *, char *const *, char *const *))                              \
	X(fexecve, int, (int, char *const *, char *const *))                                       \
	X(posix_spawn, int,                                                                        \
	  (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,   \
	   char *const *, char *const *))                                                          \
	X(posix_spawnp, int,                                                                       \
	  (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,   \
	   char *const *, char *const *))                                                          \
	X(waitpid, pid_t, (pid_t, int *, int))                                                     \
	X(wait4, pid_t, (pid_t, int *, int, struct rusage *))                                      \
	X(wait3, pid_t, (int *, int, struct rusage *))                                             \
	X(waitid, int, (idtype_t, id_t, siginfo_t *, int))                                         \
	X(system, int, (const char *))                                                             \
	X(popen, FILE *, (const char *, const char *))

/* Only in the shared library. */
#define STK_JUMPS(X)                                                                               \
	X(__sigsetjmp, int, (struct __jmp_buf_tag *, int))                                         \
	X(longjmp, void, (struct __jmp_buf_tag *, int))                                            \
	X(_longjmp, void, (struct __jmp_buf_tag *, int))                                           \
	X(siglongjmp, void, (struct __jmp_buf_tag *, int))                                         \
	X(__longjmp_chk, void, (struct __jmp_buf_tag *, int))                                      \
	X(__libc_start_main, int,                                                                  \
	  (int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),           \
	   void (*)(void), void *))

int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);

struct stk_reals {
#define STK_X(name, type, args) type(*name) args;
	STK_REALS(STK_X)
#ifndef STK_WRAP
	STK_CALLS(STK_X) STK_JUMPS(STK_X)
#endif
#undef STK_X
};

#ifdef STK_WRAP
#define STK_NAME(name) __wrap_##name
#define STK_X(name, type, args)                                                                    \
	extern type __real_##name args;                                                            \
	extern type __wrap_##name args;
STK_REALS(STK_X)
STK_CALLS(STK_X)
#undef STK_X
/*
 * Linked without --wrap there is nothing before libc's own, and interpose.o is not in the
 * program. With it, the plain name here is the linker's reference to the __wrap_ one, which brings
 * interpose.o.
 */
extern const struct stk_reals stk_wrap_reals __attribute__((weak));
#define STK_REAL(name) (&stk_wrap_reals ? stk_wrap_reals.name : name)
#else
#define STK_NAME(name) name
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
#define STK_X(name) int STK_NAME(name)(int);
STK_X(sighold)
STK_X(sigrelse)
STK_X(sigignore)
STK_X(sigblock)
STK_X(sigsetmask)
#undef STK_X
int STK_NAME(siggetmask)(void);
int STK_NAME(siginterrupt)(int sig, int interrupt);
int STK_NAME(execv)(const char *path, char *const argv[]);
int STK_NAME(execvp)(const char *file, char *const argv[]);
int STK_NAME(execl)(const char *path, const char *arg, ...);
int STK_NAME(execlp)(const char *file, const char *arg, ...);
int STK_NAME(execle)(const char *path, const char *arg, ...);

#endif
