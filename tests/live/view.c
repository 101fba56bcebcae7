/*
 * A long sequence of signal calls, with every result printed: the output must be the same with
 * libstack and without. `view exec` prints the mask and the actions it was started with.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>

typedef void (*handler_t)(int);
extern handler_t bsd_signal(int, handler_t);
extern handler_t sysv_signal(int, handler_t);

static const int numbers[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT,
			      SIGSYS,  SIGTRAP, SIGQUIT, SIGUSR1, SIGKILL};
#define N (sizeof(numbers) / sizeof(*numbers))

static volatile sig_atomic_t calls, last, restored;
static sigjmp_buf back;

static void on_signal(int sig)
{
	calls++;
	last = sig;
}

static void on_info(int sig, siginfo_t *si, void *uc)
{
	calls += si->si_signo == sig && uc;
	last = sig;
}

static void on_fault(int sig)
{
	last = sig;
	siglongjmp(back, 1);
}

static const char *word(handler_t h)
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

static unsigned long bits(const sigset_t *s)
{
	unsigned long v = 0;

	for (int i = 1; i < 65; i++)
		v |= sigismember(s, i) == 1 ? 1UL << (i - 1) : 0;
	return v;
}

static void show(const char *what, int sig, int r, int e, const struct sigaction *sa)
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

static unsigned long mask(void)
{
	sigset_t s;

	sigemptyset(&s);
	pthread_sigmask(SIG_BLOCK, NULL, &s);
	return bits(&s);
}

static sigset_t set_of(int a, int b, int c)
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
	printf(" mask %lx %x\n", mask(), siggetmask());
	printf("sigsetmask %x", sigsetmask(1 << (SIGBUS - 1)));
	printf(" mask %lx %x\n", mask(), siggetmask());
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

static int pending(void)
{
	sigset_t s;

	sigpending(&s);
	return (int)bits(&s);
}

/* Each in a child: how it ends says whether the signal came through. */
static void child(const char *name, void (*fn)(void))
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

static void block(int sig)
{
	sigset_t s = set_of(sig, 0, 0);

	pthread_sigmask(SIG_BLOCK, &s, NULL);
}

static void unblock(int sig)
{
	sigset_t s = set_of(sig, 0, 0);

	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
}

static void blocked_kill(void)
{
	block(SIGSEGV);
	kill(getpid(), SIGSEGV);
	printf("pending %x mask %lx\n", pending(), mask());
	raise(SIGSEGV);
	printf("pending %x mask %lx\n", pending(), mask());
	fflush(stdout);
	unblock(SIGSEGV);
	printf("not reached\n");
}

