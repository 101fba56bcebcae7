/*
 * Children that share the program's memory (vfork(2), clone(2) with CLONE_VM): what they set is
 * theirs, and the program's own signals are as they were. What a child prints lies in the buffer
 * that it shares.
 */
#include "view.h"
#include <sched.h>

static char stack[65536] __attribute__((aligned(16)));

static void shared(const char *name, int (*fn)(void *))
{
	int status = 0;

	fflush(stdout);
	pid_t pid = clone(fn, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	waitpid(pid, &status, 0);
	printf("%s: status %x\n", name, status & ~0x80);
}

static void queried(const char *what)
{
	static const int signals[] = {SIGSEGV, SIGFPE, SIGQUIT, SIGUSR1};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct sigaction sa;
		int r = sigaction(signals[i], NULL, &sa);
		show(what, signals[i], r, errno, &sa);
	}
	printf("%s mask %lx pending %x\n", what, mask(), pending());
}

static void exec_self(void)
{
	fflush(stdout);
	execl(self, "view", "exec", (char *)NULL);
	_exit(1);
}

/* What uv_spawn does of libuv. */
static int resets_all(void *arg)
{
	sigset_t none;

	(void)arg;
	queried("child at first");
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	queried("child with all reset");
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	queried("child with its mask open");
	exec_self();
	return 0;
}

static int ignores(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGFPE, on_fault);
	block(SIGILL);
	queried("child that ignores");
	exec_self();
	return 0;
}

static int execs_only(void *arg)
{
	(void)arg;
	exec_self();
	return 0;
}

/* It blocks SIGFPE as the program did: the signal waits, in the child alone. */
static int sends_itself(void *arg)
{
	(void)arg;
	kill(getpid(), SIGFPE);
	printf("child pending %x mask %lx\n", pending(), mask());
	fflush(stdout);
	unblock(SIGFPE);
	printf("not reached\n");
	return 0;
}

/* A copy of a child that has opened its mask: a process of its own. */
static int forks(void *arg)
{
	(void)arg;
	unblock(SIGFPE);
	block(SIGILL);
	signal(SIGBUS, SIG_IGN);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		queried("copy");
		block(SIGFPE);
		kill(getpid(), SIGFPE);
		queried("copy that blocks");
		fflush(stdout);
		unblock(SIGFPE);
		_exit(7);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	printf("copy: status %x\n", status & ~0x80);
	queried("child that forked");
	_exit(0);
}

static int jumps_back(void *arg)
{
	sigjmp_buf here;

	(void)arg;
	if (!sigsetjmp(here, 1)) {
		unblock(SIGFPE);
		siglongjmp(here, 1);
	}
	queried("child that jumped");
	_exit(0);
}

static int suspends(void *arg)
{
	sigset_t none;
	struct timespec zero = {0};

	(void)arg;
	sigemptyset(&none);
	printf("ppoll %d\n", ppoll(NULL, 0, &zero, &none));
	queried("child that waited");
	_exit(0);
}

static void with(const char *name, int (*fn)(void *))
{
	sigset_t s = set_of(SIGFPE, 0, 0);
	int sig = 0;

	calls = 0;
	shared(name, fn);
	queried("parent");
	kill(getpid(), SIGFPE);
	printf("parent pending %x", pending());
	sigwait(&s, &sig);
	printf(" waited %d\n", sig);
	raise(SIGSEGV);
	printf("parent calls %d\n", calls);
	block(SIGSEGV);
	raise(SIGSEGV);
	printf("parent calls %d pending %x\n", calls, pending());
	unblock(SIGSEGV);
	printf("parent calls %d pending %x\n", calls, pending());
}

static void all_children(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sa.sa_mask = set_of(SIGFPE, SIGILL, SIGUSR2);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	block(SIGFPE);
	with("resets_all", resets_all);
	with("ignores", ignores);
	with("execs_only", execs_only);
	with("sends_itself", sends_itself);
	with("forks", forks);
	with("jumps_back", jumps_back);
	with("suspends", suspends);
}

static void by_vfork(void)
{
	int status;

	block(SIGFPE);
	fflush(stdout);
	pid_t pid = vfork();
	if (!pid)
		ignores(NULL);
	waitpid(pid, &status, 0);
	printf("vfork: status %x\n", status);
	queried("parent");
}

/* The program's own signals after that: it ends as it would. */
static void ends_all_the_same(void)
{
	by_vfork();
	fflush(stdout);
	raise(SIGSEGV);
}

void children(void)
{
	child("all_children", all_children);
	child("by_vfork", by_vfork);
	child("ends_all_the_same", ends_all_the_same);
}
