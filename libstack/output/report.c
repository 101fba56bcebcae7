/*
 * The report of a whole target: header, thread 1, the others (those with the same stack once),
 * registers, modules, the last line. Each is emitted as soon as it is known.
 */
#include "output/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/signals.h"
#include "output/frame.h"
#include "targets/hash.h"
#include "values/args.h"

#define HANDLER_MAX 16

struct report {
	struct stk_trace_sink sink;
	struct stk_modules *ms;
	struct stk_report_options o;
	unsigned n;               /* threads to show */
	unsigned unwound;         /* those whose stacks are known */
	struct stk_stack *stacks; /* by thread */
	bool *shown;              /* thread already printed in a group */
	unsigned *alike;          /* by thread: the next whose stack may be the same; 0: none */
	bool incomplete;
};

static void put_head(struct report *r)
{
	struct stk_target *t = r->ms->target;
	const struct stk_siginfo *si = &t->siginfo;
	struct stk_trace_head h = {.signo = si->present ? si->signo : 0, .no_pc = true};

	if (t->nthreads) {
		h.tid = t->threads[0].tid;
		if (!si->present)
			h.signo = t->threads[0].cursig;
		h.no_pc = r->o.secure || !r->stacks[0].n;
		h.pc = h.no_pc ? 0 : r->stacks[0].v[0].pc;
	}
	h.has_code = si->present;
	h.code = si->code;
	h.has_addr = si->present && stk_sigcode_has_addr(si->signo, si->code);
	h.no_addr = r->o.secure;
	h.addr = si->addr;
	h.has_from = si->present && stk_sigcode_has_sender(si->signo, si->code);
	h.from_pid = si->pid;
	h.from_uid = si->uid;
	STK_EMIT(r->sink, head, &h);
}

/* Frames shown: all but the runtime's below main or the thread's function. */
static size_t visible(const struct report *r, const struct stk_stack *s)
{
	size_t n = s->n;

	while (!r->o.system && n > 1 && stk_frame_is_runtime(s, n - 1))
		n--;
	return n;
}

/* The first frame shown: a thread that waits in libstack's handler for its turn begins with what it
 * was interrupted in. */
static size_t first_visible(const struct report *r, const struct stk_stack *s)
{
	for (size_t i = 1; !r->o.system && i < s->n && i < HANDLER_MAX; i++) {
		const struct stk_frame *f = &s->v[i - 1];
		const char *name = stk_frame_name(f);
		if (!s->v[i].signal)
			continue;
		/* signal/report/handler.c; by its module where the symbols are stripped. */
		return (name && !strcmp(name, "stk_handler")) ||
			       (f->mod && !strncmp(f->mod->name, "libstack.so", 11))
			   ? i + 1
			   : 0;
	}
	return 0;
}

static bool same_stack(const struct stk_stack *a, const struct stk_stack *b)
{
	if (a->n != b->n || !a->n || a->end != b->end)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].pc != b->v[i].pc || a->v[i].level != b->v[i].level ||
		    a->v[i].how != b->v[i].how)
			return false;
	return true;
}

/* The names of a frame's parameters, by the index that its words carry. */
static const char *param_name(void *arg, unsigned param)
{
	const struct stk_frame *f = arg;
	const struct stk_scope *sc = f->scopes ? &f->scopes->v[f->level] : NULL;

	return sc && param < sc->nparams ? sc->params[param].name : NULL;
}

/* A frame of the thread `th` and of all later ones of its group. */
static void put_frame(struct report *r, const unsigned *group, unsigned n, size_t i)
{
	struct stk_words words, more;
	struct stk_trace_frame f = stk_trace_frame_of(r->ms, &r->stacks[group[0]], i, &words);

	f.detail = r->o.system;
	f.hidden = r->o.secure;
	if (r->o.args == STK_ARGS_NAMES)
		words.names = (struct stk_word_names){param_name, &r->stacks[group[0]].v[i]};
	if (r->o.args == STK_ARGS_NONE || r->o.secure) {
		stk_words_init(&words, false);
		n = 1;
	}
	for (unsigned k = 1; k < n; k++) {
		stk_frame_args(r->ms, &r->stacks[group[k]], i, &more);
		if (!stk_words_merge(&words, &more))
			stk_words_init(&words, false);
	}
	STK_EMIT(r->sink, frame, &f);
}

