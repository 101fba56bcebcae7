/* The trace text, line by line (docs/FORMATS.md). */
#include "base/mem.h"
#include "base/signals.h"
#include "base/trace.h"

typedef unsigned long ulong_t;

static void put_address(struct stk_text *out, bool hidden, uint64_t addr)
{
	if (hidden)
		stk_putc(out, '_');
	else
		stk_printf(out, "0x%lx", (ulong_t)addr);
}

void stk_trace_write_head(struct stk_text *out, const struct stk_trace_head *h)
{
	const char *name = stk_signal_name(h->signo), *text = stk_signal_text(h->signo);

	if (!h->signo)
		stk_puts(out, "no signal\n");
	else if (name)
		stk_printf(out, "%s: %s\n", name, text);
	else
		stk_printf(out, "signal %d\n", h->signo);
	stk_puts(out, "PC=");
	put_address(out, h->hidden, h->pc);
	stk_printf(out, " tid=%d", h->tid);
	if (h->has_code) {
		const char *code = stk_sigcode_name(h->signo, h->code);
		stk_printf(out, " sigcode=%d", h->code);
		if (code)
			stk_printf(out, " (%s)", code);
	}
	if (h->has_addr) {
		stk_puts(out, " addr=");
		put_address(out, h->hidden, h->addr);
	}
	if (h->has_from)
		stk_printf(out, " from pid %d uid %u", h->from_pid, h->from_uid);
	stk_putc(out, '\n');
}

void stk_trace_write_why(struct stk_text *out, const char *why)
{
	stk_puts(out, "why: ");
	stk_put_escaped(out, why, "");
	stk_putc(out, '\n');
}

void stk_trace_write_thread(struct stk_text *out, const struct stk_trace_thread *t)
{
	if (t->count > 1)
		stk_printf(out, "\nthreads %s (%u", t->numbers, t->count);
	else
		stk_printf(out, "\nthread %s (tid %d", t->numbers, t->tid);
	if (t->name) {
		stk_puts(out, " \"");
		stk_put_escaped(out, t->name, "\"");
		stk_putc(out, '"');
	}
	stk_printf(out, ") [%s]:\n", t->state);
}

static void write_place(struct stk_text *out, const struct stk_trace_frame *f)
{
	stk_putc(out, '\t');
	if (f->file) {
		stk_put_escaped(out, f->file, "");
		stk_printf(out, ":%u +0x%lx", f->line, (ulong_t)f->func_off);
	} else if (f->module) {
		stk_put_escaped(out, f->module, "");
		stk_printf(out, "+0x%lx", (ulong_t)f->module_off);
	} else {
		put_address(out, f->hidden, f->pc);
	}
}

const char *stk_trace_how_mark(enum stk_how how)
{
	static const char *const marks[] = {[STK_HOW_FP] = " (by frame pointer)",
					    [STK_HOW_SCAN] = " (scanned)",
					    [STK_HOW_TAIL] = " (tail call)"};
	const char *mark = (unsigned)how < sizeof(marks) / sizeof(*marks) ? marks[how] : NULL;

	return mark ? mark : "";
}

void stk_trace_write_frame(struct stk_text *out, const struct stk_trace_frame *f)
{
	stk_put_escaped(out, f->name && *f->name ? f->name : "??", "");
	stk_words_write(out, f->words);
	stk_putc(out, '\n');
	write_place(out, f);
	if (f->near)
		stk_puts(out, " (near)");
	if (f->inlined)
		stk_puts(out, " (inlined)");
	if (f->signal)
		stk_puts(out, " (signal frame)");
	stk_puts(out, stk_trace_how_mark(f->how));
	if (f->detail && !f->hidden)
		stk_printf(out, " fp=0x%lx sp=0x%lx pc=0x%lx", (ulong_t)f->fp, (ulong_t)f->sp,
			   (ulong_t)f->pc);
	stk_putc(out, '\n');
}

void stk_trace_write_elided(struct stk_text *out, uint64_t frames)
{
	stk_printf(out, "...%lu frames elided...\n", (ulong_t)frames);
}

void stk_trace_write_stopped(struct stk_text *out, const char *reason)
{
	stk_puts(out, "stopped: ");
	stk_put_escaped(out, reason, "");
	stk_putc(out, '\n');
}

void stk_trace_write_reg(struct stk_text *out, bool first, const char *name, uint64_t value)
{
	stk_printf(out, "%s%-7s0x%lx\n", first ? "\n" : "", name, (ulong_t)value);
}

void stk_trace_write_module(struct stk_text *out, bool first, const struct stk_trace_module *m)
{
	if (first)
		stk_puts(out, "\nmodules:\n");
	put_address(out, m->hidden, m->start);
	stk_putc(out, '-');
	put_address(out, m->hidden, m->end);
	stk_putc(out, ' ');
	stk_put_bytes(out, m->build_id, m->build_id_len);
	stk_puts(out, m->build_id_len ? " " : "- ");
	stk_put_escaped(out, m->path, "");
	stk_putc(out, '\n');
}

const char *stk_trace_unlisted_text(enum stk_trace_unlisted unlisted)
{
	static const char *const texts[] = {[STK_UNLISTED_NONE] = "",
					    [STK_UNLISTED_SOME] = "at least ",
					    [STK_UNLISTED_MAYBE] = "perhaps "};

	return texts[unlisted];
}

void stk_trace_write_end(struct stk_text *out, const struct stk_trace_end *e)
{
	stk_printf(out, "%s%u of %u threads shown", e->apart ? "\n" : "", e->shown, e->total);
	if (e->shown < e->total)
		stk_printf(out, ", %s%u missing: %s", stk_trace_unlisted_text(e->unlisted),
			   e->total - e->shown,
			   e->missing_reason ? e->missing_reason : "not known");
	stk_putc(out, '\n');
}
