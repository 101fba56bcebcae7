#include "target/stop.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "target/procfs.h"

#define ROUNDS 8 /* looks at the list of threads: each catches what the one before started */

static struct stk_stopped *find(struct stk_stops *s, int tid)
{
	for (unsigned i = s->n; i-- > 0;)
		if (s->v[i].tid == tid)
			return &s->v[i];
	return NULL;
}

static bool seize(struct stk_stops *s, int tid)
{
	if (s->n == s->cap) {
		unsigned cap = s->cap ? 2 * s->cap : 64;
		struct stk_stopped *v = realloc(s->v, cap * sizeof(*v));
		if (!v)
			return false;
		s->v = v;
		s->cap = cap;
	}
	struct stk_stopped *t = &s->v[s->n++];
	*t = (struct stk_stopped){.tid = tid};
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		t->err = errno;
		t->state = errno == ESRCH ? STK_GONE : STK_REFUSED;
	} else if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL)) {
		t->state = STK_GONE;
	}
	return true;
}

static void heard(struct stk_stopped *t, int status)
{
	if (!WIFSTOPPED(status)) {
		t->state = STK_GONE;
		return;
	}
	t->state = STK_STOPPED;
	/* A signal on its way in, not a stop of ours (ptrace(2), "PTRACE_EVENT_STOP"). */
	if (status >> 16 == 0)
		t->signal = WSTOPSIG(status);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static unsigned stopping(const struct stk_stops *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->v[i].state == STK_STOPPING;
	return n;
}

/* Wait until every seized thread has stopped or the time is over. */
static void wait_all(struct stk_stops *s, long until)
{
	struct timespec nap = {.tv_nsec = 20000};
	int status;

	while (stopping(s)) {
		pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
		struct stk_stopped *t = tid > 0 ? find(s, tid) : NULL;
		if (t)
			heard(t, status);
		if (tid > 0)
			continue;
		if ((tid < 0 && errno == ECHILD) || now_ms() >= until)
			return;
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 1000000)
			nap.tv_nsec *= 2;
	}
}

int stk_stop_all(struct stk_stops *s, int pid, int except, unsigned ms)
{
	long until = now_ms() + ms;
	unsigned max = 4096;
	int n = 0;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned before = s->n;
		int *tids = malloc(max * sizeof(*tids));
		n = tids ? stk_proc_tids(pid, tids, max) : -ENOMEM;
		for (int i = 0; i < n && i < (int)max; i++)
			if (tids[i] != except && !find(s, tids[i]))
				seize(s, tids[i]);
		free(tids);
		wait_all(s, until);
		if (n > (int)max) {
			max = 2 * (unsigned)n;
			continue;
		}
		if (n < 0 || s->n == before)
			break;
	}
	return n < 0 && !s->n ? n : 0;
}

int stk_stop_regs(int tid, unsigned note, void *buf, size_t len)
{
	struct iovec iov = {buf, len};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)note, &iov))
		return -errno;
	return (int)iov.iov_len;
}

/*
 * System calls that end with EINTR after any stop, whatever SA_RESTART says (signal(7), the kernel
 * sources of each): the program did not ask for it. Other calls are restarted by the kernel.
 */
static bool ends_with_eintr(long call)
{
	static const short calls[] = {128 /* rt_sigtimedwait */, 208 /* io_getevents */,
				      220 /* semtimedop */,      65 /* semop */,
				      232 /* epoll_wait */,      281 /* epoll_pwait */,
				      333 /* io_pgetevents */,   441 /* epoll_pwait2 */};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i] == call)
			return true;
	return false;
}

static void restart_call(int tid)
{
	struct user_regs_struct r;
	struct iovec iov = {&r, sizeof(r)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) || (long)r.rax != -EINTR ||
	    !ends_with_eintr((long)r.orig_rax))
		return;
	errno = 0;
	long code = ptrace(PTRACE_PEEKTEXT, tid, (void *)(r.rip - 2), NULL);
	if (errno || (code & 0xffff) != 0x050f) /* syscall */
		return;
	r.rip -= 2;
	r.rax = r.orig_rax;
	ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov);
}

void stk_stop_done(struct stk_stops *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct stk_stopped *t = &s->v[i];
		if (t->state != STK_STOPPED)
			continue; /* one that stops later is let go by our end */
		if (!t->signal)
			restart_call(t->tid);
		ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(intptr_t)t->signal);
	}
	free(s->v);
	*s = (struct stk_stops){0};
}
