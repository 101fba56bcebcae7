/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The selected thread and frame. A thread that is selected has no stack yet; the first who asks for
 * a frame of it unwinds the whole stack (session_stack()), and it is kept until another thread is
 * selected.
 */
#include "interrupt.h"
#include "output/report.h"
#include "session.h"

void session_begin(struct session *s)
{
	/* Its frames have no names, or it ends too early. */
	if (stk_budget_of(s->target)->over) {
		stk_stack_done(&s->stack);
		s->whole = false;
	}
	stk_answer_begin(s->modules);
}

bool session_stack(struct session *s)
{
	if (s->thread >= s->target->nthreads)
		return false;
	/* What Ctrl-C left of a stack stays for the rest of that command: callers hold its frames.
	 */
	if (!s->whole && !(s->stack.n && interrupt_pending)) {
		stk_stack_done(&s->stack);
		s->unwind(s->modules, &s->target->threads[s->thread], 0, &s->stack);
		s->whole = s->stack.end != STK_END_INTERRUPTED;
		s->incomplete |= !stk_stack_complete(&s->stack);
	}
	return s->stack.n > 0;
}

bool session_need_thread(struct session *s)
{
	bool there = s->thread < s->target->nthreads;

	if (!there)
		session_fail(s, "the %s has no threads", s->target->ops->kind);
	return there;
}

bool session_need_frame(struct session *s)
{
	if (!session_need_thread(s) || session_stack(s))
		return s->stack.n > 0;
	session_fail(s, "thread %u has no frames: %s", s->thread + 1, s->stack.reason);
	return false;
}

const struct stk_frame *session_frame(struct session *s)
{
	if (!session_stack(s))
		return NULL;
	if (s->frame >= s->stack.n)
		s->frame = 0;
	return &s->stack.v[s->frame];
}

const struct stk_scope *session_scope(struct session *s)
{
	const struct stk_frame *f = session_frame(s);

	return f && f->scopes ? &f->scopes->v[f->level] : NULL;
}

void session_select_thread(struct session *s, unsigned index)
{
	stk_stack_done(&s->stack);
	s->whole = false;
	s->thread = index;
	s->frame = 0;
	s->chosen = false;
	s->list_file = NULL;
}

void session_select_frame(struct session *s)
{
	s->frame = 0;
	if (!session_stack(s))
		return;
	for (size_t i = 0; i < s->stack.n; i++) {
		const struct stk_frame *f = &s->stack.v[i];
		struct stk_source_file *file;
		if (f->scopes && f->scopes->v[f->level].file &&
		    stk_source_open(s->sources, f->scopes->v[f->level].file, &file, NULL) == 0) {
			s->frame = i;
			return;
		}
	}
}

void session_select_tid(struct session *s, int tid)
{
	const struct stk_thread *t = stk_thread_by_tid(s->target, tid);

	session_select_thread(s, t ? (unsigned)t->num - 1 : 0);
	session_select_frame(s);
}

void session_show_frame(struct session *s)
{
	const struct stk_frame *f = session_frame(s);
	const struct stk_scope *sc = session_scope(s);
	struct stk_source_file *file;
	size_t len;

	if (!f)
		return;
	stk_frame_row(stk_rows_text(&s->out), s->modules, &s->stack, s->frame, 0);
	s->list_file = NULL;
	if (sc && sc->file && !stk_source_open(s->sources, sc->file, &file, NULL)) {
		const char *line = stk_source_line(file, sc->line, &len);
		if (line)
			stk_printf(&s->out, "=>%4u:\t%.*s\n", sc->line, (int)len, line);
	}
}
