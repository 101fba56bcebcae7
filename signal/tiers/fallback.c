#include "signal/tiers/fallback.h"

#include "base/arch.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/trace.h"
#include "signal/channel/out.h"
#include "signal/crash.h"
#include "signal/images/images.h"
#include "signal/images/snapshot.h"
#include "signal/images/stepper.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/status.h"
#include "signal/kernel/unlisted.h"
#include "signal/state/options.h"
#include "signal/state/seccomp.h"
#include "signal/state/state.h"
#include "signal/tiers/collect.h"
#include "signal/tiers/threads.h"

#define FRAMES_LAST 1000000 /* a stack of more is damage */

static struct {
	struct stk_trace_text text;
	struct stk_trace_sink sink;
	bool regs, modules, end;
	bool listed;  /* all threads are known */
	bool counted; /* it was tried to count them */
	bool asked;   /* not listed: what the kernel says of them */
	enum stk_trace_unlisted unlisted;
	bool started; /* those that are known are what the library has seen begin */
	unsigned shown, total;
	const char *missing;
	uint64_t names_until; /* .symtab is searched from end to end: later it is not */
	bool used[STK_IMAGES_MAX];
} at;

static struct stk_own_stepper stepper STK_APART;

struct stack {
	const uint64_t *gregs;
	bool nowhere; /* see struct stk_step_frame */
	bool trapped; /* see struct stk_crash */
	bool detail;
	unsigned n;     /* frames */
	unsigned shown; /* those without the runtime's at the base */
	enum stk_step_end end;
	bool guess; /* the base was found by way of a scan */
};

/* The registers of a thread, as the stepper takes them. */
static void first_frame(const struct stack *s, struct stk_step_frame *f)
{
	*f = (struct stk_step_frame){
	    .how = STK_HOW_REGS, .exact = !s->trapped, .nowhere = s->nowhere};
	for (unsigned i = 0; i < stk_arch_host->nregs; i++) {
		int n = stk_arch_host->regs[i].dwarf;
		if (n < 0)
			continue;
		stk_reg_set(&f->regs, (unsigned)n, s->gregs[stk_arch_host->regs[i].note_off / 8]);
	}
	f->pc = f->regs.r[stk_arch_host->pc];
}

static const char *base_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/' && path[1])
			name = path + 1;
	return name;
}

/*
 * Where static functions may be looked for. Under a filter every call may be the last; and where
 * half of the time is over, the file system may be what does not answer.
 */
static void start_names(const struct stk_out *out)
{
	uint64_t now = stk_now_ns();
	uint64_t left = out->deadline_ns > now ? out->deadline_ns - now : 0;

	at.names_until = now + left / 4;
	stk_images_symbols(stk_seccomp_is_strict() ||
				   left < (uint64_t)stk_g.o.timeout_ms * 1000000U / 2
			       ? STK_SYMBOLS_KEPT
			       : STK_SYMBOLS_FILE);
}

static void put_frame(const struct stk_step_frame *f, bool detail)
{
	char name[256], path[512];
	struct stk_words words;
	uint64_t off, pc = stk_step_lookup_pc(f);
	const struct stk_img *im = stk_image_of(stk_images_now(), pc);
	struct stk_trace_frame t = {.words = &words,
				    .pc = f->pc,
				    .signal = f->signal,
				    .how = f->how,
				    .detail = detail,
				    .hidden = stk_g.o.secure,
				    .no_fp = !stk_reg_known(&f->regs, stk_arch_host->fp),
				    .no_sp = !stk_reg_known(&f->regs, stk_arch_host->sp),
				    .fp = f->regs.r[stk_arch_host->fp],
				    .sp = f->regs.r[stk_arch_host->sp]};

	stk_words_init(&words, false);
	if (im) {
		at.used[im - stk_images_now()->v] = true;
		t.module = base_name(stk_image_path(im, path, sizeof(path)));
		t.module_off = f->pc - im->start;
		if (stk_now_ns() >= at.names_until)
			stk_images_symbols(STK_SYMBOLS_MAPPED);
		/* A trampoline begins where the frame's pc is. */
		if (stk_image_symbol(im, f->signal ? f->pc : pc, name, sizeof(name), &off))
			t.name = name;
	}
	STK_EMIT(at.sink, frame, &t);
}

