/*
 * dump FILE: libstack_dump() a hundred times in a row from main, and from threads and from a signal
 * handler at the same time, while other threads start and end without pause and one asks
 * waitpid(-1) all the time. `all well` is the good end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern int libstack_dump(int fd) __attribute__((weak));

static _Atomic int stop, bad, sigchld, in_handler, churned;
static int out;

static void dump(const char *who)
{
	int r = libstack_dump(out);

	if (r) {
		printf("%s: %d\n", who, r);
		bad++;
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void *churn(void *arg)
{
	while (!stop) {
		pthread_t t;
		if (pthread_create(&t, NULL, nothing, NULL) == 0) {
			pthread_join(t, NULL);
			churned++;
		}
	}
	return arg;
}

static void *dumper(void *arg)
{
	for (int i = 0; i < 20; i++)
		dump("thread");
	return arg;
}

static void *waiter(void *arg)
{
	while (!stop) {
		int status, r = waitpid(-1, &status, WNOHANG);
		if (r >= 0 || errno != ECHILD) {
			printf("waitpid: %d errno %d\n", r, errno);
			bad++;
		}
		sched_yield();
	}
	return arg;
}

static void on_usr1(int sig)
{
	(void)sig;
	dump("handler");
	in_handler++;
}

static void on_chld(int sig)
{
	(void)sig;
	sigchld++;
}

static void *signalled(void *arg)
{
	while (!stop)
		usleep(1000);
	return arg;
}

static int descriptors(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	pthread_t c[3], d[3], w, s;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(100);
	out = open(argc > 1 ? argv[1] : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	if (!libstack_dump)
		return 2;
	signal(SIGUSR1, on_usr1);
	signal(SIGCHLD, on_chld);
	printf("closed descriptor: %d\n", libstack_dump(999));
	int before = descriptors();
	for (int i = 0; i < 3; i++)
		pthread_create(&c[i], NULL, churn, NULL);
	pthread_create(&w, NULL, waiter, NULL);
	pthread_create(&s, NULL, signalled, NULL);
	for (int i = 0; i < 3; i++)
		pthread_create(&d[i], NULL, dumper, NULL);
	for (int i = 0; i < 100; i++) {
		if (i % 10 == 0)
			pthread_kill(s, SIGUSR1);
		dump("main");
	}
	for (int i = 0; i < 3; i++)
		pthread_join(d[i], NULL);
	while (!in_handler)
		sched_yield();
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(c[i], NULL);
	pthread_join(w, NULL);
	pthread_join(s, NULL);
	/* Of every kind, also those that send no signal. */
	int r = waitpid(-1, NULL, WNOHANG | __WALL), e = errno;
	printf("left over: %d %d\n", r, e == ECHILD);
	printf("descriptors %d, SIGCHLD %d, bad %d\n", descriptors() - before, sigchld, bad);
	printf("churned %d, in the handler %d\n", churned > 0, in_handler > 0);
	printf("all well\n");
	return 0;
}
