/*
 * The trace text, read back (docs/FORMATS.md).
 *
 * Every line that seems to be understood is written again by the writer and compared with what
 * stands there: a line that the writer would not have written is a foreign one, however much it
 * looks like ours.
 */
#include "base/mem.h"
#include "base/signals.h"
#include "base/trace.h"

#define SCRATCH 16384 /* names of one event, unescaped; longer ones make a line foreign */

struct parser {
	struct stk_trace_sink sink;
	const char *end;
	enum stk_trace_block section; /* that of the line before */
	size_t used;                  /* of scratch */
	char scratch[SCRATCH];
};

/* A line without its newline, consumed from both sides. */
struct line {
	const char *p, *end;
};

static size_t left(const struct line *l)
{
	return (size_t)(l->end - l->p);
}

static struct line line_at(const struct parser *ps, const char *p)
{
	struct line l = {p, p};

	while (l.end < ps->end && *l.end != '\n')
		l.end++;
	return l;
}

/* The line after `l`; an empty one at `end` when there is none. */
static struct line line_after(const struct parser *ps, struct line l)
{
	return line_at(ps, l.end < ps->end ? l.end + 1 : ps->end);
}

static bool take(struct line *l, const char *s)
{
	size_t n = stk_len(s);

	if (left(l) < n || memcmp(l->p, s, n) != 0)
		return false;
	l->p += n;
	return true;
}

static bool take_end(struct line *l, const char *s)
{
	size_t n = stk_len(s);

	if (left(l) < n || memcmp(l->end - n, s, n) != 0)
		return false;
	l->end -= n;
	return true;
}

