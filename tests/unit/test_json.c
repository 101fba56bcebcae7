/* A report as JSON: valid, every mark in it, and nothing less than what the text says. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "every_mark.h"
#include "output/json.h"
#include "output/report.h"
#include "symbols/module.h"
#include "targets/target.h"

#define ROOM (1 << 20)

static char text[ROOM], made[ROOM];

static void every_mark_is_a_key(void **state)
{
	static const char wanted[] =
	    "[\n"
	    "{\"event\":\"head\",\"signal\":11,\"name\":\"SIGSEGV\",\"pc\":\"0xffffffffffffffff\","
	    "\"tid\":5,\"code\":1,\"code name\":\"SEGV_MAPERR\",\"address\":\"0x0\"},\n"
	    "{\"event\":\"why\",\"text\":\"a call through \\\\xff\\\\x5c\"},\n"
	    "{\"event\":\"note\",\"text\":\"[no core: disk full]\"},\n"
	    "{\"event\":\"thread\",\"numbers\":\"1\",\"count\":1,\"tid\":5,\"name\":\"a\\\"b\","
	    "\"state\":\"running\"},\n"
	    "{\"event\":\"frame\",\"name\":\"near\",\"args\":[\"0xffffffffffffffff\","
	    "{\"name\":\"point\",\"value\":[{\"guess\":\"0x7\"},null]},{\"differs\":true},"
	    "{\"more\":true}],\"file\":\"a.c\",\"offset\":\"0x0\",\"near\":true},\n"
	    "{\"event\":\"frame\",\"name\":\"caf\xc3\xa9\",\"file\":\"b\\\\xff.c\",\"line\":9,"
	    "\"offset\":\"0x2a\",\"pc\":\"0x3\",\"fp\":\"0x1\",\"sp\":\"0x2\",\"inlined\":true},\n"
	    "{\"event\":\"frame\",\"name\":\"lost\",\"module\":\"a.so\",\"module offset\":\"0x1\","
	    "\"pc\":\"0x3\",\"found by\":\"scan\"},\n"
	    "{\"event\":\"elided\",\"frames\":\"0xc\"},\n"
	    "{\"event\":\"frame\",\"module\":\"libc.so.6\",\"module offset\":\"0x10\","
	    "\"signal frame\":true},\n"
	    "{\"event\":\"frame\",\"pc\":\"0x11\",\"found by\":\"frame pointer\"},\n"
	    "{\"event\":\"frame\",\"pc\":\"0x12\",\"found by\":\"scan\"},\n"
	    "{\"event\":\"frame\",\"pc\":\"0x13\",\"found by\":\"tail call\"},\n"
	    "{\"event\":\"stopped\",\"reason\":\"what is marked as scanned is a guess\"},\n"
	    "{\"event\":\"thread\",\"numbers\":\"2-4,6\",\"count\":4,\"state\":\"stopped\"},\n"
	    "{\"event\":\"frame\",\"hidden\":true},\n"
	    "{\"event\":\"register\",\"name\":\"rax\",\"value\":\"0xffffffffffffffff\"},\n"
	    "{\"event\":\"register\",\"name\":\"rflags\",\"value\":\"0x0\"},\n"
	    "{\"event\":\"module\",\"start\":\"0x1\",\"end\":\"0x2\",\"build-id\":\"1f0e\","
	    "\"path\":\"/bin/app\"},\n"
	    "{\"event\":\"module\",\"path\":\"/bin/b\",\"hidden\":true},\n"
	    "{\"event\":\"end\",\"shown\":5,\"total\":7,\"missing\":2,\"sure\":\"at least\","
	    "\"reason\":\"they cannot be listed\"},\n"
	    "{\"event\":\"note\",\"text\":\"[core written to /tmp/core]\"}\n"
	    "]\n";
	struct stk_json j;
	struct stk_text out;

	(void)state;
	stk_text_init(&out, made, sizeof(made));
	every_mark(stk_json(&j, &out));
	assert_int_equal(stk_json_end(&j), 0);
	assert_string_equal(made, wanted);
}

static void nothing_is_an_array(void **state)
{
	struct stk_json j;
	struct stk_text out;

	(void)state;
	stk_text_init(&out, made, sizeof(made));
	stk_json(&j, &out);
	assert_int_equal(stk_json_end(&j), 0);
	assert_string_equal(made, "[]\n");
}

static long until_failure;

static void *failing(size_t size)
{
	return until_failure-- ? malloc(size) : NULL;
}

/* Each allocation fails once: what is missing is said, and what is there can be read. */
static void no_memory_is_said(void **state)
{
	struct stk_json j;
	struct stk_text out;
	int said = 0;

	(void)state;
	for (long n = 0; n == 0 || until_failure < 0; n++) {
		until_failure = n;
		stk_text_init(&out, made, sizeof(made));
		json_set_alloc_funcs(failing, free);
		every_mark(stk_json(&j, &out));
		json_set_alloc_funcs(malloc, free);
		int r = stk_json_end(&j);
		said += r == STK_ENOMEM;
		/* A string that is not made as it is, is made with escapes. */
		assert_true(r == STK_ENOMEM || strstr(made, "\"b\\\\xff.c\""));
		json_t *v = json_loads(made, 0, NULL);
		assert_int_equal(json_array_size(v), 21);
		json_decref(v);
	}
	assert_true(said > 100);
}

