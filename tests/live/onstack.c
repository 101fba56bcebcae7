/*
 * Handlers with SA_ONSTACK in a program that has no alternate stack: where they run, what they see
 * and change, and how they are left. The output must be the same with libstack and without.
 */
#include "onstack.h"

void on(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_ONSTACK | flags};

	if (sigaction(sig, &sa, NULL))
		printf("sigaction %d: %s\n", sig, strerror(errno));
}

int on_own_stack(const void *p)
{
	pthread_attr_t attr;
	void *low;
	size_t size;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &low, &size);
	pthread_attr_destroy(&attr);
	return (const char *)p >= (char *)low && (const char *)p < (char *)low + size;
}

__attribute__((noinline)) void use(size_t kilobytes)
{
	volatile char room[1024];

	memset((char *)room, 0x5a, sizeof(room));
	if (kilobytes > 1)
		use(kilobytes - 1);
	__asm__ volatile("" ::"r"(room) : "memory");
}

static void *run(void *fn)
{
	((void (*)(void))fn)();
	return NULL;
}

void in_thread(void (*fn)(void))
{
	pthread_t t;

	if (pthread_create(&t, NULL, run, (void *)fn))
		exit(99);
	pthread_join(t, NULL);
}

void child(const char *name, void (*fn)(void))
{
	int status = 0;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		fn();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("%s: status %x\n", name, status & ~0x80);
}

/* With LIBSTACK_TRACEBACK=off: handlers that are there before it are a kind of their own. */
static void late(void)
{
	int (*install)(const void *) =
	    (int (*)(const void *))dlsym(RTLD_DEFAULT, "libstack_install");

	if (install && getenv("LIBSTACK_TRACEBACK")) {
		unsetenv("LIBSTACK_TRACEBACK");
		install(NULL);
	}
}

static void on_early(int sig, siginfo_t *si, void *uc)
{
	use(1000);
	printf("early %d %d %d\n", sig, si->si_signo == sig && uc, on_own_stack(&sig));
}

int main(void)
{
	struct sigaction sa;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	on(SIGUSR1, on_early, SA_RESTART);
	late();
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	printf("early: %d flags %x mask %lx\n", sa.sa_sigaction == on_early, sa.sa_flags,
	       *(unsigned long *)&sa.sa_mask);
	delivery();
	actions();
	return 0;
}
