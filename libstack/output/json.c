/*
 * A report as JSON, an object for each event. What is not known has no key, and a mark of the text
 * is a key of its own. Numbers of 64 bits are strings, hexadecimal: a double holds 53 bits
 * (RFC 8259 section 6). In strings a backslash, and the bytes of one that is not UTF-8, are \xNN,
 * as in the text.
 */
#include "output/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/signals.h"

/* What was made; it is missed where it was not. */
static json_t *made(struct stk_json *j, json_t *v)
{
	j->failed |= !v;
	return v;
}

static json_t *hex(struct stk_json *j, uint64_t v)
{
	return made(j, json_sprintf("0x%" PRIx64, v));
}

static json_t *bytes(struct stk_json *j, const char *s, size_t len)
{
	char *buf = malloc(4 * len + 1);
	json_t *ret = NULL;

	/* jansson takes UTF-8 alone; where it does not, all that is not ASCII is escaped. */
	for (int max = 0xff; buf && !ret && max >= 0x7f; max -= 0x80) {
		struct stk_text t;
		stk_text_init(&t, buf, 4 * len + 1);
		for (size_t i = 0; i < len; i++) {
			if (s[i] == '\\' || (unsigned char)s[i] > max)
				stk_printf(&t, "\\x%02x", (unsigned char)s[i]);
			else
				stk_putc(&t, s[i]);
		}
		ret = json_stringn(buf, t.len);
	}
	free(buf);
	return made(j, ret);
}

static json_t *string(struct stk_json *j, const char *s)
{
	size_t len = 0;

	while (s && s[len])
		len++;
	return len ? bytes(j, s, len) : NULL;
}

static json_t *id(struct stk_json *j, const uint8_t *p, unsigned len)
{
	char text[2 * 64 + 1];
	struct stk_text t;

	stk_text_init(&t, text, sizeof(text));
	stk_put_bytes(&t, p, len);
	return t.len ? made(j, json_stringn(text, t.len)) : NULL;
}

static json_t *word(struct stk_json *j, const struct stk_word *w)
{
	switch (w->kind) {
	case STK_WORD_VALUE:
		return hex(j, w->value);
	case STK_WORD_GUESS:
		return made(j, json_pack("{s:o}", "guess", hex(j, w->value)));
	case STK_WORD_UNKNOWN:
		return json_null();
	case STK_WORD_DIFFERS:
		return made(j, json_pack("{s:b}", "differs", 1));
	default:
		return made(j, json_pack("{s:b}", "more", 1));
	}
}

/* The words from *i to the end of their braces; as deep as there are words, STK_WORDS_TOKENS. */
static json_t *words(struct stk_json *j, const struct stk_words *w, unsigned *i)
{
	json_t *ret = made(j, json_array());

	for (; *i < w->n && w->v[*i].kind != STK_WORD_CLOSE; ++*i) {
		unsigned len;
		const char *name = stk_words_name(w, *i, &len);
		json_t *v;
		if (w->v[*i].kind == STK_WORD_OPEN) {
			++*i;
			v = words(j, w, i);
		} else {
			v = word(j, &w->v[*i]);
		}
		if (name)
			v = made(j,
				 json_pack("{s:o,s:o}", "name", bytes(j, name, len), "value", v));
		j->failed |= json_array_append_new(ret, v) != 0;
	}
	return ret;
}

static struct stk_json *begin(void *arg, const char *event)
{
	struct stk_json *j = arg;

	j->event = made(j, json_pack("{s:s}", "event", event));
	return j;
}

/* Takes `value`; NULL: no such key. */
static void key(struct stk_json *j, const char *name, json_t *value)
{
	if (value && json_object_set_new(j->event, name, value))
		j->failed = true;
}

static void number(struct stk_json *j, const char *name, json_int_t v)
{
	key(j, name, made(j, json_integer(v)));
}

static void hex_unless(struct stk_json *j, const char *name, bool hidden, uint64_t v)
{
	if (!hidden)
		key(j, name, hex(j, v));
}

static void mark(struct stk_json *j, const char *name, bool v)
{
	key(j, name, v ? json_true() : NULL);
}

/* Whole or not at all: what is written stays JSON. json_dumps() of jansson 2.14 leaves bytes out
 * where it finds no memory for them, and tells nobody. */
static void put(struct stk_json *j)
{
	size_t len = json_dumpb(j->event, NULL, 0, JSON_COMPACT);
	char *text = malloc(len + 1);

	if (!text || !len || json_dumpb(j->event, text, len, JSON_COMPACT) != len) {
		j->failed = true;
		len = 0;
	}
	stk_puts(j->out, j->begun ? ",\n" : "[\n");
	stk_putn(j->out, len ? text : "null", len ? len : 4);
	j->begun = true;
	free(text);
	json_decref(j->event);
}

