/*
 * The helper: a static program of its own, made of the engine, started by the handler in a crashed
 * process. It reads the process with ptrace (tier 1) or through its supervisor (tier 2), and prints
 * the report on descriptor 1. NORMAL context: it is a healthy program.
 *
 * libstack-helper TID ADDRESS   (hexadecimal; ADDRESS of struct stk_crash in the process)
 *
 * In order: read struct stk_crash; ask for the threads that answered the collecting signal; open
 * the process as a target, whose memory and registers come by ptrace or, where it is refused, over
 * the socket; write the report; write the core if it is wanted and the kernel leaves none; hold
 * threads until the process is gone, if only ptrace stopped them.
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
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "output/report.h"
#include "signal/crash.h"
#include "signal/helper/core.h"
#include "signal/helper/hold.h"
#include "signal/helper/names.h"
#include "symbols/module.h"
#include "targets/live.h"

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

/* Tell the supervisor that the output has begun, and its last byte so far: if this helper dies, the
 * report in process begins on a new line and says that the one above is not whole. */
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
		size_t piece = len < STK_PAGE ? len : STK_PAGE;
		/* After the alarm, a reader that still does not read loses the output. */
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

/* The threads that were asked by the collecting signal. */
static struct stk_other *others;
static uint32_t nothers;
static bool by_socket, refused;

static bool read_program(uint64_t addr, void *buf, size_t len)
{
	struct iovec here = {buf, len}, there = {(void *)(uintptr_t)addr, len};

	return by_socket ? read_by_socket(NULL, addr, buf, len) == 0
			 : process_vm_readv(crashed, &here, 1, &there, 1, 0) == (ssize_t)len;
}

/* As many as one reply over the socket holds. */
#define AT_ONCE (STK_REPLY_MAX / (uint32_t)sizeof(struct stk_other))

