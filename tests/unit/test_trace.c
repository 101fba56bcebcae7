/* The trace text: what the writer writes the parser reads, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/trace.h"

/* The parsed text, written again; foreign lines too. */
struct echo {
	struct stk_trace_text text;
	struct stk_text out;
	const struct stk_trace_events *on;
	char buf[65536];
	struct stk_trace_head head;
	unsigned threads, frames, notes;
	char name[256], thread[64];
	bool signal, inlined, near;
	unsigned names;
	unsigned line, tid;
	uint64_t off;
	enum stk_how how;
};

static void on_head(void *arg, const struct stk_trace_head *h)
{
	struct echo *e = arg;

	e->head = *h;
	e->on->head(arg, h);
}

static void on_thread(void *arg, const struct stk_trace_thread *t)
{
	struct echo *e = arg;

	e->threads += t->count;
	strncpy(e->thread, t->name ? t->name : "-", sizeof(e->thread) - 1);
	e->on->thread(arg, t);
}

static void on_frame(void *arg, const struct stk_trace_frame *f)
{
	struct echo *e = arg;

	e->frames++;
	strncpy(e->name, f->name ? f->name : "-", sizeof(e->name) - 1);
	e->line = f->line;
	e->off = f->file ? f->func_off : f->module ? f->module_off : f->pc;
	e->how = f->how;
	e->signal = f->signal;
	e->inlined = f->inlined;
	e->near = f->near;
	e->names = f->names;
	e->on->frame(arg, f);
}

static void on_note(void *arg, const char *line, size_t len)
{
	struct echo *e = arg;

	e->notes++;
	e->on->note(arg, line, len);
}

/* Parse a copy of the exact size, so that a sanitizer sees a read past the end. */
static struct echo *echo(const char *text)
{
	static struct echo e;
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	memset(&e, 0, sizeof(e));
	stk_text_init(&e.out, e.buf, sizeof(e.buf));
	e.on = stk_trace_text(&e.text, &e.out).on;
	struct stk_trace_events events = *e.on;
	events.head = on_head;
	events.thread = on_thread;
	events.frame = on_frame;
	events.note = on_note;
	unsigned foreign = stk_trace_parse(copy, len, (struct stk_trace_sink){&events, &e});
	assert_int_equal(foreign, e.notes);
	free(copy);
	return &e;
}

#define REPORT                                                                                     \
	"SIGABRT: abort\n"                                                                         \
	"PC=0x7f93c63ebeec tid=4242 sigcode=-6 (SI_TKILL) from pid 4242 uid 1000\n"                \
	"why: the program called abort()\n"                                                        \
	"\n"                                                                                       \
	"thread 1 (tid 4242 \"app\") [running]:\n"                                                 \
	"__pthread_kill_implementation(...)\n"                                                     \
	"\tlibc.so.6+0x8aeec\n"                                                                    \
	"packed({0x19010001})\n"                                                                   \
	"\t/src/app.c:8 +0x2a (inlined)\n"                                                         \
	"example({0x7ffc5a1e8c40, 0x2, 0x4}, {0x55d0c1a4d004, _}, 0xa?)\n"                         \
	"\t/src/app.c:9 +0x3e (by frame pointer) fp=0x1 sp=0x2 pc=0x3\n"                           \
	"...12 frames elided...\n"                                                                 \
	"relay(0x1)\n"                                                                             \
	"\t/src/app.c:7 +0x9 (tail call) fp=0x1 sp=0x2 pc=0x3\n"                                   \
	"?\?(...)\n"                                                                               \
	"\t0x7fff00000000 (scanned)\n"                                                             \
	"main()\n"                                                                                 \
	"\t/src/my app: 1.c:10 +0x85\n"                                                            \
	"stopped: stack memory 0x7ffc5a1e9000 is not in the core\n"                                \
	"\n"                                                                                       \
	"threads 2-4,6 (4 \"worker\") [stopped]:\n"                                                \
	"work(~, {0x1, ...})\n"                                                                    \
	"\tapp+0x11 (signal frame)\n"                                                              \
	"\n"                                                                                       \
	"rax    0x0\n"                                                                             \
	"r10    0xffffffffffffffff\n"                                                              \
	"rflags 0x246\n"                                                                           \
	"\n"                                                                                       \
	"modules:\n"                                                                               \
	"0x55d0c1a4b000-0x55d0c1a50000 1f0e6c /usr/bin/app\n"                                      \
	"0x7f93c6361000-0x7f93c6536000 - /tmp/a b (deleted)\n"                                     \
	"5 of 6 threads shown, 1 missing: their registers are not in the core\n"