static void on_head(void *arg, const struct stk_trace_head *h)
{
	struct stk_json *j = begin(arg, "head");

	if (h->signo)
		number(j, "signal", h->signo);
	key(j, "name", string(j, stk_signal_name(h->signo)));
	hex_unless(j, "pc", h->no_pc, h->pc);
	number(j, "tid", h->tid);
	if (h->has_code) {
		number(j, "code", h->code);
		key(j, "code name", string(j, stk_sigcode_name(h->signo, h->code)));
	}
	hex_unless(j, "address", h->no_addr || !h->has_addr, h->addr);
	if (h->has_from) {
		number(j, "from pid", h->from_pid);
		number(j, "from uid", h->from_uid);
	}
	put(j);
}

static void on_why(void *arg, const char *why)
{
	struct stk_json *j = begin(arg, "why");

	key(j, "text", string(j, why));
	put(j);
}

static void on_thread(void *arg, const struct stk_trace_thread *t)
{
	struct stk_json *j = begin(arg, "thread");

	key(j, "numbers", string(j, t->numbers));
	number(j, "count", t->count);
	if (t->count == 1)
		number(j, "tid", t->tid);
	key(j, "name", string(j, t->name));
	key(j, "state", string(j, t->state));
	put(j);
}

/* How a frame was found, where that tells how far to trust it. */
static const char *const found_by[] = {
    [STK_HOW_FP] = "frame pointer", [STK_HOW_SCAN] = "scan", [STK_HOW_TAIL] = "tail call"};

/* A trace that was read back knows no pc where it has a better place. */
static void on_frame(void *arg, const struct stk_trace_frame *f)
{
	struct stk_json *j = begin(arg, "frame");
	bool bare = !f->file && !f->module, no_detail = f->hidden || !f->detail;
	unsigned i = 0;

	key(j, "name", string(j, f->name));
	if (f->words->known)
		key(j, "args", words(j, f->words, &i));
	key(j, "file", string(j, f->file));
	if (f->file && f->line)
		number(j, "line", f->line);
	hex_unless(j, "offset", !f->file, f->func_off);
	key(j, "module", string(j, f->module));
	hex_unless(j, "module offset", !f->module, f->module_off);
	hex_unless(j, "pc", f->hidden || !(bare || f->pc), f->pc);
	hex_unless(j, "fp", no_detail || f->no_fp, f->fp);
	hex_unless(j, "sp", no_detail || f->no_sp, f->sp);
	mark(j, "near", f->near);
	if (f->names)
		number(j, "names", f->names);
	mark(j, "inlined", f->inlined);
	mark(j, "signal frame", f->signal);
	key(j, "found by", string(j, found_by[f->how]));
	mark(j, "hidden", f->hidden);
	put(j);
}

static void on_elided(void *arg, uint64_t frames)
{
	struct stk_json *j = begin(arg, "elided");

	key(j, "frames", hex(j, frames));
	put(j);
}

static void on_stopped(void *arg, const char *reason)
{
	struct stk_json *j = begin(arg, "stopped");

	key(j, "reason", string(j, reason));
	put(j);
}

static void on_reg(void *arg, const char *name, uint64_t value)
{
	struct stk_json *j = begin(arg, "register");

	key(j, "name", string(j, name));
	key(j, "value", hex(j, value));
	put(j);
}

static void on_module(void *arg, const struct stk_trace_module *m)
{
	struct stk_json *j = begin(arg, "module");

	hex_unless(j, "start", m->hidden, m->start);
	hex_unless(j, "end", m->hidden, m->end);
	key(j, "build-id", id(j, m->build_id, m->build_id_len));
	key(j, "path", string(j, m->path));
	mark(j, "hidden", m->hidden);
	put(j);
}

static void on_end(void *arg, const struct stk_trace_end *e)
{
	static const char *const sure[] = {
	    [STK_UNLISTED_SOME] = "at least", [STK_UNLISTED_MAYBE] = "perhaps"};
	struct stk_json *j = begin(arg, "end");

	number(j, "shown", e->shown);
	number(j, "total", e->total);
	if (e->shown < e->total) {
		number(j, "missing", e->total - e->shown);
		key(j, "sure", string(j, sure[e->unlisted]));
		key(j, "reason", string(j, e->missing_reason));
	}
	put(j);
}

static void on_note(void *arg, const char *line, size_t len)
{
	struct stk_json *j = begin(arg, "note");

	key(j, "text", bytes(j, line, len));
	put(j);
}

static void on_flush(void *arg)
{
	stk_text_flush(((struct stk_json *)arg)->out);
}

struct stk_trace_sink stk_json(struct stk_json *j, struct stk_text *out)
{
	static const struct stk_trace_events events = {
	    .head = on_head,
	    .why = on_why,
	    .thread = on_thread,
	    .frame = on_frame,
	    .elided = on_elided,
	    .stopped = on_stopped,
	    .reg = on_reg,
	    .module = on_module,
	    .end = on_end,
	    .note = on_note,
	    .flush = on_flush,
	};

	*j = (struct stk_json){.out = out};
	return (struct stk_trace_sink){&events, j};
}

int stk_json_end(struct stk_json *j)
{
	stk_puts(j->out, j->begun ? "\n]\n" : "[]\n");
	return j->failed ? STK_ENOMEM : 0;
}
