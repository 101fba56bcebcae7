/*
 * stk_live_open(): ask rights.c what is known to make it fail; take the look (look.c) in a thread
 * that traces (tracer.c), once more where the process executed another program meanwhile; keep the
 * copied stacks as pages; describe the process (its names, its command line).
 *
 * After it memory is read page by page and kept (live_piece()). A page is fixed if it cannot change
 * any more: copied while all stood, read while the process still stands, or private and read-only.
 * Any other page is read anew for each answer (stk_live_answer()), and marks it as newer than the
 * registers. Before such a read counts, stk_live_same() checks that the memory is still that of the
 * same program.
 */
#include "targets/live.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/files.h"
#include "targets/hash.h"
#include "targets/look.h"
#include "targets/procfs.h"
#include "targets/rights.h"
#include "targets/tracer.h"

#define ARGS_MAX  80 /* of the command line, as in cores */
#define STARTTIME 22 /* fields of stat, proc(5) */
#define TRIES     50

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
	struct stk_hash pages; /* page number + 1 → struct page */
	bool resumed;
	unsigned answer;
	unsigned long long start_ticks; /* a later process may get the same number */

	struct stk_tracer tracer;
	bool left;  /* the tracing thread hangs in the kernel, and still uses this: never freed */
	int result; /* of its look */
	struct stk_err err;
};

/* Has the process memory? Asked three times: while a thread that executes a program takes the
 * leader's number, no thread with memory is listed for a moment (fs/exec.c, de_thread()). */
static bool has_memory(const struct live *l)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int pid = l->look.pid;

	for (unsigned tries = 0; tries < 3; tries++) {
		if (tries)
			nanosleep(&nap, NULL);
		if (stk_proc_stat(stk_proc_mm_tid(pid), STK_PROC_VSIZE))
			return stk_proc_stat(pid, STARTTIME) == l->start_ticks;
	}
	return false;
}

const char *stk_live_gone(const struct stk_target *t)
{
	const struct live *l = (const struct live *)t;

	if (l->look.mem ? !stk_proc_mem_gone(l->look.mem - 1) : stk_proc_lives(l->look.pid))
		return NULL;
	return has_memory(l) ? "runs another program now (execve)" : STK_LIVE_ENDED;
}

/* Shared memory that has a name, and no file on a disk. */
static bool is_shmem(const char *path)
{
	static const char *const names[] = {"/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(path, names[i], strlen(names[i])))
			return true;
	return false;
}

/*
 * process_vm_readv(2) waits for a page that a thread of the process has to bring (userfaultfd(2)),
 * and this thread may stand. By /proc/PID/mem such a page is not there; but that keeps the process
 * from changing its map while a page of a file comes from a disk (mmap_lock). userfaultfd knows
 * memory without files only.
 */
static ssize_t read_mem(struct live *l, uint64_t addr, uint8_t *to)
{
	const struct stk_mapping *m = stk_mapping_at(&l->t, addr);

	return l->look.mem && (!m || is_shmem(m->path))
		   ? pread(l->look.mem - 1, to, STK_PAGE, (off_t)addr)
		   : stk_read_mm(l->look.pid, &l->look.mm_tid, addr, to, STK_PAGE);
}

static bool read_page(struct live *l, uint64_t addr, uint8_t *to)
{
	if (l->resumed && !l->o.brief) {
		l->info.gone = "was let go";
		return false;
	}
	if (l->o.read)
		return l->o.read(l->o.arg, addr, to, STK_PAGE) == 0;
	bool got = read_mem(l, addr, to) == (ssize_t)STK_PAGE;
	/* It is of the program that was looked at, if that is there still. */
	return l->o.copy ? stk_live_same(&l->t) && got : got;
}

/* Private pages of files that are mapped read-only are as they were, and those of the vDSO. */
static bool unchanging(const struct live *l, const struct stk_segment *s)
{
	uint64_t vdso;

	return !l->resumed || (!s->w && !s->shared &&
			       (stk_mapping_at(&l->t, s->start) ||
				(stk_auxv(&l->t, AT_SYSINFO_EHDR, &vdso) && vdso == s->start)));
}

static struct page *new_page(struct live *l, uint64_t key)
{
	struct page *p = stk_pool_alloc(&l->t.pool, sizeof(*p));

	if (!p)
		return NULL;
	p->answer = l->answer - 1;
	return stk_hash_put(&l->pages, key, p) ? p : NULL;
}

/* 0 is a key like any other, but NULL pages are not read. */
static struct page *page_at(struct live *l, uint64_t addr)
{
	struct page *p = stk_hash_get(&l->pages, addr / STK_PAGE + 1);

	if (p && (p->fixed || p->answer == l->answer))
		return p;
	const struct stk_segment *s = stk_segment_at(&l->t, addr);
	if (!p && !(p = new_page(l, addr / STK_PAGE + 1)))
		return NULL;
	if (!p->bytes && s && s->r)
		p->bytes = stk_pool_alloc(&l->t.pool, STK_PAGE);
	p->there = p->bytes && read_page(l, addr & ~(STK_PAGE - 1), (uint8_t *)(uintptr_t)p->bytes);
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
	*ret = p->bytes + addr % STK_PAGE;
	return STK_PAGE - addr % STK_PAGE;
}

/* What was copied is found by page like all else. */
static void keep_stacks(struct live *l, const struct stk_copy *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct stk_region *r = &c->v[i];
		for (uint64_t off = 0; off + STK_PAGE <= r->have; off += STK_PAGE) {
			struct page *p = new_page(l, (r->start + off) / STK_PAGE + 1);
			if (!p)
				return;
			*p = (struct page){.there = true, .fixed = true, .bytes = r->bytes + off};
		}
	}
}

