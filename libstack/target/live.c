#include "target/live.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "target/copy.h"
#include "target/files.h"
#include "target/map.h"
#include "target/procfs.h"
#include "target/rights.h"
#include "target/stop.h"

#define TIDS_MAX   (1U << 22) /* PID_MAX_LIMIT of the kernel */
#define PAGE       4096ULL
#define GREGS_32   68 /* what the kernel gives of a task that runs 32-bit code */
#define FPREGS     512
#define ARGS_MAX   80 /* of the command line, as in cores */
#define STARTTIME  22 /* fields of stat, proc(5) */
#define VSIZE      23
#define RED_ZONE   128         /* System V ABI x86-64, 3.2.2 */
#define STACK_MIN  (256 << 10) /* bytes copied of a stack at most, where there are many */
#define STACKS_MAX (64ULL << 20)

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
	struct stk_stops stops;
	struct stk_copy stacks;
	struct stk_map pages; /* page number + 1 → struct page */
	int pid;
	int view; /* the thread by which its memory is seen: the leader, unless it has ended */
	bool wrong_width; /* a thread runs 32-bit code */
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
	uint8_t *now = (uint8_t *)stk_proc_read(&pool, l->view, "auxv", &len);
	if (!now || !len || stk_proc_stat(l->pid, STARTTIME) != l->start_ticks)
		l->info.gone = STK_LIVE_ENDED;
	else if (len != l->t.auxv.len || memcmp(now, l->t.auxv.p, len) != 0)
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
	if (stk_read_process(l->view, addr, to, PAGE) == (ssize_t)PAGE)
		return true;
	if (l->o.copy)
		same_program(l); /* one that is held can be killed */
	return false;
}

/* Pages of files that are mapped read-only are as they were. */
static bool unchanging(const struct live *l, const struct stk_segment *s)
{
	return !l->resumed || (!s->w && stk_mapping_at(&l->t, s->start));
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
		stk_stop_done(&l->stops);
	}
	l->resumed = true;
}

static void live_close(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	stk_live_resume(t);
	stk_map_done(&l->pages);
	stk_copy_done(&l->stacks);
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
			    : stk_live_file(&t->pool, l->view, m, is_main, l->info.other_root);
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
	char *s = stk_proc_read(&l->t.pool, l->pid, name, &len);
	if (s && len && s[len - 1] == '\n')
		s[len - 1] = 0;
	return s;
}

static struct stk_bytes keep(struct live *l, const void *p, size_t len)
{
	uint8_t *copy = stk_pool_alloc(&l->t.pool, len);

	if (!copy)
		return (struct stk_bytes){0};
	memcpy(copy, p, len);
	return (struct stk_bytes){copy, len};
}

static void add_own(struct live *l)
{
	struct stk_thread *th = &l->t.threads[l->t.nthreads++];

	*th = (struct stk_thread){.tid = l->o.own_tid,
				  .gregs = keep(l, l->o.own_gregs, l->o.own_gregs_len)};
	if (l->o.own_fpregs)
		th->fpregs = keep(l, l->o.own_fpregs, l->o.own_fpregs_len);
}

/* A thread that starts a program waits for its child in the kernel, uninterruptibly. */
static bool waits_for_vfork(struct live *l, int tid)
{
	char name[48];
	struct stk_text t;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/syscall", tid);
	char *s = stk_proc_read(&l->t.pool, l->pid, name, NULL);
	long call = s ? strtol(s, NULL, 10) : -1;
	return call == 58 /* vfork */ || call == 56 /* clone */ || call == 435 /* clone3 */;
}

static const char *reason(struct live *l, const struct stk_stopped *s)
{
	switch (s->state) {
	case STK_STOPPING:
		if (stk_proc_state(l->pid, s->tid) != 'D')
			return "they did not stop in time";
		return waits_for_vfork(l, s->tid)
			   ? "they wait for a vfork child to start its program"
			   : "they did not stop in time (uninterruptible sleep)";
	case STK_REFUSED:
		return s->err == EPERM ? "ptrace is not permitted" : "ptrace failed";
	default:
		return "their registers cannot be read";
	}
}

static void add_thread(struct live *l, struct stk_stopped *s)
{
	uint8_t f[FPREGS];
	struct stk_thread th = {.tid = s->tid};
	int n = -1, m = 0;

	if (s->state == STK_GONE)
		return;
	if (l->o.regs && l->o.regs(l->o.arg, s->tid, s->gregs, sizeof(s->gregs))) {
		n = sizeof(s->gregs);
	} else if (s->state == STK_STOPPED) {
		n = s->len;
		m = stk_stop_regs(s->tid, NT_PRFPREG, f, sizeof(f));
		l->info.was_stopped |= s->group;
	}
	if (n == -ESRCH)
		return;
	if (n <= 0) {
		l->t.missing++;
		l->t.missing_reason = reason(l, s);
		return;
	}
	l->wrong_width |= n == GREGS_32;
	th.gregs = keep(l, s->gregs, (size_t)n);
	if (m > 0)
		th.fpregs = keep(l, f, (size_t)m);
	l->t.threads[l->t.nthreads++] = th;
}

