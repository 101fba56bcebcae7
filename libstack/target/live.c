#include "target/live.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/text.h"
#include "target/files.h"
#include "target/look.h"
#include "target/map.h"
#include "target/procfs.h"
#include "target/rights.h"

#define PAGE      4096ULL
#define ARGS_MAX  80 /* of the command line, as in cores */
#define STARTTIME 22 /* fields of stat, proc(5) */
#define STUCK_MS  50
#define HELD_MS   500
#define TRIES     10

struct page {
	bool there;
	bool fixed;      /* it cannot change any more */
	unsigned answer; /* when it was read */
	const uint8_t *bytes;
};

struct live {
	struct stk_target t;
	struct stk_live_options o;
	struct stk_live_info info;
	struct stk_look look;
	struct stk_map pages; /* page number + 1 → struct page */
	bool resumed;
	unsigned answer, checked;
	unsigned long long start_ticks; /* a later process may get the same number */

	/* The thread that traces; it waits for `let_go` between the look and its end. */
	bool traced_apart;
	pthread_t tracer;
	sem_t looked, let_go;
	int result;
	struct stk_err err;
};

/* Before memory of a process that runs is read: it is still the program it was. The auxiliary
 * vector holds addresses that are random in each (AT_RANDOM, AT_SYSINFO_EHDR). */
static bool same_program(struct live *l)
{
	struct stk_pool pool = {0};
	size_t len = 0;

	if (l->checked == l->answer)
		return !l->info.gone;
	l->checked = l->answer;
	l->look.view = stk_proc_view(l->look.pid);
	uint8_t *now = (uint8_t *)stk_proc_read(&pool, l->look.view, "auxv", &len);
	if (!stk_proc_lives(l->look.pid) || stk_proc_stat(l->look.pid, STARTTIME) != l->start_ticks)
		l->info.gone = STK_LIVE_ENDED;
	else if (l->t.auxv.len &&
		 (!now || len != l->t.auxv.len || memcmp(now, l->t.auxv.p, len) != 0))
		l->info.gone = "runs another program now (execve)";
	stk_pool_done(&pool);
	return !l->info.gone;
}

static bool read_page(struct live *l, uint64_t addr, uint8_t *to)
{
	if (l->resumed && !l->o.brief)
		l->info.gone = "was let go";
	if (l->resumed && (!l->o.brief || !same_program(l)))
		return false;
	if (l->o.read)
		return l->o.read(l->o.arg, addr, to, PAGE) == 0;
	if (stk_read_process(l->look.view, addr, to, PAGE) == (ssize_t)PAGE)
		return true;
	if (l->o.copy)
		same_program(l); /* one that is held can be killed */
	return false;
}

/* Pages of files that are mapped read-only are as they were, and those of the vDSO. */
static bool unchanging(const struct live *l, const struct stk_segment *s)
{
	uint64_t vdso;

	return !l->resumed ||
	       (!s->w && (stk_mapping_at(&l->t, s->start) ||
			  (stk_auxv(&l->t, AT_SYSINFO_EHDR, &vdso) && vdso == s->start)));
}

static struct page *new_page(struct live *l, uint64_t key)
{
	struct page *p = stk_pool_alloc(&l->t.pool, sizeof(*p));

	if (!p)
		return NULL;
	p->answer = l->answer - 1;
	return stk_map_put(&l->pages, key, p) ? p : NULL;
}

/* 0 is a key like any other, but NULL pages are not read. */
static struct page *page_at(struct live *l, uint64_t addr)
{
	struct page *p = stk_map_get(&l->pages, addr / PAGE + 1);

	if (p && (p->fixed || p->answer == l->answer))
		return p;
	const struct stk_segment *s = stk_segment_at(&l->t, addr);
	if (!p && !(p = new_page(l, addr / PAGE + 1)))
		return NULL;
	if (!p->bytes && s && s->r)
		p->bytes = stk_pool_alloc(&l->t.pool, PAGE);
	p->there = p->bytes && read_page(l, addr & ~(PAGE - 1), (uint8_t *)(uintptr_t)p->bytes);
	p->fixed = !p->bytes || unchanging(l, s);
	p->answer = l->answer;
	return p;
}

