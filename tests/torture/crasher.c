/*
 * crasher [child] SCENARIO [ARGUMENTS]: gets itself into trouble in one of many ways and crashes.
 *
 * Started as the helper of libstack it is a bad one; its file's name tells how.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crasher.h"

int nargs;
char **args;

const char *arg(int i, const char *otherwise)
{
	return i < nargs ? args[i] : otherwise;
}

void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "crasher: %s: %s\n", what, strerror(errno));
		exit(99);
	}
}

/* The ordinary crash: a write to address 0x10. */
NOINLINE void boom(volatile int *p)
{
	*p = 1;
}

NOINLINE void plain(void)
{
	boom((int *)0x10);
}

/* --- inside others --- */

/* A free chunk whose links lead to nowhere: malloc itself faults, with the arena locked. */
void malloc_crash(void)
{
	uint64_t *p = malloc(2000);
	void *volatile guard = malloc(16);

	free(p);
	p[1] = 0x41414141;
	free(malloc(5000));
	free(guard);
}

void malloc_abort(void)
{
	char *p = malloc(24);

	memset(p + 24, 0x41, 8);
	free(malloc(100000));
	free(malloc(3000));
}

void in_dlopen(void)
{
	dlopen(arg(0, ""), RTLD_NOW);
}

void on_usr1(int sig)
{
	(void)sig;
	plain();
}

static void handle_usr1(int flags)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = flags};

	sigfillset(&sa.sa_mask);
	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
	raise(SIGUSR1);
}

void in_handler(void)
{
	handle_usr1(0);
}

/* The frame is moved from libstack's alternate stack to this one. */
void in_handler_onstack(void)
{
	handle_usr1(SA_ONSTACK);
}

void in_handler_altstack(void)
{
	stack_t ss = {.ss_sp = own_stack(65536), .ss_size = 65536};

	must(!sigaltstack(&ss, NULL), "sigaltstack");
	handle_usr1(SA_ONSTACK);
}

/* --- abort(3) and the program's own handler --- */

static void on_abort(int sig)
{
	dprintf(1, "handler %d\n", sig);
}

static void abort_with(void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags}, now;

	sigfillset(&sa.sa_mask);
	must(!sigaction(SIGABRT, &sa, NULL), "sigaction");
	sigprocmask(SIG_BLOCK, &sa.sa_mask, NULL);
	must(!sigaction(SIGABRT, NULL, &now) && now.sa_handler == handler, "the handler");
	abort();
}

void abort_handled(void)
{
	abort_with(on_abort, 0);
}

void abort_handled_once(void)
{
	abort_with(on_abort, (int)SA_RESETHAND | SA_ONSTACK);
}

void abort_ignored(void)
{
	abort_with(SIG_IGN, 0);
}

/* --- other processes --- */

static void wait_for(pid_t pid)
{
	int status = 0;

	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	/* What the runner can see of it: the signal, and whether a core was written. */
	_exit(WIFSIGNALED(status) ? WTERMSIG(status) + (WCOREDUMP(status) ? 64 : 0) : 98);
}

void in_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		plain();
	wait_for(pid);
}

void in_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		plain();
	wait_for(pid);
}

/* The child crashes, then the parent does: neither is in the other's way. */
void after_vfork(void)
{
	pid_t pid = vfork();
	int status;

	if (!pid)
		plain();
	waitpid(pid, &status, 0);
	plain();
}

static pthread_barrier_t barrier;

void *crash_at_barrier(void *p)
{
	pthread_barrier_wait(&barrier);
	plain();
	return p;
}

void eight(void)
{
	pthread_t t[8];

	pthread_barrier_init(&barrier, NULL, 9);
	for (int i = 0; i < 8; i++)
		must(!pthread_create(&t[i], NULL, crash_at_barrier, NULL), "pthread_create");
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/* --- blocked signals --- */

NOINLINE void block(int (*how)(int, const sigset_t *, sigset_t *))
{
	sigset_t all;

	sigfillset(&all);
	must(!how(SIG_SETMASK, &all, NULL), "mask");
	plain();
}

void blocked_process(void)
{
	block(sigprocmask);
}

void blocked_thread(void)
{
	block(pthread_sigmask);
}

/* Block the faults, then become another program that knows nothing of it. The system call: libc's
 * functions do not block what libstack handles. */
void blocked_exec(void)
{
	static char name[] = "plain";
	char *next[] = {args[-2], name, NULL};
	uint64_t all = ~0ULL;

	must(!syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8), "mask");
	execv("/proc/self/exe", next);
	must(0, "execv");
}

/* --- the report itself --- */

/* A stack of some depth: its report does not fit into a small pipe. */
NOINLINE void down(int depth)
{
	if (depth)
		down(depth - 1);
	else
		plain();
	__asm__ volatile("");
}

void deep(void)
{
	down(90);
}

static uint64_t library_base(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");
	uint64_t base = 0;

	while (f && !base && fgets(line, sizeof(line), f))
		if (strstr(line, "libstack.so"))
			base = strtoull(line, NULL, 16);
	must(base != 0, "libstack is not there");
	fclose(f);
	return base;
}

/* Put instructions that do not exist at offsets of the library. */
static void spoil(void)
{
	uint64_t base = library_base();
	int fd = open("/proc/self/mem", O_RDWR);

	for (int i = 0; i < nargs; i++)
		must(pwrite(fd, "\x0f\x0b", 2, (off_t)(base + strtoull(args[i], NULL, 16))) == 2,
		     "/proc/self/mem");
	close(fd);
}

void spoilt(void)
{
	spoil();
	plain();
}

/* The crash comes while the helper waits for an answer. */
void spoilt_threads(void)
{
	spoil();
	undumpable_threads();
}

/* libstack_dump() of a library that crashes in it: an error, and the program goes on. */
void spoilt_dump(void)
{
	int (*dump)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "libstack_dump");

	must(dump != NULL, "libstack_dump");
	spoil();
	dprintf(1, "libstack_dump: %d\n", dump(2));
	dprintf(1, "libstack_dump: %d\n", dump(2));
	_exit(3);
}

/* The first report crashes; the program lives on (LIBSTACK_SIGQUIT=continue), and so must the
 * library. */
void spoilt_quit(void)
{
	spoil();
	raise(SIGQUIT);
	raise(SIGQUIT);
	_exit(3);
}

#define ROW(name) {#name, name},
static const struct {
	const char *name;
	void (*fn)(void);
} scenarios[] = {SCENARIOS(ROW)};

/* --- as a helper --- */

static void bad_helper(unsigned long pid)
{
	char exe[4096] = "";

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return;
	alarm(60);
	if (strstr(exe, "-hangs"))
		for (;;)
			pause();
	/* Somebody else sends the program the signal of a fault while it reports. */
	if (strstr(exe, "-kicks"))
		kill((pid_t)pid, SIGSEGV);
	if (strstr(exe, "-proves"))
		close(open("proof", O_WRONLY | O_CREAT, 0644));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "libstack-helper")) {
		bad_helper(strtoul(argv[1], NULL, 16));
		return 20;
	}
	alarm(60);
	/* `child SCENARIO`: in a child. */
	if (argc > 2 && !strcmp(argv[1], "child")) {
		pid_t pid = fork();
		if (pid)
			wait_for(pid);
		argc--;
		argv++;
	}
	nargs = argc - 2;
	args = argv + 2;
	for (unsigned i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (!strcmp(scenarios[i].name, argv[1])) {
			scenarios[i].fn();
			return 97;
		}
	fprintf(stderr, "crasher: no such scenario\n");
	return 96;
}
