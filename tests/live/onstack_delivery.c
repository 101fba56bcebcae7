/* Frames: where they lie, what is in them, and how they are left. */
#include "onstack.h"

static volatile int runs, deep;
static volatile uintptr_t lowest;

static void on_where(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	stack_t ss;

	use(1000);
	sigaltstack(NULL, &ss);
	printf("where %d code %d: own stack %d %d, uc_stack %zu, altstack %x\n", sig, si->si_code,
	       on_own_stack(&ss), on_own_stack(uc->uc_mcontext.fpregs), uc->uc_stack.ss_size,
	       ss.ss_flags);
	/* At most the red zone, a frame and this function lie between. */
	uintptr_t gap = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP] - (uintptr_t)&ss;
	printf("near %d aligned %d\n", gap < 32768, (uintptr_t)uc->uc_mcontext.fpregs % 64 == 0);
	runs++;
}

static void where(void)
{
	on(SIGUSR1, on_where, 0);
	on(SIGSEGV, on_where, 0);
	on(SIGRTMAX, on_where, 0);
	raise(SIGUSR1);
	pthread_kill(pthread_self(), SIGSEGV);
	pthread_sigqueue(pthread_self(), SIGRTMAX, (union sigval){.sival_int = 7});
	printf("runs %d\n", runs);
}

static void where_thread(void)
{
	in_thread(where);
}

/* The vector registers that a handler spoils are whole again, and what it writes into the frame is
 * what the program goes on with. */
static void on_registers(int sig, siginfo_t *si, void *context)
{
	struct _libc_fpstate *fx = ((ucontext_t *)context)->uc_mcontext.fpregs;
	static const uint32_t ones[8] = {~0U, ~0U, ~0U, ~0U, ~0U, ~0U, ~0U, ~0U};

	(void)sig, (void)si;
	__asm__ volatile("movdqu %0,%%xmm5\n\tmovdqu %0,%%xmm9" ::"m"(ones) : "xmm5", "xmm9");
	fx->_xmm[9].element[0]++;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_R12] += 3;
}

static void registers(void)
{
	uint32_t five[4] = {1, 2, 3, 4}, nine[4] = {11, 12, 13, 14};
	long r12 = 39, pid = getpid();

	on(SIGUSR1, on_registers, 0);
	__asm__ volatile("mov %2,%%r12\n\t"
			 "movdqu %0,%%xmm5\n\t"
			 "movdqu %1,%%xmm9\n\t"
			 "mov $62,%%eax\n\t"
			 "syscall\n\t"
			 "movdqu %%xmm5,%0\n\t"
			 "movdqu %%xmm9,%1\n\t"
			 "mov %%r12,%2\n\t"
			 : "+m"(five), "+m"(nine), "+m"(r12)
			 : "D"(pid), "S"(SIGUSR1)
			 : "rax", "rcx", "r11", "r12", "xmm5", "xmm9", "memory");
	printf("registers %u %u %u %u, %u %u %u %u, %ld\n", five[0], five[1], five[2], five[3],
	       nine[0], nine[1], nine[2], nine[3], r12);
}

/* The upper halves too, where there are any: that is what lies beyond FXSAVE's 512 bytes. */
__attribute__((target("avx"))) static void upper(void)
{
	uint64_t v[4] = {1, 2, 3, 4};
	long pid = getpid();

	__asm__ volatile("vmovdqu %0,%%ymm7\n\t"
			 "mov $62,%%eax\n\t"
			 "syscall\n\t"
			 "vmovdqu %%ymm7,%0\n\t"
			 : "+m"(v)
			 : "D"(pid), "S"(SIGUSR1)
			 : "rax", "rcx", "r11", "xmm7", "memory");
	printf("upper %d\n", v[2] == 3 && v[3] == 4);
}

__attribute__((target("avx"))) static void on_upper(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	__asm__ volatile("vxorps %%ymm7,%%ymm7,%%ymm7" ::: "xmm7");
}

static void registers_upper(void)
{
	if (!__builtin_cpu_supports("avx"))
		return;
	on(SIGUSR1, on_upper, 0);
	upper();
}

static void on_skip(int sig, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	printf("fault %d code %d at %p\n", sig, si->si_code, si->si_addr);
	g[REG_RIP] += 3; /* movl (%rcx),%eax with a REX prefix */
	g[REG_RAX] = 77;
}

static void skip(void)
{
	long rax;

	on(SIGSEGV, on_skip, 0);
	for (int i = 0; i < 3; i++) {
		__asm__ volatile("mov (%%rcx),%%rax" : "=a"(rax) : "c"(0x10L + i) : "memory");
		printf("read %ld\n", rax);
	}
}

/* Signals that wait for the mask to open are pushed one upon the other at once. */
static int order[65], arrived;

static void on_order(int sig, siginfo_t *si, void *uc)
{
	uintptr_t here = (uintptr_t)&sig;

	(void)uc;
	order[arrived++] = sig;
	deep += si->si_signo == sig && on_own_stack(&sig);
	use(300);
	if (!lowest || here < lowest)
		lowest = here;
}

static void raise_all(int from, int to, int flags, int step)
{
	sigset_t all, old;

	for (int sig = from; sig <= to; sig += step)
		if (sig != SIGKILL && sig != SIGSTOP && sig != 32 && sig != 33)
			on(sig, on_order, flags);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int sig = from; sig <= to; sig += step)
		if (sig != SIGKILL && sig != SIGSTOP && sig != 32 && sig != 33)
			pthread_kill(pthread_self(), sig);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	printf("at once %d, on the stack %d:", arrived, deep);
	for (int i = 0; i < arrived; i++)
		printf(" %d", order[i]);
	printf("\n");
}

