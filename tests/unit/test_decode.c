/* `decode` without debug information. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "values/decode.h"

static int decode(uint64_t word, const char *spec, char *buf, size_t cap, struct stk_err *err)
{
	struct stk_text t;

	stk_text_init(&t, buf, cap);
	return stk_decode(&t, &word, 1, spec, NULL, err);
}

static void the_classic(void **state)
{
	char buf[1024];

	(void)state;
	assert_int_equal(decode(0xc419010001, "bool,bool,bool,uint8", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "Bits    Binary      Hex   Value\n"
				 "00-07   0000 0001   01    true\n"
				 "08-15   0000 0000   00    false\n"
				 "16-23   0000 0001   01    true\n"
				 "24-31   0001 1001   19    25\n"
				 "32-39   1100 0100   c4    -\n");
}

static void alignment_and_signs(void **state)
{
	char buf[1024];

	(void)state;
	assert_int_equal(decode(0xfffffffb00000041, "char, int", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "Bits    Binary      Hex   Value\n"
				 "00-07   0100 0001   41    'A'\n"
				 "32-63   1111 1111 1111 1111 1111 1111 1111 1011  fffffffb  -5\n");
	assert_int_equal(decode(0x19, "bool", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "Bits    Binary      Hex   Value\n"
				 "00-07   0001 1001   19    0x19 (not a bool)\n");
}

static void words_of_a_type_in_any_order(void **state)
{
	static const struct {
		const char *spec, *row;
	} table[] = {
	    {"long unsigned int", "18446744073709551614"}, /* as DWARF names it */
	    {"int long unsigned long", "18446744073709551614"},
	    {"int long", "-2"},
	    {"int short", "-2"},
	    {"short unsigned int", "65534"},
	    {"int unsigned", "4294967294"},
	    {"char signed", "-2"},
	    {"char unsigned", "'\\xfe'"},
	};
	char buf[1024];

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const char *row, *value;

		assert_int_equal(decode(-2ULL, table[i].spec, buf, sizeof(buf), NULL), 0);
		row = strchr(buf, '\n') + 1;
		*strchr(row, '\n') = 0;
		value = strrchr(row, ' ') + 1;
		assert_string_equal(value, table[i].row);
	}
}

static void char_arrays_have_a_text(void **state)
{
	char buf[1024];

	(void)state;
	assert_int_equal(decode(0x226948, "char[4],short", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "Bits    Binary      Hex   Value\n"
				 "00-07   0100 1000   48    'H' of \"Hi\\x22\"\n"
				 "08-15   0110 1001   69    'i'\n"
				 "16-23   0010 0010   22    '\"'\n"
				 "24-31   0000 0000   00    '\\x00'\n"
				 "32-47   0000 0000 0000 0000  0000  0\n");
}

static void what_cannot_be_read(void **state)
{
	static const char *const bad[] = {"",
					  "nosuch",
					  "int[",
					  "int[0]",
					  "int,,int",
					  "long,char",
					  "int[3]",
					  "char[99999999999]",
					  "*",
					  "short long",
					  "unsigned signed",
					  "int int",
					  "int char",
					  "long long long"};
	char buf[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct stk_err err = {0};
		assert_int_equal(decode(1, bad[i], buf, sizeof(buf), &err), STK_EARG);
		assert_true(err.msg[0] != 0);
		assert_string_equal(buf, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_classic),
	    cmocka_unit_test(alignment_and_signs),
	    cmocka_unit_test(words_of_a_type_in_any_order),
	    cmocka_unit_test(char_arrays_have_a_text),
	    cmocka_unit_test(what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
