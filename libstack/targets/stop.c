/*
 * Stopping threads. Each is first seized (PTRACE_SEIZE, which stops nobody), then asked to stop
 * (PTRACE_INTERRUPT), then awaited, then its registers are read. In two calls, so that threads at
 * work stand as briefly as possible:
 *
 * stk_stop_sleepers(): seize all that /proc/PID/task lists; stop those that sleep: not in state R,
 *   and without a turn on a processor since they were seized.
 * stk_stop_all(): stop the others; list again until no thread is new, for one that still runs may
 *   have started more. The link count of /proc/PID/task tells without a list that all stand.
 * stk_stop_go_on(), stk_stop_go(): detach from those at work, then from the sleepers.
 *
 * Nothing may change for the program: a signal that stopped a thread on its way in is given back,
 * a thread that SIGSTOP had stopped stays so, and a system call that the stop interrupted begins
 * anew. We may be killed at any moment: the kernel then lets all of them go on (ptrace(2)).
 */
#include "targets/stop.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "targets/hash.h"
#include "targets/procfs.h"

#define MS          1000000LL  /* nanoseconds */
#define QUICK       (MS / 100) /* a thread that runs on another CPU stops in this time */
#define SPIN        (1 * MS)   /* as long a stop that goes well takes: no sleep is that short */
#define ASLEEP      (100 * MS) /* what a thread in uninterruptible sleep gets: the others stand */
#define SEIZE_TRIES 4
#define NO_TASKS    2 /* links of /proc/PID/task without its threads */

#define ERESTARTNOHAND 514 /* include/linux/errno.h: the kernel's own */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

/* Why a thread could not be seized. EPERM has three reasons: it is traced already, it has ended (a
 * leader that left by pthread_exit() stays as a zombie), or we lack the right. */
static enum stk_stop_state why_not(const struct stk_stops *s, struct stk_stopped *t)
{
	if (t->err == ESRCH)
		return STK_GONE;
	long tracer = t->err == EPERM ? stk_proc_status(t->tid, "TracerPid:") : 0;
	/* The thread that executes a program gets the leader's number, and is traced as before. */
	if (tracer == gettid())
		return STK_SEIZED;
	if (t->err == EPERM && stk_proc_ended(s->pid, t->tid))
		return STK_GONE;
	if (tracer > 0) {
		t->err = EBUSY;
		t->tracer = stk_proc_process((int)tracer);
	}
	return STK_REFUSED;
}

static void seize(struct stk_stops *s, struct stk_stopped *t)
{
	/* The answer may be out of date when its reason is looked up: by execve another thread gets
	 * the number of a zombie leader, and a tracer may have left. */
	for (unsigned i = 0; i < SEIZE_TRIES; i++) {
		if (!ptrace(PTRACE_SEIZE, t->tid, NULL, NULL)) {
			t->state = STK_SEIZED;
			return;
		}
		t->err = errno;
		t->state = why_not(s, t);
		if (t->state != STK_REFUSED)
			return;
	}
}

static bool add(struct stk_stops *s, int tid)
{
	if (!STK_VEC_PUSH(s, (struct stk_stopped){.tid = tid, .state = STK_STANDS}))
		return false;
	struct stk_stopped *t = &s->v[s->n - 1];
	if (!s->stands || !s->stands(s->arg, tid))
		seize(s, t);
	return true;
}

void stk_stop_add_standing(struct stk_stops *s, int tid)
{
	if (s->known && !stk_hash_get(s->known, (uint64_t)tid) &&
	    stk_hash_put(s->known, (uint64_t)tid, s))
		add(s, tid);
}

/* The quick look failed after the threads at work were let go: they must stop once more. */
static void seize_again(struct stk_stops *s)
{
	for (unsigned i = s->done; i < s->n; i++)
		if (s->v[i].left) {
			s->v[i] = (struct stk_stopped){.tid = s->v[i].tid, .ran = true};
			seize(s, &s->v[i]);
		}
}

/*
 * A seized thread stops when it gets a signal (signal-delivery-stop, ptrace(2)), though nobody
 * asked it to. Let threads at work go on with theirs until their turn to stop comes. true: there
 * was one.
 */