static void wait_for(void)
{
	static const int six[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

	for (unsigned i = 0; i < 6; i++) {
		sigset_t s = set_of(six[i], 0, 0);
		struct timespec zero = {0};
		siginfo_t si;
		int sig = 0;
		block(six[i]);
		printf("none %d %d\n", sigtimedwait(&s, &si, &zero), errno);
		kill(getpid(), six[i]);
		printf("sigwait %d", sigwait(&s, &sig));
		printf(" %d pending %x\n", sig, pending());
		sigqueue(getpid(), six[i], (union sigval){.sival_int = 77});
		int r = sigtimedwait(&s, &si, &zero);
		printf("sigtimedwait %d code %d value %d self %d\n", r, si.si_code,
		       si.si_value.sival_int, si.si_pid == getpid());
		raise(six[i]);
		r = sigwaitinfo(&s, &si);
		printf("sigwaitinfo %d code %d pending %x mask %lx\n", r, si.si_code, pending(),
		       mask());
	}
}

/* A child of ours sends, while we wait. */
static void send_later(int sig)
{
	pid_t parent = getpid();

	if (fork() == 0) {
		usleep(30000);
		kill(parent, sig);
		_exit(0);
	}
}

static void wait_before(void)
{
	sigset_t s = set_of(SIGSEGV, SIGFPE, 0);
	siginfo_t si;

	pthread_sigmask(SIG_BLOCK, &s, NULL);
	send_later(SIGFPE);
	int r = sigwaitinfo(&s, &si);
	printf("waiting: %d code %d\n", r, si.si_code);
}

static void by_descriptor(void)
{
	sigset_t s = set_of(SIGSEGV, SIGUSR1, 0);
	struct signalfd_siginfo si;

	pthread_sigmask(SIG_BLOCK, &s, NULL);
	int fd = signalfd(-1, &s, SFD_CLOEXEC);
	send_later(SIGSEGV);
	struct pollfd p = {fd, POLLIN, 0};
	int r = poll(&p, 1, 10000);
	printf("poll %d errno %d\n", r, r < 0 ? errno : 0);
	r = (int)read(fd, &si, sizeof(si));
	printf("signalfd %d sig %u code %d\n", r, si.ssi_signo, si.ssi_code);
	close(fd);
}

static void ignored_pending(void)
{
	block(SIGBUS);
	kill(getpid(), SIGBUS);
	signal(SIGBUS, SIG_IGN);
	printf("discarded %x\n", pending());
	signal(SIGBUS, on_signal);
	kill(getpid(), SIGBUS);
	printf("calls %d pending %x\n", calls, pending());
	unblock(SIGBUS);
	printf("calls %d last %d\n", calls, last);
}

static void suspend_blocked(void)
{
	sigset_t s = set_of(SIGSEGV, 0, 0);

	signal(SIGUSR1, on_signal);
	kill(getpid(), SIGUSR2 * 0);
	block(SIGUSR1);
	kill(getpid(), SIGUSR1);
	send_later(SIGSEGV);
	int r = sigsuspend(&s);
	printf("sigsuspend %d errno %d last %d mask %lx\n", r, errno, last, mask());
}

static void suspend_open(void)
{
	sigset_t s;

	sigemptyset(&s);
	block(SIGSEGV);
	kill(getpid(), SIGSEGV);
	fflush(stdout);
	sigsuspend(&s);
	printf("not reached\n");
}

static void suspend_handler(void)
{
	sigset_t s;

	sigemptyset(&s);
	block(SIGFPE);
	signal(SIGFPE, on_signal);
	kill(getpid(), SIGFPE);
	int r = sigsuspend(&s);
	printf("sigsuspend %d errno %d last %d mask %lx pending %x\n", r, errno, last, mask(),
	       pending());
}

static void ppoll_open(void)
{
	struct timespec second = {5, 0};
	sigset_t s;

	sigemptyset(&s);
	block(SIGSEGV);
	send_later(SIGSEGV);
	fflush(stdout);
	printf("not reached: ppoll %d\n", ppoll(NULL, 0, &second, &s));
}

static void ppoll_blocked(void)
{
	struct timespec little = {0, 100000000};
	sigset_t s = set_of(SIGSEGV, 0, 0);

	send_later(SIGSEGV);
	int r = ppoll(NULL, 0, &little, &s);
	fflush(stdout);
	printf("not reached: ppoll %d %d\n", r, errno);
}

static void pselect_open(void)
{
	struct timespec second = {5, 0};
	sigset_t s;

	sigemptyset(&s);
	block(SIGSEGV);
	send_later(SIGSEGV);
	fflush(stdout);
	printf("not reached: pselect %d\n", pselect(0, NULL, NULL, NULL, &second, &s));
}

static void epoll_open(void)
{
	struct epoll_event e;
	sigset_t s;

	sigemptyset(&s);
	block(SIGSEGV);
	send_later(SIGSEGV);
	fflush(stdout);
	printf("not reached: epoll_pwait %d\n", epoll_pwait(epoll_create1(0), &e, 1, 5000, &s));
}

static void epoll2_open(void)
{
	struct timespec second = {5, 0};
	struct epoll_event e;
	sigset_t s;

	sigemptyset(&s);
	block(SIGSEGV);
	send_later(SIGSEGV);
	fflush(stdout);
	printf("not reached: epoll_pwait2 %d\n",
	       epoll_pwait2(epoll_create1(0), &e, 1, &second, &s));
}

static void poll_undisturbed(void)
{
	block(SIGSEGV);
	send_later(SIGSEGV);
	int r = poll(NULL, 0, 100);
	printf("poll %d pending %x\n", r, pending());
	send_later(SIGSEGV);
	struct timespec ts = {0, 100000000};
	r = nanosleep(&ts, NULL);
	printf("nanosleep %d\n", r);
}

static void jumps(void)
{
	signal(SIGSEGV, on_fault);
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(back, 1))
			*(volatile int *)8 = 1;
		printf("fault %d last %d mask %lx\n", i, last, mask());
	}
	signal(SIGUSR1, on_fault);
	block(SIGBUS);
	if (!sigsetjmp(back, 1)) {
		unblock(SIGBUS);
		block(SIGFPE);
		printf("before the jump %lx\n", mask());
		raise(SIGUSR1);
	}
	printf("after the jump %lx\n", mask());
	if (!sigsetjmp(back, 0)) {
		unblock(SIGBUS);
		raise(SIGUSR1);
	}
	printf("after the jump without mask %lx\n", mask());
	jmp_buf plain;
	if (!setjmp(plain)) {
		block(SIGILL);
		longjmp(plain, 1);
	}
	printf("after longjmp %lx\n", mask());
}

