/* What threads and new programs inherit; alternate stacks. */
#include "view.h"

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

void inheritance(void)
{
	child("threads", threads);
	child("thread_fault", thread_fault);
	child("wait_among_threads", wait_among_threads);
	child("exec_child", exec_child);
	child("exec_family", exec_family);
	child("spawn", spawn);
	child("context", context);
	child("altstack", altstack);
}