/* Split at the last `s`: `l` keeps what stands before, `ret` gets what stands after. */
static bool split_last(struct line *l, const char *s, struct line *ret)
{
	size_t n = stk_len(s);

	for (size_t i = left(l) + 1; i-- > 0;) {
		if (left(l) - i < n || memcmp(l->p + i, s, n) != 0)
			continue;
		*ret = (struct line){l->p + i + n, l->end};
		l->end = l->p + i;
		return true;
	}
	return false;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool number(struct line *l, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *start = l->p;
	uint64_t v = 0;

	for (; l->p < l->end && digit_of(*l->p) < (int)base; l->p++) {
		unsigned d = (unsigned)digit_of(*l->p);
		if (v > (max - d) / base)
			return false;
		v = v * base + d;
	}
	*ret = v;
	return l->p > start;
}

static bool hex(struct line *l, uint64_t *ret)
{
	return take(l, "0x") && number(l, 16, UINT64_MAX, ret);
}

/* An address, or the mark of one that is hidden. */
static bool address(struct line *l, bool *hidden, uint64_t *ret)
{
	*hidden = take(l, "_");
	return *hidden || hex(l, ret);
}

static bool unsigned_number(struct line *l, unsigned *ret)
{
	uint64_t v;

	if (!number(l, 10, UINT32_MAX, &v))
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool signed_number(struct line *l, int *ret)
{
	bool minus = take(l, "-");
	uint64_t v;

	if (!number(l, 10, INT32_MAX + (uint64_t)minus, &v))
		return false;
	*ret = (int)(minus ? -(int64_t)v : (int64_t)v);
	return true;
}

/* A string of the event, \xNN undone. NULL: no room. */
static const char *string(struct parser *ps, struct line l)
{
	char *start = ps->scratch + ps->used;

	while (l.p < l.end) {
		struct line escape = l;
		uint64_t byte;
		char c = *l.p++;
		if (ps->used + 1 >= SCRATCH)
			return NULL;
		if (take(&escape, "\\x") && left(&escape) >= 2) {
			struct line two = {escape.p, escape.p + 2};
			if (number(&two, 16, 255, &byte) && two.p == two.end) {
				c = (char)byte;
				l.p = two.p;
			}
		}
		ps->scratch[ps->used++] = c;
	}
	if (ps->used >= SCRATCH)
		return NULL;
	ps->scratch[ps->used++] = 0;
	return start;
}

/* The comparison of a written event with [p, end) and a newline after it. */
struct check {
	const char *p, *end;
	bool bad, done;
};

static int compare(void *arg, const char *bytes, size_t len)
{
	struct check *c = arg;

	for (; len && !c->bad; bytes++, len--) {
		if (c->p < c->end)
			c->bad = *c->p++ != *bytes;
		else if (c->done || *bytes != '\n')
			c->bad = true;
		else
			c->done = true;
	}
	return c->bad ? -1 : 0;
}

static bool check_end(struct stk_text *out, const struct check *c)
{
	stk_text_flush(out);
	return !c->bad && c->done;
}

/* true: the event, written, is what stands in [from, to), but for what separates it from the lines
 * before. */
#define WRITTEN_AS(from, to, what, ...)                                                            \
	({                                                                                         \
		struct check c_ = {.p = (from), .end = (to)};                                      \
		struct stk_text out_;                                                              \
		struct stk_trace_text text_;                                                       \
		char buf_[256];                                                                    \
		stk_text_init_stream(&out_, buf_, sizeof(buf_), compare, &c_);                     \
		struct stk_trace_sink sink_ = stk_trace_text(&text_, &out_);                       \
		text_.block = STK_BLOCK_ANY;                                                       \
		STK_EMIT(sink_, what, __VA_ARGS__);                                                \
		check_end(&out_, &c_);                                                             \
	})

static bool signal_line(struct line l, int *ret)
{
	struct line name = l, text;

	*ret = 0;
	if (take(&l, "no signal"))
		return !left(&l);
	if (take(&l, "signal "))
		return signed_number(&l, ret) && !left(&l);
	if (!split_last(&name, ": ", &text))
		return false;
	*ret = stk_signal_number(name.p, (unsigned)left(&name));
	return *ret != 0;
}

/* Two lines. The names in them follow from the numbers; the comparison sees to them. */
static bool parse_head(struct parser *ps, struct line first, struct line l)
{
	struct stk_trace_head h = {0};
	const char *end = l.end;

	if (!signal_line(first, &h.signo) || !take(&l, "PC=") || !address(&l, &h.no_pc, &h.pc) ||
	    !take(&l, " tid=") || !signed_number(&l, &h.tid))
		return false;
	h.has_code = take(&l, " sigcode=");
	if (h.has_code && !signed_number(&l, &h.code))
		return false;
	if (h.has_code && take(&l, " ("))
		while (left(&l) && *l.p++ != ')')
			;
	h.has_addr = take(&l, " addr=");
	if (h.has_addr && !address(&l, &h.no_addr, &h.addr))
		return false;
	h.has_from = take(&l, " from pid ");
	if (h.has_from && (!signed_number(&l, &h.from_pid) || !take(&l, " uid ") ||
			   !unsigned_number(&l, &h.from_uid)))
		return false;
	if (!WRITTEN_AS(first.p, end, head, &h))
		return false;
	ps->section = STK_BLOCK_HEAD;
	STK_EMIT(ps->sink, head, &h);
	return true;
}

static bool parse_why(struct parser *ps, struct line l)
{
	struct line whole = l;
	const char *why;

	if (ps->section != STK_BLOCK_HEAD || !take(&l, "why: ") || !(why = string(ps, l)) ||
	    !WRITTEN_AS(whole.p, whole.end, why, why))
		return false;
	STK_EMIT(ps->sink, why, why);
	return true;
}

/* "1", "4-7,9" */
static bool thread_numbers(struct parser *ps, struct line *l, const char **ret)
{
	struct line numbers = *l;

	while (left(l) && (digit_of(*l->p) < 10 || *l->p == '-' || *l->p == ','))
		l->p++;
	numbers.end = l->p;
	*ret = string(ps, numbers);
	return left(&numbers) && *ret;
}

static bool parse_thread(struct parser *ps, struct line l)
{
	struct stk_trace_thread t = {.count = 1};
	struct line whole = l, name;
	bool group = take(&l, "threads ");

	if ((!group && !take(&l, "thread ")) || !thread_numbers(ps, &l, &t.numbers) ||
	    !take(&l, " ("))
		return false;
	if (group ? !unsigned_number(&l, &t.count)
		  : !take(&l, "tid ") || !signed_number(&l, &t.tid))
		return false;
	if (take(&l, " \"")) {
		for (name = l; left(&l) && *l.p != '"'; l.p++)
			;
		name.end = l.p;
		t.name = string(ps, name);
		if (!t.name || !take(&l, "\""))
			return false;
	}
	if (!take(&l, ") [") || !take_end(&l, "]:") || !(t.state = string(ps, l)) ||
	    !WRITTEN_AS(whole.p, whole.end, thread, &t))
		return false;
	ps->section = STK_BLOCK_THREAD;
	STK_EMIT(ps->sink, thread, &t);
	return true;
}

/* (one of N names) */
static void parse_names(struct line *l, unsigned *ret)
{
	struct line rest = *l, number;
	unsigned n;

	if (!take_end(&rest, " names)") || !split_last(&rest, " (one of ", &number) ||
	    !unsigned_number(&number, &n) || left(&number))
		return;
	*ret = n;
	*l = rest;
}

/* The marks after the place, from the end of the line. */
static bool parse_marks(struct line *l, struct stk_trace_frame *f)
{
	struct line detail;

	if (split_last(l, " fp=", &detail)) {
		f->detail = address(&detail, &f->no_fp, &f->fp) && take(&detail, " sp=") &&
			    address(&detail, &f->no_sp, &f->sp) && take(&detail, " pc=") &&
			    hex(&detail, &f->pc);
		if (!f->detail)
			return false;
	}
	f->how = STK_HOW_CFI;
	for (enum stk_how how = STK_HOW_FP; how <= STK_HOW_TAIL; how++)
		if (take_end(l, stk_trace_how_mark(how))) {
			f->how = how;
			break;
		}
	f->signal = take_end(l, " (signal frame)");
	f->inlined = take_end(l, " (inlined)");
	parse_names(l, &f->names);
	f->near = take_end(l, " (near)");
	return true;
}

/* FILE:LINE +0xOFF, MODULE+0xOFF, or the bare pc */
static bool parse_place(struct parser *ps, struct line l, struct stk_trace_frame *f)
{
	struct line file = l, offset, line, pc = l;

	if (split_last(&file, " +", &offset) && split_last(&file, ":", &line) &&
	    hex(&offset, &f->func_off) && !left(&offset) && unsigned_number(&line, &f->line) &&
	    !left(&line))
		return (f->file = string(ps, file)) != NULL;
	if (address(&pc, &f->hidden, &f->pc) && !left(&pc))
		return true;
	f->hidden = false;
	return split_last(&l, "+", &offset) && hex(&offset, &f->module_off) &&
	       (f->module = string(ps, l)) != NULL;
}

static bool parse_frame(struct parser *ps, struct line name, struct line place)
{
	struct stk_trace_frame f = {0};
	struct stk_words words;
	struct line list, whole = {name.p, place.end};

	if (ps->section != STK_BLOCK_THREAD || !take(&place, "\t") ||
	    !split_last(&name, "(", &list) || !left(&name))
		return false;
	list.p--;
	if (!stk_words_parse(list.p, (unsigned)left(&list), &words) || !parse_marks(&place, &f) ||
	    !parse_place(ps, place, &f) || !(f.name = string(ps, name)))
		return false;
	f.words = &words;
	if (stk_same(f.name, "??"))
		f.name = NULL;
	if (!WRITTEN_AS(whole.p, whole.end, frame, &f))
		return false;
	STK_EMIT(ps->sink, frame, &f);
	return true;
}

static bool parse_elided(struct parser *ps, struct line l)
{
	struct line whole = l;
	uint64_t n;

	if (ps->section != STK_BLOCK_THREAD || !take(&l, "...") ||
	    !number(&l, 10, UINT64_MAX, &n) || !WRITTEN_AS(whole.p, whole.end, elided, n))
		return false;
	STK_EMIT(ps->sink, elided, n);
	return true;
}

static bool parse_stopped(struct parser *ps, struct line l)
{
	struct line whole = l;
	const char *reason;

	if (ps->section != STK_BLOCK_THREAD || !take(&l, "stopped: ") ||
	    !(reason = string(ps, l)) || !WRITTEN_AS(whole.p, whole.end, stopped, reason))
		return false;
	STK_EMIT(ps->sink, stopped, reason);
	return true;
}

static bool parse_reg(struct parser *ps, struct line l)
{
	struct line whole = l, value;
	const char *name;
	uint64_t v;

	if (ps->section == STK_BLOCK_NONE || !split_last(&l, "0x", &value) ||
	    !number(&value, 16, UINT64_MAX, &v))
		return false;
	while (take_end(&l, " "))
		;
	for (const char *p = l.p; p < l.end; p++)
		if (!(*p >= 'a' && *p <= 'z') && digit_of(*p) > 9 && *p != '_')
			return false;
	if (!left(&l) || !(name = string(ps, l)) || !WRITTEN_AS(whole.p, whole.end, reg, name, v))
		return false;
	ps->section = STK_BLOCK_REGS;
	STK_EMIT(ps->sink, reg, name, v);
	return true;
}

static bool parse_module(struct parser *ps, struct line l)
{
	struct stk_trace_module m = {0};
	struct line whole = l;
	uint8_t id[64];
	bool hidden;

	if (ps->section == STK_BLOCK_NONE || !address(&l, &m.hidden, &m.start) || !take(&l, "-") ||
	    !address(&l, &hidden, &m.end) || !take(&l, " "))
		return false;
	while (m.build_id_len < sizeof(id) && left(&l) >= 2) {
		struct line two = {l.p, l.p + 2};
		uint64_t byte;
		if (!number(&two, 16, 255, &byte) || two.p != two.end)
			break;
		id[m.build_id_len++] = (uint8_t)byte;
		l.p = two.p;
	}
	m.build_id = id;
	if ((!m.build_id_len && !take(&l, "-")) || !take(&l, " ") || !(m.path = string(ps, l)) ||
	    !WRITTEN_AS(whole.p, whole.end, module, &m))
		return false;
	ps->section = STK_BLOCK_MODULES;
	STK_EMIT(ps->sink, module, &m);
	return true;
}

static bool parse_end(struct parser *ps, struct line l)
{
	struct stk_trace_end e = {0};
	struct line whole = l, reason;

	if (ps->section == STK_BLOCK_NONE || !unsigned_number(&l, &e.shown) || !take(&l, " of ") ||
	    !unsigned_number(&l, &e.total) || !take(&l, " threads shown"))
		return false;
	if (left(&l)) {
		take(&l, ", ");
		e.unlisted = STK_UNLISTED_MAYBE;
		while (e.unlisted && !take(&l, stk_trace_unlisted_text(e.unlisted)))
			e.unlisted--;
		reason = l;
		while (left(&reason) && !take(&reason, " missing: "))
			reason.p++;
		if (!(e.missing_reason = string(ps, reason)))
			return false;
	}
	if (!WRITTEN_AS(whole.p, whole.end, end, &e))
		return false;
	ps->section = STK_BLOCK_NONE;
	STK_EMIT(ps->sink, end, &e);
	return true;
}

/* A heading of modules, where none stands yet, and the first of them. */
static bool parse_modules(struct parser *ps, struct line l, struct line first)
{
	return ps->section != STK_BLOCK_MODULES && take(&l, "modules:") && !left(&l) &&
	       parse_module(ps, first);
}

/* What begins at a line: how many lines it takes, 0 when it is foreign. An empty line belongs to
 * what it separates from the lines before. */
static unsigned parse_here(struct parser *ps, struct line l)
{
	struct line second = line_after(ps, l), third = line_after(ps, second);

	ps->used = 0;
	if (!left(&l)) {
		if (parse_thread(ps, second) ||
		    (ps->section != STK_BLOCK_REGS && parse_reg(ps, second)) ||
		    (ps->section != STK_BLOCK_MODULES && parse_end(ps, second)))
			return 2;
		return parse_modules(ps, second, third) ? 3 : 0;
	}
	if (parse_head(ps, l, second) || parse_frame(ps, l, second) || parse_modules(ps, l, second))
		return 2;
	/* The failed attempts may have used the room for strings. */
	ps->used = 0;
	return parse_thread(ps, l) || parse_why(ps, l) || parse_elided(ps, l) ||
	       parse_stopped(ps, l) || parse_reg(ps, l) || parse_module(ps, l) || parse_end(ps, l);
}

unsigned stk_trace_parse(const char *text, size_t len, struct stk_trace_sink sink)
{
	struct parser ps = {.sink = sink, .end = text + len};
	unsigned foreign = 0;

	for (const char *p = text; p < ps.end;) {
		struct line l = line_at(&ps, p);
		unsigned lines = parse_here(&ps, l);
		if (!lines) {
			foreign++;
			STK_EMIT(sink, note, l.p, left(&l));
			lines = 1;
		}
		for (; lines > 1; lines--)
			l = line_after(&ps, l);
		p = l.end < ps.end ? l.end + 1 : ps.end;
	}
	return foreign;
}
