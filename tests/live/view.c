/*
 * A long sequence of signal calls, with every result printed: the output must be the same with
 * libstack and without. `view exec` prints the mask and the actions it was started with.
 */
#include "view.h"
#include <dlfcn.h>

char self[4096];

static const int numbers[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT,
			      SIGSYS,  SIGTRAP, SIGQUIT, SIGUSR1, SIGKILL};
#define N (sizeof(numbers) / sizeof(*numbers))

volatile sig_atomic_t calls, last;
sigjmp_buf back;

void on_signal(int sig)
{
	calls++;
	last = sig;
}

static void on_info(int sig, siginfo_t *si, void *uc)
{
	calls += si->si_signo == sig && uc;
	last = sig;
}

void on_fault(int sig)
{
	last = sig;
	siglongjmp(back, 1);
}

const char *word(handler_t h)
{
	return h == SIG_DFL                      ? "DFL"
	       : h == SIG_IGN                    ? "IGN"
	       : h == SIG_ERR                    ? "ERR"
	       : h == SIG_HOLD                   ? "HOLD"
	       : h == on_signal                  ? "on_signal"
	       : h == on_fault                   ? "on_fault"
	       : h == (handler_t)(void *)on_info ? "on_info"
						 : "OTHER";
}

unsigned long bits(const sigset_t *s)
{
	unsigned long v = 0;

	for (int i = 1; i < 65; i++)
		v |= sigismember(s, i) == 1 ? 1UL << (i - 1) : 0;
	return v;
}

void show(const char *what, int sig, int r, int e, const struct sigaction *sa)
{
	printf("%s %d: %d errno %d %s flags %x mask %lx restorer %d\n", what, sig, r, r ? e : 0,
	       word(sa->sa_handler), sa->sa_flags, bits(&sa->sa_mask), !!sa->sa_restorer);
}

static void query(const char *what)
{
	for (unsigned i = 0; i < N; i++) {
		struct sigaction sa;
		memset(&sa, 0x55, sizeof(sa));
		int r = sigaction(numbers[i], NULL, &sa);
		show(what, numbers[i], r, errno, &sa);
	}
}

unsigned long mask(void)
{
	sigset_t s;

	sigemptyset(&s);
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	return bits(&s);
}

sigset_t set_of(int a, int b, int c)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	if (c)
		sigaddset(&s, c);
	return s;
}

int pending(void)
{
	sigset_t s;

	sigpending(&s);
	return (int)bits(&s);
}

void child(const char *name, void (*fn)(void))
{
	int status = 0;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(20);
		fn();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("%s: status %x\n", name, status & ~0x80);
}

void block(int sig)
{
	sigset_t s = set_of(sig, 0, 0);

	pthread_sigmask(SIG_BLOCK, &s, NULL);
}

void unblock(int sig)
{
	sigset_t s = set_of(sig, 0, 0);

	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
}

static void actions(void)
{
	static const int flags[] = {0, SA_RESTART, SA_ONSTACK | SA_NODEFER, (int)SA_RESETHAND,
				    SA_NOCLDSTOP | 0x00000400 | 0x20000000};

	query("at start");
	for (unsigned i = 0; i < N; i++)
		for (unsigned f = 0; f < sizeof(flags) / sizeof(*flags); f++)
			for (int h = 0; h < 4; h++) {
				struct sigaction sa = {.sa_flags = flags[f]}, old;
				if (h == 3)
					sa.sa_sigaction = on_info, sa.sa_flags |= SA_SIGINFO;
				else
					sa.sa_handler = h == 0   ? SIG_DFL
							: h == 1 ? SIG_IGN
								 : on_signal;
				if (f & 1)
					sigfillset(&sa.sa_mask);
				else
					sa.sa_mask = set_of(SIGSEGV, SIGUSR2, SIGQUIT);
				memset(&old, 0x55, sizeof(old));
				int r = sigaction(numbers[i], &sa, &old);
				show("set", numbers[i], r, errno, &old);
			}
	query("after actions");
	printf("bad %d %d %d %d %d\n", sigaction(0, NULL, NULL), sigaction(-1, NULL, NULL),
	       sigaction(65, NULL, NULL), sigaction(64, NULL, NULL), sigaction(32, NULL, NULL));
	/* In and out are the same object. */
	struct sigaction same = {.sa_handler = SIG_DFL};
	sigaction(SIGSEGV, &same, &same);
	show("same", SIGSEGV, 0, 0, &same);
	for (unsigned i = 0; i < N; i++)
		signal(numbers[i], SIG_DFL);
	query("after signal DFL");
}