static size_t live_piece(struct stk_target *t, uint64_t addr, const uint8_t **ret)
{
	struct live *l = (struct live *)t;
	struct page *p = page_at(l, addr);

	if (!p || !p->there)
		return 0;
	l->info.newer |= !p->fixed;
	*ret = p->bytes + addr % PAGE;
	return PAGE - addr % PAGE;
}

void stk_live_resume(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	l->o.brief = false;
	if (l->resumed)
		return;
	if (l->traced_apart) {
		sem_post(&l->let_go);
		pthread_join(l->tracer, NULL);
	} else {
		stk_look_end(&l->look);
	}
	l->resumed = true;
}

static void live_close(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	stk_live_resume(t);
	stk_map_done(&l->pages);
	stk_look_done(&l->look);
	stk_pool_done(&t->pool);
	sem_destroy(&l->looked);
	sem_destroy(&l->let_go);
	free(l);
}

static const char *live_file(struct stk_target *t, const struct stk_mapping *m, bool is_main)
{
	struct live *l = (struct live *)t;

	/* Where a thread of it asks for itself, its paths are ours. */
	return l->o.own_tid ? NULL
			    : stk_live_file(&t->pool, l->look.view, m, is_main, l->info.other_root);
}

static const struct stk_target_ops live_ops = {.kind = "process",
					       .ran = "runs",
					       .absent = "cannot be read",
					       .piece = live_piece,
					       .file = live_file,
					       .close = live_close};

void stk_live_answer(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	if (t->ops != &live_ops)
		return;
	l->answer++;
	l->info.newer = false;
	l->info.gone = NULL;
}

bool stk_live_same(struct stk_target *t)
{
	return same_program((struct live *)t);
}

const struct stk_live_info *stk_live_info(const struct stk_target *t)
{
	return t->ops == &live_ops ? &((const struct live *)t)->info : NULL;
}

static const char *thread_name(struct live *l, int tid)
{
	char name[48];
	struct stk_text t;
	size_t len;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/comm", tid);
	char *s = stk_proc_read(&l->t.pool, l->look.pid, name, &len);
	if (s && len && s[len - 1] == '\n')
		s[len - 1] = 0;
	return s;
}

/* What was copied is found by page like all else. */
static void keep_stacks(struct live *l, const struct stk_copy *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct stk_region *r = &c->v[i];
		for (uint64_t off = 0; off + PAGE <= r->have; off += PAGE) {
			struct page *p = new_page(l, (r->start + off) / PAGE + 1);
			if (!p)
				return;
			*p = (struct page){.there = true, .fixed = true, .bytes = r->bytes + off};
		}
	}
}

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

	for (int i = 0; i < n; i++)
		if (stk_proc_state(pid, tids[i]) == 'Z')
			waitid(P_PID, (id_t)tids[i], &si, WEXITED | WNOHANG | __WALL);
	free(tids);
}

/* Until it is posted; meanwhile the dead are waited for every `ms` milliseconds. */
static void wait_posted(struct live *l, sem_t *sem, unsigned ms)
{
	for (;;) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += ms * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		if (!sem_clockwait(sem, CLOCK_MONOTONIC, &until))
			return;
		if (errno == ETIMEDOUT)
			wait_for_dead(l->look.pid);
	}
}

static void *trace(void *arg)
{
	struct live *l = arg;

	l->result = stk_look(&l->look, &l->err);
	if (l->result || l->o.brief)
		sem_post(&l->let_go);
	else
		sem_post(&l->looked);
	wait_posted(l, &l->let_go, HELD_MS);
	stk_look_end(&l->look);
	l->info.still_ns = l->look.stood.still_ns;
	l->info.slept_ns = l->look.stood.slept_ns;
	sem_post(&l->looked);
	return NULL;
}

/* In a thread that takes no signals: those are for the one that waits. But for SIGCHLD, which each
 * stop sends it: only where it is not blocked is it dropped at once (kernel/signal.c,
 * sig_ignored()), else it wakes the other thread. */
static bool start_tracer(struct live *l)
{
	sigset_t all, was;

	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	l->traced_apart = !pthread_create(&l->tracer, NULL, trace, l);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return l->traced_apart;
}