static void a_report_comes_back(void **state)
{
	struct echo *e = echo(REPORT);

	(void)state;
	assert_string_equal(e->buf, REPORT);
	assert_int_equal(e->notes, 0);
	assert_int_equal(e->threads, 5);
	assert_int_equal(e->frames, 7);
	assert_int_equal(e->head.signo, 6);
	assert_int_equal(e->head.code, -6);
	assert_int_equal(e->head.from_uid, 1000);
	assert_false(e->head.has_addr);
}

static void heads(void **state)
{
	static const char *const good[] = {
	    "no signal\nPC=0x0 tid=1\n",
	    "signal 99\nPC=0x1 tid=1 sigcode=77\n",
	    "SIGSEGV: segmentation violation\nPC=0x1 tid=1 sigcode=1 (SEGV_MAPERR) addr=0x0\n",
	    "SIGRTMIN+3: real-time signal\nPC=0x1 tid=1 sigcode=-1 (SI_QUEUE) from pid 1 uid 7\n",
	};
	static const char *const bad[] = {
	    "SIGSEGV: abort\nPC=0x0 tid=1\n",
	    "SIGSEGV: segmentation violation\n",
	    "signal 11\nPC=0x0 tid=1\n",
	    "no signal\nPC=0x0 tid=2147483648\n",
	    "no signal\nPC=0x11112222333344445 tid=1\n",
	    "no signal\nPC=0x00 tid=1\n",
	    "no signal\nPC=0x0 tid=1 sigcode=0 (SI_NO)\n",
	    "no signal\n\nPC=0x0 tid=1\n",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct echo *e = echo(good[i]);
		assert_string_equal(e->buf, good[i]);
		assert_int_equal(e->notes, 0);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct echo *e = echo(bad[i]);
		assert_string_equal(e->buf, bad[i]);
		assert_true(e->notes > 0);
		assert_int_equal(e->head.tid, 0);
	}
}

#define THREAD "no signal\nPC=0x0 tid=1\n\nthread 1 (tid 1) [running]:\n"

static void names_hold_anything(void **state)
{
	static const char *const names[] = {
	    "operator()",  "foo<int (*)(char)>", "(anonymous namespace)::f", "a\nthread 1 (tid 1)",
	    "back\\x41\\", "tab\tquote\"",       "caf\xc3\xa9 \x7f",
	};
	static struct stk_words words;
	char buf[1024];

	(void)state;
	stk_words_init(&words, true);
	stk_words_add(&words, STK_WORD_VALUE, 1, 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct stk_trace_head h = {.tid = 1};
		struct stk_trace_thread t = {
		    .numbers = "1", .count = 1, .tid = 1, .name = names[i], .state = "running"};
		struct stk_trace_frame f = {
		    .name = names[i], .words = &words, .file = names[i], .line = 7};
		struct stk_trace_text text;
		struct stk_text out;
		stk_text_init(&out, buf, sizeof(buf));
		struct stk_trace_sink sink = stk_trace_text(&text, &out);
		STK_EMIT(sink, head, &h);
		STK_EMIT(sink, thread, &t);
		STK_EMIT(sink, frame, &f);
		struct echo *e = echo(buf);
		assert_string_equal(e->buf, buf);
		assert_int_equal(e->notes, 0);
		assert_string_equal(e->thread, names[i]);
		assert_string_equal(e->name, names[i]);
		assert_int_equal(e->line, 7);
	}
}

