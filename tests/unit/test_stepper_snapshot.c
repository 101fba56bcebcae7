/* The table of images: what is shown never changes, and what is held is not written to. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "signal/images/snapshot.h"

static void put(struct stk_images *im, uint64_t start)
{
	struct stk_img img = {.start = start, .end = start + 0x1000};

	stk_images_put(im, &img);
}

static void copied(void **state)
{
	const struct stk_images *before = stk_images_now();
	struct stk_images *im = stk_images_copy();

	(void)state;
	assert_non_null(im);
	assert_ptr_not_equal(im, before);
	put(im, 0x10000);
	assert_int_equal(before->n, 0);
	assert_ptr_equal(stk_images_now(), before);
	stk_images_show(im);
	assert_ptr_equal(stk_images_now(), im);
	assert_int_equal(stk_images_now()->n, 1);
	assert_int_equal(stk_images_now()->v[0].start, 0x10000);
	im = stk_images_copy();
	assert_int_equal(im->n, 1);
	put(im, 0x20000);
	assert_int_equal(stk_images_now()->n, 1);
	stk_images_show(im);
}

static void held(void **state)
{
	const struct stk_images *a = stk_images_hold(), *b;
	struct stk_images *im;

	(void)state;
	/* However often another is shown, nobody writes to this one. */
	for (unsigned i = 0; i < 10; i++) {
		im = stk_images_copy();
		assert_non_null(im);
		assert_ptr_not_equal(im, a);
		stk_images_show(im);
	}
	b = stk_images_hold();
	im = stk_images_copy();
	assert_non_null(im);
	assert_true(im != a && im != b);
	stk_images_show(im);
	assert_null(stk_images_copy());
	stk_images_give_back(a);
	assert_ptr_equal(stk_images_copy(), a);
	stk_images_give_back(b);
}

static atomic_bool done;

/* Each table shown has its own number in all of its entries. */
static void *reads(void *arg)
{
	unsigned *torn = arg;

	while (!atomic_load(&done)) {
		const struct stk_images *im = stk_images_hold();
		for (unsigned i = 1; i < im->n; i++)
			*torn += im->v[i].bias != im->v[0].bias;
		stk_images_give_back(im);
	}
	return NULL;
}

static void raced(void **state)
{
	unsigned torn = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, reads, &torn), 0);
	for (uint64_t turn = 0; turn < 20000; turn++) {
		struct stk_images *im = stk_images_copy();
		if (!im)
			continue;
		im->n = 0;
		for (uint64_t i = 0; i < 20; i++) {
			struct stk_img img = {.start = i << 12, .end = (i + 1) << 12, .bias = turn};
			stk_images_put(im, &img);
		}
		stk_images_show(im);
	}
	atomic_store(&done, true);
	pthread_join(t, NULL);
	assert_int_equal(torn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(copied),
	    cmocka_unit_test(held),
	    cmocka_unit_test(raced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
