/*
 * Two nested clones share the program's memory and neither is its child in the sense of wait(2)
 * (exit signal 0, and the second is a child of the first): the supervisor, which has a descriptor
 * table of its own and serves memory where ptrace is refused, and the helper, which is executed.
 * The crashing thread waits on a word that the kernel clears when the supervisor is gone.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/mem.h"
#include "base/signals.h"
#include "base/text.h"
#include "collect.h"
#include "serve.h"
#include "state.h"
#include "sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define HELPER_FD 3 /* the helper's end of the socket */

static struct {
	struct stk_crash *crash;
	int out_fd;
	_Atomic uint64_t deadline_ns;
	uint64_t grant_ns;       /* what the report had: so much again for each part of the core */
	_Atomic uint32_t report; /* 1: the helper has written it */
	/* 0: the supervisor is gone; 1: at work; 2: it wants the threads collected. */
	_Atomic uint32_t word;
	_Atomic uint32_t collected;
	_Atomic int32_t helper_pid;
	int32_t status;     /* of the helper, as wait4 gives it; -1: it was not started */
	const char *failed; /* what could not be done, and its errno */
	long failed_errno;
	int sockets[2], memfd;
} run;

static uint8_t supervisor_stack[32768] __attribute__((aligned(16)));
static uint8_t exec_stack[16384] __attribute__((aligned(16)));
static char why[192];

/*
 * clone(2) with a new stack on which `fn` runs; it does not return. The child's tid, or a negative
 * errno value.
 */
static long clone_on(unsigned long flags, void *top, void (*fn)(void), _Atomic uint32_t *clear)
{
	long ret;
	register void *ctid __asm__("r10") = clear;
	register long tls __asm__("r8") = 0;

	__asm__ volatile("syscall\n\t"
			 "test %%rax,%%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp,%%ebp\n\t"
			 "call *%%rbx\n\t"
			 "mov $60,%%eax\n\t" /* exit */
			 "xor %%edi,%%edi\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(top), "d"(0), "r"(ctid), "r"(tls),
			   "b"(fn)
			 : "rcx", "r11", "memory");
	return ret;
}

static void fail(const char *what, long error)
{
	run.failed = what;
	run.failed_errno = error;
}

/* Our handlers must not run in the clones: they share the gate and the state. */
static void reset_signals(void)
{
	struct stk_ksigaction dfl = {0}, ign = {.handler = (void *)1 /* SIG_IGN */};

	for (int sig = 1; sig < 32; sig++)
		if (stk_signals_all() & 1ULL << (sig - 1))
			stk_sigaction(sig, sig == SIGQUIT ? &ign : &dfl, 0);
	stk_sigaction(SIGINT, &ign, 0);
	stk_sigaction(SIGHUP, &ign, 0);
	stk_sigaction(SIGPIPE, &ign, 0);
}

static long open_helper(void)
{
	size_t len = (size_t)(stk_helper_end - stk_helper_start), at = 0;

	if (stk_g.o.helper[0])
		return sys3(SYS_open, stk_g.o.helper, O_RDONLY | O_CLOEXEC, 0);
	if (!len)
		return sys3(SYS_open, STK_HELPER_PATH, O_RDONLY | O_CLOEXEC, 0);
	long fd = sys2(SYS_memfd_create, "libstack-helper", MFD_CLOEXEC | MFD_EXEC);
	if (fd == -EINVAL) /* before Linux 6.3 there is no MFD_EXEC */
		fd = sys2(SYS_memfd_create, "libstack-helper", MFD_CLOEXEC);
	while (fd >= 0 && at < len) {
		long n = sys3(SYS_write, fd, stk_helper_start + at, len - at);
		if (n <= 0 && n != -EINTR)
			return n ? n : -ENOSPC;
		at += n > 0 ? (size_t)n : 0;
	}
	return fd;
}

static void raise_limit(int what)
{
	struct rlimit r;

	if (sys4(SYS_prlimit64, 0, what, 0, &r) == 0) {
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
	static char addr[24], pid[24];
	static char *argv[] = {(char *)"libstack-helper", pid, addr, 0};
	static char *envp[] = {0};
	struct rlimit none = {0, 0};
	uint64_t empty = 0;

	put_hex(addr, (uint64_t)(uintptr_t)run.crash);
	put_hex(pid, (uint64_t)run.crash->pid);
	sys4(SYS_prlimit64, 0, RLIMIT_CORE, &none, 0);
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
	atomic_store(&run.word, 2);
	sys3(SYS_futex, &run.word, FUTEX_WAKE, 1);
	while (!atomic_load(&run.collected) && stk_now_ns() < run.deadline_ns)
		sys4(SYS_futex, &run.collected, FUTEX_WAIT, 0, 0);
}

static uint64_t extend(void)
{
	atomic_store(&run.report, 1);
	atomic_store(&run.deadline_ns, stk_now_ns() + run.grant_ns);
	return run.deadline_ns;
}

/* The first clone: starts the helper, serves it, sees how it ends. */
static void supervise(void)
{
	struct stk_serve s = {.pid = run.crash->pid,
			      .collect = want_collected,
			      .extend = extend,
			      .crash = run.crash,
			      .deadline_ns = run.deadline_ns};
	int status = 0;

	reset_signals();
	/* The program's own descriptors: files that it deletes or locks must not live on with us.
	 */
	if (run.out_fd > 0)
		sys3(SYS_close_range, 0, run.out_fd - 1, 0);
	sys3(SYS_close_range, run.out_fd + 1, ~0U, 0);
	run.sockets[0] = run.sockets[1] = -1;
	long r = open_helper();
	run.memfd = (int)r;
	if (r < 0) {
		fail("the helper cannot be had", r);
		return;
	}
	sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, run.sockets);
	r = clone_on(CLONE_VM | CLONE_VFORK, exec_stack + sizeof(exec_stack), exec_helper, 0);
	if (r < 0) {
		fail("the helper cannot be started", r);
		return;
	}
	atomic_store(&run.helper_pid, (int32_t)r);
	sys1(SYS_close, run.sockets[1]);
	s.fd = run.sockets[0];
	stk_serve(&s);
	while (sys4(SYS_wait4, r, &status, __WALL, 0) == -EINTR)
		;
	run.status = status;
}