static void frames(void **state)
{
	struct echo *e = echo(THREAD "f<(A)1>()\n\tlib+c++.so+0xff (inlined) (signal frame)\n");

	(void)state;
	assert_string_equal(e->name, "f<(A)1>");
	assert_int_equal(e->off, 0xff);
	assert_true(e->inlined && e->signal);
	assert_int_equal(e->how, STK_HOW_CFI);
	e = echo(THREAD "?\?(...)\n\t0x10 (scanned)\n");
	assert_string_equal(e->name, "-");
	assert_int_equal(e->off, 0x10);
	assert_int_equal(e->how, STK_HOW_SCAN);
	e = echo(THREAD "relay(0x1)\n\ta.c:16 +0x18 (near) (inlined)\n");
	assert_string_equal(e->buf, THREAD "relay(0x1)\n\ta.c:16 +0x18 (near) (inlined)\n");
	assert_true(e->near && e->inlined);
	assert_int_equal(e->names, 0);
	e = echo(THREAD "get(0x1)\n\ta.c:16 +0x18 (near) (one of 12 names) (inlined)\n");
	assert_string_equal(e->buf,
			    THREAD "get(0x1)\n\ta.c:16 +0x18 (near) (one of 12 names) (inlined)\n");
	assert_true(e->near && e->inlined);
	assert_int_equal(e->names, 12);
	e = echo(THREAD "get(0x1)\n\tb (one of x names) (one of 2:16 +0x18\n");
	assert_int_equal(e->line, 16);
	assert_int_equal(e->names, 0);
	e = echo(THREAD "relay(0x1)\n\ta.c:16 +0x18 (inlined) (tail call)\n");
	assert_string_equal(e->buf, THREAD "relay(0x1)\n\ta.c:16 +0x18 (inlined) (tail call)\n");
	assert_string_equal(e->name, "relay");
	assert_int_equal(e->how, STK_HOW_TAIL);
	assert_true(e->inlined);
}

/* A symbol may have no name: its frame is read back as one of which none is known. */
static void an_empty_name_is_none(void **state)
{
	static struct stk_words words;
	struct stk_trace_frame f = {.name = "", .words = &words, .pc = 1};
	struct stk_trace_text text;
	struct stk_text out;
	char buf[64];

	(void)state;
	stk_words_init(&words, false);
	stk_text_init(&out, buf, sizeof(buf));
	STK_EMIT(stk_trace_text(&text, &out), frame, &f);
	assert_string_equal(buf, "?\?(...)\n\t0x1\n");
}

static void names_of_parameters(void **state)
{
	static const char text[] =
	    THREAD "f(which=0x0, {0x1, _}, point={0x1, {0x2}}, gr\xc3\xb6\xc3\x9f"
		   "e=_, ...)\n\ta.c:16 +0x18\n";
	struct echo *e = echo(text);

	(void)state;
	assert_int_equal(e->notes, 0);
	assert_string_equal(e->buf, text);
}

static const char *name_given(void *arg, unsigned param)
{
	return ((const char **)arg)[param];
}

/* Names come from outside. */
static void a_name_breaks_no_line(void **state)
{
	const char *names[] = {"good", "a\nthread 1", "\x1b[31m", "", "1st", "a b"};
	struct stk_words w;
	char buf[256];
	struct stk_text out;

	(void)state;
	stk_words_init(&w, true);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		stk_words_add(&w, STK_WORD_VALUE, i, i);
	w.names = (struct stk_word_names){name_given, names};
	stk_text_init(&out, buf, sizeof(buf));
	stk_words_write(&out, &w);
	assert_string_equal(buf, "(good=0x0, 0x1, 0x2, 0x3, 0x4, 0x5)");
}

