#include "targets/tracer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/procfs.h"

#define STUCK_MS 50   /* an errand that nothing hinders is over by then */
#define HELD_MS  100  /* between two looks at a process that is held */
#define LIMIT_MS 4000 /* without any progress */
#define GRACE_MS 500  /* when corectl is to end: for the errand to undo what it has begun */

/*
 * A program that executes another waits for all its other threads to be gone, and who traces one of
 * those has to wait for it; but a thread that seizes the one that executes waits for that
 * (cred_guard_mutex: fs/exec.c, de_thread(); kernel/ptrace.c, ptrace_attach()). Any thread of the
 * tracer's process may do it. Nor is a process that is held and killed gone for its parent before.
 */
static void wait_for_dead(int pid)
{
	int *tids, n = stk_proc_tids(pid, &tids);
	siginfo_t si;

	/* The leader, which stands first, is the last that can be waited for. */
	for (int i = n - 1; i >= 0; i--)
		if (stk_proc_state(pid, tids[i]) == 'Z')
			waitid(P_PID, (id_t)tids[i], &si, WEXITED | WNOHANG | __WALL);
	free(tids);
}

/* false: not within `ms` milliseconds, or a signal came. */
static bool posted(sem_t *sem, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return !sem_clockwait(sem, CLOCK_MONOTONIC, &until);
}

static void *serve(void *arg)
{
	struct stk_tracer *t = arg;

	t->tid = gettid();
	for (;;) {
		while (!posted(&t->asked, HELD_MS))
			if (stk_proc_state(t->pid, t->pid) != 't')
				wait_for_dead(t->pid);
		if (t->ending)
			return NULL;
		t->errand(t->arg);
		sem_post(&t->answered);
	}
}

/* The thread blocks all signals, so that they go to the one that waits for it. Not SIGCHLD, which
 * every stop of a tracee sends: the kernel drops an ignored signal at once only where it is not
 * blocked (kernel/signal.c, sig_ignored()); blocked here it would wake the other thread each time.
 */
bool stk_tracer_start(struct stk_tracer *t, int pid)
{
	sigset_t all, was;

	*t = (struct stk_tracer){.pid = pid};
	sem_init(&t->asked, 0, 0);
	sem_init(&t->answered, 0, 0);
	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	t->started = !pthread_create(&t->thread, NULL, serve, t);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return t->started;
}

/* Has the tracing thread run since it was asked last? If it only naps between two polls it has; if
 * it hangs in a system call it has not. */
static bool gets_on(const struct stk_tracer *t, unsigned long long *turns)
{
	int pid = getpid(), tid = t->tid;
	unsigned long long now = tid ? stk_proc_turns(pid, tid) : 0;
	bool moves = !now || now != *turns || stk_proc_state(pid, tid) == 'R';

	*turns = now;
	return moves;
}

/* Give the tracing thread up: it hangs in the kernel, and ends by itself when it can. */
static void leave(struct stk_tracer *t)
{
	t->ending = true;
	t->started = false;
	sem_post(&t->asked);
	pthread_detach(t->thread);
}

void stk_tracer_signals(sigset_t *ret)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	sigemptyset(ret);
	for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaddset(ret, ends[i]);
}

static bool end_pending(void)
{
	sigset_t ends, pending, both;

	stk_tracer_signals(&ends);
	sigpending(&pending);
	sigandset(&both, &ends, &pending);
	return !sigisemptyset(&both);
}

enum stk_tracer_end stk_tracer_run(struct stk_tracer *t, void (*f)(void *arg), void *arg,
				   bool limited, const volatile sig_atomic_t *interrupt)
{
	unsigned long long turns = 0;
	unsigned idle = 0, late = 0; /* milliseconds */

	if (!t->started) {
		f(arg);
		return STK_TRACER_DONE;
	}
	t->errand = f;
	t->arg = arg;
	sem_post(&t->asked);
	while (!posted(&t->answered, STUCK_MS)) {
		bool end = limited && ((interrupt && *interrupt) || end_pending());
		wait_for_dead(t->pid);
		idle = gets_on(t, &turns) ? 0 : idle + STUCK_MS;
		late = end ? late + STUCK_MS : 0;
		if (!limited || (idle < (end ? 2 * STUCK_MS : LIMIT_MS) && late < GRACE_MS))
			continue;
		leave(t);
		return end ? STK_TRACER_INTERRUPTED : STK_TRACER_STUCK;
	}
	return STK_TRACER_DONE;
}

/* In which system call does it sleep? -1: none, or not known. */
static long call_of(const struct stk_tracer *t)
{
	char name[48];
	struct stk_text text;
	struct stk_pool pool = {0};

	stk_text_init(&text, name, sizeof(name));
	stk_printf(&text, "task/%d/syscall", (int)t->tid);
	char *s = stk_proc_read(&pool, getpid(), name, NULL);
	long call = s && *s >= '0' && *s <= '9' ? strtol(s, NULL, 10) : -1;
	stk_pool_done(&pool);
	return call;
}

int stk_tracer_explain(const struct stk_tracer *t, enum stk_tracer_end end, struct stk_err *err)
{
	struct stk_pool pool = {0};
	int tracer = 0;

	if (end == STK_TRACER_INTERRUPTED)
		return stk_fail(err, STK_EINTR, "interrupted");
	long call = call_of(t);
	if (call == SYS_process_vm_readv)
		return stk_fail(err, STK_ESYS,
				"process %d: a page of a stack cannot be read: what should supply "
				"it does not answer (a thread of the process by userfaultfd, or a "
				"file system)",
				t->pid);
	if (call != SYS_ptrace)
		return stk_fail(
		    err, STK_ESYS,
		    "process %d: its memory map cannot be read: one of its threads seems to "
		    "keep it locked in the kernel (state D in ps -L)",
		    t->pid);
	int tid = stk_proc_traced(t->pid, &tracer);
	const char *name = tid ? stk_proc_comm(&pool, tracer) : NULL;
	if (name)
		stk_fail(err, STK_ESYS,
			 "process %d is executing a program (execve) and cannot go on, nor be "
			 "traced: its thread %d is traced by process %d (%s): detach there",
			 t->pid, tid, tracer, name);
	stk_pool_done(&pool);
	if (name)
		return STK_ESYS;
	return stk_fail(err, STK_ESYS,
			"process %d is executing a program (execve), and cannot be traced before "
			"that goes on",
			t->pid);
}

void stk_tracer_end(struct stk_tracer *t)
{
	if (!t->started)
		return;
	t->ending = true;
	t->started = false;
	sem_post(&t->asked);
	pthread_join(t->thread, NULL);
	sem_destroy(&t->asked);
	sem_destroy(&t->answered);
}
