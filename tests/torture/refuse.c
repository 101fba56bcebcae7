/*
 * One system call is refused, and then the program crashes: NUMBER ACTION THREADS KIND.
 *
 * The filter is put in place last of all and holds for every thread. From there on the program
 * makes no system call but sched_yield(2) (what glibc's abort() and _exit() make is their own
 * affair), so that what happens is the affair of whoever handles the signal. SIGQUIT comes from a
 * process that was made before.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define WENT_ON  7

static pthread_barrier_t resting;
static _Atomic int *shared; /* with the sender: [0] the filter stands, [1] SIGQUIT is sent */

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stdout, "refuse: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(99);
}

static const struct {
	const char *name;
	uint32_t action;
} actions[] = {{"none", SECCOMP_RET_ALLOW},
	       {"EPERM", SECCOMP_RET_ERRNO | EPERM},
	       {"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
	       {"EINTR", SECCOMP_RET_ERRNO | EINTR},
	       {"EAGAIN", SECCOMP_RET_ERRNO | EAGAIN},
	       {"trap", SECCOMP_RET_TRAP},
	       {"kill", SECCOMP_RET_KILL_PROCESS}};

static void refuse(unsigned number, const char *action)
{
	uint32_t what = ~0U;

	for (unsigned i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(actions[i].name, action))
			what = actions[i].action;
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, what),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};

	must(what != ~0U, "no such action");
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog),
	     "seccomp");
}

static void *rest(void *arg)
{
	pthread_barrier_wait(&resting);
	for (;;)
		pause();
	return arg;
}

static void start_threads(int n)
{
	pthread_t t;

	must(!pthread_barrier_init(&resting, NULL, (unsigned)n), "barrier");
	for (int i = 1; i < n; i++)
		must(!pthread_create(&t, NULL, rest, NULL), "pthread_create");
	pthread_barrier_wait(&resting);
}

/* The other process: SIGQUIT to the first as soon as its filter stands. */
static void start_sender(void)
{
	pid_t crasher = getpid();

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "mmap");
	pid_t sender = fork();
	must(sender >= 0, "fork");
	if (sender)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(2);
	while (!atomic_load(&shared[0]) && getppid() == crasher)
		sched_yield();
	if (getppid() == crasher)
		kill(crasher, SIGQUIT);
	atomic_store(&shared[1], 1);
	_exit(0);
}

NOINLINE void boom(long address)
{
	*(volatile int *)address = 1;
}

/* The kernel hands out what is pending at the latest when a system call ends. */
NOINLINE void await_quit(void)
{
	atomic_store(&shared[0], 1);
	while (!atomic_load(&shared[1]))
		;
	sched_yield();
}

int main(int argc, char **argv)
{
	must(argc == 5, "NUMBER ACTION THREADS KIND");
	const char *kind = argv[4];

	start_threads(atoi(argv[3]));
	if (!strcmp(kind, "quit"))
		start_sender();
	refuse((unsigned)atoi(argv[1]), argv[2]);
	if (!strcmp(kind, "fault"))
		boom(16);
	if (!strcmp(kind, "abort"))
		abort();
	if (!strcmp(kind, "quit"))
		await_quit();
	/* Here too with kind "end": how the program ends where nothing happens to it. */
	_exit(WENT_ON);
}