static void on_mask(int sig)
{
	sigset_t s = set_of(SIGUSR2, 0, 0), old;

	(void)sig;
	pthread_sigmask(SIG_BLOCK, &s, &old);
	printf("in the handler %lx", bits(&old));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	printf(" %lx\n", mask());
}

static void in_handler(void)
{
	signal(SIGSEGV, on_mask);
	raise(SIGSEGV);
	printf("behind it %lx\n", mask());
	raise(SIGSEGV);
	printf("behind it %lx\n", mask());
}

static void flags_at_work(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGFPE, &sa, NULL);
	raise(SIGFPE);
	printf("reset %d", calls);
	sigaction(SIGFPE, NULL, &sa);
	show("", SIGFPE, 0, 0, &sa);
	fflush(stdout);
	raise(SIGFPE);
	printf("not reached\n");
}

static void *thread_mask(void *arg)
{
	(void)arg;
	printf("thread %lx\n", mask());
	return NULL;
}

static int c11_mask(void *arg)
{
	(void)arg;
	printf("c11 thread %lx\n", mask());
	return 0;
}

static void threads(void)
{
	sigset_t s = set_of(SIGSEGV, SIGUSR2, 0), got;
	pthread_attr_t attr;
	pthread_t t;
	thrd_t c;

	block(SIGBUS);
	pthread_create(&t, NULL, thread_mask, NULL);
	pthread_join(t, NULL);
	thrd_create(&c, c11_mask, NULL);
	thrd_join(c, NULL);
	pthread_attr_init(&attr);
	printf("attr %d", pthread_attr_getsigmask_np(&attr, &got));
	pthread_attr_setsigmask_np(&attr, &s);
	printf(" %d %lx\n", pthread_attr_getsigmask_np(&attr, &got), bits(&got));
	pthread_create(&t, &attr, thread_mask, NULL);
	pthread_join(t, NULL);
}

static void *fault_in_thread(void *arg)
{
	*(volatile int *)arg = 1;
	return NULL;
}

static void thread_fault(void)
{
	sigset_t s;
	pthread_attr_t attr;
	pthread_t t;

	sigfillset(&s);
	pthread_attr_init(&attr);
	pthread_attr_setsigmask_np(&attr, &s);
	pthread_create(&t, &attr, fault_in_thread, (void *)8);
	pthread_join(t, NULL);
}

static _Atomic int got, go;

static void *wait_in_thread(void *arg)
{
	sigset_t s = set_of(SIGSEGV, 0, 0);
	int sig = 0;

	go++;
	while (arg ? !sigwait(&s, &sig) && sig == SIGSEGV && ++got < 3 : got < 3)
		sched_yield();
	return NULL;
}

/* All block it, one waits for it, and the kernel may choose any of them. */
static void wait_among_threads(void)
{
	pthread_t t[4];

	block(SIGSEGV);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, wait_in_thread, i == 2 ? t : NULL);
	while (go < 4)
		sched_yield();
	for (int i = 0; i < 3; i++) {
		kill(getpid(), SIGSEGV);
		while (got == i)
			sched_yield();
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("got %d pending %x mask %lx\n", got, pending(), mask());
}

extern char **environ;
static char *args[] = {"view", "exec", NULL};
static char self[4096];

static void exec_child(void)
{
	sigset_t s = set_of(SIGSEGV, SIGQUIT, SIGUSR1);

	pthread_sigmask(SIG_BLOCK, &s, NULL);
	signal(SIGBUS, SIG_IGN);
	signal(SIGFPE, on_signal);
	execv(self, args);
}

