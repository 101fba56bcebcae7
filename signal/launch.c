/*
 * Two nested clones share the program's memory and neither is its child in the sense of wait(2)
 * (exit signal 0, and the second is a child of the first): the supervisor, which has a descriptor
 * table of its own and serves memory where ptrace is refused, and the helper, which is executed.
 * The crashing thread waits on a word that the kernel clears when the supervisor is gone.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "apart.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/text.h"
#include "clones.h"
#include "collect.h"
#include "deliver.h"
#include "serve.h"
#include "state.h"
#include "sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define HELPER_FD 3   /* the helper's end of the socket */
#define TRIES     100 /* of a call that ends with EINTR */
#define TURNS_MAX 1000000

static struct {
	struct stk_crash *crash;
	int out_fd;
	_Atomic uint64_t deadline_ns; /* the helper's */
	uint64_t grant_ns;       /* what the report had: so much again for each part of the core */
	_Atomic uint32_t report; /* 1: the helper has written it, and goes on with the core */
	/* 0: the supervisor is gone; 1: at work; 2: it wants the threads collected; 3: it stays. */
	_Atomic uint32_t word;
	_Atomic uint32_t collected;
	_Atomic int32_t supervisor, helper;
	int32_t status; /* of the helper, as wait4 gives it; -1: its end was not seen */
	int32_t ended;  /* that of the supervisor; -1: not seen */
	bool killed;    /* the time was over */
	bool holds;     /* the helper is done, and stays: threads stand that ptrace holds */
	bool wrote;     /* the helper wrote something; the last byte of that */
	char last;
	const char *failed; /* what could not be done, and its errno */
	long failed_errno;
	int sockets[2], memfd;
} run;

static uint8_t supervisor_stack[32768] STK_APART __attribute__((aligned(16)));
static uint8_t exec_stack[16384] STK_APART __attribute__((aligned(16)));
static char why[192];

static void fail(const char *what, long error)
{
	run.failed = what;
	run.failed_errno = error;
}

__attribute__((force_align_arg_pointer)) static void on_trap(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	stk_deliver_refuse(uc);
}

/* Our handlers must not run in the clones: they share the gate and the state. */
static void reset_signals(void)
{
	struct stk_ksigaction dfl = {0}, ign = {.handler = (void *)1 /* SIG_IGN */};
	struct stk_ksigaction trap = stk_our_action();

	for (int sig = 1; sig < 32; sig++)
		if (stk_signals_all() & 1ULL << (sig - 1))
			stk_sigaction(sig, sig == SIGQUIT ? &ign : &dfl, 0);
	trap.handler = on_trap;
	stk_sigaction(SIGSYS, &trap, 0);
	/* SIGTTOU: a terminal takes the report from the background, too (`stty tostop`); no key
	 * stops who makes it. */
	static const uint8_t ignored[] = {SIGINT,  SIGHUP,  SIGTERM, SIGPIPE,
					  SIGXFSZ, SIGTTOU, SIGTTIN, SIGTSTP};
	for (unsigned i = 0; i < sizeof(ignored); i++)
		stk_sigaction(ignored[i], &ign, 0);
}