/* A look of which nothing came, though the process lives, is taken again: it may have executed
 * another program meanwhile. Not where threads were waited for in vain. */
static bool again(struct live *l)
{
	const struct timespec nap = {.tv_nsec = 2000000};

	for (unsigned i = 0; i < l->look.stops.n; i++)
		if (l->look.stops.v[i].late)
			return false;
	if (!stk_proc_lives(l->look.pid))
		return false;
	nanosleep(&nap, NULL);
	stk_look_done(&l->look);
	l->look = (struct stk_look){
	    .t = &l->t, .o = &l->o, .pid = l->look.pid, .view = stk_proc_view(l->look.pid)};
	l->t.nthreads = l->t.missing = 0;
	return true;
}

static int look_apart(struct live *l, struct stk_err *err)
{
	for (unsigned tries = 1;; tries++) {
		if (!start_tracer(l))
			return stk_fail(err, STK_ESYS, "no thread can be started to trace with");
		wait_posted(l, &l->looked, STUCK_MS);
		if (!l->result && !l->o.brief)
			return 0;
		pthread_join(l->tracer, NULL);
		if (!l->result || tries == TRIES || !again(l))
			break;
	}
	l->resumed = true;
	if (l->result)
		*err = l->err;
	return l->result;
}

static void describe(struct live *l)
{
	const char *args;
	size_t len;
	char *s = stk_proc_read(&l->t.pool, l->look.view, "cmdline", &len);

	for (size_t i = 0; s && i + 1 < len; i++)
		if (!s[i])
			s[i] = ' ';
	if (s && len > ARGS_MAX)
		memcpy(s + ARGS_MAX - 3, "...", 4);
	for (unsigned i = 0; i < l->t.nthreads; i++)
		l->t.threads[i].name = thread_name(l, l->t.threads[i].tid);
	args = s && *s ? s : l->t.threads[0].name;
	l->t.psinfo = (struct stk_psinfo){.present = true, .pid = l->look.pid, .args = args};
	l->info.pid = l->look.pid;
	l->start_ticks = stk_proc_stat(l->look.pid, STARTTIME);
	l->info.inner_pid = stk_proc_inner_pid(l->look.pid);
	l->info.other_root = stk_live_other_root(l->look.view);
	l->info.started = stk_proc_started(l->look.pid);
	if (l->t.missing && l->o.copy)
		stk_remark(&l->t, true, "%u thread%s missing: %s", l->t.missing,
			   l->t.missing == 1 ? " is" : "s are", l->t.missing_reason);
}

/* The process, where a thread was named (proc(5): /proc/TID is there, but not listed). */
static int process_of(struct live *l, int pid)
{
	long tgid = stk_proc_status(pid, "Tgid:");

	if (tgid <= 0 || tgid == pid)
		return pid;
	l->info.asked_tid = pid;
	return (int)tgid;
}

int stk_live_open(int pid, const struct stk_live_options *o, struct stk_target **ret,
		  struct stk_err *err)
{
	struct live *l = calloc(1, sizeof(*l));
	struct stk_err why;
	int r;

	if (!l)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	l->t.ops = &live_ops;
	l->t.arch = stk_arch_find(EM_X86_64);
	l->look = (struct stk_look){.t = &l->t, .o = &l->o, .pid = process_of(l, pid)};
	l->look.view = stk_proc_view(l->look.pid);
	l->t.path = stk_pool_printf(&l->t.pool, "process %d", l->look.pid);
	l->checked = l->answer - 1;
	sem_init(&l->looked, 0, 0);
	sem_init(&l->let_go, 0, 0);
	if (o)
		l->o = *o;
	r = l->o.own_tid ? 0 : stk_rights_before(l->look.pid, &why);
	if (!r)
		r = l->o.copy ? look_apart(l, &why) : stk_look(&l->look, &why);
	if (r) {
		live_close(&l->t);
		if (err)
			*err = why;
		return r;
	}
	for (unsigned i = 0; i < 2; i++)
		keep_stacks(l, &l->look.stacks[i]);
	l->info.was_stopped = l->look.was_stopped;
	describe(l);
	*ret = &l->t;
	return 0;
}