/* "4-7,9": consecutive numbers are joined. */
static const char *number_list(struct report *r, const unsigned *group, unsigned n)
{
	size_t cap = 12 * (size_t)n + 16;
	char *buf = stk_pool_alloc(&r->ms->target->pool, cap);
	struct stk_text t;

	if (!buf)
		return "?";
	stk_text_init(&t, buf, cap);
	for (unsigned i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && group[j] == group[j - 1] + 1;)
			j++;
		stk_printf(&t, "%s%u", i ? "," : "", group[i] + 1);
		if (j > i + 1)
			stk_printf(&t, "-%u", group[j - 1] + 1);
	}
	return buf;
}

static const char *interrupted(const struct report *r)
{
	return r->o.interrupted ? r->o.interrupted : "interrupted";
}

static void put_stopped(struct report *r, const char *reason)
{
	char text[sizeof(r->stacks->reason)];
	struct stk_text t;

	stk_text_init(&t, text, sizeof(text));
	while (*reason) {
		bool address = r->o.secure && !strncmp(reason, "0x", 2);
		stk_putc(&t, address ? '_' : *reason);
		reason += address ? 2 + strspn(reason + 2, "0123456789abcdef") : 1;
	}
	STK_EMIT(r->sink, stopped, text);
}

static const char *state_of(const struct report *r, unsigned thread)
{
	if (r->stacks[thread].end == STK_END_KERNEL)
		return "kernel thread";
	return thread == 0 && !r->o.all_stopped ? "running" : "stopped";
}

static void put_group(struct report *r, const unsigned *group, unsigned n)
{
	const struct stk_target *t = r->ms->target;
	const struct stk_stack *s = &r->stacks[group[0]];
	const struct stk_thread *th = &t->threads[group[0]];
	struct stk_trace_thread head = {.numbers = number_list(r, group, n),
					.count = n,
					.tid = th->tid,
					.name = th->name,
					.state = state_of(r, group[0])};
	size_t first = first_visible(r, s), end = visible(r, s),
	       count = end > first ? end - first : 0, i = 0;

	STK_EMIT(r->sink, thread, &head);
	/* What is known of thread 1 is always said: it is why there is a report. */
	for (; i < count && (!group[0] || !stk_interrupted(t)); i++) {
		uint64_t elided = stk_trace_elided(i, count);
		if (elided)
			STK_EMIT(r->sink, elided, elided);
		i += elided;
		put_frame(r, group, n, first + i);
	}
	if (i < count || !stk_stack_complete(s)) {
		put_stopped(r, i < count ? interrupted(r) : s->reason);
		r->incomplete = true;
	} else if (stk_budget_of(t)->over && stk_budget_text(stk_budget_of(t))) {
		put_stopped(r, stk_budget_text(stk_budget_of(t)));
	}
	r->incomplete |= stk_budget_of(t)->cut;
}

static bool same_name(const struct stk_thread *a, const struct stk_thread *b)
{
	return a->name && b->name ? !strcmp(a->name, b->name) : a->name == b->name;
}

/* Unwind threads up to `end`; stops early when the report is interrupted. */
static void unwind_to(struct report *r, unsigned end)
{
	struct stk_target *t = r->ms->target;

	for (; r->unwound < end && !stk_interrupted(t); r->unwound++)
		r->o.unwind(r->ms, &t->threads[r->unwound], 0, &r->stacks[r->unwound]);
}

static uint64_t hash_stack(const struct stk_stack *s)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ s->n; /* FNV-1a */

	for (size_t i = 0; i < s->n; i++)
		h = (h ^ s->v[i].pc ^ s->v[i].level) * 0x100000001b3ULL;
	return h;
}

/* For each thread the next one that is worth a comparison. */
static void find_alike(struct report *r)
{
	struct stk_hash last = {0};

	for (unsigned i = r->unwound; i-- > 1;) {
		uint64_t h = hash_stack(&r->stacks[i]);
		r->alike[i] = (unsigned)(uintptr_t)stk_hash_get(&last, h);
		stk_hash_put(&last, h, (void *)(uintptr_t)i);
	}
	stk_hash_done(&last);
}

/* Threads with the same stack are shown once; thread 1 always stands alone, and first: it is
 * written before the others are looked at. */
