/*
 * One look, from the first thread that stops to the last that goes on. stk_look():
 *
 * 1. Stop the threads that sleep (stop.c); the others still run.
 * 2. Read the map and the auxiliary vector, and copy the stacks of those that stand.
 * 3. Stop the others: from here on all stand. Copy their stacks; where the look is brief they go
 * on.
 * 4. Read the map and the sleepers' stacks once more. What is the same before and after 3 was so
 *    when all stood. If something is not, begin again and read everything while all stand.
 * 5. Check that the memory is still that of the same program; let the sleepers go on.
 * 6. Make the target's threads of the registers, and name the threads that did not stop.
 *
 * So a thread at work stands for a copy of its own stack only. Without `o->copy` all are stopped at
 * once, and memory is read later, page by page, while they stand.
 */
#include "targets/look.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/procfs.h"
#include "targets/rights.h"

#define TIDS_MAX      (1U << 22) /* PID_MAX_LIMIT of the kernel */
#define STOP_MS       2000
#define GREGS_32      68           /* what the kernel gives of a task that runs 32-bit code */
#define STACK_MIN     (256U << 10) /* bytes copied of a stack at most, where there are many */
#define STACKS_MAX    (64ULL << 20)
#define STACK_GUESSED (64U << 10) /* what most stacks have in use */

/* A copy that lives as long as the target. */
static struct stk_bytes keep(struct stk_look *l, const void *p, size_t len)
{
	uint8_t *copy = stk_pool_alloc(&l->t->pool, len);

	if (!copy)
		return (struct stk_bytes){0};
	memcpy(copy, p, len);
	return (struct stk_bytes){copy, len};
}

/* The thread that stands by itself: the caller knows its registers. */
static void add_own(struct stk_look *l)
{
	struct stk_thread *th = &l->t->threads[l->t->nthreads++];

	*th = (struct stk_thread){.tid = l->o->own_tid,
				  .handled = true,
				  .gregs = keep(l, l->o->own_gregs, l->o->own_gregs_len)};
	if (l->o->own_fpregs)
		th->fpregs = keep(l, l->o->own_fpregs, l->o->own_fpregs_len);
}

/* A thread that starts a program waits for its child in the kernel, uninterruptibly. */
static bool waits_for_vfork(struct stk_look *l, int tid)
{
	char name[48];
	struct stk_text t;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/syscall", tid);
	char *s = stk_proc_read(&l->t->pool, l->pid, name, NULL);
	long call = s ? strtol(s, NULL, 10) : -1;
	return call == SYS_vfork || call == SYS_clone || call == SYS_clone3;
}

static bool any_stopped(const struct stk_look *l)
{
	for (unsigned i = 0; i < l->stops.n; i++)
		if (l->stops.v[i].state == STK_STOPPED)
			return true;
	return false;
}

static const char *who_traces(struct stk_look *l, int tracer)
{
	const char *name = tracer ? stk_proc_comm(&l->t->pool, tracer) : NULL;
	char *s =
	    name ? stk_pool_printf(&l->t->pool, "process %d (%s) traces them", tracer, name) : NULL;

	return s ? s : "another process traces them";
}

/* Why there are no registers of a thread. */
static const char *reason(struct stk_look *l, const struct stk_stopped *s)
{
	switch (s->state) {
	case STK_SEIZED:
	case STK_STOPPING:
		if (stk_proc_status(l->pid, "CoreDumping:") == 1)
			return "the process is leaving a core";
		if (stk_proc_state(l->pid, s->tid) != 'D')
			return "they did not stop in time";
		return waits_for_vfork(l, s->tid)
			   ? "they wait for a vfork child to start its program"
			   : "they did not stop in time (uninterruptible sleep, or a frozen "
			     "cgroup)";
	case STK_REFUSED:
		/* ptrace(2) permits all threads of a process or none. Where it permitted another
		 * thread, EPERM means a tracer, which has left since the question who it is. */
		if (s->err == EBUSY || (s->err == EPERM && any_stopped(l)))
			return who_traces(l, s->tracer);
		return s->err == EPERM ? "ptrace is not permitted" : "ptrace failed";
	default:
		return "their registers cannot be read";
	}
}

/* Registers that the caller knows come before those of ptrace: the thread then waits in a signal
 * handler, and ptrace shows where it waits. */
