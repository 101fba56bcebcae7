/* The sink that writes the text of a report, line by line (docs/FORMATS.md). */
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

/* A line of `block` follows: what stands before the first one of it. */
static struct stk_text *begin(void *arg, enum stk_trace_block block, const char *before)
{
	struct stk_trace_text *t = arg;

	if (t->block != STK_BLOCK_ANY && (block == STK_BLOCK_THREAD || t->block != block))
		stk_puts(t->out, before);
	t->block = block;
	return t->out;
}

/* A line that begins nothing. */
static struct stk_text *text_of(void *arg)
{
	return ((struct stk_trace_text *)arg)->out;
}

static void text_head(void *arg, const struct stk_trace_head *h)
{
	struct stk_text *out = begin(arg, STK_BLOCK_HEAD, "");
	const char *name = stk_signal_name(h->signo), *text = stk_signal_text(h->signo);

	if (!h->signo)
		stk_puts(out, "no signal\n");
	else if (name)
		stk_printf(out, "%s: %s\n", name, text);
	else
		stk_printf(out, "signal %d\n", h->signo);
	stk_puts(out, "PC=");
	put_address(out, h->no_pc, h->pc);
	stk_printf(out, " tid=%d", h->tid);
	if (h->has_code) {
		const char *code = stk_sigcode_name(h->signo, h->code);
		stk_printf(out, " sigcode=%d", h->code);
		if (code)
			stk_printf(out, " (%s)", code);
	}
	if (h->has_addr) {
		stk_puts(out, " addr=");
		put_address(out, h->no_addr, h->addr);
	}
	if (h->has_from)
		stk_printf(out, " from pid %d uid %u", h->from_pid, h->from_uid);
	stk_putc(out, '\n');
}

static void text_why(void *arg, const char *why)
{
	struct stk_text *out = text_of(arg);

	stk_puts(out, "why: ");
	stk_put_escaped(out, why, "");
	stk_putc(out, '\n');
}

static void text_thread(void *arg, const struct stk_trace_thread *t)
{
	struct stk_text *out = begin(arg, STK_BLOCK_THREAD, "\n");

	if (t->count > 1)
		stk_printf(out, "threads %s (%u", t->numbers, t->count);
	else
		stk_printf(out, "thread %s (tid %d", t->numbers, t->tid);
	stk_put_name(out, t->name);
	stk_puts(out, ") [");
	stk_put_escaped(out, t->state, "");
	stk_puts(out, "]:\n");
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

void stk_trace_put_marks(struct stk_text *out, const struct stk_trace_frame *f)
{
	if (f->near)
		stk_puts(out, " (near)");
	if (f->names)
		stk_printf(out, " (one of %u names)", f->names);
	if (f->inlined)
		stk_puts(out, " (inlined)");
	if (f->signal)
		stk_puts(out, " (signal frame)");
	stk_puts(out, stk_trace_how_mark(f->how));
}

static void text_frame(void *arg, const struct stk_trace_frame *f)
{
	struct stk_text *out = text_of(arg);

	stk_put_escaped(out, f->name && *f->name ? f->name : "??", "");
	stk_words_write(out, f->words);
	stk_putc(out, '\n');
	write_place(out, f);
	stk_trace_put_marks(out, f);
	if (f->detail && !f->hidden) {
		stk_puts(out, " fp=");
		put_address(out, f->no_fp, f->fp);
		stk_puts(out, " sp=");
		put_address(out, f->no_sp, f->sp);
		stk_printf(out, " pc=0x%lx", (ulong_t)f->pc);
	}
	stk_putc(out, '\n');
}

void stk_trace_note(struct stk_trace_sink sink, const char *fmt, ...)
{
	char line[2048];
	struct stk_text t;
	va_list ap;

	stk_text_init(&t, line, sizeof(line));
	va_start(ap, fmt);
	stk_vprintf(&t, fmt, ap);
	va_end(ap);
	STK_EMIT(sink, note, line, t.len);
}

uint64_t stk_trace_elided(uint64_t i, uint64_t n)
{
	return n > STK_TRACE_FRAMES && i == STK_TRACE_FRAMES_END ? n - 2 * STK_TRACE_FRAMES_END : 0;
}

static void text_elided(void *arg, uint64_t frames)
{
	stk_printf(text_of(arg), "...%lu frames elided...\n", (ulong_t)frames);
}

static void text_stopped(void *arg, const char *reason)
{
	struct stk_text *out = text_of(arg);

	stk_puts(out, "stopped: ");
	stk_put_escaped(out, reason, "");
	stk_putc(out, '\n');
}

static void text_reg(void *arg, const char *name, uint64_t value)
{
	stk_printf(begin(arg, STK_BLOCK_REGS, "\n"), "%-7s0x%lx\n", name, (ulong_t)value);
}

static void text_module(void *arg, const struct stk_trace_module *m)
{
	struct stk_text *out = begin(arg, STK_BLOCK_MODULES, "\nmodules:\n");

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

/* Behind modules it stands without an empty line before it. */
static void text_end(void *arg, const struct stk_trace_end *e)
{
	struct stk_text *out = begin(arg, STK_BLOCK_MODULES, "\n");

	stk_printf(out, "%u of %u threads shown", e->shown, e->total);
	if (e->shown < e->total) {
		stk_printf(out, ", %s%u missing: ", stk_trace_unlisted_text(e->unlisted),
			   e->total - e->shown);
		stk_put_escaped(out, e->missing_reason ? e->missing_reason : "not known", "");
	}
	stk_putc(out, '\n');
	((struct stk_trace_text *)arg)->block = STK_BLOCK_NONE;
}

static void text_note(void *arg, const char *line, size_t len)
{
	stk_put_line(text_of(arg), line, len);
	stk_putc(text_of(arg), '\n');
}

static void text_flush(void *arg)
{
	stk_text_flush(text_of(arg));
}

struct stk_trace_sink stk_trace_text(struct stk_trace_text *t, struct stk_text *out)
{
	static const struct stk_trace_events events = {
	    .head = text_head,
	    .why = text_why,
	    .thread = text_thread,
	    .frame = text_frame,
	    .elided = text_elided,
	    .stopped = text_stopped,
	    .reg = text_reg,
	    .module = text_module,
	    .end = text_end,
	    .note = text_note,
	    .flush = text_flush,
	};

	*t = (struct stk_trace_text){.out = out};
	return (struct stk_trace_sink){&events, t};
}
