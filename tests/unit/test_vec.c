/* Arrays that grow, and binary search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/search.h"
#include "base/vec.h"

struct numbers {
	int *v;
	unsigned n, cap;
};

static void test_push(void **state)
{
	struct numbers a = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(STK_VEC_PUSH(&a, 3 * i));
		assert_int_equal(a.n, i + 1);
		assert_true(a.cap >= a.n);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(a.v[i], 3 * i);
	free(a.v);
}

static void test_reserve(void **state)
{
	struct numbers a = {0};

	(void)state;
	assert_true(STK_VEC_RESERVE(&a, 0));
	assert_null(a.v);
	assert_true(STK_VEC_RESERVE(&a, 100));
	assert_int_equal(a.n, 0);
	assert_true(a.cap >= 100);
	a.v[99] = 7;
	int *before = a.v;
	assert_true(STK_VEC_RESERVE(&a, 100));
	assert_ptr_equal(a.v, before);
	free(a.v);
}

static void test_no_memory(void **state)
{
	struct numbers a = {0};

	(void)state;
	assert_true(STK_VEC_PUSH(&a, 5));
	struct numbers before = a;
	/* More elements than the count can hold. */
	assert_false(STK_VEC_RESERVE(&a, UINT32_MAX));
	assert_false(STK_VEC_RESERVE(&a, SIZE_MAX));
	assert_memory_equal(&a, &before, sizeof(a));
	assert_int_equal(a.v[0], 5);
	free(a.v);
}

static void test_partition_point(void **state)
{
	static const uint64_t v[] = {10, 20, 20, 30, UINT64_MAX};
	const struct {
		uint64_t addr;
		unsigned below; /* elements <= addr */
	} rows[] = {{0, 0}, {9, 0}, {10, 1}, {19, 1}, {20, 3}, {29, 3}, {30, 4}, {UINT64_MAX, 5}};

	(void)state;
	for (unsigned r = 0; r < sizeof(rows) / sizeof(*rows); r++)
		assert_int_equal(STK_PARTITION_POINT(5U, i, v[i] <= rows[r].addr), rows[r].below);
	assert_int_equal(STK_PARTITION_POINT(0U, i, v[i] <= 100), 0);
	for (unsigned n = 1; n <= 5; n++)
		assert_int_equal(STK_PARTITION_POINT(n, i, v[i] < 30), n < 3 ? n : 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_push), cmocka_unit_test(test_reserve),
	    cmocka_unit_test(test_no_memory), cmocka_unit_test(test_partition_point)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
