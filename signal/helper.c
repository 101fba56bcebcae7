/*
 * The helper: a static program of its own, made of the engine, started by the handler in a crashed
 * process. It reads the process with ptrace (tier 1) or through its supervisor (tier 2), and prints
 * the report on descriptor 1. NORMAL context: it is a healthy program.
 *
 * libstack-helper TID ADDRESS   (hexadecimal; ADDRESS of struct stk_crash in the process)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"
#include "helper_core.h"
#include "output/report.h"
#include "symbols/module.h"
#include "target/live.h"
#include "target/procfs.h"

#define SOCKET 3
#define OUT    1

static volatile sig_atomic_t late;
static bool wrote, write_failed;
static struct stk_crash crash;
static int crashed; /* the thread that crashed: of the leader nothing may be left */
static uint64_t crash_addr;

static void on_alarm(int sig)
{
	(void)sig;
	late = 1;
}

/* The report ends early, and says so, before the program loses patience and kills us. */
static void set_alarm(unsigned ms)
{
	unsigned early = ms > 2000 ? ms - 500 : ms * 3 / 4;
	struct itimerval t = {.it_value = {early / 1000, (early % 1000) * 1000 + 1}};
	struct sigaction sa = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* If we die, the program knows that something of ours stands there, and how it ends. */
static void announce(char last)
{
	struct stk_request q = {.ask = STK_ASK_WRITES, .len = (uint8_t)last};

	send(SOCKET, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int write_out(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	while (len && !write_failed) {
		struct pollfd p = {.fd = OUT, .events = POLLOUT};
		size_t piece = len < 4096 ? len : 4096;
		/* When the time is over, and still nobody reads: give up the output. */
		int ready = poll(&p, 1, late ? 100 : -1);
		if (ready > 0)
			announce(bytes[piece - 1]);
		ssize_t n = ready > 0 ? write(OUT, bytes, piece) : ready;
		if (n <= 0) {
			write_failed = ready == 0 || (errno != EINTR && errno != EAGAIN);
			continue;
		}
		bytes += n;
		len -= (size_t)n;
		wrote = true;
	}
	return write_failed ? -1 : 0;
}

static long ask(uint32_t what, uint64_t addr, uint32_t len, void *buf, size_t cap)
{
	struct stk_request q = {what, len, addr};
	ssize_t n;

	if (send(SOCKET, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q))
		return -1;
	while ((n = recv(SOCKET, buf, cap, 0)) < 0 && errno == EINTR)
		;
	return n;
}

static int read_by_socket(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg;
	return ask(STK_ASK_READ, addr, (uint32_t)len, buf, len) == (long)len ? 0 : -1;
}

/* An open /proc/PID/maps of the program, or one that was made without /proc; 0: none. */
static int maps_by_socket(bool *made)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct stk_request q = {.ask = STK_ASK_MAPS};
	int fd;

	if (send(SOCKET, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q) ||
	    recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC) < 0 || m.msg_controllen < CMSG_LEN(sizeof(int)))
		return 0;
	*made = byte == STK_MAPS_MADE;
	memcpy(&fd, CMSG_DATA(&control.h), sizeof(fd));
	/* 0 is a descriptor like any other here, but not for stk_live_open(). */
	return fd ? fd : fcntl(fd, F_DUPFD_CLOEXEC, SOCKET);
}

/* Threads that answered the collecting signal. */
static struct stk_other *others;
static uint32_t nothers;

static void collect_by_socket(void *arg)
{
	(void)arg;
	uint8_t reply[12];
	uint64_t addr;

	if (ask(STK_ASK_THREADS, 0, 0, reply, sizeof(reply)) != sizeof(reply))
		return;
	memcpy(&addr, reply, 8);
	memcpy(&nothers, reply + 8, 4);
	if (nothers > STK_OTHERS_MAX || !(others = calloc(nothers + 1, sizeof(*others))))
		nothers = 0;
	for (uint32_t i = 0; i < nothers; i++)
		if (read_by_socket(NULL, addr + i * sizeof(*others), &others[i], sizeof(*others)))
			nothers = i;
}

static bool find_regs(const struct stk_other *v, uint32_t n, int tid, void *gregs, size_t len)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i].tid == tid && v[i].answered) {
			memcpy(gregs, v[i].gregs, len);
			return true;
		}
	return false;
}

static bool by_socket;

static bool read_program(uint64_t addr, void *buf, size_t len)
{
	struct iovec here = {buf, len}, there = {(void *)(uintptr_t)addr, len};

	return by_socket ? read_by_socket(NULL, addr, buf, len) == 0
			 : process_vm_readv(crashed, &here, 1, &there, 1, 0) == (ssize_t)len;
}

