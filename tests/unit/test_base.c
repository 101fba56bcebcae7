/* The freestanding base: text, cursor, words, architecture, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arch.h"
#include "base/cursor.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/words.h"

static void text_formats(void **state)
{
	char buf[64];
	struct stk_text t;

	(void)state;
	stk_text_init(&t, buf, sizeof(buf));
	stk_printf(&t, "%s|%5d|%-4u|%02x|%lx|%.2s|%c|%%", "a", -42, 7U, 10U, 255UL, "xyz", 'q');
	assert_string_equal(buf, "a|  -42|7   |0a|ff|xy|q|%");
}

static void text_is_cut_not_overrun(void **state)
{
	char buf[8];
	struct stk_text t;

	(void)state;
	memset(buf, '#', sizeof(buf));
	stk_text_init(&t, buf, 4);
	stk_puts(&t, "abcdef");
	assert_string_equal(buf, "abc");
	assert_true(t.cut);
	assert_int_equal(buf[4], '#');
}

/* C0, DEL, C1, Bidi_Control, separators, surrogates, what is too long or no UTF-8. */
static void text_of_others_passes_or_not(void **state)
{
	static const char *const bad[] = {
	    "\n",           "\t",           "\x1b",         "\x7f",         "\xc2\x80",
	    "\xc2\x9b",     "\xc2\x9f",     "\xd8\x9c",     "\xe2\x80\x8e", "\xe2\x80\x8f",
	    "\xe2\x80\xa8", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9",
	    "\x9b",         "\xc0\x9b",     "\xe0\x82\x9b", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	    "\xc3(",        "\xff"};
	static const char *const good[] = {
	    " ", "~", "\xc2\xa0", "\xc3\xa9", "\xe2\x80\x90", "\xe2\x81\xaa", "\xf0\x9f\x90\x9e"};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(stk_text_passes(bad[i], 4), 0);
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(stk_text_passes(good[i], 4), strlen(good[i]));
	assert_int_equal(stk_text_passes("\xe2\x80", 2), -1);
}

static int append(void *arg, const char *bytes, size_t len)
{
	strncat(arg, bytes, len);
	return 0;
}

static void text_of_others_is_escaped(void **state)
{
	static const char evil[] = "a\n\x1b[\xc2\x9b\xe2\x80\xae\xc3\xa9\xff\\\t\"";
	char buf[128], got[128] = "";
	struct stk_text t;

	(void)state;
	stk_text_init(&t, buf, sizeof(buf));
	stk_put_escaped(&t, evil, "\"");
	assert_string_equal(buf,
			    "a\\x0a\\x1b[\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9\\xff\\x5c\\x09\\x22");
	/* A path stays what it is; a stream is what somebody looks at. */
	stk_text_init(&t, buf, sizeof(buf));
	stk_printf(&t, "%s", evil);
	assert_string_equal(buf, evil);
	stk_text_init_stream(&t, buf, sizeof(buf), append, got);
	stk_printf(&t, "%.14s|%s", evil, evil);
	stk_text_flush(&t);
	assert_string_equal(got, "a\\x0a\\x1b[\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9\\xff\\\t|"
				 "a\\x0a\\x1b[\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9\\xff\\\t\"");
}

