#include "fallback.h"

#include <fcntl.h>

#include "base/arch_x86_64.h"
#include "base/mem.h"
#include "base/trace.h"
#include "collect.h"
#include "stepper.h"
#include "sys.h"

#define FRAMES_MAX  100
#define FRAMES_END  50
#define FRAMES_LAST 1000000 /* a stack of more is damage */

static struct {
	bool first, others, regs, modules, end;
	unsigned shown, total;
	const char *missing;
	bool used[STK_IMAGES_MAX];
} at;

static const struct stk_arch *const arch = &stk_arch_x86_64;

/* The registers of a thread, as the stepper takes them. */
static void first_frame(const uint64_t *gregs, bool nowhere, struct stk_step_frame *f)
{
	*f = (struct stk_step_frame){.how = STK_HOW_REGS, .exact = true, .nowhere = nowhere};
	for (unsigned i = 0; i < arch->nregs; i++) {
		int n = arch->regs[i].dwarf;
		if (n < 0)
			continue;
		f->r[n] = gregs[arch->regs[i].note_off / 8];
		f->valid |= 1U << n;
	}
	f->pc = f->r[arch->pc];
}

static const char *base_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/' && path[1])
			name = path + 1;
	return name;
}

static void put_frame(struct stk_out *out, const struct stk_step_frame *f, bool detail)
{
	char name[256], path[512];
	struct stk_words words;
	uint64_t off, pc = stk_step_lookup_pc(f);
	const struct stk_img *im = stk_image_of(&stk_g.images, pc);
	struct stk_trace_frame t = {.words = &words,
				    .pc = f->pc,
				    .signal = f->signal,
				    .how = f->how,
				    .detail = detail,
				    .fp = f->r[arch->fp],
				    .sp = f->r[arch->sp]};

	stk_words_init(&words, false);
	if (im) {
		at.used[im - stk_g.images.v] = true;
		t.module = base_name(stk_image_path(im, path, sizeof(path)));
		t.module_off = f->pc - im->start;
		/* A trampoline begins where the frame's pc is. */
		if (stk_image_symbol(im, f->signal ? f->pc : pc, name, sizeof(name), &off))
			t.name = name;
	}
	stk_trace_write_frame(&out->text, &t);
}

static const char *stop_text(enum stk_step_end end)
{
	switch (end) {
	case STK_STEP_UNREADABLE:
		return "stack memory cannot be read";
	case STK_STEP_NO_RULE:
		return "no unwind information, and no caller found on the stack";
	case STK_STEP_LOOP:
		return "the stack does not go on: it is damaged";
	default:
		return 0;
	}
}

/* Walk a stack: count its frames (`total` 0), or write those of them that are shown. */
static unsigned walk(struct stk_out *out, const struct stk_crash *c, const uint64_t *gregs,
		     unsigned total)
{
	struct stk_step_frame f, next;
	enum stk_step_end end = STK_STEP_MORE;
	unsigned n = 0;

	first_frame(gregs, gregs == c->gregs && c->nowhere, &f);
	for (; end == STK_STEP_MORE && n < FRAMES_LAST; n++) {
		end = stk_stepper_step(&stk_g.images, arch, &f, &next);
		if (end == STK_STEP_LOOP)
			break; /* this one is no frame */
		if (total > FRAMES_MAX && n == FRAMES_END)
			stk_trace_write_elided(&out->text, total - 2 * FRAMES_END);
		if (total && (total <= FRAMES_MAX || n < FRAMES_END || n >= total - FRAMES_END))
			put_frame(out, &f, c->level >= STK_LEVEL_SYSTEM);
		if (n % 64 == 63 && stk_now_ns() >= out->deadline_ns)
			break;
		f = next;
	}
	if (total && stop_text(end))
		stk_trace_write_stopped(&out->text, stop_text(end));
	return n;
}

