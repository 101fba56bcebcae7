#include "output/frame.h"

#include "symbols/module.h"
#include "values/args.h"

/* Why names or lines are unknown and what helps; said once. A library without debug information is
 * the usual case, so only the executable's is worth a word. */
static void remark_missing(struct stk_target *t, struct stk_module *m, bool named)
{
	if (stk_budget_of(t)->over ||
	    (m->state != STK_MODULE_OK && m->state != STK_MODULE_UNVERIFIED) ||
	    (named && !m->is_main) || stk_module_has_debug(m))
		return;
	if (!named)
		stk_remark(t, false,
			   "%s has no symbols for the functions shown as ?? and no debug "
			   "information: install its debug symbols, or give --debug-dir",
			   m->name);
	else
		stk_remark(t, false,
			   "%s has no debug information, its lines and arguments are unknown: "
			   "build it with -g, install its debug symbols, or give --debug-dir",
			   m->name);
}

struct stk_trace_frame stk_trace_frame_of(struct stk_modules *ms, const struct stk_stack *s,
					  size_t i, struct stk_words *words)
{
	const struct stk_arch *a = ms->target->arch;
	const struct stk_frame *f = &s->v[i];
	struct stk_trace_frame t = {.name = stk_frame_name(f),
				    .words = words,
				    .pc = f->pc,
				    .signal = f->signal,
				    .how = f->how,
				    .no_fp = !stk_reg_known(&f->regs, a->fp),
				    .no_sp = !stk_reg_known(&f->regs, a->sp),
				    .fp = f->regs.r[a->fp],
				    .sp = f->regs.r[a->sp]};

	if (words)
		stk_frame_args(ms, s, i, words);
	if (f->mod) {
		if (words)
			remark_missing(ms->target, f->mod, t.name);
		t.module = f->mod->name;
		t.module_off = f->pc - f->mod->start;
	}
	if (f->scopes) {
		const struct stk_scope *sc = &f->scopes->v[f->level];
		t.file = sc->file;
		t.line = sc->line;
		t.near = sc->near;
		t.names = f->scopes->names;
		t.func_off = f->scopes->start ? f->pc - f->scopes->start : 0;
		t.inlined = sc->inlined;
	}
	return t;
}

void stk_frame_row(struct stk_row_sink sink, struct stk_modules *ms, const struct stk_stack *s,
		   size_t i, size_t of)
{
	struct stk_words words;
	struct stk_trace_frame f = stk_trace_frame_of(ms, s, i, &words);

	STK_EMIT(sink, frame, &(struct stk_row_frame){i, of, &f});
}

void stk_frame_rows(struct stk_row_sink sink, struct stk_modules *ms, const struct stk_stack *s,
		    size_t from, size_t to)
{
	const struct stk_budget *b = stk_budget_of(ms->target);

	for (size_t i = from; i < to && !stk_interrupted(ms->target); i++)
		stk_frame_row(sink, ms, s, i, to);
	if (!s->n && s->end == STK_END_KERNEL)
		STK_EMIT(sink, frameless, s->reason);
	if (to == s->n && !stk_stack_complete(s) && s->end != STK_END_LIMIT)
		STK_EMIT(sink, stopped, s->reason);
	else if (to > from && b->over && stk_budget_text(b))
		STK_EMIT(sink, stopped, stk_budget_text(b));
}
