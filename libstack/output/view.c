#include "output/view.h"

struct stk_trace_frame stk_view_frame(struct stk_modules *ms, const struct stk_stack *s, size_t i,
				      struct stk_words *words)
{
	const struct stk_arch *a = ms->target->arch;
	const struct stk_frame *f = &s->v[i];
	struct stk_trace_frame t = {.name = stk_frame_name(f),
				    .words = words,
				    .pc = f->pc,
				    .signal = f->signal,
				    .how = f->how,
				    .fp = f->regs.r[a->fp],
				    .sp = f->regs.r[a->sp]};

	stk_frame_args(ms, s, i, words);
	if (f->mod) {
		t.module = f->mod->name;
		t.module_off = f->pc - f->mod->start;
	}
	if (f->scopes) {
		const struct stk_scope *sc = &f->scopes->v[f->level];
		t.file = sc->file;
		t.line = sc->line;
		t.func_off = f->scopes->start ? f->pc - f->scopes->start : 0;
		t.inlined = sc->inlined;
	}
	return t;
}