static void put_stack(struct stk_out *out, const struct stk_crash *c, unsigned num, int tid,
		      const uint64_t *gregs)
{
	char number[16], comm[64] = "", path[64];
	struct stk_text t;
	struct stk_trace_thread head = {
	    .numbers = number, .count = 1, .tid = tid, .state = num == 1 ? "running" : "stopped"};

	stk_text_init(&t, number, sizeof(number));
	stk_printf(&t, "%u", num);
	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/self/task/%d/comm", tid);
	long fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		long n = sys3(SYS_read, fd, comm, sizeof(comm) - 1);
		comm[n > 0 ? n - (comm[n - 1] == '\n') : 0] = 0;
		sys1(SYS_close, fd);
		head.name = comm;
	}
	stk_trace_write_thread(&out->text, &head);
	walk(out, c, gregs, walk(out, c, gregs, 0));
	stk_text_flush(&out->text);
	at.shown++;
}

static void put_regs(struct stk_out *out, const struct stk_crash *c)
{
	bool first = true;

	if (at.regs)
		return;
	at.regs = true;
	for (unsigned i = 0; i < arch->nregs; i++) {
		if (!arch->regs[i].report)
			continue;
		stk_trace_write_reg(&out->text, first, arch->regs[i].name,
				    c->gregs[arch->regs[i].note_off / 8]);
		first = false;
	}
}

static void put_modules(struct stk_out *out)
{
	char path[512];
	bool first = true;

	if (at.modules)
		return;
	at.modules = true;
	for (unsigned i = 0; i < stk_g.images.n; i++) {
		const struct stk_img *im = &stk_g.images.v[i];
		struct stk_trace_module m = {im->start, im->end, im->build_id, im->build_id_len, 0};
		if (!at.used[i])
			continue;
		m.path = stk_image_path(im, path, sizeof(path));
		stk_trace_write_module(&out->text, first, &m);
		first = false;
	}
	if (first)
		stk_putc(&out->text, '\n');
}

static void put_end(struct stk_out *out)
{
	struct stk_trace_end e = {at.shown, at.total, at.missing};

	if (at.end)
		return;
	at.end = true;
	stk_trace_write_end(&out->text, &e);
}

void stk_fallback_first(struct stk_out *out, const struct stk_crash *c)
{
	memset(&at, 0, sizeof(at));
	at.first = true;
	at.total = 1;
	stk_images_refresh(&stk_g.images);
	put_stack(out, c, 1, c->tid, c->gregs);
	put_regs(out, c);
	stk_text_flush(&out->text);
}

/* The others in the order of their tids, as everywhere. */
static const struct stk_other *next_other(const struct stk_collection *all, int after)
{
	const struct stk_other *best = 0;

	for (uint32_t i = 0; i < all->n; i++)
		if (all->v[i].answered && all->v[i].tid > after &&
		    (!best || all->v[i].tid < best->tid))
			best = &all->v[i];
	return best;
}

static void put_others(struct stk_out *out, const struct stk_crash *c)
{
	uint64_t now = stk_now_ns(), until = now + 300000000U;
	struct stk_collection *all =
	    stk_collect(until < out->deadline_ns ? until : out->deadline_ns);
	const struct stk_other *o;
	unsigned num = 2;

	at.others = true;
	at.total = 1 + all->n + all->dropped;
	at.missing =
	    all->dropped ? "too many for the report in process" : "they did not answer the signal";
	if (!all->listed)
		at.missing = "/proc/self/task cannot be read";
	for (int tid = 0; (o = next_other(all, tid)); tid = o->tid) {
		if (stk_now_ns() >= out->deadline_ns) {
			at.missing = "the time is over";
			break;
		}
		put_stack(out, c, num++, o->tid, o->gregs);
	}
	stk_collect_done();
}

void stk_fallback_report(struct stk_out *out, const struct stk_crash *c, const char *why)
{
	stk_printf(&out->text, "[tier 1 failed: %s; continuing in process]\n", why);
	if (!c->others_only)
		memset(&at, 0, sizeof(at));
	if (!at.first) {
		at.first = true;
		at.total = 1;
		stk_images_refresh(&stk_g.images);
		put_stack(out, c, 1, c->tid, c->gregs);
	}
	if (c->level != STK_LEVEL_SINGLE)
		put_others(out, c);
	put_regs(out, c);
	put_modules(out);
	put_end(out);
}

void stk_fallback_rest(struct stk_out *out, const struct stk_crash *c)
{
	if (!at.end)
		stk_trace_write_stopped(&out->text, "the report crashed here");
	stk_collect_done();
	put_regs(out, c);
	put_modules(out);
	at.missing = "the report crashed";
	put_end(out);
}