static const char *describe(long started)
{
	struct stk_text t;

	stk_text_init(&t, why, sizeof(why));
	if (started < 0)
		stk_printf(&t, "no process can be started, errno %d", (int)-started);
	else if (run.failed)
		stk_printf(&t, "%s, errno %d", run.failed, (int)-run.failed_errno);
	else if (run.status < 0)
		stk_puts(&t,
			 stk_now_ns() >= run.deadline_ns ? "it took too long" : "it was killed");
	else if (WIFSIGNALED(run.status))
		stk_printf(&t, "the helper died of %s",
			   stk_now_ns() >= run.deadline_ns ? "the time limit"
							   : stk_signal_name(WTERMSIG(run.status)));
	else if (WEXITSTATUS(run.status) == STK_HELPER_ATTACH)
		stk_puts(&t, "the helper may not read this process");
	else
		stk_printf(&t, "the helper ended with status %d", WEXITSTATUS(run.status));
	return why;
}

/* Wait for the supervisor; do what it asks. */
static void attend(long supervisor)
{
	uint32_t seen;
	bool killed = false;

	while ((seen = atomic_load(&run.word)) != 0) {
		uint64_t now = stk_now_ns();
		if (seen == 2) {
			struct stk_collection *all = stk_collect(now + 500000000U);
			run.crash->others = (uint64_t)(uintptr_t)all->v;
			run.crash->nothers = all->n;
			atomic_store(&run.word, 1);
			atomic_store(&run.collected, 1);
			sys3(SYS_futex, &run.collected, FUTEX_WAKE, 1);
			continue;
		}
		if (now >= run.deadline_ns && !killed) {
			int32_t pid = atomic_load(&run.helper_pid);
			killed = true;
			if (pid > 0)
				sys2(SYS_kill, pid, SIGKILL);
			else
				sys2(SYS_kill, supervisor, SIGKILL);
			run.deadline_ns = now + 500000000U;
			continue;
		}
		if (now >= run.deadline_ns) {
			sys2(SYS_kill, supervisor, SIGKILL);
			return;
		}
		uint64_t left = run.deadline_ns - now;
		struct timespec ts = {(time_t)(left / 1000000000U), (long)(left % 1000000000U)};
		sys4(SYS_futex, &run.word, FUTEX_WAIT, seen, &ts);
	}
}

void stk_launch(struct stk_launch *ret, struct stk_crash *c, int out_fd, uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	run.crash = c;
	run.out_fd = out_fd;
	/* A quarter of the time, at most two seconds, is kept for the report in process. */
	run.deadline_ns = deadline_ns - (left / 4 < 2000000000U ? left / 4 : 2000000000U);
	run.grant_ns = run.deadline_ns > now ? run.deadline_ns - now : 0;
	run.status = -1;
	run.failed = 0;
	atomic_store(&run.report, 0);
	atomic_store(&run.helper_pid, 0);
	atomic_store(&run.collected, 0);
	atomic_store(&run.word, 1);
	c->report_ms = (uint32_t)((run.deadline_ns - now) / 1000000U);
	/* Yama (ptrace_scope 1): only a declared tracer may attach; its descendants may too. */
	long supervisor =
	    clone_on(CLONE_VM | CLONE_CHILD_CLEARTID, supervisor_stack + sizeof(supervisor_stack),
		     supervise, &run.word);
	if (supervisor > 0) {
		sys2(SYS_prctl, PR_SET_PTRACER, supervisor);
		attend(supervisor);
		while (sys4(SYS_wait4, supervisor, 0, __WALL, 0) == -EINTR)
			;
		sys2(SYS_prctl, PR_SET_PTRACER, 0);
	}
	stk_collect_done();
	bool ended = !run.failed && run.status >= 0 && WIFEXITED(run.status) &&
		     (WEXITSTATUS(run.status) == STK_HELPER_DONE ||
		      WEXITSTATUS(run.status) == STK_HELPER_PARTIAL ||
		      WEXITSTATUS(run.status) == STK_HELPER_WRITE);
	ret->done = ended || run.report;
	ret->why = ended ? 0 : describe(supervisor);
}
