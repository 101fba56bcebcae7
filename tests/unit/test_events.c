/*
 * One report, three ways: the events of the engine, its text, and the events of that text parsed.
 * The recorder writes down what a report promises of each event, in a form of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/trace.h"
#include "every_mark.h"
#include "output/report.h"
#include "symbols/module.h"
#include "targets/target.h"

#define ROOM (1 << 20)

struct record {
	char text[ROOM];
	size_t len;
	unsigned frames;
};

static void add(void *arg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(void *arg, const char *fmt, ...)
{
	struct record *r = arg;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(r->text + r->len, sizeof(r->text) - r->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && r->len + (size_t)n < sizeof(r->text));
	r->len += (size_t)n;
}

/* A string in quotes that no string can imitate, or that there is none. */
static void add_string(void *arg, const char *what, const char *s)
{
	add(arg, s && *s ? " %s=%zu'%s'" : " no %s", what, s ? strlen(s) : 0, s ? s : "");
}

static void add_address(void *arg, const char *what, bool hidden, uint64_t a)
{
	add(arg, hidden ? " %s hidden" : " %s=%llx", what, (unsigned long long)a);
}

static void on_head(void *arg, const struct stk_trace_head *h)
{
	add(arg, "head signo=%d tid=%d", h->signo, h->tid);
	add_address(arg, "pc", h->no_pc, h->pc);
	if (h->has_code)
		add(arg, " code=%d", h->code);
	if (h->has_addr)
		add_address(arg, "addr", h->no_addr, h->addr);
	if (h->has_from)
		add(arg, " from=%d/%u", h->from_pid, h->from_uid);
	add(arg, "\n");
}

static void on_why(void *arg, const char *why)
{
	add(arg, "why");
	add_string(arg, "why", why);
	add(arg, "\n");
}

static void on_thread(void *arg, const struct stk_trace_thread *t)
{
	add(arg, "thread %s count=%u", t->numbers, t->count);
	if (t->count == 1)
		add(arg, " tid=%d", t->tid);
	add_string(arg, "name", t->name);
	add_string(arg, "state", t->state);
	add(arg, "\n");
}

static void add_words(void *arg, const struct stk_words *w)
{
	unsigned len;

	add(arg, w->known ? " words=%u" : " words unknown", w->n);
	for (unsigned i = 0; w->known && i < w->n; i++) {
		const char *name = stk_words_name(w, i, &len);
		if (name)
			add(arg, " %.*s:", (int)len, name);
		add(arg, " %u/%llx", w->v[i].kind,
		    w->v[i].kind == STK_WORD_VALUE || w->v[i].kind == STK_WORD_GUESS
			? (unsigned long long)w->v[i].value
			: 0ULL);
	}
}

static void on_frame(void *arg, const struct stk_trace_frame *f)
{
	((struct record *)arg)->frames++;
	add(arg, "frame");
	add_string(arg, "name", f->name);
	add_words(arg, f->words);
	if (f->file) {
		add_string(arg, "file", f->file);
		add(arg, " line=%u off=%llx", f->line, (unsigned long long)f->func_off);
	} else if (f->module) {
		add_string(arg, "module", f->module);
		add(arg, " off=%llx", (unsigned long long)f->module_off);
	} else {
		add_address(arg, "pc", f->hidden, f->pc);
	}
	add(arg, " near=%d inlined=%d signal=%d how=%d", f->near, f->inlined, f->signal,
	    f->how < STK_HOW_FP ? STK_HOW_CFI : f->how);
	if (f->detail && !f->hidden)
		add(arg, " fp=%llx,%d sp=%llx,%d at=%llx", (unsigned long long)f->fp, f->no_fp,
		    (unsigned long long)f->sp, f->no_sp, (unsigned long long)f->pc);
	add(arg, "\n");
}

static void on_elided(void *arg, uint64_t frames)
{
	add(arg, "elided %llu\n", (unsigned long long)frames);
}

static void on_stopped(void *arg, const char *reason)
{
	add(arg, "stopped");
	add_string(arg, "reason", reason);
	add(arg, "\n");
}

static void on_reg(void *arg, const char *name, uint64_t value)
{
	add(arg, "reg %s %llx\n", name, (unsigned long long)value);
}

static void on_module(void *arg, const struct stk_trace_module *m)
{
	add(arg, "module");
	add_address(arg, "start", m->hidden, m->start);
	add_address(arg, "end", m->hidden, m->end);
	for (unsigned i = 0; i < m->build_id_len; i++)
		add(arg, i ? "%02x" : " id=%02x", m->build_id[i]);
	add_string(arg, "path", m->path);
	add(arg, "\n");
}