/* The embedded helper as a file in memory. */
static long helper_in_memory(void)
{
	size_t len = (size_t)(stk_helper_end - stk_helper_start), at = 0;
	long fd = sys2(SYS_memfd_create, "libstack-helper", MFD_CLOEXEC | MFD_EXEC);

	if (fd == -EINVAL) /* before Linux 6.3 there is no MFD_EXEC */
		fd = sys2(SYS_memfd_create, "libstack-helper", MFD_CLOEXEC);
	for (unsigned tries = 0; fd >= 0 && at < len; tries++) {
		long n = sys3(SYS_write, fd, stk_helper_start + at, len - at);
		if (n <= 0 && (n != -EINTR || tries > TRIES)) {
			sys1(SYS_close, fd);
			return n ? n : -ENOSPC;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return fd;
}

/* The one that is asked for, else the embedded one, else the installed one. */
static long open_helper(void)
{
	bool asked = stk_g.o.helper[0], embedded = stk_helper_end != &stk_helper_start[0];
	long fd = -ENOENT, error;

	if (!asked && embedded && (fd = helper_in_memory()) >= 0)
		return fd;
	error = fd;
	fd = sys3(SYS_open, asked ? stk_g.o.helper : STK_HELPER_PATH, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 && !asked && embedded)
		fail("the helper cannot be put into memory", error);
	else if (fd < 0)
		fail("the helper cannot be opened", fd);
	return fd;
}

/* As far as we may: the limits are those of the clone alone. */
static void raise_limit(int what)
{
	struct rlimit r, none = {RLIM_INFINITY, RLIM_INFINITY};

	if (sys4(SYS_prlimit64, 0, what, &none, 0) != 0 &&
	    sys4(SYS_prlimit64, 0, what, 0, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		sys4(SYS_prlimit64, 0, what, &r, 0);
	}
}

static void put_hex(char *to, uint64_t v)
{
	struct stk_text t;

	stk_text_init(&t, to, 24);
	stk_printf(&t, "%lx", (unsigned long)v);
}

/* A copy of a descriptor above those that the helper uses, closed when it is executed. */
static long above(int fd)
{
	return fd < 0 ? fd : sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HELPER_FD + 1);
}

/* The second clone: becomes the helper. */
static void exec_helper(void)
{
	static char addr[24], tid[24];
	static char *argv[] = {(char *)"libstack-helper", tid, addr, 0};
	static char *envp[] = {0};
	uint64_t empty = 0;

	put_hex(addr, (uint64_t)(uintptr_t)run.crash);
	put_hex(tid, (uint64_t)run.crash->tid);
	sys2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	raise_limit(RLIMIT_AS);
	raise_limit(RLIMIT_DATA);
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_STACK);
	raise_limit(RLIMIT_CPU);
	/* 1 is the report, 3 the socket; dup3 clears close-on-exec. First all out of the way. */
	long out = above(run.out_fd), sock = above(run.sockets[1]), memfd = above(run.memfd);
	sys3(SYS_dup3, out, 1, 0);
	sys3(SYS_dup3, sock, HELPER_FD, 0);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &empty, 0, 8);
	long r = sys5(SYS_execveat, memfd, "", argv, envp, AT_EMPTY_PATH);
	fail("the helper cannot be executed", r);
	sys1(SYS_exit, STK_HELPER_EXEC);
}

/* Ask the crashing thread, which alone can set handlers, to collect the others. */
static void want_collected(void)
{
	atomic_store(&run.collected, 0);
	atomic_store(&run.word, 2);
	stk_wake_word(&run.word);
	for (unsigned turns = 0;
	     turns < TURNS_MAX && !atomic_load(&run.collected) && stk_now_ns() < run.deadline_ns;
	     turns++)
		stk_wait_word(&run.collected, 0, run.deadline_ns);
}

/* The helper has written all. Where it holds threads the program may go on to its end, and takes us
 * with it. */
static void on_done(int status, bool holds)
{
	run.status = status << 8; /* as wait4 has it (W_EXITCODE of sys/wait.h) */
	run.holds = holds;
	if (!holds)
		return;
	atomic_store(&run.word, 3);
	stk_wake_word(&run.word);
}

static void on_write(char last)
{
	run.wrote = true;
	run.last = last;
}

static uint64_t extend(void)
{
	atomic_store(&run.report, 1);
	atomic_store(&run.deadline_ns, stk_now_ns() + run.grant_ns);
	return run.deadline_ns;
}

/* What the clone has of the program, and must not keep or use. */
static void detach(void)
{
	struct rlimit none = {0, 0};

	/* If the program is killed meanwhile, nobody needs its report. */
	sys2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	/* A core of ours would take the name of the program's. By a call of its own: a filter that
	 * kills for the newer one must not leave any. */
	if (sys2(SYS_setrlimit, RLIMIT_CORE, &none) != 0)
		sys4(SYS_prlimit64, 0, RLIMIT_CORE, &none, 0);
	raise_limit(RLIMIT_FSIZE);
	/* Files that the program deletes or locks must not live on with us. */
	if (run.out_fd > 0)
		sys3(SYS_close_range, 0, run.out_fd - 1, 0);
	sys3(SYS_close_range, run.out_fd + 1, ~0U, 0);
}

/* A descriptor of our own, by whichever call is allowed: the other end must see it. */
static void shut(int fd)
{
	if (fd >= 0 && sys1(SYS_close, fd) != 0)
		sys3(SYS_close_range, fd, fd, 0);
}