static void add_thread(struct stk_look *l, struct stk_stopped *s)
{
	struct stk_thread th = {.tid = s->tid};
	bool fp = false;
	int n = -1, m = 0;

	if (s->state == STK_GONE)
		return;
	if (l->o->regs && l->o->regs(l->o->arg, s->tid, s->gregs, sizeof(s->gregs), s->fpregs,
				     sizeof(s->fpregs), &fp)) {
		n = sizeof(s->gregs);
		m = fp ? sizeof(s->fpregs) : 0;
		th.handled = true;
	} else if (s->state == STK_STOPPED) {
		n = s->len;
		m = s->fplen;
		l->was_stopped |= s->group;
	}
	if (n == -ESRCH)
		return;
	if (n <= 0) {
		l->t->missing++;
		l->t->missing_reason = reason(l, s);
		return;
	}
	l->wrong_width |= n == GREGS_32;
	th.gregs = keep(l, s->gregs, (size_t)n);
	if (m > 0)
		th.fpregs = keep(l, s->fpregs, (size_t)m);
	l->t->threads[l->t->nthreads++] = th;
}

static int by_tid(const void *a, const void *b)
{
	const struct stk_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Thread 1 is the one that stands by itself, else the leader. */
static void number_threads(struct stk_look *l)
{
	struct stk_target *t = l->t;
	unsigned first = l->o->own_tid ? 1 : 0;

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

static bool refused(const struct stk_look *l)
{
	for (unsigned i = 0; i < l->stops.n; i++)
		if (l->stops.v[i].state == STK_REFUSED)
			return true;
	return false;
}

/* The first that another process traces, or NULL. */
static const struct stk_stopped *traced(const struct stk_look *l)
{
	for (unsigned i = 0; i < l->stops.n; i++)
		if (l->stops.v[i].state == STK_REFUSED && l->stops.v[i].err == EBUSY)
			return &l->stops.v[i];
	return NULL;
}

static int another_program(const struct stk_look *l, struct stk_err *err)
{
	return stk_fail(err, STK_ESYS,
			"process %d executes one program after the other (execve): none stays long "
			"enough to be looked at",
			l->pid);
}

/* No thread at all: there is nothing to show. */
static int nothing_to_show(struct stk_look *l, struct stk_err *err)
{
	const struct stk_stopped *one = traced(l);

	if (one)
		return stk_rights_traced(l->pid, one->tracer, err)
			   ? STK_ESYS
			   : stk_fail(
				 err, STK_ESYS,
				 "process %d: another process traces its threads, and there can "
				 "be one tracer only",
				 l->pid);
	if (refused(l))
		return stk_rights_fail(l->pid, err);
	if (l->t->missing)
		return stk_fail(err, STK_ESYS, "process %d: no thread of %u can be shown: %s",
				l->pid, l->t->missing, l->t->missing_reason);
	if (stk_proc_lives(l->pid))
		return another_program(l, err);
	return stk_fail(err, STK_ESYS, "process %d has ended", l->pid);
}

/* The threads of the target, from what is known of those that stopped. */
static int add_threads(struct stk_look *l, struct stk_err *err)
{
	struct stk_target *t = l->t;

	t->threads = stk_pool_alloc(&t->pool, (l->stops.n + 1) * sizeof(*t->threads));
	if (!t->threads)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	if (l->o->own_tid)
		add_own(l);
	for (unsigned i = 0; i < l->stops.n; i++)
		add_thread(l, &l->stops.v[i]);
	if (!t->nthreads)
		return nothing_to_show(l, err);
	if (l->wrong_width)
		return stk_fail(err, STK_EARCH, "process %d runs 32-bit code: not supported",
				l->pid);
	number_threads(l);
	return 0;
}

/* Is there a thread that can stop, or one that stands by itself? */
static bool reachable(const struct stk_look *l)
{
	bool any = l->o->own_tid;

	for (unsigned i = 0; i < l->stops.n; i++)
		any |= l->stops.v[i].state <= STK_STOPPED;
	return any;
}

/* stk_stop_sleepers() or stk_stop_all(). */
typedef int stop_function(struct stk_stops *s, int pid, int except, unsigned ms);

/* Stop threads by `f`; add those that stand by themselves where /proc lists none; where ptrace is
 * refused, have the caller collect them. */
static int stop(struct stk_look *l, stop_function *f, struct stk_err *err)
{
	l->stops.stands = l->o->stands;
	l->stops.arg = l->o->arg;
	int r = f(&l->stops, l->pid, l->o->own_tid, l->o->stop_ms ? l->o->stop_ms : STOP_MS);

	int tid = r < 0 && l->o->standing ? l->o->standing(l->o->arg, 0) : 0;
	for (unsigned i = 1; tid; tid = l->o->standing(l->o->arg, i++))
		if (tid > 0)
			stk_stop_add_standing(&l->stops, tid);
	if (l->o->collect && refused(l))
		l->o->collect(l->o->arg);
	return r < 0 && !l->o->own_tid ? stk_fail_sys(err, -r, "process %d", l->pid) : 0;
}

/* The text of maps; NULL: errno tells why. */
static char *map_text(struct stk_look *l)
{
	return l->o->maps_fd ? stk_proc_read_fd(&l->t->pool, l->o->maps_fd, NULL)
			     : stk_proc_read(&l->t->pool, l->mm_tid, "maps", NULL);
}

/* The text of maps and the auxiliary vector. /proc/PID/mem is opened first: check_program() sees by
 * it whether both are of the program that is there in the end. */
static int read_maps(struct stk_look *l, char **ret, struct stk_err *err)
{
	struct stk_target *t = l->t;
	size_t len;

	if (!l->mem)
		l->mem = stk_proc_open(l->mm_tid, "mem") + 1;
	*ret = map_text(l);
	int sys = errno;
	if (!*ret)
		return stk_fail_sys(err, sys, "the memory map of process %d", l->pid);
	uint8_t *auxv = (uint8_t *)stk_proc_read(&t->pool, l->mm_tid, "auxv", &len);
	if (auxv && len)
		t->auxv = (struct stk_bytes){auxv, len};
	return 0;
}

static int parse_maps(struct stk_look *l, char *maps, struct stk_err *err)
{
	l->t->nsegments = l->t->nmappings = 0;
	stk_proc_maps(l->t, maps);
	return l->t->nsegments ? 0 : stk_fail(err, STK_ESYS, "process %d has ended", l->pid);
}

/* Copy the stacks of the threads from the one at `first` on: from the page of the stack pointer
 * (less the red zone, which a leaf function uses) to the end of the mapping, or to the thread's
 * share of STACKS_MAX. false: a stack pointer lies where the map has nothing. */
static bool copy_stacks(struct stk_look *l, unsigned first, struct stk_copy *to)
{
	uint64_t each = STACKS_MAX / (l->stops.n + 1), sp;
	bool all = true;

	if (each < STACK_MIN)
		each = STACK_MIN;
	for (unsigned i = first; i < l->stops.n; i++) {
		struct stk_stopped *s = &l->stops.v[i];
		const struct stk_segment *g;
		if (s->state != STK_STOPPED || s->len <= 0)
			continue;
		struct stk_thread th = {.gregs = {s->gregs, (size_t)s->len}};
		if (!stk_thread_sp(l->t, &th, &sp) || !(g = stk_segment_at(l->t, sp))) {
			all = false;
			continue;
		}
		uint64_t from = (sp - l->t->arch->red_zone) & ~(STK_PAGE - 1);
		from = from < g->start ? g->start : from;
		stk_copy_add(to, from, g->end - from > each ? from + each : g->end);
	}
	stk_copy_read(to, l->mm_tid);
	return all;
}

/* Get the memory for the stacks of those that still run before they are stopped: a guess, for their
 * stack pointers are not known yet. */
static void prepare(struct stk_look *l)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < l->stops.n; i++)
		size += l->stops.v[i].state == STK_SEIZED ? STACK_GUESSED : 0;
	stk_copy_prepare(&l->stacks[1], size < STACKS_MAX ? size : STACKS_MAX);
}

