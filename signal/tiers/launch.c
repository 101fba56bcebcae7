/*
 * The crashing thread's side of tiers 1 and 2; supervise.c is the other. stk_launch():
 *
 * 1. start(): reset what both sides share (stk_run), and keep a part of the time for tier 3.
 * 2. start_supervisor(): the first clone. It starts the second, which executes the helper, and
 * serves it. Both share the program's memory, and the program's wait(2) does not find them: they
 * send no signal when they end, and the helper is a child of the supervisor.
 * 3. attend(): wait on the word stk_g.supervisor, which the kernel clears when the supervisor ends
 *    (CLONE_CHILD_CLEARTID). Where ptrace is refused the word asks this thread to collect the
 * others: it alone can install a handler in the program. Where a core follows, the word tells that
 * the supervisor stays.
 * 4. If the time is over first, end_clones(): the helper, then the supervisor.
 * 5. reap(): take the supervisor's status, so that no zombie is left.
 * 6. Tell the caller whether the report was written, or describe() why not.
 */
#include "signal/tiers/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/text.h"
#include "signal/crash.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/sys.h"
#include "signal/state/clones.h"
#include "signal/state/state.h"
#include "signal/tiers/collect.h"
#include "signal/tiers/supervise.h"
#include "signal/tiers/threads.h"

#define TRIES     100 /* of a call that ends with EINTR */
#define TURNS_MAX 1000000

static char why[192];

/* What the helper's exit status says (signal/crash.h); 0: nothing. */
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

/* Why there is no whole report, from what became of both clones: the first step that failed counts.
 */
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
	else if (stk_run.failed)
		put_failure(&t, stk_run.failed, stk_run.failed_errno);
	else if (stk_run.killed)
		stk_puts(&t, "the helper took too long");
	else if (stk_run.status < 0 && stk_run.ended >= 0 && WIFSIGNALED(stk_run.ended))
		stk_printf(&t, "%s died of %s",
			   atomic_load(&stk_run.helper) ? "the process that serves the helper"
							: "the process that starts the helper",
			   stk_signal_name(WTERMSIG(stk_run.ended)));
	else if (stk_run.status < 0)
		stk_puts(&t, "the end of the helper is not known");
	else if (WIFSIGNALED(stk_run.status))
		stk_printf(&t, "the helper died of %s", stk_signal_name(WTERMSIG(stk_run.status)));
	else if (exit_text(WEXITSTATUS(stk_run.status)))
		stk_puts(&t, exit_text(WEXITSTATUS(stk_run.status)));
	else
		stk_printf(&t, "the helper ended with status %d", WEXITSTATUS(stk_run.status));
	if (stk_run.wrote)
		stk_puts(&t, ", its report above is not whole");
	return why;
}

static void kill_clone(_Atomic int32_t *pid)
{
	int32_t n = atomic_load(pid);

	if (n > 0)
		sys2(SYS_kill, n, SIGKILL);
}

/* End the supervisor's wait in want_collected(). */
static void let_go_on(void)
{
	atomic_store(&stk_run.collected, 1);
	stk_wake_word(&stk_run.collected);
}

/* Tier 2: have the other threads answer with their registers, and tell the helper where those are.
 */
static void collect(uint64_t deadline_ns)
{
	uint64_t until = stk_now_ns() + 500000000U;
	struct stk_collection *all =
	    stk_collect(stk_run.crash->ends, until < deadline_ns ? until : deadline_ns);

	stk_run.crash->others = (uint64_t)(uintptr_t)all->v;
	stk_run.crash->nothers = all->n;
	/* Not a plain store: the kernel may have cleared the word since, and must be believed. */
	uint32_t asked = STK_WORD_COLLECT;
	atomic_compare_exchange_strong(&stk_g.supervisor, &asked, STK_WORD_WORKS);
	let_go_on();
}

/* Wait for the supervisor and do what it asks. The deadline moves: a helper that writes a core gets
 * more time for each part. true: the supervisor is gone, or stays until the program ends; false:
 * the time is over. */
static bool attend(void)
{
	uint32_t seen;

	for (unsigned turns = 0; (seen = atomic_load(&stk_g.supervisor)) != 0; turns++) {
		uint64_t until = stk_run.deadline_ns;
		if (seen == STK_WORD_STAYS)
			return true;
		if (turns > TURNS_MAX || stk_now_ns() >= until)
			return false;
		if (seen == STK_WORD_COLLECT)
			collect(until);
		else
			stk_wait_word(&stk_g.supervisor, seen, until);
	}
	return true;
}

