/*
 * The calls that hand the mask on: those that wait with another one, and those that give it to a
 * new program. ANY context.
 */
#include <alloca.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "signal/program/real.h"
#include "signal/program/sigmask.h"

#ifdef STK_WRAP
/* This file is in the program only if the program is linked with --wrap. */
#undef STK_REAL
#define STK_REAL(name) __real_##name
#endif

/*
 * While the kernel has a mask that the program gave it, that one is true and nothing else is
 * believed. A fault in a handler that runs there is as it would be without us.
 */
static uint64_t lay_down(const void *mask)
{
	uint64_t believed = stk_view_mask();

	if (mask)
		stk_view_set_mask(0);
	return believed;
}

LIBSTACK_API int STK_NAME(sigsuspend)(const sigset_t *mask)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(sigsuspend)(mask);

	stk_view_set_mask(believed);
	return r;
}

LIBSTACK_API int STK_NAME(ppoll)(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
				 const sigset_t *mask)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(ppoll)(fds, n, timeout, mask);

	stk_view_set_mask(believed);
	return r;
}

/* What _FORTIFY_SOURCE makes of ppoll. */
LIBSTACK_API int STK_NAME(__ppoll_chk)(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
				       const sigset_t *mask, size_t size)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(__ppoll_chk)(fds, n, timeout, mask, size);

	stk_view_set_mask(believed);
	return r;
}

LIBSTACK_API int STK_NAME(pselect)(int n, fd_set *restrict in, fd_set *restrict out,
				   fd_set *restrict except, const struct timespec *restrict timeout,
				   const sigset_t *restrict mask)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(pselect)(n, in, out, except, timeout, mask);

	stk_view_set_mask(believed);
	return r;
}

LIBSTACK_API int STK_NAME(epoll_pwait)(int fd, struct epoll_event *events, int max, int timeout,
				       const sigset_t *mask)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(epoll_pwait)(fd, events, max, timeout, mask);

	stk_view_set_mask(believed);
	return r;
}

LIBSTACK_API int STK_NAME(epoll_pwait2)(int fd, struct epoll_event *events, int max,
					const struct timespec *timeout, const sigset_t *mask)
{
	uint64_t believed = lay_down(mask);
	int r = STK_REAL(epoll_pwait2)(fd, events, max, timeout, mask);

	stk_view_set_mask(believed);
	return r;
}

LIBSTACK_API int STK_NAME(execve)(const char *path, char *const argv[], char *const envp[])
{
	uint64_t opened = stk_view_make_true();
	int r = STK_REAL(execve)(path, argv, envp);

	stk_view_make_believe(opened);
	return r;
}

LIBSTACK_API int STK_NAME(fexecve)(int fd, char *const argv[], char *const envp[])
{
	uint64_t opened = stk_view_make_true();
	int r = STK_REAL(fexecve)(fd, argv, envp);

	stk_view_make_believe(opened);
	return r;
}

LIBSTACK_API int STK_NAME(execvpe)(const char *file, char *const argv[], char *const envp[])
{
	uint64_t opened = stk_view_make_true();
	int r = STK_REAL(execvpe)(file, argv, envp);

	stk_view_make_believe(opened);
	return r;
}

LIBSTACK_API int STK_NAME(execv)(const char *path, char *const argv[])
{
	return STK_NAME(execve)(path, argv, environ);
}

LIBSTACK_API int STK_NAME(execvp)(const char *file, char *const argv[])
{
	return STK_NAME(execvpe)(file, argv, environ);
}

/* The arguments of execl and its kin, up to NULL, as an array on the caller's stack; `ap` then
 * stands at what follows. */
#define GATHER(argv, first, ap)                                                                    \
	do {                                                                                       \
		size_t n_ = 1;                                                                     \
		va_list count_;                                                                    \
		va_copy(count_, ap);                                                               \
		while (va_arg(count_, char *))                                                     \
			n_++;                                                                      \
		va_end(count_);                                                                    \
		(argv) = alloca((n_ + 1) * sizeof(char *));                                        \
		(argv)[0] = (char *)(uintptr_t)(first);                                            \
		for (size_t i_ = 1; i_ <= n_; i_++)                                                \
			(argv)[i_] = va_arg(ap, char *);                                           \
	} while (0)

LIBSTACK_API int STK_NAME(execl)(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	GATHER(argv, arg, ap);
	va_end(ap);
	return STK_NAME(execve)(path, argv, environ);
}

LIBSTACK_API int STK_NAME(execlp)(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	GATHER(argv, arg, ap);
	va_end(ap);
	return STK_NAME(execvpe)(file, argv, environ);
}

LIBSTACK_API int STK_NAME(execle)(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	GATHER(argv, arg, ap);
	char *const *envp = va_arg(ap, char **);
	va_end(ap);
	return STK_NAME(execve)(path, argv, envp);
}

static uint64_t begin_spawn(void)
{
	stk_view_spawn(1);
	return stk_view_make_true();
}

static void end_spawn(uint64_t opened)
{
	stk_view_make_believe(opened);
	stk_view_spawn(-1);
}

LIBSTACK_API int STK_NAME(posix_spawn)(pid_t *restrict pid, const char *restrict path,
				       const posix_spawn_file_actions_t *restrict actions,
				       const posix_spawnattr_t *restrict attr,
				       char *const argv[restrict], char *const envp[restrict])
{
	uint64_t opened = begin_spawn();
	int r = STK_REAL(posix_spawn)(pid, path, actions, attr, argv, envp);

	end_spawn(opened);
	return r;
}

LIBSTACK_API int STK_NAME(posix_spawnp)(pid_t *restrict pid, const char *restrict file,
					const posix_spawn_file_actions_t *restrict actions,
					const posix_spawnattr_t *restrict attr,
					char *const argv[restrict], char *const envp[restrict])
{
	uint64_t opened = begin_spawn();
	int r = STK_REAL(posix_spawnp)(pid, file, actions, attr, argv, envp);

	end_spawn(opened);
	return r;
}

LIBSTACK_API int STK_NAME(system)(const char *command)
{
	uint64_t opened = begin_spawn();
	int r = STK_REAL(system)(command);

	end_spawn(opened);
	return r;
}

LIBSTACK_API FILE *STK_NAME(popen)(const char *command, const char *mode)
{
	uint64_t opened = begin_spawn();
	FILE *f = STK_REAL(popen)(command, mode);

	end_spawn(opened);
	return f;
}