static const char *stop_text(enum stk_step_end end)
{
	switch (end) {
	case STK_STEP_UNREADABLE:
		return "stack memory cannot be read";
	case STK_STEP_NO_RULE:
		return "no unwind information, and no caller found on the stack";
	case STK_STEP_NO_CODE:
		return "the return address is in no code";
	case STK_STEP_NO_CALL:
		return "no call stands before the return address";
	case STK_STEP_LOOP:
		return "the stack does not go on: it is damaged";
	default:
		return 0;
	}
}

enum owner { PROGRAM, MAIN_PROGRAM, RUNTIME };

static bool starts(const char *s, const char *with)
{
	while (*with && *s == *with)
		s++, with++;
	return !*with;
}

/* Whose code it is: libc, the loader and libstack stand below main and a thread's function. */
static enum owner owner(const struct stk_img *im)
{
	uint64_t here = (uint64_t)(uintptr_t)owner;
	char path[512];

	if (!im || im->main)
		return im ? MAIN_PROGRAM : PROGRAM;
	const char *name = base_name(stk_image_path(im, path, sizeof(path)));
	return (here >= im->start && here < im->end) || starts(name, "libc.so") ||
		       starts(name, "ld-linux") || starts(name, "libpthread")
		   ? RUNTIME
		   : PROGRAM;
}

/* Count the frames. */
static void measure(const struct stk_out *out, struct stack *s)
{
	struct stk_step_frame f, next;
	const struct stk_img *im = 0;
	enum owner now = PROGRAM, before = PROGRAM;
	unsigned user = 0,
		 last = 0; /* the last frame that is not the runtime's, and the one before */

	first_frame(s, &f);
	s->n = 0;
	for (s->end = STK_STEP_MORE; s->end == STK_STEP_MORE && s->n < FRAMES_LAST;) {
		s->end = stk_step(&stepper.s, &f, &next).end;
		if (!stk_step_is_frame(s->end))
			break;
		s->guess = s->end == STK_STEP_BASE && f.how == STK_HOW_SCAN;
		before = now;
		if (im != stk_image_of(stk_images_now(), f.pc) || !s->n) {
			im = stk_image_of(stk_images_now(), f.pc);
			now = owner(im);
		}
		s->n++;
		if (now != RUNTIME) {
			last = user;
			user = s->n;
		}
		if (s->n % 64 == 0 && stk_now_ns() >= out->deadline_ns)
			break;
		f = next;
	}
	/* The program's entry point is the base of its stack, and calls libc. */
	if (user == s->n && now == MAIN_PROGRAM && before == RUNTIME)
		user = last;
	s->shown = s->detail || s->end != STK_STEP_BASE || !user ? s->n : user;
}

static void walk(const struct stk_out *out, const struct stack *s)
{
	const char *why = s->guess ? "what is marked as scanned is a guess" : stop_text(s->end);
	struct stk_step_frame f, next;
	uint64_t elided, left_out = 0;

	first_frame(s, &f);
	for (unsigned i = 0; i < s->shown; i++) {
		stk_step(&stepper.s, &f, &next);
		elided = stk_trace_elided(i, s->shown);
		if (elided)
			STK_EMIT(at.sink, elided, elided);
		left_out += elided;
		if (left_out)
			left_out--;
		else
			put_frame(&f, s->detail);
		f = next;
		if (i % 64 == 63 && stk_now_ns() >= out->deadline_ns)
			break;
	}
	if (stk_now_ns() >= out->deadline_ns)
		why = "the time is over";
	if (why)
		STK_EMIT(at.sink, stopped, why);
}