static void one(const char *name, handler_t (*f)(int, handler_t))
{
	for (unsigned i = 0; i < N; i++) {
		printf("%s %d: %s", name, numbers[i], word(f(numbers[i], SIG_IGN)));
		printf(" %s", word(f(numbers[i], on_signal)));
		printf(" %s", word(f(numbers[i], on_signal)));
		struct sigaction sa;
		if (!sigaction(numbers[i], NULL, &sa))
			show("", numbers[i], 0, 0, &sa);
		printf("%s %d: %s\n", name, numbers[i], word(f(numbers[i], SIG_DFL)));
		printf("%s %d: %s\n", name, numbers[i], word(f(numbers[i], SIG_DFL)));
		if (!sigaction(numbers[i], NULL, &sa))
			show("", numbers[i], 0, 0, &sa);
	}
	for (int bad = -1; bad < 70; bad++)
		if (bad < 1 || bad == 32 || bad == 33 || bad > 63) {
			handler_t h = f(bad, SIG_DFL);
			printf("%s bad %d: %s errno %d\n", name, bad, word(h),
			       h == SIG_ERR ? errno : 0);
		}
	handler_t h = f(SIGSEGV, SIG_ERR);
	printf("%s ERR: %s\n", name, word(h));
	signal(SIGSEGV, SIG_DFL);
}

static handler_t interrupting(int sig, handler_t h)
{
	printf("siginterrupt %d\n", siginterrupt(sig, 1));
	return signal(sig, h);
}

static handler_t restarting(int sig, handler_t h)
{
	printf("siginterrupt %d\n", siginterrupt(sig, 0));
	return signal(sig, h);
}

/* siggetmask(3) as the loader binds it: the linker warns of its name. */
static unsigned get_mask(void)
{
	int (*fn)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "siggetmask");

	return (unsigned)fn();
}

static void kin(void)
{
	one("signal", signal);
	one("bsd_signal", bsd_signal);
	one("sysv_signal", sysv_signal);
	one("sigset", sigset);
	one("interrupting", interrupting);
	one("restarting", restarting);
	printf("sigset HOLD %s mask %lx\n", word(sigset(SIGSEGV, SIG_HOLD)), mask());
	printf("sigset HOLD %s mask %lx\n", word(sigset(SIGSEGV, SIG_HOLD)), mask());
	printf("sigset fn %s mask %lx\n", word(sigset(SIGSEGV, on_signal)), mask());
	printf("sigset DFL %s mask %lx\n", word(sigset(SIGSEGV, SIG_DFL)), mask());
	printf("sighold %d mask %lx\n", sighold(SIGSEGV), mask());
	printf("sighold %d mask %lx\n", sighold(SIGUSR1), mask());
	printf("sigrelse %d mask %lx\n", sigrelse(SIGSEGV), mask());
	printf("sigrelse %d mask %lx\n", sigrelse(SIGUSR1), mask());
	printf("sigignore %d %s\n", sigignore(SIGBUS), word(signal(SIGBUS, SIG_DFL)));
	printf("sigblock %x", sigblock(1 << (SIGSEGV - 1) | 1 << (SIGUSR2 - 1)));
	printf(" mask %lx %x\n", mask(), get_mask());
	printf("sigsetmask %x", sigsetmask(1 << (SIGBUS - 1)));
	printf(" mask %lx %x\n", mask(), get_mask());
	printf("sigsetmask %x", sigsetmask(0));
	printf(" mask %lx\n", mask());
}

static void masks(void)
{
	sigset_t all, none, some = set_of(SIGSEGV, SIGUSR1, SIGTRAP), old;

	sigfillset(&all);
	sigemptyset(&none);
	printf("start %lx\n", mask());
	for (int how = -1; how < 4; how++) {
		int r, e;
		memset(&old, 0, sizeof(old));
		r = sigprocmask(how, &some, &old);
		e = r ? errno : 0;
		printf("sigprocmask %d: %d %d old %lx now %lx\n", how, r, e, r ? 0 : bits(&old),
		       mask());
		memset(&old, 0, sizeof(old));
		r = pthread_sigmask(how, &all, &old);
		printf("pthread_sigmask %d: %d old %lx now %lx\n", how, r, r ? 0 : bits(&old),
		       mask());
		r = pthread_sigmask(SIG_SETMASK, &none, &old);
		printf("none: %d old %lx now %lx\n", r, bits(&old), mask());
	}
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	pthread_sigmask(SIG_UNBLOCK, &some, &some);
	printf("same object %lx now %lx\n", bits(&some), mask());
}

static void started(void)
{
	printf("started mask %lx", mask());
	for (unsigned i = 0; i < N; i++) {
		struct sigaction sa;
		sigaction(numbers[i], NULL, &sa);
		printf(" %s", word(sa.sa_handler));
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (argc > 1 && !strcmp(argv[1], "exec")) {
		started();
		return 0;
	}
	if (!realpath(argv[0], self))
		return 1;
	started();
	child("actions", actions);
	child("kin", kin);
	child("masks", masks);
	delivery();
	inheritance();
	children();
	return 0;
}