static bool pass_signals(struct stk_stops *s)
{
	bool any = false;

	for (unsigned i = s->done; i < s->n; i++) {
		const struct stk_stopped *t = &s->v[i];
		siginfo_t si = {0};
		if (t->state != STK_SEIZED || !t->ran ||
		    waitid(P_PID, (id_t)t->tid, &si, WSTOPPED | WNOHANG | __WALL | WNOWAIT) ||
		    si.si_pid != t->tid || si.si_status >> 8)
			continue;
		ptrace(PTRACE_CONT, t->tid, NULL, (void *)(intptr_t)si.si_status);
		any = true;
	}
	return any;
}

/* Seizing stops nobody: first all are seized, then all are asked to stop. */
static void interrupt(struct stk_stops *s, bool sleepers)
{
	int64_t *at = sleepers ? &s->slept_ns : &s->since_ns;
	bool stood = !sleepers && pass_signals(s);

	for (unsigned i = s->done; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		if (t->state != STK_SEIZED || (sleepers && t->ran))
			continue;
		if (!*at)
			*at = stood ? s->passed_ns : now_ns();
		t->state = ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) ? STK_GONE : STK_STOPPING;
		t->ran |= !sleepers;
	}
}

int stk_stop_regs(int tid, unsigned note, void *buf, size_t len)
{
	struct iovec iov = {buf, len};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)note, &iov))
		return -errno;
	return (int)iov.iov_len;
}

/*
 * Some system calls end with EINTR after any stop, whatever SA_RESTART says (signal(7),
 * "Interruption of system calls and library functions by stop signals"; those of sockets where a
 * timeout is set): the program did not ask for it. The kernel restarts the others by itself. close
 * and connect would not do the same again.
 */
static bool may_begin_anew(long call)
{
	return call >= 0 && call != SYS_close && call != SYS_connect;
}

/*
 * A system call that the stop ended with EINTR, and that the kernel would not restart, is told to
 * the kernel as one that it restarts where no handler runs: which it is, and whether one does, the
 * kernel decides when the thread goes on (arch/x86/kernel/signal.c, arch_do_signal_or_restart()).
 * Set as soon as it has stopped: we may be killed at any time.
 */
static void restart(struct stk_stopped *t)
{
	struct iovec iov = {t->gregs, t->len > 0 ? (size_t)t->len : 0};
	uint8_t now[sizeof(t->gregs)];

	if (t->group || iov.iov_len != 8U * stk_arch_host->gregs ||
	    !may_begin_anew(stk_arch_host->failed_call(t->gregs, EINTR)))
		return;
	memcpy(now, t->gregs, iov.iov_len);
	stk_arch_host->set_result(now, -ERESTARTNOHAND);
	iov.iov_base = now;
	ptrace(PTRACE_SETREGSET, t->tid, (void *)NT_PRSTATUS, &iov);
}

/*
 * Has it stopped? Each is asked by its own number: there may be children that are not ours. The
 * stop is left as it is (WNOWAIT): to take it takes the signal that is on its way in with it, and
 * that would be lost if we were killed before it is given back (kernel/exit.c,
 * wait_task_stopped()).
 */
static bool still_stopping(struct stk_stopped *t)
{
	const int flags = WSTOPPED | WEXITED | WNOHANG | __WALL;
	siginfo_t si = {0};
	int r;

	if (t->state != STK_STOPPING)
		return false;
	while ((r = waitid(P_PID, (id_t)t->tid, &si, flags | WNOWAIT)) && errno == EINTR)
		;
	if (!r && !si.si_pid)
		return true;
	if (!r && si.si_code != CLD_TRAPPED && si.si_code != CLD_STOPPED)
		waitid(P_PID, (id_t)t->tid, &si, flags);
	else if (!r) {
		int event = si.si_status >> 8, sig = si.si_status & 0xff;
		t->state = STK_STOPPED;
		/* Without an event a signal is on its way in (ptrace(2), "PTRACE_EVENT_STOP"). */
		t->signal = event ? 0 : sig;
		t->group = event == PTRACE_EVENT_STOP && sig != SIGTRAP;
		return false;
	}
	t->state = STK_GONE;
	return false;
}