static void cursor_stops_at_the_end(void **state)
{
	static const uint8_t bytes[] = {0x34, 0x12, 0xe5, 0x8e, 0x26, 0x7f};
	struct stk_cur c = stk_cur_init(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(stk_cur_u16(&c), 0x1234);
	assert_int_equal(stk_cur_uleb(&c), 624485); /* the example of DWARF 5, table 7.8 */
	assert_int_equal(stk_cur_sleb(&c), -1);
	assert_false(c.bad);
	assert_int_equal(stk_cur_u8(&c), 0);
	assert_true(c.bad);
	assert_int_equal(stk_cur_left(&c), 0);
}

static void cursor_refuses_what_is_outside(void **state)
{
	static const uint8_t bytes[] = "abc";
	struct stk_cur c = stk_cur_init(bytes, 3);
	struct stk_cur s = stk_cur_sub(&c, 1, 3);

	(void)state;
	assert_true(s.bad);
	assert_null(stk_cur_str(&c)); /* no NUL inside the bounds */
	assert_true(c.bad);
	c = stk_cur_init(bytes, 3);
	assert_null(stk_cur_bytes(&c, UINT64_MAX));
}

static void check_words(const struct stk_words *w, const char *text)
{
	char buf[512];
	struct stk_text t;
	struct stk_words back;
	char again[512];

	stk_text_init(&t, buf, sizeof(buf));
	stk_words_write(&t, w);
	assert_string_equal(buf, text);
	assert_true(stk_words_parse(buf, (unsigned)strlen(buf), &back));
	stk_text_init(&t, again, sizeof(again));
	stk_words_write(&t, &back);
	assert_string_equal(again, text);
}

static void words_are_written_and_parsed(void **state)
{
	struct stk_words w;

	(void)state;
	stk_words_init(&w, false);
	check_words(&w, "(...)");
	stk_words_init(&w, true);
	check_words(&w, "()");
	stk_words_add(&w, STK_WORD_VALUE, 1, 0);
	stk_words_add(&w, STK_WORD_OPEN, 0, 1);
	stk_words_add(&w, STK_WORD_GUESS, 7, 1);
	stk_words_add(&w, STK_WORD_UNKNOWN, 0, 1);
	stk_words_add(&w, STK_WORD_CLOSE, 0, 1);
	check_words(&w, "(0x1, {0x7?, _})");
}

static void words_keep_their_limits(void **state)
{
	struct stk_words w;

	(void)state;
	stk_words_init(&w, true);
	stk_words_add(&w, STK_WORD_OPEN, 0, 0);
	for (unsigned i = 0; i < 12; i++)
		stk_words_add(&w, STK_WORD_VALUE, i, 0);
	check_words(&w, "({0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, ...})");
	stk_words_init(&w, true);
	for (unsigned i = 0; i < 6; i++)
		stk_words_add(&w, STK_WORD_OPEN, 0, 0);
	check_words(&w, "({{{{{...}}}}})");
}

static void words_that_are_none(void **state)
{
	static const char *const bad[] = {"",          "(",      "()x",    "(0x)",
					  "(0x1 0x2)", "({0x1)", "(0x1})", "(0x12345678901234567)",
					  "(,)"};
	struct stk_words w;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(stk_words_parse(bad[i], (unsigned)strlen(bad[i]), &w));
}

static void words_merge(void **state)
{
	struct stk_words a, b;

	(void)state;
	assert_true(stk_words_parse("(0x1, {0x2, _})", 15, &a));
	assert_true(stk_words_parse("(0x1, {0x3, _})", 15, &b));
	assert_true(stk_words_merge(&a, &b));
	check_words(&a, "(0x1, {~, _})");
	assert_true(stk_words_parse("(0x1)", 5, &b));
	assert_false(stk_words_merge(&a, &b));
}

static void calls_are_known(void **state)
{
	const struct stk_arch *a = stk_arch_find(62);
	static const uint8_t direct[] = {0xe8, 0x10, 0, 0, 0};
	static const uint8_t through_rax[] = {0x90, 0x90, 0x90, 0xff, 0xd0};
	static const uint8_t through_got[] = {0xff, 0x15, 1, 2, 3, 4};
	static const uint8_t jump[] = {0x90, 0x90, 0x90, 0xff, 0xe0};

	(void)state;
	assert_non_null(a);
	assert_true(a->ends_with_call(direct, 5));
	assert_true(a->ends_with_call(through_rax, 5));
	assert_true(a->ends_with_call(through_got, 6));
	assert_false(a->ends_with_call(jump, 5));
	assert_int_equal(a->call_target(direct, 5, 0x1000), 0x1010);
	assert_int_equal(a->call_target(through_rax, 5, 0x1000), 0);
	assert_null(stk_arch_find(183));
}

static void signals_have_names(void **state)
{
	(void)state;
	assert_string_equal(stk_signal_name(11), "SIGSEGV");
	assert_string_equal(stk_signal_text(11), "segmentation violation");
	assert_string_equal(stk_sigcode_name(11, 1), "SEGV_MAPERR");
	assert_string_equal(stk_sigcode_name(6, -6), "SI_TKILL");
	assert_null(stk_signal_name(0));
	assert_null(stk_signal_name(65));
	assert_int_equal(stk_signal_number("SIGQUIT", 7), 3);
	assert_true(stk_sigcode_has_addr(11, 1));
	assert_false(stk_sigcode_has_addr(11, 0));
	assert_true(stk_sigcode_has_sender(3, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_formats),
	    cmocka_unit_test(text_is_cut_not_overrun),
	    cmocka_unit_test(text_of_others_passes_or_not),
	    cmocka_unit_test(text_of_others_is_escaped),
	    cmocka_unit_test(cursor_stops_at_the_end),
	    cmocka_unit_test(cursor_refuses_what_is_outside),
	    cmocka_unit_test(words_are_written_and_parsed),
	    cmocka_unit_test(words_keep_their_limits),
	    cmocka_unit_test(words_that_are_none),
	    cmocka_unit_test(words_merge),
	    cmocka_unit_test(calls_are_known),
	    cmocka_unit_test(signals_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