/* The first clone: starts the helper, serves it, sees how it ends. */
static void supervise(void)
{
	struct stk_serve s = {.pid = run.crash->pid,
			      .collect = want_collected,
			      .writes = on_write,
			      .extend = extend,
			      .done = on_done,
			      .crash = run.crash,
			      .deadline_ns = run.deadline_ns};
	int status = 0;

	stk_clone_note((int)sys0(SYS_gettid));
	detach();
	run.sockets[0] = run.sockets[1] = -1;
	run.memfd = (int)open_helper();
	if (run.memfd < 0)
		return;
	sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, run.sockets);
	long r = stk_sys_clone(CLONE_VM | CLONE_VFORK, exec_stack + sizeof(exec_stack), exec_helper,
			       &run.helper, 0);
	if (r < 0) {
		fail("the helper cannot be started", r);
		return;
	}
	shut(run.sockets[1]);
	s.fd = run.sockets[0];
	stk_serve(&s);
	/* Whoever still asks learns that nobody answers. */
	shut(run.sockets[0]);
	long ended = -EINTR;
	for (unsigned tries = 0; ended == -EINTR && tries < TRIES; tries++)
		ended = sys4(SYS_wait4, r, &status, __WALL, 0);
	if (ended != r)
		return;
	atomic_store(&run.helper, 0);
	if (run.status < 0)
		run.status = status;
}

static const char *exit_text(int status)
{
	switch (status) {
	case STK_HELPER_NOTHING:
		return "the helper wrote nothing";
	case STK_HELPER_ATTACH:
		return "the helper may not read this process";
	case STK_HELPER_PROC:
		return "/proc belongs to another PID namespace";
	default:
		return 0;
	}
}

static void put_failure(struct stk_text *t, const char *what, long error)
{
	const char *text = stk_errno_text((int)-error);

	if (text)
		stk_printf(t, "%s: %s", what, text);
	else
		stk_printf(t, "%s: errno %d", what, (int)-error);
}

static const char *describe(long started)
{
	struct stk_text t;

	stk_text_init(&t, why, sizeof(why));
	if (started == -ENOTSUP)
		stk_puts(&t, "valgrind starts no helper");
	else if (started == -EXDEV)
		stk_puts(&t, "a process would be the first of the new PID namespace");
	else if (started < 0)
		put_failure(&t, "no process can be started", started);
	else if (run.failed)
		put_failure(&t, run.failed, run.failed_errno);
	else if (run.killed)
		stk_puts(&t, "the helper took too long");
	else if (run.status < 0 && run.ended >= 0 && WIFSIGNALED(run.ended))
		stk_printf(&t, "%s died of %s",
			   atomic_load(&run.helper) ? "who serves the helper"
						    : "who starts the helper",
			   stk_signal_name(WTERMSIG(run.ended)));
	else if (run.status < 0)
		stk_puts(&t, "the end of the helper is not known");
	else if (WIFSIGNALED(run.status))
		stk_printf(&t, "the helper died of %s", stk_signal_name(WTERMSIG(run.status)));
	else if (exit_text(WEXITSTATUS(run.status)))
		stk_puts(&t, exit_text(WEXITSTATUS(run.status)));
	else
		stk_printf(&t, "the helper ended with status %d", WEXITSTATUS(run.status));
	if (run.wrote)
		stk_puts(&t, ", its report above is not whole");
	return why;
}

static void kill_clone(_Atomic int32_t *pid)
{
	int32_t n = atomic_load(pid);

	if (n > 0)
		sys2(SYS_kill, n, SIGKILL);
}

/* The supervisor waits in want_collected() no longer. */
static void let_go_on(void)
{
	atomic_store(&run.collected, 1);
	stk_wake_word(&run.collected);
}

static void collect(uint64_t deadline_ns)
{
	uint64_t until = stk_now_ns() + 500000000U;
	struct stk_collection *all =
	    stk_collect(run.crash->ends, until < deadline_ns ? until : deadline_ns);

	run.crash->others = (uint64_t)(uintptr_t)all->v;
	run.crash->nothers = all->n;
	/* A supervisor that has died meanwhile stays gone. */
	uint32_t asked = 2;
	atomic_compare_exchange_strong(&run.word, &asked, 1);
	let_go_on();
}

/* Wait for the supervisor until the deadline, which moves; do what it asks. true: it is gone, or
 * stays to the end. */
static bool attend(void)
{
	uint32_t seen;

	for (unsigned turns = 0; (seen = atomic_load(&run.word)) != 0; turns++) {
		uint64_t until = run.deadline_ns;
		if (seen == 3)
			return true;
		if (turns > TURNS_MAX || stk_now_ns() >= until)
			return false;
		if (seen == 2)
			collect(until);
		else
			stk_wait_word(&run.word, seen, until);
	}
	return true;
}

/* true: the supervisor is gone. */
static bool wait_gone(uint64_t ns)
{
	uint64_t until = stk_now_ns() + ns;
	uint32_t seen = 1;

	for (unsigned turns = 0;
	     turns < TURNS_MAX && (seen = atomic_load(&run.word)) != 0 && stk_now_ns() < until;
	     turns++)
		stk_wait_word(&run.word, seen, until);
	return !seen;
}