/* Read the registers of those that have stopped. Not right after each stop: the kernel then waits
 * until the thread has left its processor (kernel/ptrace.c, ptrace_check_attach()). */
static void take_registers(struct stk_stops *s)
{
	for (unsigned i = s->done; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		if (t->state != STK_STOPPED || t->len)
			continue;
		t->len = stk_stop_regs(t->tid, NT_PRSTATUS, t->gregs, sizeof(t->gregs));
		t->fplen = stk_stop_regs(t->tid, NT_PRFPREG, t->fpregs, sizeof(t->fpregs));
		restart(t);
	}
}

/* waitid(2) does not report a leader that ends while other threads go on. */
static void find_ended(struct stk_stops *s)
{
	for (unsigned i = s->done; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		if (t->state == STK_STOPPING && stk_proc_ended(s->pid, t->tid))
			t->state = STK_GONE;
	}
}

/* Are all that have not stopped in uninterruptible sleep? */
static bool all_asleep(const struct stk_stops *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].state == STK_STOPPING && stk_proc_state(s->pid, s->v[i].tid) != 'D')
			return false;
	return true;
}

/* Wait until every thread that was asked has stopped or ended, or the time is over. Poll: at first
 * without pause, then yielding the processor, then with naps that grow to 1 ms. wait(2) on all
 * would also take the events of children that are not ours to wait for. */
static void wait_all(struct stk_stops *s, int64_t until)
{
	int64_t begin = now_ns();
	struct timespec nap = {.tv_nsec = 20000};

	for (;;) {
		bool left = false;
		for (unsigned i = s->done; i < s->n; i++)
			left |= still_stopping(&s->v[i]) && !s->v[i].late;
		if (!left)
			return;
		take_registers(s);
		pass_signals(s);
		int64_t now = s->passed_ns = now_ns();
		if (now >= until || (now - begin > ASLEEP && all_asleep(s)))
			break;
		if (now - begin < QUICK)
			continue;
		if (now - begin < SPIN) {
			sched_yield();
			continue;
		}
		find_ended(s);
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < MS)
			nap.tv_nsec *= 2;
	}
	for (unsigned i = s->done; i < s->n; i++)
		s->v[i].late = s->v[i].state == STK_STOPPING;
}

/* The thread that executes a program gets the number of the leader, which had ended. */
static bool is_another(const struct stk_stops *s, int tid)
{
	if (tid != s->pid)
		return false;
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].tid == tid && s->v[i].state != STK_GONE)
			return false;
	return !stk_proc_ended(s->pid, tid);
}

/* The threads that are not known yet; their number, or a negative errno. */
static int add_new(struct stk_stops *s, int except, bool count_turns)
{
	unsigned before = s->n;
	int *tids, n = stk_proc_tids(s->pid, &tids);

	for (int i = 0; i < n; i++)
		if (tids[i] != except &&
		    (!stk_hash_get(s->known, (uint64_t)tids[i]) || is_another(s, tids[i])) &&
		    stk_hash_put(s->known, (uint64_t)tids[i], s) && add(s, tids[i]) && count_turns)
			s->v[s->n - 1].turns = stk_proc_turns(s->pid, tids[i]);
	free(tids);
	return n < 0 ? n : (int)(s->n - before);
}

/* At the first call of either kind. */
static int begin(struct stk_stops *s, int pid)
{
	if (s->known)
		return 0;
	s->pid = pid;
	s->task_fd = stk_proc_open(pid, "task") + 1;
	s->known = calloc(1, sizeof(*s->known));
	return s->known ? 0 : -ENOMEM;
}

/* Move those that have stopped or ended to the front: what follows concerns the others only. */
static void set_apart(struct stk_stops *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].state == STK_STOPPED || s->v[i].state == STK_GONE) {
			struct stk_stopped t = s->v[i];
			s->v[i] = s->v[s->done];
			s->v[s->done++] = t;
			s->stand += t.state == STK_STOPPED;
		}
}