static void put_stack(struct stk_out *out, const struct stk_crash *c, unsigned num, int tid,
		      const uint64_t *gregs)
{
	char number[16], comm[64] = "", path[64];
	struct stk_text t;
	struct stack s = {.gregs = gregs,
			  .nowhere = gregs == c->gregs && c->nowhere,
			  .trapped = gregs == c->gregs && c->trapped,
			  .detail = c->level >= STK_LEVEL_SYSTEM};
	struct stk_trace_thread head = {
	    .numbers = number, .count = 1, .tid = tid, .state = num == 1 ? "running" : "stopped"};

	stk_text_init(&t, number, sizeof(number));
	stk_printf(&t, "%u", num);
	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/self/task/%d/comm", tid);
	long n = stk_read_small(path, comm, sizeof(comm));
	if (n > 0) {
		comm[n - (comm[n - 1] == '\n')] = 0;
		head.name = comm;
	}
	STK_EMIT(at.sink, thread, &head);
	measure(out, &s);
	walk(out, &s);
	STK_EMIT(at.sink, flush);
	at.shown++;
}

static void put_regs(const struct stk_crash *c)
{
	if (at.regs || c->secure)
		return;
	at.regs = true;
	for (unsigned i = 0; i < stk_arch_host->nregs; i++) {
		if (stk_arch_host->regs[i].report)
			STK_EMIT(at.sink, reg, stk_arch_host->regs[i].name,
				 c->gregs[stk_arch_host->regs[i].note_off / 8]);
	}
}

static void put_modules(void)
{
	char path[512];

	if (at.modules)
		return;
	at.modules = true;
	for (unsigned i = 0; i < stk_images_now()->n; i++) {
		const struct stk_img *im = &stk_images_now()->v[i];
		struct stk_trace_module m = {im->start,        im->end, im->build_id,
					     im->build_id_len, 0,       stk_g.o.secure};
		if (!at.used[i])
			continue;
		m.path = stk_image_path(im, path, sizeof(path));
		STK_EMIT(at.sink, module, &m);
	}
}

/* Where nobody could list the threads. */
static void ask_unlisted(void)
{
	if (at.asked)
		return;
	at.asked = true;
	at.unlisted = at.listed ? STK_UNLISTED_NONE : stk_unlisted();
	/* The kernel tells of others, and those that libc started are known. */
	at.started = at.unlisted && at.total > 1;
	if (at.started)
		at.unlisted = STK_UNLISTED_NONE;
}

static void put_end(void)
{
	if (at.end)
		return;
	at.end = true;
	ask_unlisted();
	struct stk_trace_end e = {.shown = at.shown,
				  .total = at.total + !!at.unlisted,
				  .unlisted = at.unlisted,
				  .missing_reason = at.missing};
	if (at.unlisted && !at.missing)
		e.missing_reason = "they cannot be listed";
	if (at.unlisted)
		stk_trace_note(at.sink, STK_TRACE_UNLISTED);
	if (at.started)
		stk_trace_note(at.sink, STK_TRACE_STARTED);
	STK_EMIT(at.sink, end, &e);
}

void stk_fallback_start(void)
{
	memset(&at, 0, sizeof(at));
	at.total = 1;
}

/* How many threads there are; a report that crashes counts them once. */
static void count_threads(void)
{
	if (at.counted)
		return;
	at.counted = true;
	const struct stk_collection *all = stk_collect_list();
	at.total = 1 + all->n + all->dropped;
	at.listed = all->listed;
}

/* Thread 1, and how many there are. */
static void begin(struct stk_out *out, const struct stk_crash *c)
{
	struct stk_images *im = stk_images_copy();

	if (im) {
		stk_images_refresh(im);
		stk_images_show(im);
	}
	stk_own_stepper(&stepper, stk_images_now(), stk_arch_host);
	put_stack(out, c, 1, c->tid, c->gregs);
	count_threads();
	at.missing = c->level == STK_LEVEL_SINGLE ? "not asked for" : 0;
}