static void put_threads(struct report *r)
{
	const struct stk_target *t = r->ms->target;
	unsigned *group = calloc(r->n + 1, sizeof(*group));

	for (unsigned i = 0; group && i < r->n && (!i || !stk_interrupted(t)); i++) {
		unsigned n = 0;
		if (i == 1) {
			unwind_to(r, r->n);
			find_alike(r);
		}
		if (r->shown[i] || i >= r->unwound)
			continue;
		group[n++] = i;
		for (unsigned j = r->alike[i]; j; j = r->alike[j])
			if (!r->shown[j] && same_stack(&r->stacks[i], &r->stacks[j]) &&
			    same_name(&t->threads[i], &t->threads[j]))
				group[n++] = j;
		put_group(r, group, n);
		for (unsigned k = 0; k < n; k++)
			r->shown[group[k]] = true;
		STK_EMIT(r->sink, flush);
	}
	free(group);
}

static void put_regs(struct report *r)
{
	const struct stk_target *t = r->ms->target;

	for (unsigned i = 0; t->nthreads && i < t->arch->nregs && !r->o.secure; i++) {
		uint64_t v;
		if (t->arch->regs[i].report && stk_thread_reg(t, &t->threads[0], i, &v))
			STK_EMIT(r->sink, reg, t->arch->regs[i].name, v);
	}
}

/* The modules in which a frame lies. */
static void collect_modules(const struct report *r, struct stk_hash *ret)
{
	const struct stk_module *last = NULL;

	for (unsigned i = 0; i < r->unwound; i++)
		for (size_t k = 0; k < r->stacks[i].n; k++) {
			struct stk_module *m = r->stacks[i].v[k].mod;
			if (m && m != last)
				stk_hash_put(ret, (uintptr_t)m, m);
			last = m;
		}
}

static void put_modules(struct report *r)
{
	struct stk_hash used = {0};

	collect_modules(r, &used);
	for (unsigned i = 0; i < r->ms->n; i++) {
		const struct stk_module *m = r->ms->v[i];
		struct stk_trace_module out = {m->start,        m->end,  m->build_id,
					       m->build_id_len, m->path, r->o.secure};
		if (stk_hash_get(&used, (uintptr_t)m))
			STK_EMIT(r->sink, module, &out);
	}
	stk_hash_done(&used);
}

static void put_end(struct report *r)
{
	struct stk_target *t = r->ms->target;
	struct stk_trace_end e = {.total = t->nthreads + t->missing + !!r->o.unlisted,
				  .unlisted = r->o.unlisted};

	for (unsigned i = 0; i < r->unwound; i++)
		e.shown +=
		    r->shown[i] && (r->stacks[i].n > 0 || r->stacks[i].end == STK_END_KERNEL);
	if (r->o.single)
		e.missing_reason = "not asked for";
	else if (stk_interrupted(t))
		e.missing_reason = interrupted(r);
	else if (t->missing)
		e.missing_reason = t->missing_reason;
	else if (r->o.unlisted)
		e.missing_reason = "they cannot be listed";
	else
		e.missing_reason = "their registers are not known";
	r->incomplete |= e.shown < e.total && !r->o.single;
	if (r->o.before_end) {
		STK_EMIT(r->sink, flush);
		r->o.before_end(r->o.arg, r->sink);
	}
	STK_EMIT(r->sink, end, &e);
}

int stk_report_emit(struct stk_trace_sink sink, struct stk_modules *ms,
		    const struct stk_report_options *o)
{
	struct stk_target *t = ms->target;
	struct report r = {.sink = sink,
			   .ms = ms,
			   .o = o ? *o : (struct stk_report_options){0},
			   .stacks = calloc(t->nthreads + 1, sizeof(*r.stacks)),
			   .shown = calloc(t->nthreads + 1, sizeof(*r.shown)),
			   .alike = calloc(t->nthreads + 1, sizeof(*r.alike))};

	if (!r.o.unwind)
		r.o.unwind = stk_unwind;
	r.n = r.o.single && t->nthreads ? 1 : t->nthreads;
	stk_answer_begin(ms);
	if (r.stacks && r.shown && r.alike) {
		unwind_to(&r, r.n ? 1 : 0);
		if (!r.o.head_done)
			put_head(&r);
		if (r.o.why)
			STK_EMIT(sink, why, r.o.why);
		r.shown[0] = r.o.others_only;
		put_threads(&r);
		if (!r.o.others_only)
			put_regs(&r);
		put_modules(&r);
		put_end(&r);
		for (unsigned i = 0; i < r.unwound; i++)
			stk_stack_done(&r.stacks[i]);
	} else {
		r.incomplete = true;
	}
	free(r.stacks);
	free(r.shown);
	free(r.alike);
	return r.incomplete;
}