static int by_tid(const void *a, const void *b)
{
	const struct stk_other *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

static void read_others(uint64_t addr, uint32_t n)
{
	free(others);
	nothers = 0;
	if (n > STK_OTHERS_MAX || !(others = calloc(n + 1, sizeof(*others))))
		return;
	while (nothers < n) {
		uint32_t some = n - nothers < AT_ONCE ? n - nothers : AT_ONCE;
		if (!read_program(addr + nothers * sizeof(*others), &others[nothers],
				  some * sizeof(*others)))
			return;
		nothers += some;
	}
	qsort(others, nothers, sizeof(*others), by_tid);
}

static void collect(void)
{
	uint8_t reply[12];
	uint64_t addr = crash.others;
	uint32_t n = crash.nothers;

	if (ask(STK_ASK_THREADS, 0, 0, reply, sizeof(reply)) == sizeof(reply)) {
		memcpy(&addr, reply, 8);
		memcpy(&n, reply + 8, 4);
	}
	read_others(addr, n);
	/* Threads that crashed since struct stk_crash was read. */
	read_program(crash_addr + offsetof(struct stk_crash, parked), crash.parked,
		     sizeof(crash.parked));
}

/* ptrace is refused: the crashing thread collects the registers by signal (tier 2). */
static void collect_instead(void *arg)
{
	(void)arg;
	refused = true;
	collect();
}

static const struct stk_other *find_other(int tid)
{
	struct stk_other key = {.tid = tid};

	return nothers ? bsearch(&key, others, nothers, sizeof(*others), by_tid) : NULL;
}

static const struct stk_parked *find_parked(int tid)
{
	for (uint32_t i = 0; i < STK_PARKED_MAX; i++)
		if (crash.parked[i].tid == tid && crash.parked[i].there)
			return &crash.parked[i];
	return NULL;
}

/* The registers of a thread that stands by itself: those of its own fault if it waits at the gate,
 * else those that it answered with. false: it does not stand. */
static bool find_stood(int tid, struct stk_answer *ret)
{
	const struct stk_parked *p = find_parked(tid);
	const struct stk_other *o = p ? NULL : find_other(tid);

	if (p)
		*ret = p->stood;
	return p || (o && o->answered && o->stood && read_program(o->stood, ret, sizeof(*ret)));
}

static bool known_regs(void *arg, int tid, void *gregs, size_t len, void *fpregs, size_t fplen,
		       bool *ret_fp)
{
	struct stk_answer s;

	(void)arg;
	if (!find_stood(tid, &s))
		return false;
	memcpy(gregs, s.gregs, len);
	/* FXSAVE's area is the layout of NT_FPREGSET. */
	*ret_fp = s.xstate && read_program(s.xstate, fpregs, fplen);
	return true;
}

static bool stands(void *arg, int tid)
{
	const struct stk_other *o = find_other(tid);

	(void)arg;
	return find_parked(tid) || (o && o->answered && o->stood);
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

/* Before each part of the core, which is written when the report is out but for its last line: ask
 * for as much time as the report had. */
static void more_time(void)
{
	uint64_t ms;

	if (ask(STK_ASK_TIME, 0, 0, &ms, sizeof(ms)) != sizeof(ms))
		return;
	set_alarm((unsigned)ms);
	late = 0;
}

/* The threads that were asked, by index: a number; -1, it has not answered; 0, no more. */
static int standing(void *arg, unsigned i)
{
	(void)arg;
	if (i >= nothers)
		return 0;
	return others[i].tid && stands(NULL, others[i].tid) ? others[i].tid : -1;
}

/* Some threads are stopped by ptrace alone: they would run on if this process ended. */
static bool holds;

/* Before the core is written: it shows the threads where they were interrupted, not in our handler.
 */
static void hold_threads(void)
{
	if (crash.ends && !refused && !by_socket && nothers)
		holds |= helper_hold(crash.pid, crash.tid, read_program, find_stood) > 0;
}

static void write_core(void *target, struct stk_trace_sink sink)
{
	hold_threads();
	helper_core(target, &crash, sink, read_program, by_socket ? read_by_socket : NULL,
		    more_time);
}

/* Does the program end, and are there threads that ptrace alone has stopped? They must stand until
 * it has ended. */
static bool only_ptraced(const struct stk_target *t)
{
	for (unsigned i = 0; crash.ends && i < t->nthreads; i++)
		if (t->threads[i].tid != crash.tid && !stands(NULL, t->threads[i].tid))
			return true;
	return false;
}

/* Asked of a thread that stands: it stands on. */
static bool ptrace_is_refused(void)
{
	for (uint32_t i = 0; i < nothers; i++)
		if (stands(NULL, others[i].tid))
			return ptrace(PTRACE_SEIZE, others[i].tid, NULL, NULL) && errno == EPERM;
	return false;
}

/* What was written is whole, whatever becomes of us. */
static bool tell(int status)
{
	struct stk_request q = {.ask = STK_ASK_DONE,
				.len = (uint32_t)status | (holds ? STK_HOLDS : 0)};

	return send(SOCKET, &q, sizeof(q), MSG_NOSIGNAL) == (ssize_t)sizeof(q);
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
				      .stands = crash.ends ? stands : NULL,
				      .standing = crash.ends ? standing : NULL,
				      .collect = collect_instead,
				      .stop_ms = crash.report_ms / 4};
	struct stk_symbol_options so = {.bin = exe, .no_debug = no_debug};
	struct stk_report_options ro = {.single = crash.level == 1,
					.system = crash.level >= 3,
					.head_done = true,
					.others_only = crash.others_only,
					.secure = crash.secure,
					.args = (enum stk_args_mode)crash.args,
					.interrupted = "the time is over"};
	char buf[8192];
	struct stk_text out;
	struct stk_trace_text text;

	if (crash.ends && crash.level != 1)
		collect();
	snprintf(exe, sizeof(exe), "/proc/%d/exe", crashed);
	if (by_socket)
		lo.read = read_by_socket;
	snprintf(maps, sizeof(maps), "/proc/%d/maps", crashed);
	/* Only to open it tells: access(2) does not know what Landlock forbids. */
	lo.maps_fd = by_socket ? -1 : open(maps, O_RDONLY | O_CLOEXEC);
	if (lo.maps_fd <= 0)
		lo.maps_fd = maps_by_socket(&no_proc);
	if (no_proc)
		helper_names(&crash, read_program, &so);
	if (stk_live_open(crash.pid, &lo, &t, &err) || stk_modules_open(t, &so, &ms, &err))
		return STK_HELPER_ATTACH;
	t->pool.budget.interrupt = &late;
	for (unsigned i = 0; i < t->nthreads; i++)
		t->threads[i].trapped = t->threads[i].tid == crash.tid && crash.trapped;
	if (crash.core_path[0]) {
		ro.before_end = write_core;
		ro.arg = t;
	}
	stk_text_init_stream(&out, buf, sizeof(buf), write_out, NULL);
	struct stk_trace_sink sink = stk_trace_text(&text, &out);
	if (refused || (by_socket && ptrace_is_refused()))
		stk_trace_note(sink, "[ptrace is not permitted: threads by signal]");
	else if (by_socket)
		stk_trace_note(sink, "[the process cannot be read: memory by socket]");
	if (no_proc && !nothers)
		ro.unlisted = (enum stk_trace_unlisted)crash.unlisted;
	if (ro.unlisted)
		stk_trace_note(sink, STK_TRACE_UNLISTED);
	else if (no_proc && crash.unlisted && crash.level != 1)
		stk_trace_note(sink, STK_TRACE_STARTED);
	int r = stk_report_emit(sink, ms, &ro);
	stk_text_flush(&out);
	if (write_failed)
		r = wrote ? STK_HELPER_WRITE : STK_HELPER_NOTHING;
	else
		r = r ? STK_HELPER_PARTIAL : STK_HELPER_DONE;
	tell(r);
	if (crash.ends && nothers && !crash.core_path[0] && helper_core_follows(crash.pid))
		hold_threads();
	holds |= only_ptraced(t);
	/* Threads run on, memory is the kernel's to free: the program is waiting for us. */
	if (!holds)
		stk_live_resume(t);
	return r;
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
	bool told = holds && tell(r);
	/* The end of the program is ours: by our parent's (PR_SET_PDEATHSIG), or when no thread is
	 * left. Until they are waited for, those that have ended keep the program from being gone.
	 */
	signal(SIGALRM, SIG_DFL);
	alarm(told ? STK_HOLD_SECONDS : 0);
	while (told && (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR))
		;
	_exit(r);
}