static int by_tid(const void *a, const void *b)
{
	const struct stk_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Thread 1 is the one that stands by itself, else the leader. */
static void number_threads(struct live *l)
{
	struct stk_target *t = &l->t;
	unsigned first = l->o.own_tid ? 1 : 0;

	for (unsigned i = 0; !first && i < t->nthreads; i++)
		if (t->threads[i].tid == l->pid) {
			struct stk_thread leader = t->threads[i];
			t->threads[i] = t->threads[0];
			t->threads[0] = leader;
			first = 1;
		}
	qsort(t->threads + first, t->nthreads - first, sizeof(*t->threads), by_tid);
	for (unsigned i = 0; i < t->nthreads; i++)
		t->threads[i].num = (int)i + 1;
}

static bool refused(const struct live *l)
{
	for (unsigned i = 0; i < l->stops.n; i++)
		if (l->stops.v[i].state == STK_REFUSED)
			return true;
	return false;
}

/* No thread at all: there is nothing to show. */
static int nothing_to_show(struct live *l, struct stk_err *err)
{
	for (unsigned i = 0; i < l->stops.n; i++)
		if (l->stops.v[i].state == STK_REFUSED)
			return stk_rights_fail(l->pid, err);
	if (l->t.missing)
		return stk_fail(err, STK_ESYS, "process %d: no thread of %u can be shown: %s",
				l->pid, l->t.missing, l->t.missing_reason);
	return stk_fail(err, STK_ESYS, "process %d has ended", l->pid);
}

static int stop_threads(struct live *l, struct stk_err *err)
{
	int r = 0;

	if (!l->o.only_own)
		r = stk_stop_all(&l->stops, l->pid, l->o.own_tid,
				 l->o.stop_ms ? l->o.stop_ms : 2000);
	else if ((l->t.missing = (unsigned)stk_proc_status(l->pid, "Threads:") - 1) > TIDS_MAX)
		l->t.missing = 0;
	if (l->t.missing)
		l->t.missing_reason = "not asked for";
	if (l->o.collect && refused(l))
		l->o.collect(l->o.arg);
	if (r < 0 && !l->o.own_tid)
		return stk_fail_sys(err, -r, "process %d", l->pid);
	l->t.threads = stk_pool_alloc(&l->t.pool, (l->stops.n + 1) * sizeof(*l->t.threads));
	if (!l->t.threads)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	if (l->o.own_tid)
		add_own(l);
	for (unsigned i = 0; i < l->stops.n; i++)
		add_thread(l, &l->stops.v[i]);
	if (!l->t.nthreads)
		return nothing_to_show(l, err);
	if (l->wrong_width)
		return stk_fail(err, STK_EARCH, "process %d runs 32-bit code: not supported",
				l->pid);
	number_threads(l);
	return 0;
}

static int read_maps(struct live *l, struct stk_err *err)
{
	size_t len;

	char *maps = l->o.maps_fd ? stk_proc_read_fd(&l->t.pool, l->o.maps_fd, NULL)
				  : stk_proc_read(&l->t.pool, l->view, "maps", NULL);
	int sys = errno;
	if (maps)
		stk_proc_maps(&l->t, maps);
	uint8_t *auxv = (uint8_t *)stk_proc_read(&l->t.pool, l->view, "auxv", &len);
	if (auxv)
		l->t.auxv = (struct stk_bytes){auxv, len};
	if (!maps)
		return stk_fail_sys(err, sys, "the memory map of process %d", l->pid);
	return l->t.nsegments ? 0 : stk_fail(err, STK_ESYS, "process %d has ended", l->pid);
}

static unsigned sp_row(const struct stk_arch *a)
{
	unsigned row = 0;

	while (row < a->nregs && a->regs[row].dwarf != a->sp)
		row++;
	return row;
}

/* The stacks from the stack pointer up. */
static void copy_stacks(struct live *l)
{
	struct stk_target *t = &l->t;
	uint64_t each = STACKS_MAX / (t->nthreads + 1), sp;
	unsigned row = sp_row(t->arch);

	if (each < STACK_MIN)
		each = STACK_MIN;
	l->stacks.v = calloc(t->nthreads, sizeof(*l->stacks.v));
	for (unsigned i = 0; l->stacks.v && i < t->nthreads; i++) {
		const struct stk_segment *s;
		if (!stk_thread_reg(t, &t->threads[i], row, &sp) || !(s = stk_segment_at(t, sp)))
			continue;
		uint64_t from = (sp - RED_ZONE) & ~(PAGE - 1);
		from = from < s->start ? s->start : from;
		l->stacks.v[l->stacks.n++] = (struct stk_region){
		    .start = from, .end = s->end - from > each ? from + each : s->end};
	}
	stk_copy_read(&l->stacks, l->view);
}

/* What was copied is found by page like all else. */
static void keep_stacks(struct live *l)
{
	for (unsigned i = 0; i < l->stacks.n; i++) {
		const struct stk_region *r = &l->stacks.v[i];
		for (uint64_t off = 0; off + PAGE <= r->have; off += PAGE) {
			struct page *p = new_page(l, (r->start + off) / PAGE + 1);
			if (!p)
				return;
			*p = (struct page){.there = true, .fixed = true, .bytes = r->bytes + off};
		}
	}
}

/* What happens while the process stands. */
static int look(struct live *l, struct stk_err *err)
{
	int r = stop_threads(l, err);

	if (!r)
		r = read_maps(l, err);
	if (!r && l->o.copy)
		copy_stacks(l);
	return r;
}

static void *trace(void *arg)
{
	struct live *l = arg;
	int64_t since;

	l->result = look(l, &l->err);
	if (l->result || l->o.brief)
		sem_post(&l->let_go);
	else
		sem_post(&l->looked);
	while (sem_wait(&l->let_go) && errno == EINTR)
		;
	since = l->stops.since_ns;
	stk_stop_done(&l->stops);
	l->info.still_ns = since ? stk_now_ns() - since : 0;
	sem_post(&l->looked);
	return NULL;
}

/* In a thread that takes no signals: those are for the one that waits. */
static bool start_tracer(struct live *l)
{
	sigset_t all, was;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	l->traced_apart = !pthread_create(&l->tracer, NULL, trace, l);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return l->traced_apart;
}

static int look_apart(struct live *l, struct stk_err *err)
{
	if (!start_tracer(l))
		return stk_fail(err, STK_ESYS, "no thread can be started to trace with");
	while (sem_wait(&l->looked) && errno == EINTR)
		;
	if (l->result || l->o.brief) {
		pthread_join(l->tracer, NULL);
		l->resumed = true;
	}
	if (l->result)
		*err = l->err;
	return l->result;
}

static void describe(struct live *l)
{
	const char *args;
	size_t len;
	char *s = stk_proc_read(&l->t.pool, l->view, "cmdline", &len);

	for (size_t i = 0; s && i + 1 < len; i++)
		if (!s[i])
			s[i] = ' ';
	if (s && len > ARGS_MAX)
		memcpy(s + ARGS_MAX - 3, "...", 4);
	for (unsigned i = 0; i < l->t.nthreads; i++)
		l->t.threads[i].name = thread_name(l, l->t.threads[i].tid);
	args = s && *s ? s : l->t.threads[0].name;
	l->t.psinfo = (struct stk_psinfo){.present = true, .pid = l->pid, .args = args};
	l->info.pid = l->pid;
	l->start_ticks = stk_proc_stat(l->pid, STARTTIME);
	l->info.inner_pid = stk_proc_inner_pid(l->pid);
	l->info.other_root = stk_live_other_root(l->view);
	l->info.started = stk_proc_started(l->pid);
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

/* A leader that has left by pthread_exit() has no memory any more; the other threads have. */
static int view_of(int pid)
{
	int tids[64], n = stk_proc_stat(pid, VSIZE) ? 0 : stk_proc_tids(pid, tids, 64);

	for (int i = 0; i < n && i < 64; i++)
		if (stk_proc_stat(tids[i], VSIZE))
			return tids[i];
	return pid;
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
	l->pid = process_of(l, pid);
	l->view = view_of(l->pid);
	l->t.path = stk_pool_printf(&l->t.pool, "process %d", l->pid);
	l->checked = l->answer - 1;
	sem_init(&l->looked, 0, 0);
	sem_init(&l->let_go, 0, 0);
	if (o)
		l->o = *o;
	r = l->o.own_tid ? 0 : stk_rights_before(l->pid, &why);
	if (!r)
		r = l->o.copy ? look_apart(l, &why) : look(l, &why);
	if (r) {
		live_close(&l->t);
		if (err)
			*err = why;
		return r;
	}
	keep_stacks(l);
	describe(l);
	*ret = &l->t;
	return 0;
}