/* What was emitted, as JSON that a parser has read. */
static json_t *loaded(struct stk_json *j)
{
	json_error_t err;

	assert_int_equal(stk_json_end(j), 0);
	assert_false(j->out->cut);
	json_t *ret = json_loads(made, 0, &err);
	assert_non_null(ret);
	return ret;
}

/* A core's JSON has every key of its text's JSON, with the same value: and more of them. */
static void check_core(const char *name, const struct stk_report_options *o)
{
	char core[512], bin[512];
	struct stk_target *t = NULL;
	struct stk_modules *ms = NULL;
	struct stk_trace_text state;
	struct stk_text out;
	struct stk_json j;

	snprintf(core, sizeof(core), "%s/%s.core", getenv("CORES"), name);
	snprintf(bin, sizeof(bin), "%s/%s.bin", getenv("CORES"), name);
	struct stk_symbol_options so = {.bin = bin};
	assert_int_equal(stk_core_open(core, -1, &t, NULL), 0);
	assert_int_equal(stk_modules_open(t, &so, &ms, NULL), 0);
	stk_text_init(&out, text, sizeof(text));
	stk_report_emit(stk_trace_text(&state, &out), ms, o);
	stk_text_init(&out, made, sizeof(made));
	stk_report_emit(stk_json(&j, &out), ms, o);
	json_t *of_core = loaded(&j);
	stk_text_init(&out, made, sizeof(made));
	assert_int_equal(stk_trace_parse(text, strlen(text), stk_json(&j, &out)), 0);
	json_t *of_text = loaded(&j);

	assert_true(json_array_size(of_text) > 8);
	assert_int_equal(json_array_size(of_core), json_array_size(of_text));
	for (size_t i = 0; i < json_array_size(of_text); i++) {
		const char *key;
		json_t *value;
		json_object_foreach(json_array_get(of_text, i), key, value) assert_true(
		    json_equal(value, json_object_get(json_array_get(of_core, i), key)));
	}
	json_decref(of_core);
	json_decref(of_text);
	stk_modules_close(ms);
	stk_target_close(t);
}

static void a_core_says_what_its_text_says(void **state)
{
	(void)state;
	check_core("words", NULL);
	check_core("packed", &(struct stk_report_options){.system = true});
	check_core("inline", &(struct stk_report_options){.args = STK_ARGS_NAMES});
	check_core("threads", NULL);
	check_core("threads", &(struct stk_report_options){.secure = true, .system = true});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_mark_is_a_key),
	    cmocka_unit_test(nothing_is_an_array),
	    cmocka_unit_test(no_memory_is_said),
	    cmocka_unit_test(a_core_says_what_its_text_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
