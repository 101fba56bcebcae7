/* The debugger's form: number, pc, call; the place below. */
#include "output/view.h"

static void put_place(struct stk_text *out, const struct stk_trace_frame *t)
{
	if (t->file)
		stk_printf(out, "%s:%u", t->file, t->line);
	else if (t->module)
		stk_printf(out, "%s+0x%lx", t->module, (unsigned long)t->module_off);
	else
		stk_printf(out, "0x%lx", (unsigned long)t->pc);
	stk_trace_put_marks(out, t);
}

void stk_bt_write_frame(struct stk_text *out, struct stk_modules *ms, const struct stk_stack *s,
			size_t i, unsigned width)
{
	struct stk_words words;
	struct stk_trace_frame t = stk_view_frame(ms, s, i, &words);

	stk_printf(out, "%*u  0x%016lx in %s", (int)width, (unsigned)i, (unsigned long)t.pc,
		   t.name ? t.name : "??");
	stk_words_write(out, &words);
	stk_printf(out, "\n%*s  at ", (int)width, "");
	put_place(out, &t);
	stk_putc(out, '\n');
}

void stk_bt_write(struct stk_text *out, struct stk_modules *ms, const struct stk_stack *s,
		  size_t from, size_t to)
{
	unsigned width = 2;

	for (size_t n = 100; n <= to; n *= 10)
		width++;
	for (size_t i = from; i < to && !stk_interrupted(ms->target); i++)
		stk_bt_write_frame(out, ms, s, i, width);
	if (!s->n && s->stop == STK_STOP_KERNEL)
		stk_printf(out, "no frames: %s\n", s->reason);
	if (to == s->n && !stk_stack_complete(s) && s->stop != STK_STOP_LIMIT)
		stk_printf(out, "stopped: %s\n", s->reason);
}
