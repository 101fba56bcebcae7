/*
 * waits [DUMPS [undumpable]]: threads wait in every kind of blocking call while SIGQUIT
 * (LIBSTACK_SIGQUIT=continue) comes DUMPS times to one thread and then once to each. A call that
 * ends before it is let go, or before its timeout is over, is printed. `all quiet` is the good end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHORT_MS 700

static _Atomic int released, early, inside;
static char dir[] = "/tmp/waits-XXXXXX";

static struct timespec in_ms(int ms, clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000L;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static const struct timespec little = {0, SHORT_MS * 1000000L}, lots = {100, 0};
static struct timeval little_tv = {0, SHORT_MS * 1000};

static int do_poll(void)
{
	return poll(NULL, 0, SHORT_MS);
}

static int do_ppoll(void)
{
	return ppoll(NULL, 0, &little, NULL);
}

static int do_select(void)
{
	struct timeval tv = little_tv;
	return select(0, NULL, NULL, NULL, &tv);
}

static int do_pselect(void)
{
	return pselect(0, NULL, NULL, NULL, &little, NULL);
}

static int do_epoll(void)
{
	static _Thread_local int fd;
	struct epoll_event e;
	fd = fd ? fd : epoll_create1(0);
	return epoll_wait(fd, &e, 1, SHORT_MS);
}

static int do_epoll_for_ever(void)
{
	struct epoll_event e;
	return epoll_pwait(epoll_create1(0), &e, 1, -1, NULL);
}

static int do_nanosleep(void)
{
	return nanosleep(&little, NULL);
}

static int do_clock_nanosleep(void)
{
	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &little, NULL);
	return errno ? -1 : 0;
}

static int do_clock_absolute(void)
{
	struct timespec ts = in_ms(SHORT_MS, CLOCK_MONOTONIC);
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return errno ? -1 : 0;
}

static int do_pause(void)
{
	return pause();
}

static int do_sigtimedwait(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	int r = sigtimedwait(&s, NULL, &little);
	return r < 0 && errno == EAGAIN ? 0 : r;
}

static int do_sigsuspend(void)
{
	sigset_t s;
	sigemptyset(&s);
	return sigsuspend(&s);
}

static int do_semop(void)
{
	static int id = -1;
	struct sembuf take = {0, -1, 0};
	if (id < 0) {
		id = semget(IPC_PRIVATE, 1, 0600);
		semctl(id, 0, IPC_RMID * 0 + SETVAL, 0);
	}
	int r = semtimedop(id, &take, 1, &little);
	if (r < 0 && errno == EAGAIN)
		return 0;
	int e = errno;
	semctl(id, 0, IPC_RMID);
	errno = e;
	return r;
}

static int do_msgrcv(void)
{
	int id = msgget(IPC_PRIVATE, 0600);
	char buf[64];
	int r = (int)msgrcv(id, buf, 16, 0, 0), e = errno;
	msgctl(id, IPC_RMID, NULL);
	errno = e;
	return r;
}

static int do_cond(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec ts = in_ms(SHORT_MS, CLOCK_REALTIME);
	pthread_mutex_lock(&m);
	int r = pthread_cond_timedwait(&c, &m, &ts);
	pthread_mutex_unlock(&m);
	errno = r;
	return r == ETIMEDOUT ? 0 : -1;
}

static int do_sem_timedwait(void)
{
	static sem_t s;
	struct timespec ts = in_ms(SHORT_MS, CLOCK_REALTIME);
	int r = sem_timedwait(&s, &ts);
	return r < 0 && errno == ETIMEDOUT ? 0 : r;
}

static int do_sem_wait(void)
{
	static sem_t s;
	return sem_wait(&s);
}

static int listener(struct sockaddr_in *at, int backlog)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	*at =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bind(fd, (struct sockaddr *)at, sizeof(*at));
	listen(fd, backlog);
	getsockname(fd, (struct sockaddr *)at, &len);
	return fd;
}

static int do_accept(void)
{
	static int fd;
	struct sockaddr_in at;
	if (!fd) {
		fd = listener(&at, 1);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &little_tv, sizeof(little_tv));
	}
	int r = accept(fd, NULL, NULL);
	return r < 0 && errno == EAGAIN ? 0 : -1;
}

static int do_recv(int ms)
{
	int pair[2];
	char c;
	struct timeval tv = {0, ms * 1000};
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	int r = (int)recv(pair[0], &c, 1, 0), e = errno;
	close(pair[0]);
	close(pair[1]);
	errno = e;
	return r < 0 && errno == EAGAIN ? 0 : -1;
}

static int do_recv_timeout(void)
{
	return do_recv(SHORT_MS);
}

static int do_recv_for_ever(void)
{
	return do_recv(0);
}

static int do_read_timeout(void)
{
	int pair[2];
	char c;
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &little_tv, sizeof(little_tv));
	int r = (int)read(pair[0], &c, 1), e = errno;
	close(pair[0]);
	close(pair[1]);
	errno = e;
	return r < 0 && errno == EAGAIN ? 0 : -1;
}

static int do_read_pipe(void)
{
	int fd[2];
	char c;
	return pipe(fd) ? -1 : (int)read(fd[0], &c, 1);
}

static int do_write_pipe(void)
{
	static const char bytes[1 << 16];
	int fd[2];
	if (pipe(fd) || write(fd[1], bytes, sizeof(bytes)) < 0)
		return -1;
	return (int)write(fd[1], bytes, 1);
}

static int do_open_fifo(void)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/fifo", dir);
	mkfifo(path, 0600);
	return open(path, O_RDONLY);
}

static int do_connect(void)
{
	struct sockaddr_in at;
	listener(&at, 0);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fd, (struct sockaddr *)&at, sizeof(at));
	}
	return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at));
}

static int do_flock(void)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/lock", dir);
	int a = open(path, O_RDWR | O_CREAT, 0600), b = open(path, O_RDWR);
	flock(a, LOCK_EX);
	return flock(b, LOCK_EX);
}

static int do_wait4(void)
{
	pid_t pid = fork();
	if (!pid) {
		alarm(100);
		for (;;)
			pause();
	}
	int r = wait4(pid, NULL, 0, NULL), e = errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	errno = e;
	return r;
}

static int do_mq(void)
{
	struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 16};
	char name[32], buf[16];
	struct timespec ts = in_ms(100000, CLOCK_REALTIME);
	snprintf(name, sizeof(name), "/waits-%d", (int)getpid());
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	if (q == (mqd_t)-1) {
		printf("no message queues here\n");
		return pause();
	}
	mq_unlink(name);
	return (int)mq_timedreceive(q, buf, sizeof(buf), NULL, &ts);
}

/* As a library that has no wrapper in libc would: the number directly before the call. */
static int do_io_getevents(void)
{
	aio_context_t ctx = 0;
	struct io_event event;
	struct timespec ts = lots;
	long r = SYS_io_getevents;
	if (syscall(SYS_io_setup, 4, &ctx)) {
		printf("no asynchronous i/o here\n");
		return pause();
	}
	register long r10 __asm__("r10") = (long)&event;
	register long r8 __asm__("r8") = (long)&ts;
	__asm__ volatile("movl %[n],%%eax\n\tsyscall"
			 : "=&a"(r)
			 : [n] "i"(SYS_io_getevents), "D"(ctx), "S"(1), "d"(1), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	errno = (int)-r;
	return r < 0 ? -1 : 0;
}

static int do_waitid(void)
{
	siginfo_t si;
	pid_t pid = fork();
	if (!pid) {
		alarm(100);
		for (;;)
			pause();
	}
	int r = waitid(P_PID, (id_t)pid, &si, WEXITED), e = errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	errno = e;
	return r;
}

static int do_mutex(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	struct timespec ts = in_ms(SHORT_MS, CLOCK_REALTIME);
	pthread_mutex_trylock(&m);
	int r = pthread_mutex_timedlock(&m, &ts);
	errno = r;
	return r == ETIMEDOUT ? 0 : -1;
}

static const struct wait {
	const char *name;
	int (*call)(void); /* 0: its timeout is over */
	int ms;            /* not before */
} waits[] = {{"poll", do_poll, SHORT_MS},
	     {"ppoll", do_ppoll, SHORT_MS},
	     {"select", do_select, SHORT_MS},
	     {"pselect", do_pselect, SHORT_MS},
	     {"epoll_wait", do_epoll, SHORT_MS},
	     {"epoll_pwait", do_epoll_for_ever, 0},
	     {"nanosleep", do_nanosleep, SHORT_MS},
	     {"clock_nanosleep", do_clock_nanosleep, SHORT_MS},
	     {"clock_nanosleep ABSTIME", do_clock_absolute, SHORT_MS},
	     {"pause", do_pause, 0},
	     {"sigsuspend", do_sigsuspend, 0},
	     {"sigtimedwait", do_sigtimedwait, SHORT_MS},
	     {"semtimedop", do_semop, SHORT_MS},
	     {"msgrcv", do_msgrcv, 0},
	     {"pthread_cond_timedwait", do_cond, SHORT_MS},
	     {"pthread_mutex_timedlock", do_mutex, SHORT_MS},
	     {"sem_timedwait", do_sem_timedwait, SHORT_MS},
	     {"sem_wait", do_sem_wait, 0},
	     {"accept", do_accept, SHORT_MS},
	     {"recv SO_RCVTIMEO", do_recv_timeout, SHORT_MS},
	     {"recv", do_recv_for_ever, 0},
	     {"read SO_RCVTIMEO", do_read_timeout, SHORT_MS},
	     {"read", do_read_pipe, 0},
	     {"write", do_write_pipe, 0},
	     {"open", do_open_fifo, 0},
	     {"connect", do_connect, 0},
	     {"flock", do_flock, 0},
	     {"wait4", do_wait4, 0},
	     {"waitid", do_waitid, 0},
	     {"mq_timedreceive", do_mq, 0},
	     {"io_getevents", do_io_getevents, 0}};
#define WAITS (sizeof(waits) / sizeof(*waits))

static _Atomic int tids[WAITS], done[WAITS];

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void *work(void *arg)
{
	const struct wait *w = arg;

	tids[w - waits] = (int)syscall(SYS_gettid);
	inside++;
	while (!released) {
		double start = now();
		int r = w->call(), e = errno;
		double took = now() - start;
		if (released || (r == 0 && w->ms && took >= w->ms - 1))
			continue;
		printf("%s ended with %d errno %d (%s) after %.1f ms\n", w->name, r, r ? e : 0,
		       r ? strerror(e) : "", took);
		early++;
	}
	done[w - waits] = 1;
	return NULL;
}

static void on_release(int sig)
{
	(void)sig;
}

/* The letter of /proc/PID/task/TID/stat, or 0. */
static char state(int tid)
{
	char path[64], line[512] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, line, sizeof(line) - 1);
	close(fd);
	char *at = n > 0 ? strrchr(line, ')') : NULL;
	return at ? at[2] : 0;
}

