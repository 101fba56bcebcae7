/* Signals that are sent while the program blocks them, waits for them, or jumps out of a handler.
 */
#include "view.h"

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
	struct timespec little = {1, 0};
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

static void on_last_words(int sig)
{
	signal(sig, SIG_DFL);
	raise(sig);
	printf("pending %x mask %lx\n", pending(), mask());
	fflush(stdout);
}

static void on_quick_end(int sig)
{
	sigset_t s = set_of(sig, 0, 0);

	signal(sig, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	printf("mask %lx\n", mask());
	fflush(stdout);
	raise(sig);
	printf("not reached\n");
}

/* What handlers of crashes do at their end. */
static void last_words(void)
{
	signal(SIGSEGV, on_last_words);
	raise(SIGSEGV);
	printf("not reached\n");
}

static void last_words_of_fault(void)
{
	signal(SIGSEGV, on_last_words);
	*(volatile int *)8 = 1;
	printf("not reached\n");
}

static void quick_end(void)
{
	signal(SIGFPE, on_quick_end);
	kill(getpid(), SIGFPE);
	printf("not reached\n");
}

static void on_block_all(int sig)
{
	sigset_t s;

	(void)sig;
	sigfillset(&s);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	raise(SIGSEGV);
	printf("pending %x\n", pending());
	fflush(stdout);
}

/* The mask that a handler leaves behind is not that of the program. */
static void open_by_return(void)
{
	signal(SIGUSR1, on_block_all);
	raise(SIGUSR1);
	printf("not reached\n");
}

void delivery(void)
{
	child("open_by_return", open_by_return);
	child("last_words", last_words);
	child("last_words_of_fault", last_words_of_fault);
	child("quick_end", quick_end);
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
}
