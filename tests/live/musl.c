/*
 * A program of another libc, preloaded all the same: `musl` prints what its signal, thread and
 * process functions do; `musl crash` ends by a fault.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t calls;
static sigjmp_buf back;

static void on_signal(int sig)
{
	(void)sig;
	calls++;
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void *thread(void *arg)
{
	sigset_t s;

	pthread_sigmask(SIG_BLOCK, NULL, &s);
	printf("thread %s, SEGV blocked %d\n", (const char *)arg, sigismember(&s, SIGSEGV));
	return NULL;
}

static int c11(void *arg)
{
	thread(arg);
	return 4;
}

static void signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	sigset_t s, was;

	printf("sigaction %d", sigaction(SIGSEGV, &sa, &old));
	printf(" was default %d\n", old.sa_handler == SIG_DFL);
	sigemptyset(&s);
	sigaddset(&s, SIGSEGV);
	sigprocmask(SIG_BLOCK, &s, &was);
	raise(SIGSEGV);
	printf("blocked: calls %d\n", (int)calls);
	struct timespec zero = {0};
	sigemptyset(&s);
	printf("ppoll %d errno %d", ppoll(NULL, 0, &zero, &s), errno);
	printf(" calls %d\n", (int)calls);
	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(back, 1)) {
		sigprocmask(SIG_SETMASK, &was, NULL);
		*(volatile int *)16 = 1;
	}
	sigprocmask(SIG_SETMASK, NULL, &s);
	printf("jumped, SEGV blocked %d\n", sigismember(&s, SIGSEGV));
	signal(SIGSEGV, SIG_DFL);
}

static void threads(void)
{
	pthread_attr_t attr;
	pthread_t t;
	thrd_t c;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_create(&t, &attr, thread, "with attributes");
	pthread_join(t, NULL);
	thrd_create(&c, c11, "of C11");
	thrd_join(c, &r);
	printf("thrd_join %d\n", r);
}

static void processes(void)
{
	char *argv[] = {"sh", "-c", "exit 5", NULL};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	printf("posix_spawn %d", posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
	printf(" waitpid %d", waitpid(pid, &status, __WALL) == pid);
	printf(" status %x\n", status);
	printf("system %x\n", system("exit 6"));
	fflush(stdout);
	if (!(pid = fork()))
		execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
	printf("wait4 %d", wait4(pid, &status, 0, NULL) == pid);
	printf(" status %x\n", status);
	stack_t ss;
	printf("sigaltstack %d", sigaltstack(NULL, &ss));
	printf(" flags %x\n", (unsigned)ss.ss_flags);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "crash"))
		*(volatile int *)16 = 1;
	signals();
	threads();
	processes();
	return 3;
}