static void foreign_lines_stay(void **state)
{
	static const char text[] = "listening on port 80 (tcp)\n"
				   "stopped: listening\n" THREAD "f(0x1)\n"
				   "hello from another thread\n"
				   "g(0x1)\n"
				   "\ta.c:1 +0x0\n"
				   "h(0x1, )\n"
				   "\ta.c:1 +0x0\n"
				   "rax 0x1\n"
				   "[tier 1 failed: no memory; continuing in process]\n"
				   "\n"
				   "1 of 1 threads shown\n"
				   "rax    0x1\n";
	struct echo *e = echo(text);

	(void)state;
	assert_string_equal(e->buf, text);
	assert_int_equal(e->frames, 1);
	assert_string_equal(e->name, "g");
	assert_int_equal(e->notes, 9);
}

/* A missing empty line does not hide a thread: frames must not go to the one before. */
static void a_heading_needs_no_empty_line(void **state)
{
	struct echo *e = echo(THREAD "warning\nthread 2 (tid 2) [stopped]:\n");

	(void)state;
	assert_int_equal(e->threads, 2);
	assert_string_equal(e->buf, THREAD "warning\n\nthread 2 (tid 2) [stopped]:\n");
}

/* Every prefix, and every text with one byte changed: no crash, and a second pass changes nothing.
 */
static void damage(void **state)
{
	static char text[sizeof(REPORT)], once[65536];

	(void)state;
	for (size_t i = 0; i < sizeof(REPORT); i++) {
		memcpy(text, REPORT, sizeof(REPORT));
		text[i] = 0;
		strcpy(once, echo(text)->buf);
		assert_string_equal(echo(once)->buf, once);
		memcpy(text, REPORT, sizeof(REPORT));
		text[i] = text[i] == '\n' ? ' ' : '\n';
		text[sizeof(REPORT) - 1] = 0;
		strcpy(once, echo(text)->buf);
		assert_string_equal(echo(once)->buf, once);
	}
}

/* Of a set-uid program; and a report where nobody could list the threads. */
static void what_is_not_said(void **state)
{
	static const char text[] =
	    "SIGSEGV: segmentation violation\n"
	    "PC=_ tid=1 sigcode=1 (SEGV_MAPERR) addr=_\n"
	    "\n"
	    "thread 1 (tid 1) [running]:\n"
	    "?\?(...)\n"
	    "\t_ (by frame pointer)\n"
	    "main(...)\n"
	    "\tapp+0x11\n"
	    "\n"
	    "modules:\n"
	    "_-_ 1f0e6c /usr/bin/app\n"
	    "1 of 2 threads shown, at least 1 missing: perhaps\n"
	    "no signal\n"
	    "PC=0x1 tid=1\n"
	    "\n"
	    "1 of 2 threads shown, perhaps 1 missing: they cannot be listed\n";
	static const char *const bad[] = {
	    THREAD "?\?(...)\n\t_ fp=0x1 sp=0x2 pc=0x3\n",
	    THREAD "_-0x1000 1f0e6c /usr/bin/app\n",
	    THREAD "0x1000-_ 1f0e6c /usr/bin/app\n",
	    THREAD "2 of 2 threads shown, at least 0 missing: not known\n",
	    THREAD "1 of 2 threads shown, about 1 missing: not known\n",
	    THREAD "1 of 2 threads shown, at least ",
	    THREAD "1 of 2 threads shown, ",
	};

	(void)state;
	struct echo *e = echo(text);
	assert_string_equal(e->buf, text);
	assert_int_equal(e->notes, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(echo(bad[i])->notes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_report_comes_back),
	    cmocka_unit_test(heads),
	    cmocka_unit_test(names_hold_anything),
	    cmocka_unit_test(frames),
	    cmocka_unit_test(an_empty_name_is_none),
	    cmocka_unit_test(names_of_parameters),
	    cmocka_unit_test(a_name_breaks_no_line),
	    cmocka_unit_test(foreign_lines_stay),
	    cmocka_unit_test(a_heading_needs_no_empty_line),
	    cmocka_unit_test(damage),
	    cmocka_unit_test(what_is_not_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
