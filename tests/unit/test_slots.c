/* Threads' slots: their stacks have guards, are used again, and are those of one process. */
#include "../../signal/state/slots.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Is this byte there? As the kernel sees it. */
static bool there(const void *p)
{
	static int fds[2];
	char c;

	if (!fds[1])
		assert_int_equal(pipe(fds), 0);
	if (write(fds[1], p, 1) != 1)
		return false;
	return read(fds[0], &c, 1) == 1;
}

struct seen {
	unsigned n, me;
};

static void count(void *arg, int tid)
{
	struct seen *s = arg;

	s->n++;
	s->me += tid == (int)sys0(SYS_gettid);
}

static unsigned known(unsigned me)
{
	struct seen s = {0};

	unsigned n = stk_threads_known(count, &s);
	assert_int_equal(n, s.n);
	assert_int_equal(s.me, me);
	return s.n;
}

static int mappings(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n;
}

static void first(void **state)
{
	size_t size;

	(void)state;
	assert_false(stk_slots_started());
	stk_slots_start();
	assert_true(stk_slots_started());
	assert_int_equal(known(0), 0);
	assert_int_equal(stk_slot_take(), 0);
	assert_int_equal(known(1), 1);
	char *p = stk_slot_stack(0, &size);
	assert_non_null(p);
	/* All signals at once, one upon the other. */
	assert_true(size > 64 * getauxval(AT_MINSIGSTKSZ) + 50000);
	assert_true(there(p) && there(p + size - 1));
	assert_false(there(p - 1));
	assert_false(there(p - STK_PAGE));
	assert_true(stk_slot_is_stack(p, size));
	assert_false(stk_slot_is_stack(p, size + 8));
	assert_false(stk_slot_is_stack(p + STK_PAGE, size));
	assert_false(stk_slot_is_stack(NULL, 0));
}

#define MANY 5000

/* Slots of their own and in slabs; here all of them are the main thread's. */
static void many(void **state)
{
	static char *at[MANY];
	int before = mappings();
	size_t size;

	(void)state;
	for (int i = 1; i < MANY; i++) {
		assert_int_equal(stk_slot_take(), i);
		at[i] = stk_slot_stack(i, &size);
		assert_non_null(at[i]);
		assert_true(size > 64 * getauxval(AT_MINSIGSTKSZ) + 50000);
		assert_true(there(at[i]) && there(at[i] + size - 1));
		assert_true(stk_slot_is_stack(at[i], size));
		assert_false(stk_slot_is_stack(at[i] - STK_PAGE, size));
		if (i < PROTECTED)
			assert_false(there(at[i] - 1));
		memset(at[i] + size - 100, 1, 100);
		for (int k = 1; k < i && i < 300; k++)
			assert_true(at[k] + size <= at[i] - STK_PAGE ||
				    at[i] + size <= at[k] - STK_PAGE);
	}
	assert_int_equal(known(MANY), MANY);
	/* One for each of the first and each slab, where the kernel has guards without mappings. */
	if (!madvise(at[1] - STK_PAGE, STK_PAGE, MADV_GUARD_INSTALL))
		assert_true(mappings() - before <= SINGLES + (MANY - SINGLES) / EACH + 3);
	/* Free ones are found wherever they are, the lowest first, and are empty. */
	static const int freed[] = {3, 255, 256, 300, 320, 4711, 4999};
	for (int i = 6; i >= 0; i--)
		stk_slot_give_back(freed[i]);
	assert_int_equal(known(MANY - 7), MANY - 7);
	for (int i = 0; i < 7; i++) {
		unsigned char resident[1024];
		assert_int_equal(mincore(at[freed[i]], size, resident), 0);
		for (size_t k = 0; k < size / STK_PAGE; k++)
			assert_false(resident[k] & 1);
	}
	for (int i = 0; i < 7; i++) {
		assert_int_equal(stk_slot_take(), freed[i]);
		assert_ptr_equal(stk_slot_stack(freed[i], &size), at[freed[i]]);
		assert_int_equal(at[freed[i]][size - 1], 0);
		assert_false(freed[i] < PROTECTED && there(at[freed[i]] - 1));
	}
	assert_int_equal(stk_slot_take(), MANY);
	stk_slot_give_back(MANY);
}

/* A child has one thread, and all other slots to give. */
static void forked(void **state)
{
	int status;

	(void)state;
	assert_int_equal(stk_slot_take(), MANY);
	pid_t pid = fork();
	if (!pid) {
		size_t size;
		if (known(1) != 1)
			_exit(1);
		for (int i = 0; i < MANY; i++)
			if (stk_slot_take() != i || !stk_slot_stack(i, &size))
				_exit(2);
		if (known(MANY + 1) != MANY + 1 || stk_slot_take() != MANY + 1)
			_exit(3);
		_exit(77);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 77 << 8);
	/* One that was forked past libc does not tell of its parent's threads. */
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(known(0) == 0 ? 78 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 78 << 8);
	assert_int_equal(known(MANY + 1), MANY + 1);
}

/* Many threads at a time take slots and give them back: none is given to two. */
static _Atomic int taken[40000];
static _Atomic int wrong;

static void *churn(void *p)
{
	for (int i = 0; i < 3000; i++) {
		int slots[3];
		for (int k = 0; k < 3; k++) {
			slots[k] = stk_slot_take();
			wrong += slots[k] < 0 || atomic_fetch_add(&taken[slots[k]], 1) != 0;
		}
		for (int k = 0; k < 3; k++) {
			atomic_fetch_sub(&taken[slots[k]], 1);
			stk_slot_give_back(slots[k]);
		}
	}
	return p;
}

static void churned(void **state)
{
	unsigned before = known(MANY + 1);
	pthread_t t[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(known(MANY + 1), before);
	assert_int_equal(stk_slot_take(), MANY + 1);
}

/* No memory for a slab, no slot: and one again when there is some. */
static void no_memory(void **state)
{
	struct rlimit was, tight;
	int slot;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	tight = was;
	tight.rlim_cur = 1 << 20;
	while ((slot = stk_slot_take()) % EACH != EACH - 1)
		assert_true(slot >= 0);
	assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
	int none = stk_slot_take();
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	assert_int_equal(none, -1);
	assert_int_equal(stk_slot_take(), slot + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first),   cmocka_unit_test(many),      cmocka_unit_test(forked),
	    cmocka_unit_test(churned), cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
