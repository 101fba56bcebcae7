/*
 * A thread crashes while others do what would end the program, or go on working:
 * CRASH END DELAY FILE [undumpable]
 *
 * Whoever ends the program stands ready before the crash, sees the word that is set directly before
 * it, lets DELAY microseconds go by and ends it. FILE is mapped, shared: its first word is a count
 * that somebody outside can look at.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define DEPTH    100

struct shared {
	_Atomic uint64_t count;
	_Atomic int crashing;
	_Atomic int ready;
};

static struct shared *shared;
static _Atomic int standing; /* threads that are where they shall be at the crash */
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static const char *crash, *end;
static long delay_us;

static void must(int holds, const char *what)
{
	if (holds)
		return;
	printf("ends: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(99);
}

NOINLINE void boom(long address)
{
	atomic_store(&shared->crashing, 1);
	*(volatile int *)address = 1;
}

static void crash_now(void)
{
	if (!strcmp(crash, "segv"))
		boom(16);
	atomic_store(&shared->crashing, 1);
	if (!strcmp(crash, "abort"))
		abort();
	raise(SIGQUIT);
}

/* The report is longer than a pipe of one page. */
NOINLINE long down(long n)
{
	if (n)
		return down(n - 1) + 1;
	crash_now();
	return 0;
}

static void *worker(void *arg)
{
	while (!atomic_load(&shared->ready))
		;
	down(DEPTH);
	return arg;
}

static void start(void *(*function)(void *))
{
	pthread_t t;

	must(!pthread_create(&t, NULL, function, NULL), "pthread_create");
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

/* From the word on, DELAY. */
static void let_go_by(void)
{
	atomic_store(&shared->ready, 1);
	while (!atomic_load(&shared->crashing))
		;
	uint64_t until = now_us() + (uint64_t)delay_us;
	while (delay_us && now_us() < until)
		;
}

/* Another process sends SIGTERM. */
static void start_sender(void)
{
	pid_t crasher = getpid();
	pid_t sender = fork();

	must(sender >= 0, "fork");
	if (sender)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(2);
	if (getppid() == crasher) {
		let_go_by();
		kill(crasher, SIGTERM);
	}
	_exit(0);
}

NOINLINE void *counts(void *arg)
{
	for (;;)
		atomic_fetch_add(&shared->count, 1);
	return arg;
}

/* As a runtime does for threads of its own: not even the signals of libc get through. */
NOINLINE void *counts_masked(void *arg)
{
	uint64_t all = ~0ULL;

	must(!syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8), "rt_sigprocmask");
	return counts(arg);
}

/* Only what the crash sends is blocked. */
NOINLINE void *counts_blocked(void *arg)
{
	uint64_t mask = 1ULL << (SIGSEGV - 1) | 1ULL << (SIGABRT - 1) | 1ULL << (SIGQUIT - 1);

	must(!syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8), "rt_sigprocmask");
	return counts(arg);
}

/* Children without end, which count what they find ignored. */
static const char *shared_path;

NOINLINE void *spawns(void *arg)
{
	char *argv[] = {"ends", "spawned", "", "0", (char *)(uintptr_t)shared_path, NULL};
	char *envp[] = {NULL};
	pid_t pid;

	for (;;)
		if (!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, envp))
			atomic_fetch_add(&standing, 1);
	return arg;
}

static int spawned(void)
{
	struct sigaction sa;

	for (int n = 1; n < 65; n++)
		if (!sigaction(n, NULL, &sa) && sa.sa_handler == SIG_IGN)
			atomic_fetch_add(&shared->count, 1);
	return 0;
}

NOINLINE void *spins(void *arg)
{
	atomic_fetch_add(&standing, 1);
	for (;;)
		;
	return arg;
}

NOINLINE void *pauses(void *arg)
{
	atomic_fetch_add(&standing, 1);
	for (;;)
		pause();
	return arg;
}

NOINLINE void *locks(void *arg)
{
	atomic_fetch_add(&standing, 1);
	pthread_mutex_lock(&held);
	return arg;
}

/* All three are in their functions. */
static void await_standing(void)
{
	while (atomic_load(&standing) < 3)
		sched_yield();
}

static void *ends_it(void *arg)
{
	let_go_by();
	exit(0);
	return arg;
}

static void open_shared(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0666);

	must(fd >= 0 && !ftruncate(fd, sizeof(*shared)), "the file");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(shared != MAP_FAILED, "mmap");
	close(fd);
}

/* The main thread's way; it returns where its return is the end. */
static void way(void)
{
	if (!strcmp(end, "term")) {
		start_sender();
	} else if (!strcmp(end, "thread")) {
		start(ends_it);
	} else if (!strcmp(end, "count") || !strcmp(end, "masked") || !strcmp(end, "blocked")) {
		start(*end == 'c' ? counts : *end == 'b' ? counts_blocked : counts_masked);
		while (atomic_load(&shared->count) < 1000)
			sched_yield();
		atomic_store(&shared->ready, 1);
	} else if (!strcmp(end, "spawn")) {
		start(spawns);
		start(spawns);
		await_standing();
		atomic_store(&shared->ready, 1);
	} else if (!strcmp(end, "stand")) {
		pthread_mutex_lock(&held);
		start(spins);
		start(pauses);
		start(locks);
		await_standing();
		atomic_store(&shared->count, 1);
		/* Whoever set this has seen the two threads sleep. */
		while (!atomic_load(&shared->ready))
			sched_yield();
	} else {
		let_go_by();
		if (!strcmp(end, "return"))
			return;
		if (!strcmp(end, "exit"))
			exit(0);
		if (!strcmp(end, "_exit"))
			_exit(0);
		if (!strcmp(end, "abort"))
			abort();
		if (!strcmp(end, "fault"))
			boom(16);
		execl("/bin/true", "true", (char *)NULL);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	must(argc >= 5, "CRASH END DELAY FILE [undumpable]");
	crash = argv[1];
	end = argv[2];
	delay_us = atol(argv[3]);
	open_shared(argv[4]);
	if (!strcmp(crash, "spawned"))
		return spawned();
	shared_path = argv[4];
	if (argc > 5)
		must(!prctl(PR_SET_DUMPABLE, 0), "prctl");
	start(worker);
	way();
	return 0;
}