int stk_stop_sleepers(struct stk_stops *s, int pid, int except, unsigned ms)
{
	int64_t until = now_ns() + ms * MS;
	int n = begin(s, pid);

	/* Once only: threads that start meanwhile are left to stk_stop_all(). */
	if (!n)
		n = add_new(s, except, true);
	for (unsigned i = 0; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		t->ran = t->state == STK_SEIZED && (stk_proc_turns(pid, t->tid) != t->turns ||
						    stk_proc_state(pid, t->tid) == 'R');
	}
	interrupt(s, true);
	wait_all(s, until);
	take_registers(s);
	set_apart(s);
	pass_signals(s);
	s->passed_ns = now_ns();
	return n < 0 && !s->n ? n : 0;
}

/* Is no thread left that runs? The links of /proc/PID/task tell how many there are (fs/proc/base.c,
 * proc_task_getattr()): much faster than to list them. */
static bool complete(const struct stk_stops *s, int except)
{
	struct stat st;
	unsigned stand = s->stand + (except ? 1 : 0);

	for (unsigned i = s->done; i < s->n; i++) {
		if (s->v[i].state != STK_STOPPED && s->v[i].state != STK_STANDS &&
		    s->v[i].state != STK_GONE)
			return false; /* there is no telling */
		stand += s->v[i].state != STK_GONE;
	}
	return s->n && s->task_fd && !fstat(s->task_fd - 1, &st) && st.st_nlink == NO_TASKS + stand;
}

int stk_stop_all(struct stk_stops *s, int pid, int except, unsigned ms)
{
	int64_t until = now_ns() + ms * MS;
	int n = begin(s, pid);

	if (n)
		return n;
	seize_again(s);
	/* A thread that runs can start another until it stands: look again until none is new. */
	for (n = s->n ? 1 : add_new(s, except, false); n > 0; n = add_new(s, except, false)) {
		interrupt(s, false);
		wait_all(s, until);
		bool last = complete(s, except) || now_ns() >= until;
		take_registers(s);
		if (last)
			break;
	}
	return n < 0 && !s->n ? n : 0;
}

bool stk_stop_holds(const struct stk_stops *s)
{
	const struct stk_stopped *one = NULL;
	const struct stk_arch *a = stk_arch_host;
	uint8_t now[sizeof(one->gregs)];

	for (unsigned i = 0; i < s->n && (!one || one->tid == s->pid); i++)
		if (s->v[i].state == STK_STOPPED && !s->v[i].left && s->v[i].len == 8 * a->gregs)
			one = &s->v[i];
	return !one || (stk_stop_regs(one->tid, NT_PRSTATUS, now, sizeof(now)) == one->len &&
			stk_arch_greg(a, now, a->pc) == stk_arch_greg(a, one->gregs, a->pc) &&
			stk_arch_greg(a, now, a->sp) == stk_arch_greg(a, one->gregs, a->sp));
}

static void let_go(struct stk_stops *s, bool ran)
{
	for (unsigned i = ran ? s->done : 0; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		if (t->state != STK_STOPPED || t->ran != ran || t->left)
			continue;
		t->left = true;
		ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(intptr_t)t->signal);
	}
}

void stk_stop_go_on(struct stk_stops *s)
{
	let_go(s, true);
	if (s->since_ns)
		s->still_ns += now_ns() - s->since_ns;
	s->since_ns = 0;
}

void stk_stop_go(struct stk_stops *s, struct stk_stood *ret)
{
	stk_stop_go_on(s);
	let_go(s, false);
	ret->slept_ns = s->slept_ns ? now_ns() - s->slept_ns : 0;
	ret->still_ns = s->still_ns ? s->still_ns : ret->slept_ns;
	s->released = true;
}

void stk_stop_done(struct stk_stops *s)
{
	if (s->known)
		stk_hash_done(s->known);
	free(s->known);
	if (s->task_fd)
		close(s->task_fd - 1);
	free(s->v);
	*s = (struct stk_stops){0};
}