/* End both clones, and wait for that a moment. */
static void stop_clones(void)
{
	kill_clone(&run.helper);
	let_go_on();
	/* The supervisor sees the helper's end, and ends too. */
	if (wait_gone(100000000U))
		return;
	kill_clone(&run.supervisor);
	wait_gone(100000000U);
}

static void reap(void)
{
	int status = 0, pid = atomic_load(&run.supervisor);
	/* One that does not die is not waited for. */
	int how = __WALL | (atomic_load(&run.word) ? WNOHANG : 0);
	long r = -EINTR;

	for (unsigned tries = 0; r == -EINTR && tries < TRIES; tries++)
		r = sys4(SYS_wait4, pid, &status, how, 0);
	if (r == pid) {
		run.ended = status;
		stk_clone_forget(pid);
	} else if (stk_clone_status(pid, &status)) {
		run.ended = status;
	}
	atomic_store(&run.supervisor, 0);
	sys2(SYS_prctl, PR_SET_PTRACER, 0);
}

static bool reported(void)
{
	int status = run.status >= 0 && WIFEXITED(run.status) ? WEXITSTATUS(run.status) : -1;

	return !run.failed && (status == STK_HELPER_DONE || status == STK_HELPER_PARTIAL ||
			       status == STK_HELPER_WRITE);
}

static void start(struct stk_crash *c, int out_fd, uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	run.crash = c;
	run.out_fd = out_fd;
	/* A quarter of the time, at most two seconds, is kept for the report in process. */
	run.deadline_ns = deadline_ns - (left / 4 < 2000000000U ? left / 4 : 2000000000U);
	run.grant_ns = run.deadline_ns > now ? run.deadline_ns - now : 0;
	run.status = run.ended = -1;
	run.failed = 0;
	run.killed = run.wrote = run.holds = false;
	atomic_store(&run.report, 0);
	atomic_store(&run.supervisor, 0);
	atomic_store(&run.helper, 0);
	atomic_store(&run.collected, 0);
	atomic_store(&run.word, 1);
	c->report_ms = run.deadline_ns > now ? (uint32_t)((run.deadline_ns - now) / 1000000U) : 0;
}

/* After unshare(2) with CLONE_NEWPID the next child becomes the init of the new namespace, and no
 * other can be born there when it is gone (pid_namespaces(7)): it is the program's to make. */
static bool in_new_namespace(void)
{
	char own[64], next[64];
	long n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid", own, sizeof(own));
	long m = sys4(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/pid_for_children", next,
		      sizeof(next));

	/* One that has no init yet has no name (kernel/pid_namespace.c, pidns_for_children_get()).
	 */
	return n > 0 && (m > 0 ? m != n || memcmp(own, next, (size_t)n) != 0 : m == -ENOENT);
}

/* The number of its process, or a negative errno value. */
static long start_supervisor(void)
{
	if (stk_sys_in_valgrind())
		return -ENOTSUP;
	if (in_new_namespace())
		return -EXDEV;
	return stk_sys_clone(CLONE_VM | CLONE_CHILD_CLEARTID,
			     supervisor_stack + sizeof(supervisor_stack), supervise,
			     &run.supervisor, &run.word);
}

void stk_launch(struct stk_launch *ret, struct stk_crash *c, int out_fd, uint64_t deadline_ns)
{
	start(c, out_fd, deadline_ns);
	long supervisor = start_supervisor();
	if (supervisor > 0) {
		/* Yama (ptrace_scope 1): only a declared tracer may attach, and its descendants. */
		sys2(SYS_prctl, PR_SET_PTRACER, supervisor);
		run.killed = !attend();
		if (run.killed)
			stop_clones();
		if (!run.holds)
			reap();
	}
	stk_collect_done();
	ret->done = reported() || run.report;
	ret->unwritten = reported() && WEXITSTATUS(run.status) == STK_HELPER_WRITE;
	ret->mid_line = run.wrote && run.last != '\n';
	ret->why = reported() ? 0 : describe(supervisor);
}

bool stk_launch_writes_core(void)
{
	return atomic_load(&run.report) && atomic_load(&run.word);
}

static bool is_on(const uint8_t *stack, size_t size, uint64_t sp)
{
	return sp - (uint64_t)(uintptr_t)stack <= size;
}

bool stk_launch_is_clone(uint64_t sp)
{
	return is_on(supervisor_stack, sizeof(supervisor_stack), sp) ||
	       is_on(exec_stack, sizeof(exec_stack), sp);
}

bool stk_launch_abort(void)
{
	if (atomic_load(&run.supervisor) <= 0)
		return false;
	stop_clones();
	reap();
	stk_collect_done();
	return run.wrote && run.last != '\n';
}