/* All of them stand while the map and the stacks are read. */
static int look_whole(struct stk_look *l, struct stk_err *err)
{
	char *maps = NULL;
	int r = l->o->only_own ? 0 : stop(l, stk_stop_all, err);

	if (r || !reachable(l))
		return r;
	l->mm_tid = stk_proc_mm_tid(l->pid);
	r = read_maps(l, &maps, err);
	if (!r)
		r = parse_maps(l, maps, err);
	if (!r && l->o->copy)
		copy_stacks(l, 0, &l->stacks[1]);
	return r;
}

/* Step 4: has the map, or a sleeper's stack, changed since it was read? A process that has ended
 * meanwhile cannot be read again; what was read of it stays true. */
static bool changed(struct stk_look *l, const char *before)
{
	const char *now = map_text(l);

	if (!now || !*now) {
		l->mm_tid = stk_proc_mm_tid(l->pid); /* the leader may have ended alone */
		now = map_text(l);
	}
	if (!now || !*now)
		return false;
	return !before || strcmp(before, now) != 0 || !stk_copy_same(&l->stacks[0], l->mm_tid);
}

/*
 * Steps 1 to 4. Most threads of most processes sleep, and to stop one that sleeps holds up
 * nothing that runs. The threads at work may meanwhile map memory and write to the stacks of the
 * sleepers (by a pointer that one of them gave away): `moved` tells that they did.
 */
