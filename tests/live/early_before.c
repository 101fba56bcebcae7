/*
 * Stands before functions of libc, as libfakeroot and the runtimes of the sanitizers do: there is
 * nothing behind them until its constructor has run.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <sys/stat.h>

static int (*next_fstat)(int, struct stat *);
static int (*next_sigaction)(int, const struct sigaction *, struct sigaction *);

int fstat(int fd, struct stat *st)
{
	return next_fstat(fd, st);
}

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return next_sigaction(sig, act, old);
}

__attribute__((constructor)) static void start(void)
{
	*(void **)&next_fstat = dlsym(RTLD_NEXT, "fstat");
	*(void **)&next_sigaction = dlsym(RTLD_NEXT, "sigaction");
}