/* The thread's own part of a look. */
static void look(void *arg)
{
	struct live *l = arg;

	l->result = stk_look(&l->look, &l->err);
	if (l->result || l->o.brief)
		stk_look_end(&l->look);
}

static void end_look(void *arg)
{
	struct live *l = arg;

	stk_look_end(&l->look);
}

/* Let all go on. A thread that stopped too late goes on when the tracing thread ends (ptrace(2)).
 */
static void let_go(struct live *l)
{
	stk_tracer_run(&l->tracer, end_look, l, false, NULL);
	stk_tracer_end(&l->tracer);
	l->info.still_ns = l->look.stood.still_ns;
	l->info.slept_ns = l->look.stood.slept_ns;
	l->resumed = true;
}

/* Take a failed look again? If the process lives: it may have executed another program meanwhile.
 * Not if a thread did not stop in time: it would not the next time. */
static bool again(struct live *l)
{
	const struct timespec nap = {.tv_nsec = 2000000};

	for (unsigned i = 0; i < l->look.stops.n && !l->look.executed; i++)
		if (l->look.stops.v[i].late)
			return false;
	if (!stk_proc_lives(l->look.pid))
		return false;
	nanosleep(&nap, NULL);
	stk_look_done(&l->look);
	l->look = (struct stk_look){
	    .t = &l->t, .o = &l->o, .pid = l->look.pid, .mm_tid = stk_proc_mm_tid(l->look.pid)};
	l->t.nthreads = l->t.missing = 0;
	l->info.still_ns = l->info.slept_ns = 0;
	l->resumed = false;
	return true;
}

static int look_until(struct live *l, struct stk_err *err)
{
	for (unsigned tries = 1;; tries++) {
		/* A helper has a deadline of its own, and may be forbidden to make threads. */
		if (!l->o.own_tid && !stk_tracer_start(&l->tracer, l->look.pid)) {
			l->resumed = true;
			return stk_fail(err, STK_ESYS,
					"no thread can be started to trace with (ulimit -u?)");
		}
		enum stk_tracer_end end = stk_tracer_run(&l->tracer, look, l, true, l->o.interrupt);
		if (end != STK_TRACER_DONE) {
			l->left = true;
			return stk_tracer_explain(&l->tracer, end, err);
		}
		if (l->result || l->o.brief)
			let_go(l);
		if (!l->result)
			return 0;
		if (l->o.own_tid || tries == TRIES || !again(l))
			break;
	}
	*err = l->err;
	return l->result;
}

