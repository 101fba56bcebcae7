/* A report whose time is over: what is missing is said where it is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output/report.h"
#include "symbols/module.h"
#include "targets/target.h"

static volatile sig_atomic_t late;

struct written {
	char text[65536];
	size_t len;
	const char *until; /* with this the time is over */
};

static int take(void *arg, const char *bytes, size_t len)
{
	struct written *w = arg;

	assert_true(w->len + len < sizeof(w->text));
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
	late |= strstr(w->text, w->until) != NULL;
	return 0;
}

static void report_until(const char *until, struct written *w)
{
	struct stk_report_options o = {.interrupted = "the time is over"};
	char core[512], bin[512], buf[16];
	struct stk_target *t = NULL;
	struct stk_modules *ms = NULL;
	struct stk_text out;
	struct stk_trace_text text;

	snprintf(core, sizeof(core), "%s/threads.core", getenv("CORES"));
	snprintf(bin, sizeof(bin), "%s/threads.bin", getenv("CORES"));
	struct stk_symbol_options so = {.bin = bin};
	assert_int_equal(stk_core_open(core, -1, &t, NULL), 0);
	assert_int_equal(stk_modules_open(t, &so, &ms, NULL), 0);
	memset(w, 0, sizeof(*w));
	w->until = until;
	late = 0;
	t->pool.budget.interrupt = &late;
	stk_text_init_stream(&out, buf, sizeof(buf), take, w);
	stk_report_emit(stk_trace_text(&text, &out), ms, &o);
	stk_text_flush(&out);
	stk_modules_close(ms);
	stk_target_close(t);
}

static void a_stack_that_is_cut_says_so(void **state)
{
	static struct written w;

	(void)state;
	report_until("\npark(", &w);
	assert_non_null(strstr(w.text, "\npark("));
	assert_non_null(strstr(w.text, "\nstopped: the time is over\n\nrax "));
	assert_null(strstr(w.text, "\nwork("));
}

static void what_is_known_of_thread_1_is_said(void **state)
{
	static struct written w;

	(void)state;
	report_until("\nPC=", &w);
	assert_non_null(strstr(w.text, "\nmain("));
	assert_null(strstr(w.text, "\npark("));
	assert_null(strstr(w.text, "stopped: "));
	assert_non_null(strstr(w.text, "\n1 of 4 threads shown, 3 missing: the time is over\n"));
}

static void a_whole_one_does_not(void **state)
{
	static struct written w;

	(void)state;
	report_until("no such text", &w);
	assert_null(strstr(w.text, "stopped: "));
	assert_non_null(strstr(w.text, "\n4 of 4 threads shown\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_stack_that_is_cut_says_so),
	    cmocka_unit_test(what_is_known_of_thread_1_is_said),
	    cmocka_unit_test(a_whole_one_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