/* Of a thread that waits for its turn to crash, else as it answered the signal. All stand still. */
static bool known_regs(void *arg, int tid, void *gregs, size_t len)
{
	static bool fresh;

	(void)arg;
	if (!fresh)
		read_program(crash_addr + offsetof(struct stk_crash, parked), crash.parked,
			     sizeof(crash.parked));
	fresh = true;
	return find_regs(crash.parked, STK_PARKED_MAX, tid, gregs, len) ||
	       find_regs(others, nothers, tid, gregs, len);
}

static bool read_crash(void)
{
	bool read = read_program(crash_addr, &crash, sizeof(crash));

	if (!read) {
		by_socket = true;
		read = read_program(crash_addr, &crash, sizeof(crash));
	}
	return read && crash.magic == STK_CRASH_MAGIC && crash.size == sizeof(crash);
}

/* The report is out but for its last line; the core takes as long as it takes, while it goes on. */
static void more_time(void)
{
	uint64_t ms;

	if (ask(STK_ASK_TIME, 0, 0, &ms, sizeof(ms)) != sizeof(ms))
		return;
	set_alarm((unsigned)ms);
	late = 0;
}

static void write_core(void *target, struct stk_text *out)
{
	helper_core(target, &crash, out, by_socket ? read_by_socket : NULL, more_time);
}

/* The libraries of the C runtime: their debug files are large and their names in the symbol table
 * say enough. */
static const char no_debug[] = "libc.so.6:ld-linux-x86-64.so.2:libpthread.so.0:libm.so.6";

static int report(void)
{
	char exe[32], maps[32];
	bool no_proc = false;
	struct stk_err err;
	struct stk_target *t = NULL;
	struct stk_modules *ms = NULL;
	struct stk_live_options lo = {.own_tid = crash.tid,
				      .own_gregs = crash.gregs,
				      .own_gregs_len = sizeof(crash.gregs),
				      .own_fpregs = crash.has_fpregs ? crash.fpregs : NULL,
				      .own_fpregs_len = sizeof(crash.fpregs),
				      .only_own = crash.level == 1,
				      .regs = known_regs,
				      .collect = collect_by_socket,
				      .stop_ms = crash.report_ms / 4};
	struct stk_symbol_options so = {.bin = exe, .no_debug = no_debug};
	struct stk_report_options ro = {.single = crash.level == 1,
					.system = crash.level >= 3,
					.head_done = true,
					.others_only = crash.others_only,
					.args = (enum stk_args_mode)crash.args,
					.interrupted = "the time is over"};
	char buf[8192];
	struct stk_text out;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", crashed);
	if (by_socket)
		lo.read = read_by_socket;
	snprintf(maps, sizeof(maps), "/proc/%d/maps", crashed);
	if (by_socket || access(maps, R_OK))
		lo.maps_fd = maps_by_socket(&no_proc);
	if (stk_live_open(crash.pid, &lo, &t, &err) || stk_modules_open(t, &so, &ms, &err))
		return STK_HELPER_ATTACH;
	t->interrupt = &late;
	if (crash.core_path[0]) {
		ro.before_end = write_core;
		ro.arg = t;
	}
	stk_text_init_stream(&out, buf, sizeof(buf), write_out, NULL);
	if (others)
		stk_puts(&out, "[ptrace is not permitted: threads by signal]\n");
	else if (by_socket)
		stk_puts(&out, "[the process cannot be read: memory by socket]\n");
	if (no_proc)
		stk_puts(&out, "[other threads are not known: /proc/self/task cannot be read]\n");
	int r = stk_report_write(&out, ms, &ro);
	stk_text_flush(&out);
	/* Threads run on, memory is the kernel's to free: the program is waiting for us. */
	stk_live_resume(t);
	if (write_failed)
		return wrote ? STK_HELPER_WRITE : STK_HELPER_NOTHING;
	return r ? STK_HELPER_PARTIAL : STK_HELPER_DONE;
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 3) {
		fputs("libstack-helper is started by libstack in a program that crashed.\n",
		      stderr);
		return 64;
	}
	crashed = (int)strtoul(argv[1], NULL, 16);
	crash_addr = strtoull(argv[2], NULL, 16);
	if (!stk_proc_is_ours())
		return STK_HELPER_PROC;
	if (!read_crash())
		return STK_HELPER_ATTACH;
	set_alarm(crash.report_ms);
	r = report();
	fflush(NULL);
	_exit(r);
}