static void finish(void)
{
	put_modules();
	put_end();
}

/* The text goes on where an earlier part of the same report has left it. */
static void emit_to(struct stk_out *out)
{
	if (!at.sink.on)
		at.sink = stk_trace_text(&at.text, &out->text);
}

bool stk_fallback_first(struct stk_out *out, const struct stk_crash *c)
{
	emit_to(out);
	start_names(out);
	stk_trace_note(at.sink, "[seccomp filters system calls: thread 1 in process]");
	begin(out, c);
	put_regs(c);
	STK_EMIT(at.sink, flush);
	ask_unlisted();
	if ((at.total > 1 || at.unlisted) && c->level != STK_LEVEL_SINGLE)
		return false;
	finish();
	return true;
}

enum stk_trace_unlisted stk_fallback_unlisted(void)
{
	return at.unlisted;
}

/* The registers of a thread: those of its fault if it crashed too. NULL: it has gone on. */
static const uint64_t *registers(const struct stk_crash *c, const struct stk_other *o)
{
	for (int i = 0; i < STK_PARKED_MAX; i++)
		if (c->parked[i].there && c->parked[i].tid == o->tid)
			return c->parked[i].stood.gregs;
	return o->stood ? ((const struct stk_answer *)(uintptr_t)o->stood)->gregs : 0;
}

/* The others in the order of their tids, as everywhere (Shell's sort). */
static uint16_t order[STK_OTHERS_MAX] STK_APART;

static void sort_others(const struct stk_collection *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		order[i] = (uint16_t)i;
	for (uint32_t gap = all->n / 2; gap; gap /= 2)
		for (uint32_t i = gap; i < all->n; i++) {
			uint16_t one = order[i];
			uint32_t k = i;
			for (; k >= gap && all->v[order[k - gap]].tid > all->v[one].tid; k -= gap)
				order[k] = order[k - gap];
			order[k] = one;
		}
}

static void put_others(struct stk_out *out, const struct stk_crash *c)
{
	uint64_t now = stk_now_ns(), until = now + 300000000U;
	struct stk_collection *all =
	    stk_collect(c->ends, until < out->deadline_ns ? until : out->deadline_ns);
	unsigned num = 2;

	at.total = 1 + all->n - all->gone + all->dropped;
	at.listed = all->listed;
	at.asked = false;
	at.missing = !all->n        ? 0
		     : all->dropped ? "too many for the report in process"
				    : "they did not answer the signal";
	sort_others(all);
	for (uint32_t i = 0; i < all->n; i++) {
		const struct stk_other *o = &all->v[order[i]];
		if (!o->answered || !o->tid)
			continue;
		if (stk_now_ns() >= out->deadline_ns) {
			at.missing = "the time is over";
			break;
		}
		const uint64_t *gregs = registers(c, o);
		if (gregs)
			put_stack(out, c, num++, o->tid, gregs);
	}
	stk_collect_done();
}

void stk_fallback_report(struct stk_out *out, const struct stk_crash *c, const char *why)
{
	emit_to(out);
	start_names(out);
	stk_out_fresh_line(out);
	stk_trace_note(at.sink, "[tier 1 failed: %s; continuing in process]", why);
	if (!c->others_only)
		begin(out, c);
	if (c->level != STK_LEVEL_SINGLE)
		put_others(out, c);
	put_regs(c);
	finish();
}

void stk_fallback_rest(struct stk_out *out, const struct stk_crash *c)
{
	emit_to(out);
	stk_out_fresh_line(out);
	if (!at.end)
		STK_EMIT(at.sink, stopped, "the report crashed here");
	stk_collect_done();
	put_regs(c);
	count_threads();
	at.missing = "the report crashed";
	finish();
}