/* With the signals blocked that would stop or end us: until the process runs on again. Ctrl-Z would
 * stop us, and the threads that we hold for as long. */
static int take_look(struct live *l, struct stk_err *err)
{
	sigset_t ends, was;

	if (l->o.own_tid)
		return look_until(l, err);
	stk_tracer_signals(&ends);
	sigaddset(&ends, SIGTSTP);
	pthread_sigmask(SIG_BLOCK, &ends, &was);
	int r = look_until(l, err);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return r;
}

void stk_live_trace(struct stk_target *t, void (*f)(void *arg), void *arg)
{
	stk_tracer_run(&((struct live *)t)->tracer, f, arg, false, NULL);
}

void stk_live_resume(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	l->o.brief = false;
	if (!l->resumed)
		let_go(l);
}

static void live_close(struct stk_target *t)
{
	struct live *l = (struct live *)t;

	if (l->left)
		return; /* it belongs to the thread that does not get on */
	stk_live_resume(t);
	stk_hash_done(&l->pages);
	stk_look_done(&l->look);
	stk_pool_done(&t->pool);
	free(l);
}

static const char *live_file(struct stk_target *t, const struct stk_mapping *m, bool is_main)
{
	struct live *l = (struct live *)t;

	/* Where a thread of it asks for itself, its paths are ours. */
	return l->o.own_tid
		   ? NULL
		   : stk_live_file(&t->pool, l->look.mm_tid, m, is_main, l->info.other_root);
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
	const char *gone = stk_live_gone(t);

	if (gone)
		((struct live *)t)->info.gone = gone;
	return !gone;
}

const struct stk_live_info *stk_live_info(const struct stk_target *t)
{
	return t->ops == &live_ops ? &((const struct live *)t)->info : NULL;
}

static void describe(struct live *l)
{
	const char *args;
	size_t len;
	char *s = stk_proc_cmdline(&l->t.pool, l->look.mm_tid, &len);

	for (size_t i = 0; s && i + 1 < len; i++)
		if (!s[i])
			s[i] = ' ';
	if (s && len > ARGS_MAX)
		memcpy(s + ARGS_MAX - 3, "...", 4);
	for (unsigned i = 0; i < l->t.nthreads; i++)
		l->t.threads[i].name = stk_proc_comm(&l->t.pool, l->t.threads[i].tid);
	args = s && *s ? s : l->t.threads[0].name;
	/* The names may be those of the next program. */
	if (!l->o.own_tid && stk_live_gone(&l->t)) {
		args = NULL;
		for (unsigned i = 0; i < l->t.nthreads; i++)
			l->t.threads[i].name = NULL;
	}
	l->t.psinfo = (struct stk_psinfo){.present = true, .pid = l->look.pid, .args = args};
	l->info.pid = l->look.pid;
	l->info.inner_pid = stk_proc_inner_pid(l->look.pid);
	l->info.other_root = stk_live_other_root(l->look.mm_tid);
	l->info.started = stk_proc_started(l->look.pid);
	if (l->t.missing && l->o.copy)
		stk_remark(&l->t, true, "%u thread%s missing: %s", l->t.missing,
			   l->t.missing == 1 ? " is" : "s are", l->t.missing_reason);
}

/* The process, where a thread was named (proc(5): /proc/TID is there, but not listed). */
static int process_of(struct live *l, int pid)
{
	int process = stk_proc_process(pid);

	if (!process || process == pid)
		return pid;
	l->info.asked_tid = pid;
	return process;
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
	l->t.arch = stk_arch_host;
	l->look = (struct stk_look){.t = &l->t, .o = &l->o, .pid = process_of(l, pid)};
	l->look.mm_tid = stk_proc_mm_tid(l->look.pid);
	l->start_ticks = stk_proc_stat(l->look.pid, STARTTIME);
	l->t.path = stk_pool_printf(&l->t.pool, "process %d", l->look.pid);
	if (o)
		l->o = *o;
	r = l->o.own_tid ? 0 : stk_rights_before(l->look.pid, &why);
	l->t.pool.budget.interrupt = l->o.interrupt;
	if (!r)
		r = take_look(l, &why);
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
