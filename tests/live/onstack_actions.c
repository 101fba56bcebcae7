/* Actions: what is shown of them, that change while signals arrive, and that are for one time. */
#include "onstack.h"

static void on_first(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
}

static _Atomic int first, second;

static void on_count_first(int sig, siginfo_t *si, void *uc)
{
	first += sig == SIGUSR1 && si->si_signo == sig && uc && on_own_stack(&sig);
}

static void on_count_second(int sig)
{
	second += sig == SIGUSR1 && on_own_stack(&sig);
}

static void show(const char *what, int sig)
{
	struct sigaction sa;

	sigaction(sig, NULL, &sa);
	printf("%s %d: %s flags %x mask %lx restorer %d\n", what, sig,
	       sa.sa_handler == SIG_DFL                           ? "DFL"
	       : sa.sa_handler == SIG_IGN                         ? "IGN"
	       : sa.sa_sigaction == on_first                      ? "first"
	       : sa.sa_handler == (__sighandler_t)on_count_second ? "second"
								  : "OTHER",
	       sa.sa_flags, *(unsigned long *)&sa.sa_mask, !!sa.sa_restorer);
}

/* More kinds of actions than anybody has. */
static void shown(void)
{
	for (int i = 0; i < 400; i++) {
		struct sigaction sa = {.sa_sigaction = on_first,
				       .sa_flags = SA_ONSTACK | (i & 1 ? SA_SIGINFO : 0) |
						   (i & 2 ? SA_RESTART : 0) |
						   (i & 4 ? SA_NODEFER : 0)};
		*(unsigned long *)&sa.sa_mask = (unsigned long)i << 3 | SIGUSR2;
		sigaction(i % 3 ? SIGSEGV : SIGUSR1, &sa, NULL);
		show("set", i % 3 ? SIGSEGV : SIGUSR1);
		raise(SIGUSR1 * (i % 3 == 0));
	}
	signal(SIGUSR1, SIG_IGN);
	show("ignored", SIGUSR1);
	signal(SIGSEGV, SIG_DFL);
	show("default", SIGSEGV);
}

/* siginterrupt(3) reads an action and sets it again. */
static void read_and_set(void)
{
	on(SIGUSR1, on_first, SA_RESTART);
	printf("%d\n", siginterrupt(SIGUSR1, 1));
	show("interrupting", SIGUSR1);
	printf("%d\n", siginterrupt(SIGUSR1, 0));
	show("restarting", SIGUSR1);
	raise(SIGUSR1);
}

static volatile int done;

static void *toggle(void *p)
{
	struct sigaction a = {.sa_sigaction = on_count_first, .sa_flags = SA_SIGINFO | SA_ONSTACK},
			 b = {.sa_handler = on_count_second, .sa_flags = SA_ONSTACK | SA_NODEFER};

	sigaddset(&b.sa_mask, SIGTERM);
	while (!done) {
		sigaction(SIGUSR1, &b, NULL);
		sigaction(SIGUSR1, &a, NULL);
	}
	return p;
}

static void racing(void)
{
	pthread_t t;

	on(SIGUSR1, on_count_first, 0);
	pthread_create(&t, NULL, toggle, NULL);
	for (int i = 0; i < 10000; i++)
		raise(SIGUSR1);
	done = 1;
	pthread_join(t, NULL);
	printf("both together %d\n", first + second);
}