/* true: the supervisor is gone. */
static bool wait_gone(uint64_t ns)
{
	uint64_t until = stk_now_ns() + ns;
	uint32_t seen = 1;

	for (unsigned turns = 0;
	     turns < TURNS_MAX && (seen = atomic_load(&stk_g.supervisor)) != 0 &&
	     stk_now_ns() < until;
	     turns++)
		stk_wait_word(&stk_g.supervisor, seen, until);
	return !seen;
}

/* End both clones, and wait for that a moment. */
static void end_clones(void)
{
	kill_clone(&stk_run.helper);
	let_go_on();
	/* The supervisor sees the helper's end, and ends too. */
	if (wait_gone(100000000U))
		return;
	kill_clone(&stk_run.supervisor);
	wait_gone(100000000U);
}

/* The supervisor's status. Another wait of the program (__WALL) may have taken it: then
 * program/wait.c has kept it (stk_clone_status()). */
static void reap(void)
{
	int status = 0, pid = atomic_load(&stk_run.supervisor);
	/* One that does not die is not waited for. */
	int how = __WALL | (atomic_load(&stk_g.supervisor) ? WNOHANG : 0);
	long r = -EINTR;

	for (unsigned tries = 0; r == -EINTR && tries < TRIES; tries++)
		r = sys4(SYS_wait4, pid, &status, how, 0);
	if (r == pid) {
		stk_run.ended = status;
		stk_clone_forget(pid);
	} else if (stk_clone_status(pid, &status)) {
		stk_run.ended = status;
	}
	atomic_store(&stk_run.supervisor, 0);
	sys2(SYS_prctl, PR_SET_PTRACER, 0);
}

/* Has the helper written the report, whole or as far as it could? */
static bool reported(void)
{
	int status =
	    stk_run.status >= 0 && WIFEXITED(stk_run.status) ? WEXITSTATUS(stk_run.status) : -1;

	return !stk_run.failed && (status == STK_HELPER_DONE || status == STK_HELPER_PARTIAL ||
				   status == STK_HELPER_WRITE);
}

static void start(struct stk_crash *c, int out_fd, uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	stk_run.crash = c;
	stk_run.out_fd = out_fd;
	/* A quarter of the time, at most two seconds, is kept for the report in process. */
	stk_run.deadline_ns = deadline_ns - (left / 4 < 2000000000U ? left / 4 : 2000000000U);
	stk_run.grant_ns = stk_run.deadline_ns > now ? stk_run.deadline_ns - now : 0;
	stk_run.status = stk_run.ended = -1;
	stk_run.failed = 0;
	stk_run.killed = stk_run.wrote = stk_run.holds = false;
	atomic_store(&stk_g.reported, 0);
	atomic_store(&stk_run.supervisor, 0);
	atomic_store(&stk_run.helper, 0);
	atomic_store(&stk_run.collected, 0);
	atomic_store(&stk_g.supervisor, STK_WORD_WORKS);
	c->report_ms =
	    stk_run.deadline_ns > now ? (uint32_t)((stk_run.deadline_ns - now) / 1000000U) : 0;
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
	return stk_supervisor_start();
}

void stk_launch(struct stk_launch *ret, struct stk_crash *c, int out_fd, uint64_t deadline_ns)
{
	start(c, out_fd, deadline_ns);
	long supervisor = start_supervisor();
	if (supervisor > 0) {
		/* Yama (ptrace_scope 1): only a declared tracer may attach, and its descendants. */
		sys2(SYS_prctl, PR_SET_PTRACER, supervisor);
		stk_run.killed = !attend();
		if (stk_run.killed)
			end_clones();
		if (!stk_run.holds)
			reap();
	}
	stk_collect_done();
	ret->done = reported() || stk_g.reported;
	ret->unwritten = reported() && WEXITSTATUS(stk_run.status) == STK_HELPER_WRITE;
	ret->mid_line = stk_run.wrote && stk_run.last != '\n';
	ret->why = reported() ? 0 : describe(supervisor);
}

bool stk_launch_abort(void)
{
	if (atomic_load(&stk_run.supervisor) <= 0)
		return false;
	end_clones();
	reap();
	stk_collect_done();
	return stk_run.wrote && stk_run.last != '\n';
}