static void at_once(void)
{
	raise_all(1, 64, 0, 1);
}

static void at_once_restarting(void)
{
	raise_all(1, 64, SA_NODEFER | SA_RESTART, 1);
}

/* Those that are for one time, too. */
static void at_once_reset(void)
{
	struct sigaction sa;

	raise_all(1, 30, (int)SA_RESETHAND, 1);
	for (int sig = 1; sig < 31; sig++)
		if (!sigaction(sig, NULL, &sa))
			printf("%d%d ", sa.sa_handler == SIG_DFL, sig);
	printf("\n");
}

static void few_at_once(void)
{
	raise_all(34, 41, 0, 1);
}

static void at_once_thread(void)
{
	in_thread(few_at_once);
}

/* Many of one signal that does not block itself: each is upon the one before, all on the stack. */
static int values[1200], queued;

static void on_value(int sig, siginfo_t *si, void *context)
{
	sigset_t now;

	(void)context;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	deep += on_own_stack(&sig) && !sigismember(&now, sig);
	values[queued++] = si->si_value.sival_int;
}

static void queue(void)
{
	sigset_t one, old;
	int sum = 0;

	on(SIGRTMIN + 2, on_value, SA_NODEFER);
	on(SIGUSR1, on_value, SA_NODEFER);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 2);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &one, &old);
	for (int i = 0; i < 1000; i++)
		sum += !sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i});
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 2000});
	pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 2001});
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	printf("sent %d, on the stack and open %d:", sum, deep);
	for (int i = 0; i < queued; i++)
		if (i < 3 || i % 200 == 0 || i > queued - 4)
			printf(" %d", values[i]);
	printf("\n");
}

/* --- how they are left --- */

static sigjmp_buf back;

static void on_jump(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	runs++;
	siglongjmp(back, 1);
}

static void jump(void)
{
	on(SIGUSR1, on_jump, 0);
	on(SIGSEGV, on_jump, 0);
	for (volatile int i = 0; i < 3000; i++)
		if (!sigsetjmp(back, 1)) {
			if (i % 2)
				*(volatile int *)16 = 1;
			raise(SIGUSR1);
		}
	printf("jumps %d\n", runs);
}

static void on_again(int sig, siginfo_t *si, void *uc)
{
	(void)si, (void)uc;
	deep++;
	if (deep < 5)
		raise(sig);
	printf("level %d own stack %d\n", deep--, on_own_stack(&sig));
}

static void again(void)
{
	on(SIGUSR1, on_again, SA_NODEFER);
	raise(SIGUSR1);
}

static void on_end(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	pthread_exit(NULL);
}

static void cleanup(void *p)
{
	printf("cleanup %s\n", (const char *)p);
}

/* The unwinder goes over the frame to the function that was interrupted. */
static void end_thread(void)
{
	pthread_cleanup_push(cleanup, "ran");
	raise(SIGUSR1);
	printf("not reached\n");
	pthread_cleanup_pop(0);
}

static void ends_thread(void)
{
	on(SIGUSR1, on_end, 0);
	in_thread(end_thread);
}

/* Alone in a section: the linker tells where it begins and ends. */
static void interrupted(void) __attribute__((section("interrupted_text")));
extern char __start_interrupted_text[], __stop_interrupted_text[];

static void on_backtrace(int sig, siginfo_t *si, void *uc)
{
	void *pcs[64];
	int n = backtrace(pcs, 64), found = 0;

	(void)sig, (void)si, (void)uc;
	for (int i = 0; i < n; i++)
		found += (char *)pcs[i] > __start_interrupted_text &&
			 (char *)pcs[i] <= __stop_interrupted_text;
	printf("backtrace finds it %d\n", found);
}

__attribute__((noinline)) static void interrupted(void)
{
	raise(SIGUSR1);
	__asm__ volatile("");
}

static void backtraces(void)
{
	void *warm[4];

	backtrace(warm, 4);
	on(SIGUSR1, on_backtrace, 0);
	interrupted();
}

/* In sigsuspend(2) a handler runs with the mask that was given there, not with that of the frame.
 */
static void on_suspended(int sig, siginfo_t *si, void *context)
{
	sigset_t now;

	(void)si;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	printf("suspended %d mask %lx frame %lx\n", sig, *(unsigned long *)&now,
	       *(unsigned long *)&((ucontext_t *)context)->uc_sigmask);
}

static void suspend(void)
{
	sigset_t some, open;

	on(SIGUSR1, on_suspended, 0);
	on(SIGUSR2, on_suspended, 0);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	sigemptyset(&open);
	sigaddset(&open, SIGHUP);
	printf("sigsuspend %d\n", sigsuspend(&open));
}

void delivery(void)
{
	child("where", where);
	child("where_thread", where_thread);
	child("registers", registers);
	child("registers_upper", registers_upper);
	child("skip", skip);
	child("at_once", at_once);
	child("at_once_restarting", at_once_restarting);
	child("at_once_reset", at_once_reset);
	child("at_once_thread", at_once_thread);
	child("queue", queue);
	child("jump", jump);
	child("again", again);
	child("ends_thread", ends_thread);
	child("backtraces", backtraces);
	child("suspend", suspend);
}