/* What a child that shares the memory does with its actions is its own affair. */
static void vforked(void)
{
	int status;

	on(SIGUSR1, on_count_first, 0);
	pid_t pid = vfork();
	if (pid == 0) {
		struct sigaction sa = {.sa_handler = on_count_second, .sa_flags = SA_ONSTACK};
		for (int i = 0; i < 200; i++) {
			*(unsigned long *)&sa.sa_mask = (unsigned long)i << 8;
			sigaction(SIGUSR1, &sa, NULL);
		}
		signal(SIGUSR1, SIG_DFL);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	raise(SIGUSR1);
	printf("child %x, first %d second %d\n", status, first, second);
}

static void on_fork(int sig, siginfo_t *si, void *uc)
{
	int status;

	(void)si, (void)uc;
	pid_t pid = fork();
	if (pid == 0) {
		use(500);
		_exit(on_own_stack(&sig) ? 5 : 6);
	}
	waitpid(pid, &status, 0);
	printf("child %x\n", status);
}

static void forks(void)
{
	on(SIGUSR1, on_fork, 0);
	raise(SIGUSR1);
}

/* Who reads the action by the system call, and hands the signal on to what was there. */
struct kernels {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};
static struct kernels before;

static void on_chain(int sig, siginfo_t *si, void *uc)
{
	before.handler(sig, si, uc);
	printf("handed on, first %d second %d\n", first, second);
}

static void on_chained(int sig, siginfo_t *si, void *uc)
{
	first += sig == SIGUSR1 && si->si_signo == sig && uc;
}

static void chained(void)
{
	struct kernels mine;

	on(SIGUSR1, on_chained, SA_NODEFER);
	syscall(SYS_rt_sigaction, SIGUSR1, NULL, &before, 8);
	mine = before;
	mine.handler = on_chain;
	syscall(SYS_rt_sigaction, SIGUSR1, &mine, NULL, 8);
	raise(SIGUSR1);
	raise(SIGUSR1);
	show("chained", SIGUSR1 + 2);
}

/* --- for one time --- */

static void on_once(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	printf("once %d code %d own stack %d\n", sig, si->si_code, on_own_stack(&sig));
	show("meanwhile", sig);
	fflush(stdout);
}

static void once_fault(void)
{
	on(SIGSEGV, on_once, (int)SA_RESETHAND);
	*(volatile int *)24 = 1;
	printf("not reached\n");
}

static void once_raise(void)
{
	struct sigaction sa = {.sa_sigaction = on_once, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};

	sigaddset(&sa.sa_mask, SIGTERM);
	sigaction(SIGFPE, &sa, NULL);
	raise(SIGFPE);
	show("after", SIGFPE);
	raise(SIGFPE);
	printf("not reached\n");
}

/* A handler that makes itself the next one. */
static void on_renew(int sig, siginfo_t *si, void *uc)
{
	(void)si, (void)uc;
	on(sig, on_once, (int)SA_RESETHAND);
	printf("renewed\n");
	fflush(stdout);
}

static void once_renewed(void)
{
	on(SIGQUIT, on_renew, (int)SA_RESETHAND);
	raise(SIGQUIT);
	raise(SIGQUIT);
	show("after", SIGQUIT);
	raise(SIGQUIT);
	printf("not reached\n");
}

/* A signal that libstack does not handle. */
static void once_other(void)
{
	on(SIGUSR2, on_once, (int)SA_RESETHAND);
	raise(SIGUSR2);
	show("after", SIGUSR2);
	raise(SIGUSR2);
	printf("not reached\n");
}

/* A stack of the program's own is used as it was given. */
static char given[65536];

static void on_given(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	(void)si;
	printf("given %d %d size %zu\n", (char *)&sig > given && (char *)&sig < given + 65536,
	       uc->uc_stack.ss_sp == given, uc->uc_stack.ss_size);
}

static void own_stack(void)
{
	stack_t ss = {.ss_sp = given, .ss_size = sizeof(given)}, off = {.ss_flags = SS_DISABLE};

	on(SIGUSR1, on_given, 0);
	sigaltstack(&ss, NULL);
	raise(SIGUSR1);
	sigaltstack(&off, NULL);
	raise(SIGUSR1);
}

void actions(void)
{
	child("shown", shown);
	child("read_and_set", read_and_set);
	child("racing", racing);
	child("vforked", vforked);
	child("forks", forks);
	child("chained", chained);
	child("once_fault", once_fault);
	child("once_raise", once_raise);
	child("once_renewed", once_renewed);
	child("once_other", once_other);
	child("own_stack", own_stack);
}