static void on_end(void *arg, const struct stk_trace_end *e)
{
	add(arg, "end %u/%u", e->shown, e->total);
	if (e->shown < e->total) {
		add(arg, " unlisted=%d", e->unlisted);
		add_string(arg, "reason", e->missing_reason);
	}
	add(arg, "\n");
}

static void on_note(void *arg, const char *line, size_t len)
{
	add(arg, "note %zu'%.*s'\n", len, (int)len, line);
}

static void on_flush(void *arg)
{
	(void)arg;
}

static const struct stk_trace_events recorder = {
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

static struct record of_engine, of_text, of_second_text;
static char first[ROOM], second[ROOM];

static struct stk_trace_sink record(struct record *r)
{
	r->len = r->frames = 0;
	r->text[0] = 0;
	return (struct stk_trace_sink){&recorder, r};
}

static struct stk_trace_sink write_to(char *text)
{
	static struct stk_trace_text state;
	static struct stk_text out;

	stk_text_init(&out, text, ROOM);
	return stk_trace_text(&state, &out);
}

/* of_text is what `first` says; written again it says the same. */
static void read_back(unsigned foreign)
{
	assert_int_equal(stk_trace_parse(first, strlen(first), record(&of_text)), foreign);
	stk_trace_parse(first, strlen(first), write_to(second));
	assert_int_equal(stk_trace_parse(second, strlen(second), record(&of_second_text)), foreign);
	assert_string_equal(of_second_text.text, of_text.text);
}

static void check_core(const char *name, const struct stk_report_options *o)
{
	char core[512], bin[512];
	struct stk_target *t = NULL;
	struct stk_modules *ms = NULL;

	snprintf(core, sizeof(core), "%s/%s.core", getenv("CORES"), name);
	snprintf(bin, sizeof(bin), "%s/%s.bin", getenv("CORES"), name);
	struct stk_symbol_options so = {.bin = bin};
	assert_int_equal(stk_core_open(core, -1, &t, NULL), 0);
	assert_int_equal(stk_modules_open(t, &so, &ms, NULL), 0);
	int recorded = stk_report_emit(record(&of_engine), ms, o);
	assert_int_equal(stk_report_emit(write_to(first), ms, o), recorded);
	read_back(0);
	assert_string_equal(of_text.text, of_engine.text);
	assert_string_equal(second, first);
	assert_true(of_engine.frames > 1);
	stk_modules_close(ms);
	stk_target_close(t);
}

static void cores_say_the_same_in_text(void **state)
{
	static const char *const cores[] = {"words", "packed", "inline", "threads"};
	static const struct stk_report_options options[] = {
	    {0},
	    {.system = true, .why = "a\\why\nin two lines"},
	    {.args = STK_ARGS_NAMES, .all_stopped = true},
	    {.args = STK_ARGS_NONE, .single = true},
	    {.secure = true, .system = true, .unlisted = STK_UNLISTED_SOME},
	    {.unlisted = STK_UNLISTED_MAYBE},
	};

	(void)state;
	for (unsigned c = 0; c < sizeof(cores) / sizeof(*cores); c++)
		for (unsigned o = 0; o < sizeof(options) / sizeof(*options); o++)
			check_core(cores[c], &options[o]);
}

static void load(const char *path)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/tests/%s", getenv("SOURCE"), path);
	FILE *f = fopen(name, "re");
	assert_non_null(f);
	first[fread(first, 1, ROOM - 1, f)] = 0;
	fclose(f);
}

/* The transcripts have lines around the trace; `between` has no empty line before its modules. */
static void saved_traces_say_the_same_again(void **state)
{
	static const struct {
		const char *path;
		unsigned foreign;
		bool same_text;
	} saved[] = {{"fuzz/corpus/trace/report", 0, true},
		     {"fuzz/corpus/trace/between", 3, false},
		     {"golden/stack_inline.expected", 3, true},
		     {"golden/stack_threads.expected", 3, true},
		     {"golden/stack_words.expected", 3, true}};

	(void)state;
	for (unsigned i = 0; i < sizeof(saved) / sizeof(*saved); i++) {
		load(saved[i].path);
		read_back(saved[i].foreign);
		assert_int_equal(!strcmp(first, second), saved[i].same_text);
		assert_true(of_text.frames > 0);
	}
}

static void every_mark_comes_back(void **state)
{
	(void)state;
	every_mark(record(&of_engine));
	every_mark(write_to(first));
	read_back(2);
	assert_string_equal(of_text.text, of_engine.text);
	assert_string_equal(second, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cores_say_the_same_in_text),
	    cmocka_unit_test(every_mark_comes_back),
	    cmocka_unit_test(saved_traces_say_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
