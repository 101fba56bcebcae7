/*
 * wall DUMPS: a thread waits for all children, clones too, in every way there is, while another one
 * gets SIGQUIT (LIBSTACK_SIGQUIT=continue) DUMPS times. Whom it saw is printed, and must be its own
 * child alone.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536] __attribute__((aligned(16)));

/* What a wait has told; each returns the child, 0, or -1. */
struct told {
	int status;
	struct rusage usage;
	siginfo_t si;
};

static pid_t by_waitpid(struct told *t)
{
	return waitpid(-1, &t->status, __WALL);
}

static pid_t without_status(struct told *t)
{
	(void)t;
	return waitpid(-1, NULL, __WALL);
}

static pid_t by_wclone(struct told *t)
{
	return waitpid(-1, &t->status, __WCLONE);
}

static pid_t by_polling(struct told *t)
{
	pid_t r = waitpid(-1, &t->status, __WALL | WNOHANG);

	sched_yield();
	return r;
}

static pid_t by_wait4(struct told *t)
{
	return wait4(-1, &t->status, __WALL, &t->usage);
}

static pid_t by_wait3(struct told *t)
{
	return wait3(&t->status, __WALL, &t->usage);
}

static pid_t by_waitid(struct told *t)
{
	return waitid(P_ALL, 0, &t->si, WEXITED | __WALL) ? -1 : t->si.si_pid;
}

static pid_t without_info(struct told *t)
{
	(void)t;
	return waitid(P_ALL, 0, NULL, WEXITED | __WALL) ? -1 : getpid() + 1;
}

static pid_t by_waitid_polling(struct told *t)
{
	t->si.si_pid = 77;
	int r = waitid(P_ALL, 0, &t->si, WEXITED | WNOHANG | __WALL);

	sched_yield();
	return r ? -1 : t->si.si_pid;
}

/* First it only looks. */
static pid_t by_looking(struct told *t)
{
	siginfo_t si = {0};
	int r = waitid(P_ALL, 0, &si, WEXITED | WNOWAIT | __WALL);

	return r ? -1 : waitpid(si.si_pid, &t->status, __WALL);
}

static const struct way {
	const char *name;
	pid_t (*wait)(struct told *);
	int exit_signal; /* of its own child */
} ways[] = {{"waitpid", by_waitpid, SIGCHLD},
	    {"waitpid of a clone", by_waitpid, 0},
	    {"without status", without_status, 0},
	    {"WCLONE", by_wclone, 0},
	    {"polling", by_polling, SIGCHLD},
	    {"wait4", by_wait4, SIGCHLD},
	    {"wait3", by_wait3, 0},
	    {"waitid", by_waitid, SIGCHLD},
	    {"without info", without_info, SIGCHLD},
	    {"waitid, polling", by_waitid_polling, 0},
	    {"looking first", by_looking, SIGCHLD}};

static atomic_bool begun;
static pid_t own;

static void *waiter(void *arg)
{
	const struct way *w = arg;
	struct told t;
	int seen = 0, others = 0, e;
	pid_t r;

	memset(&t, 0, sizeof(t));
	atomic_store(&begun, true);
	while ((r = w->wait(&t)) >= 0) {
		bool any = w->wait == without_info;
		seen += r == own || any;
		others += r && r != own && !any;
	}
	e = errno;
	printf("%s: own %d others %d, end %s, status %x, info %d\n", w->name, seen, others,
	       strerror(e), t.status, t.si.si_pid == own || !t.si.si_pid || t.si.si_pid == 77);
	return NULL;
}

static int pauses(void *arg)
{
	for (;;)
		pause();
	(void)arg;
	return 0;
}

int main(int argc, char **argv)
{
	int dumps = argc > 1 ? atoi(argv[1]) : 0;

	alarm(100);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		pthread_t t;
		own = clone(pauses, stack + sizeof(stack), ways[i].exit_signal, NULL);
		atomic_store(&begun, false);
		pthread_create(&t, NULL, waiter, (void *)&ways[i]);
		while (!atomic_load(&begun))
			sched_yield();
		for (int n = 0; n < dumps; n++)
			raise(SIGQUIT);
		kill(own, SIGKILL);
		pthread_join(t, NULL);
	}
	return 0;
}