static bool is_pending(int tid)
{
	char path[64], line[4096] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	int fd = open(path, O_RDONLY);
	(void)!read(fd, line, sizeof(line) - 1);
	close(fd);
	char *at = strstr(line, "SigPnd:");
	return at && strtoul(at + 7, NULL, 16) & 1UL << (SIGQUIT - 1);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_release};
	int dumps = argc > 1 ? atoi(argv[1]) : 50;
	pthread_t t[WAITS];
	sigset_t s;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(100);
	if (!mkdtemp(dir))
		return 1;
	/* Nobody may attach: the threads are asked by signal. */
	if (argc > 2)
		prctl(PR_SET_DUMPABLE, 0);
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	for (unsigned i = 0; i < WAITS; i++)
		pthread_create(&t[i], NULL, work, (void *)(uintptr_t)&waits[i]);
	for (unsigned i = 0; i < WAITS; i++)
		while (!tids[i] || state(tids[i]) != 'S')
			sched_yield();
	for (int i = 0; i < dumps; i++)
		raise(SIGQUIT);
	printf("dumped\n");
	for (unsigned i = 0; i < WAITS; i++) {
		pthread_kill(t[i], SIGQUIT);
		while (is_pending(tids[i]))
			sched_yield();
		raise(SIGQUIT);
	}
	released = 1;
	for (unsigned i = 0; i < WAITS; i++) {
		while (!done[i]) {
			pthread_kill(t[i], SIGUSR1);
			usleep(2000);
		}
		pthread_join(t[i], NULL);
	}
	printf(early ? "%d calls ended early\n" : "all quiet\n", early);
	char command[64];
	snprintf(command, sizeof(command), "%s/fifo", dir);
	unlink(command);
	snprintf(command, sizeof(command), "%s/lock", dir);
	unlink(command);
	rmdir(dir);
	return early != 0;
}
