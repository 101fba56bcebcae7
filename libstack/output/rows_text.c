/* The text of the answers' rows: what corectl shows. */
#include "base/signals.h"
#include "output/rows.h"

typedef unsigned long ulong_t;

static int digits(size_t n)
{
	int width = 1;

	for (; n >= 10; n /= 10)
		width++;
	return width;
}

static void put_place(struct stk_text *out, const struct stk_trace_frame *f)
{
	if (f->file)
		stk_printf(out, "%s:%u", f->file, f->line);
	else if (f->module)
		stk_printf(out, "%s+0x%lx", f->module, (ulong_t)f->module_off);
	else
		stk_printf(out, "0x%lx", (ulong_t)f->pc);
}

/* `NUMBER  0xPC in CALL`, and the place on a line of its own. */
static void text_frame(void *arg, const struct stk_row_frame *f)
{
	struct stk_text *out = arg;
	int width = digits(f->of) > 2 ? digits(f->of) : 2;

	stk_printf(out, "%*u  0x%016lx in %s", width, (unsigned)f->number, (ulong_t)f->frame->pc,
		   f->frame->name ? f->frame->name : "??");
	stk_words_write(out, f->frame->words);
	stk_printf(out, "\n%*s  at ", width, "");
	put_place(out, f->frame);
	stk_trace_put_marks(out, f->frame);
	stk_putc(out, '\n');
}

static void text_frameless(void *arg, const char *reason)
{
	stk_printf(arg, "no frames: %s\n", reason);
}

static void text_stopped(void *arg, const char *reason)
{
	stk_printf(arg, "stopped: %s\n", reason);
}

static void text_thread(void *arg, const struct stk_row_thread *t)
{
	struct stk_text *out = arg;
	const struct stk_trace_frame *f = t->frame;

	stk_printf(out, "%c %*u  tid %d", t->selected ? '*' : ' ', digits(t->of), t->number,
		   t->tid);
	stk_put_name(out, t->name);
	if (!f)
		stk_printf(out, "  %s", t->reason);
	else
		stk_printf(out, "  0x%016lx in %s", (ulong_t)f->pc, f->name ? f->name : "??");
	if (f && f->file)
		stk_printf(out, " at %s:%u", f->file, f->line);
	stk_putc(out, '\n');
}

static void text_arg(void *arg, const struct stk_row_arg *a)
{
	struct stk_text *out = arg;

	stk_printf(out, "%s = ", a->name ? a->name : "?");
	stk_words_write_param(out, a->words, a->param);
	stk_putc(out, '\n');
}

static void text_argless(void *arg)
{
	stk_puts(arg, "no arguments\n");
}

static void text_reg(void *arg, const struct stk_row_reg *r)
{
	struct stk_text *out = arg;

	stk_printf(out, "%-*s", (int)r->column, r->name);
	if (!r->known)
		stk_putc(out, '_');
	else if (!r->bytes)
		stk_printf(out, "0x%lx", (ulong_t)r->value);
	else
		stk_puts(out, "0x");
	for (unsigned k = r->known && r->bytes ? r->size : 0; k--;)
		stk_put_bytes(out, r->bytes + k, 1);
	stk_putc(out, '\n');
}

/* As wide as those of user space are. */
static void put_range(struct stk_text *out, uint64_t start, uint64_t end)
{
	char text[64];
	struct stk_text t;

	stk_text_init(&t, text, sizeof(text));
	stk_printf(&t, "0x%lx-0x%lx", (ulong_t)start, (ulong_t)end);
	stk_printf(out, "%-29s", text);
}

static void text_module(void *arg, const struct stk_row_module *m)
{
	struct stk_text *out = arg;

	put_range(out, m->m.start, m->m.end);
	stk_printf(out, "  %-11s  ", m->state);
	stk_put_bytes(out, m->m.build_id, m->m.build_id_len);
	stk_printf(out, "%s  %s", m->m.build_id_len ? "" : "-", m->m.path);
	if (m->file)
		stk_printf(out, " (file %s)", m->file);
	if (m->debug_file)
		stk_printf(out, " (debug %s)", m->debug_file);
	else if (!m->debug)
		stk_puts(out, " (no debug information)");
	stk_putc(out, '\n');
}

static void text_map(void *arg, const struct stk_row_map *m)
{
	struct stk_text *out = arg;
	ulong_t size = m->end - m->start;

	put_range(out, m->start, m->end);
	stk_printf(out, "  %c%c%c  ", m->r ? 'r' : '-', m->w ? 'w' : '-', m->x ? 'x' : '-');
	if (!m->live && m->have != size)
		stk_printf(out, "%lu of ", (ulong_t)m->have / 1024);
	stk_printf(out, "%lu KB%s", size / 1024, m->live && m->r ? " in the process" : "");
	stk_printf(out, "%s%s\n", m->path ? "  " : "", m->path ? m->path : "");
}

static void text_siginfo(void *arg, const struct stk_siginfo *si)
{
	struct stk_text *out = arg;
	const char *name = stk_signal_name(si->signo),
		   *code = stk_sigcode_name(si->signo, si->code);

	stk_printf(out, "signal  %d (%s: %s)\n", si->signo, name ? name : "?",
		   name ? stk_signal_text(si->signo) : "?");
	stk_printf(out, "code    %d (%s)\n", si->code, code ? code : "?");
	stk_printf(out, "errno   %d\n", si->err);
	if (stk_sigcode_has_addr(si->signo, si->code))
		stk_printf(out, "address 0x%lx\n", (ulong_t)si->addr);
	if (stk_sigcode_has_sender(si->signo, si->code))
		stk_printf(out, "sender  pid %d uid %u\n", si->pid, si->uid);
}

struct stk_row_sink stk_rows_text(struct stk_text *out)
{
	static const struct stk_rows rows = {
	    .frame = text_frame,
	    .frameless = text_frameless,
	    .stopped = text_stopped,
	    .thread = text_thread,
	    .arg = text_arg,
	    .argless = text_argless,
	    .reg = text_reg,
	    .module = text_module,
	    .map = text_map,
	    .siginfo = text_siginfo,
	};

	return (struct stk_row_sink){&rows, out};
}