static int look_quickly(struct stk_look *l, bool *moved, struct stk_err *err)
{
	char *maps = NULL;
	int r = stop(l, stk_stop_sleepers, err);

	if (r || !reachable(l))
		return r;
	r = read_maps(l, &maps, err);
	*moved = !r && !*maps; /* the leader has ended since it was seen */
	if (r || *moved)
		return r;
	char *before = stk_pool_strdup(&l->t->pool, maps);
	r = parse_maps(l, maps, err);
	if (r)
		return r;
	copy_stacks(l, 0, &l->stacks[0]);
	prepare(l);
	r = stop(l, stk_stop_all, err);
	if (r)
		return r;
	bool all = copy_stacks(l, l->stops.done, &l->stacks[1]);
	if (l->o->brief)
		stk_stop_go_on(&l->stops);
	*moved = !all || changed(l, before);
	return 0;
}

/*
 * A processor that a thread leaves when it stops goes to sleep, and the thread waits until it is
 * awake again: on a virtual machine that is most of the time that the thread stands. While this is
 * open no processor sleeps (kernel Documentation, power/pm_qos_interface). Root may; -1 for others.
 */
static int keep_awake(void)
{
	int32_t latency_us = 0;
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, &latency_us, sizeof(latency_us)) != sizeof(latency_us)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Step 5. execve(2) replaces the memory: if the memory that /proc/PID/mem was opened for is still
 * there, all was read of one program. A process that has ended without execve stays true. */
static int check_program(struct stk_look *l, struct stk_err *err)
{
	bool other = l->mem && stk_proc_mem_gone(l->mem - 1);

	l->executed = (other || !stk_stop_holds(&l->stops)) && stk_proc_lives(l->pid);
	return l->executed ? another_program(l, err) : 0;
}

/* The quick way; where something changed meanwhile, everything once more while all stand. */
static int take(struct stk_look *l, struct stk_err *err)
{
	bool moved = false;
	int r = look_quickly(l, &moved, err);

	if (r || !moved)
		return r;
	for (unsigned i = 0; i < 2; i++)
		stk_copy_done(&l->stacks[i]);
	return look_whole(l, err);
}

int stk_look(struct stk_look *l, struct stk_err *err)
{
	int awake = l->o->copy ? keep_awake() : -1;
	int r = l->o->copy ? take(l, err) : look_whole(l, err);

	if (!r)
		r = check_program(l, err);
	if (l->o->brief)
		stk_look_end(l);
	if (awake >= 0)
		close(awake);
	/* The helper may be asked for thread 1 alone: the others count as missing. */
	long all = l->o->only_own ? stk_proc_status(l->pid, "Threads:") : 1;
	all -= l->mm_tid != l->pid; /* a leader that has ended counts until the last has */
	if (all > 1 && all <= TIDS_MAX) {
		l->t->missing = (unsigned)all - 1;
		l->t->missing_reason = "not asked for";
	}
	return r ? r : add_threads(l, err);
}

void stk_look_end(struct stk_look *l)
{
	if (!l->stops.released)
		stk_stop_go(&l->stops, &l->stood);
}

void stk_look_done(struct stk_look *l)
{
	stk_stop_done(&l->stops);
	for (unsigned i = 0; i < 2; i++)
		stk_copy_done(&l->stacks[i]);
	if (l->mem)
		close(l->mem - 1);
	l->mem = 0;
}
