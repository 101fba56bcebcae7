/* Demangled names and the pool that keeps them (more of them: test_symbols.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "symbols/demangle.h"

static void names(void **state)
{
	static const struct {
		const char *raw, *name, *with_params;
	} table[] = {
	    {"_Z3fooi", "foo", "foo(int)"},
	    {"_ZNK1AclEi", "A::operator()", "A::operator()(int) const"},
	    {"_ZN3foo3bar17h05af221e174051e9E", "foo::bar", "foo::bar"},
	    {"_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example", "mycrate::example"},
	};
	struct stk_pool pool = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_string_equal(stk_demangle(&pool, table[i].raw, false), table[i].name);
		assert_string_equal(stk_demangle(&pool, table[i].raw, true), table[i].with_params);
	}
	stk_pool_done(&pool);
}

static void a_plain_name_is_not_copied(void **state)
{
	static const char raw[] = "main";
	struct stk_pool pool = {0};

	(void)state;
	assert_ptr_equal(stk_demangle(&pool, raw, false), raw);
	assert_null(pool.head);
}

static void an_endless_name_stays_raw(void **state)
{
	/* A valid name of Rust's: libiberty has a limit of its own for C++ only. */
	static const char head[] = "_RNvC7mycrate";
	struct stk_pool pool = {0};
	char *raw = malloc(70100);

	(void)state;
	assert_non_null(raw);
	for (unsigned letters = 60000; letters <= 70000; letters += 10000) {
		int n = sprintf(raw, "%s%u", head, letters);
		memset(raw + n, 'a', letters);
		raw[(unsigned)n + letters] = 0;
		if (letters == 60000)
			assert_memory_equal(stk_demangle(&pool, raw, false), "mycrate::aaa", 12);
		else
			assert_ptr_equal(stk_demangle(&pool, raw, false), raw);
	}
	free(raw);
	stk_pool_done(&pool);
}

static void the_pool_keeps_what_it_gave(void **state)
{
	struct stk_pool pool = {0};
	char *small = stk_pool_strdup(&pool, "small");
	char *large = stk_pool_alloc(&pool, 300000);
	char *second = stk_pool_alloc(&pool, 200000); /* a leak if it loses the first */
	char *last = stk_pool_printf(&pool, "%s-%d", "last", 7);

	(void)state;
	assert_int_equal((uintptr_t)large % 16, 0);
	for (unsigned i = 0; i < 300000; i++)
		assert_int_equal(large[i], 0);
	memset(large, 'x', 300000);
	memset(second, 'y', 200000);
	assert_int_equal(large[299999], 'x');
	assert_string_equal(small, "small");
	assert_string_equal(last, "last-7");
	stk_pool_done(&pool);
	assert_null(pool.head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(a_plain_name_is_not_copied),
	    cmocka_unit_test(an_endless_name_stays_raw),
	    cmocka_unit_test(the_pool_keeps_what_it_gave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
