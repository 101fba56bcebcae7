/* The hash table from keys to pointers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "targets/hash.h"

#define N 5000

static int values[N];

static void test_empty(void **state)
{
	struct stk_hash m = {0};

	(void)state;
	assert_null(stk_hash_get(&m, 0));
	stk_hash_done(&m);
	assert_null(stk_hash_get(&m, 1));
}

static void test_keys_of_all_kinds(void **state)
{
	/* 0 and the greatest are keys as others are; those that share their low bits too. */
	static const uint64_t keys[] = {0, UINT64_MAX, 1, 1ULL << 63, 1ULL << 32, 2ULL << 32};
	struct stk_hash m = {0};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_null(stk_hash_get(&m, keys[i]));
		assert_true(stk_hash_put(&m, keys[i], &values[i]));
	}
	for (unsigned i = 0; i < 6; i++)
		assert_ptr_equal(stk_hash_get(&m, keys[i]), &values[i]);
	assert_null(stk_hash_get(&m, 2));
	assert_int_equal(m.n, 6);
	stk_hash_done(&m);
}

static void test_growing(void **state)
{
	struct stk_hash m = {0};

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_true(stk_hash_put(&m, 0x7f0000001000 + 16ULL * i, &values[i]));
	assert_int_equal(m.n, N);
	assert_true(m.cap >= 2 * N);
	for (unsigned i = 0; i < N; i++) {
		assert_ptr_equal(stk_hash_get(&m, 0x7f0000001000 + 16ULL * i), &values[i]);
		assert_null(stk_hash_get(&m, 0x7f0000001001 + 16ULL * i));
	}
	stk_hash_done(&m);
}

static void test_replacing(void **state)
{
	struct stk_hash m = {0};

	(void)state;
	assert_true(stk_hash_put(&m, 7, &values[0]));
	assert_true(stk_hash_put(&m, 7, &values[1]));
	assert_ptr_equal(stk_hash_get(&m, 7), &values[1]);
	assert_int_equal(m.n, 1);
	stk_hash_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty), cmocka_unit_test(test_keys_of_all_kinds),
	    cmocka_unit_test(test_growing), cmocka_unit_test(test_replacing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
