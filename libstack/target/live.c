#include "target/live.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/text.h"
#include "target/map.h"
#include "target/procfs.h"
#include "target/stop.h"

#define PAGE   4096
#define GREGS  216 /* struct user_regs_struct */
#define FPREGS 512

struct live {
	struct stk_target t;
	struct stk_live_options o;
	struct stk_stops stops;
	struct stk_map pages; /* page number → its bytes, or `absent` */
	int pid;
	bool resumed;
};

static uint8_t absent[1];

static bool read_page(struct live *l, uint64_t addr, uint8_t *to)
{
	struct iovec here = {to, PAGE}, there = {(void *)(uintptr_t)addr, PAGE};

	if (l->resumed)
		return false;
	if (l->o.read)
		return l->o.read(l->o.arg, addr, to, PAGE) == 0;
	return process_vm_readv(l->pid, &here, 1, &there, 1, 0) == PAGE;
}

static size_t live_piece(struct stk_target *t, uint64_t addr, const uint8_t **ret)
{
	struct live *l = (struct live *)t;
	uint64_t page =
	    addr / PAGE + 1; /* 0 is a key like any other, but NULL pages are not read */
	uint8_t *p = stk_map_get(&l->pages, page);

	if (!p) {
		const struct stk_segment *s = stk_segment_at(t, addr);
		p = s && s->r ? stk_pool_alloc(&t->pool, PAGE) : absent;
		if (!p)
			return 0;
		if (p != absent && !read_page(l, addr & ~(uint64_t)(PAGE - 1), p))
			p = absent;
		stk_map_put(&l->pages, page, p);
	}
	if (p == absent)
		return 0;
	*ret = p + addr % PAGE;
	return PAGE - addr % PAGE;
}

void stk_live_resume(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	stk_stop_done(&l->stops);
	l->resumed = true;
}

static void live_close(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	stk_live_resume(t);
	stk_map_done(&l->pages);
	stk_pool_done(&t->pool);
	free(l);
}

static const struct stk_target_ops live_ops = {
    .kind = "process", .absent = "cannot be read", .piece = live_piece, .close = live_close};

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
				  .name = thread_name(l, l->o.own_tid),
				  .gregs = keep(l, l->o.own_gregs, l->o.own_gregs_len)};
	if (l->o.own_fpregs)
		th->fpregs = keep(l, l->o.own_fpregs, l->o.own_fpregs_len);
}

static const char *reason(const struct stk_stopped *s)
{
	switch (s->state) {
	case STK_STOPPING:
		return "they did not stop in time (uninterruptible sleep?)";
	case STK_REFUSED:
		return s->err == EPERM ? "ptrace is not permitted" : "ptrace failed";
	default:
		return "their registers cannot be read";
	}
}

static void add_thread(struct live *l, const struct stk_stopped *s)
{
	uint8_t g[GREGS], f[FPREGS];
	struct stk_thread th = {.tid = s->tid};
	int n = -1, m = 0;

	if (s->state == STK_GONE)
		return;
	if (l->o.regs && l->o.regs(l->o.arg, s->tid, g, sizeof(g))) {
		n = sizeof(g);
	} else if (s->state == STK_STOPPED) {
		n = stk_stop_regs(s->tid, NT_PRSTATUS, g, sizeof(g));
		m = stk_stop_regs(s->tid, NT_PRFPREG, f, sizeof(f));
	}
	if (n == -ESRCH)
		return;
	if (n <= 0) {
		l->t.missing++;
		l->t.missing_reason = reason(s);
		return;
	}
	th.name = thread_name(l, s->tid);
	th.gregs = keep(l, g, (size_t)n);
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

static int stop_threads(struct live *l, struct stk_err *err)
{
	int r = 0;

	if (!l->o.only_own)
		r = stk_stop_all(&l->stops, l->pid, l->o.own_tid,
				 l->o.stop_ms ? l->o.stop_ms : 2000);
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
	number_threads(l);
	return 0;
}

int stk_live_open(int pid, const struct stk_live_options *o, struct stk_target **ret,
		  struct stk_err *err)
{
	struct live *l = calloc(1, sizeof(*l));
	size_t len;

	if (!l)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	l->t.ops = &live_ops;
	l->t.arch = stk_arch_find(EM_X86_64);
	l->t.path = stk_pool_printf(&l->t.pool, "process %d", pid);
	l->pid = pid;
	if (o)
		l->o = *o;
	int r = stop_threads(l, err);
	if (r) {
		live_close(&l->t);
		return r;
	}
	char *maps = l->o.maps_fd ? stk_proc_read_fd(&l->t.pool, l->o.maps_fd, NULL)
				  : stk_proc_read(&l->t.pool, pid, "maps", NULL);
	if (maps)
		stk_proc_maps(&l->t, maps);
	uint8_t *auxv = (uint8_t *)stk_proc_read(&l->t.pool, pid, "auxv", &len);
	if (auxv)
		l->t.auxv = (struct stk_bytes){auxv, len};
	if (!maps || !l->t.nsegments) {
		r = stk_fail_sys(err, errno, "the memory map of process %d", pid);
		live_close(&l->t);
		return r;
	}
	*ret = &l->t;
	return 0;
}
