/* Whether the library stands before libc's functions: what the program sees of its signals, and
 * what its threads have. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

static void show(const char *what, int sig)
{
	struct sigaction sa;

	sigaction(sig, NULL, &sa);
	printf("%s %s\n", what, sa.sa_handler == SIG_DFL ? "default" : "a handler");
}

static void mine(int sig)
{
	(void)sig;
}

static int has_altstack(void)
{
	stack_t ss;

	/* The library does not show its own to the program: ask the kernel. */
	return !syscall(SYS_sigaltstack, NULL, &ss) && !(ss.ss_flags & SS_DISABLE);
}

static void *posix(void *arg)
{
	printf("pthread_create %d\n", has_altstack());
	return arg;
}

static int c11(void *arg)
{
	(void)arg;
	printf("thrd_create %d\n", has_altstack());
	return 0;
}

int main(void)
{
	sigset_t set, old;
	pthread_t p;
	thrd_t t;

	show("SEGV", SIGSEGV);
	printf("signal %s\n", signal(SIGSEGV, mine) == SIG_DFL ? "default" : "a handler");
	show("then", SIGSEGV);
	printf("sysv_signal %s\n", sysv_signal(SIGSEGV, SIG_DFL) == mine ? "ours" : "another");
	show("then", SIGSEGV);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &old);
	printf("BUS blocked %d\n", sigismember(&old, SIGBUS));
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	pthread_create(&p, NULL, posix, NULL);
	pthread_join(p, NULL);
	thrd_create(&t, c11, NULL);
	thrd_join(t, NULL);
	return 0;
}