static void exec_family(void)
{
	block(SIGSEGV);
	for (int i = 0; i < 8; i++) {
		fflush(stdout);
		int status;
		pid_t pid = i == 7 ? vfork() : fork();
		if (pid == 0) {
			if (i == 0)
				execve(self, args, environ);
			if (i == 1)
				execvp(self, args);
			if (i == 2)
				execl(self, "view", "exec", (char *)NULL);
			if (i == 3)
				execlp(self, "view", "exec", (char *)NULL);
			if (i == 4)
				execle(self, "view", "exec", (char *)NULL, environ);
			if (i == 5)
				execvpe(self, args, environ);
			if (i == 6) {
				execv("/nonexistent", args);
				printf("exec failed %d mask %lx\n", errno, mask());
				execv(self, args);
			}
			if (i == 7)
				execv(self, args);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		printf("exec %d: %x\n", i, status);
	}
	printf("parent %lx\n", mask());
}

static void spawn_one(const posix_spawnattr_t *attr)
{
	pid_t pid;
	int status;

	fflush(stdout);
	int r = posix_spawn(&pid, self, NULL, attr, args, environ);
	waitpid(pid, &status, 0);
	printf("posix_spawn %d %x mask %lx\n", r, status, mask());
	r = posix_spawnp(&pid, self, NULL, attr, args, environ);
	waitpid(pid, &status, 0);
	printf("posix_spawnp %d %x\n", r, status);
}

static void spawn(void)
{
	posix_spawnattr_t attr;
	sigset_t s = set_of(SIGFPE, SIGUSR2, 0), d = set_of(SIGBUS, SIGSEGV, 0);
	char line[8192];

	block(SIGSEGV);
	signal(SIGBUS, SIG_IGN);
	spawn_one(NULL);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &s);
	posix_spawnattr_setsigdefault(&attr, &d);
	spawn_one(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	spawn_one(&attr);
	snprintf(line, sizeof(line), "exec %s exec", self);
	printf("system %d\n", system(line));
	FILE *f = popen(line, "r");
	while (fgets(line, sizeof(line), f))
		fputs(line, stdout);
	printf("popen %d mask %lx\n", pclose(f), mask());
}

static void context(void)
{
	ucontext_t uc;
	volatile int times = 0;

	block(SIGUSR1);
	getcontext(&uc);
	printf("context %d mask %lx\n", times, mask());
	if (!times++) {
		unblock(SIGUSR1);
		setcontext(&uc);
	}
}

static char own_stack[65536];

static void on_own_stack(int sig)
{
	stack_t ss;
	int r = sigaltstack(NULL, &ss), here = 0;

	(void)sig;
	printf("in the handler: %d flags %x size %zu own %d\n", r, ss.ss_flags, ss.ss_size,
	       (char *)&here > own_stack && (char *)&here < own_stack + sizeof(own_stack));
}

static void *stacks(void *arg)
{
	stack_t own = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)}, off = {0}, old;
	struct sigaction sa = {.sa_handler = on_own_stack, .sa_flags = SA_ONSTACK};

	off.ss_flags = SS_DISABLE;
	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 2; i++) {
		memset(&old, 0x55, sizeof(old));
		int r = sigaltstack(NULL, &old);
		printf("none: %d %d flags %x size %zu\n", r, !old.ss_sp, old.ss_flags, old.ss_size);
		raise(SIGUSR1);
		r = sigaltstack(&own, &old);
		printf("own: %d %d flags %x size %zu\n", r, !old.ss_sp, old.ss_flags, old.ss_size);
		raise(SIGUSR1);
		r = sigaltstack(&off, &old);
		printf("off: %d %d flags %x size %zu\n", r, old.ss_sp == own_stack, old.ss_flags,
		       old.ss_size);
	}
	own.ss_size = 100;
	int r = sigaltstack(&own, &old), e = errno;
	printf("small: %d %d\n", r, r ? e : 0);
	return arg;
}

static void altstack(void)
{
	pthread_t t;

	stacks(NULL);
	pthread_create(&t, NULL, stacks, NULL);
	pthread_join(t, NULL);
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
	child("blocked_kill", blocked_kill);
	child("wait_for", wait_for);
	child("wait_before", wait_before);
	child("by_descriptor", by_descriptor);
	child("ignored_pending", ignored_pending);
	child("suspend_blocked", suspend_blocked);
	child("suspend_open", suspend_open);
	child("suspend_handler", suspend_handler);
	child("ppoll_open", ppoll_open);
	child("ppoll_blocked", ppoll_blocked);
	child("pselect_open", pselect_open);
	child("epoll_open", epoll_open);
	child("epoll2_open", epoll2_open);
	child("poll_undisturbed", poll_undisturbed);
	child("jumps", jumps);
	child("in_handler", in_handler);
	child("flags_at_work", flags_at_work);
	child("threads", threads);
	child("thread_fault", thread_fault);
	child("wait_among_threads", wait_among_threads);
	child("exec_child", exec_child);
	child("exec_family", exec_family);
	child("spawn", spawn);
	child("context", context);
	child("altstack", altstack);
	return 0;
}
