/* DWARF expressions against a made-up frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dwarf.h>

#include "unwind/eval.h"

static bool reg(void *arg, unsigned n, uint64_t *ret)
{
	(void)arg;
	*ret = 100 + n;
	return n != 5; /* rdi is not known */
}

static bool frame_base(void *arg, uint64_t *ret)
{
	(void)arg;
	*ret = 0x7000;
	return true;
}

static const struct stk_target no_memory;
static const struct stk_eval ev = {.target = &no_memory, .reg = reg, .frame_base = frame_base};

static bool value(const struct stk_op *ops, unsigned n, uint64_t *ret)
{
	struct stk_expr e = {.ops = ops, .n = n, .bias = 0x400000};

	return stk_eval_value(&ev, &e, ret, NULL);
}

static void arithmetic(void **state)
{
	static const struct stk_op sum[] = {{.atom = DW_OP_breg0 + 3, .n1 = 7},
					    {.atom = DW_OP_lit0 + 2, .off = 2},
					    {.atom = DW_OP_mul, .off = 3}};
	static const struct stk_op addr[] = {{.atom = DW_OP_addr, .n1 = 0x10}};
	static const struct stk_op zero[] = {
	    {.atom = DW_OP_lit1}, {.atom = DW_OP_lit0, .off = 1}, {.atom = DW_OP_div, .off = 2}};
	uint64_t v = 77;

	(void)state;
	assert_true(value(sum, 3, &v));
	assert_int_equal(v, 220);
	assert_true(value(addr, 1, &v));
	assert_int_equal(v, 0x400010);
	assert_false(value(zero, 3, &v));
	assert_int_equal(v, 0x400010); /* untouched on failure */
}

static void unknown_stays_unknown(void **state)
{
	static const struct stk_op rdi[] = {{.atom = DW_OP_breg0 + 5, .n1 = 0}};
	static const struct stk_op unreadable[] = {{.atom = DW_OP_fbreg, .n1 = 8},
						   {.atom = DW_OP_deref, .off = 2}};
	static const struct stk_op empty[] = {{.atom = DW_OP_plus}};
	static const struct stk_op strange[] = {{.atom = 0xff}};
	uint64_t v;

	(void)state;
	assert_false(value(rdi, 1, &v));
	assert_false(value(unreadable, 2, &v));
	assert_false(value(empty, 1, &v));
	assert_false(value(strange, 1, &v));
}

static void loops_end(void **state)
{
	static const struct stk_op forever[] = {{.atom = DW_OP_skip, .n1 = (uint64_t)-3}};
	uint64_t v;

	(void)state;
	assert_false(value(forever, 1, &v));
}

static void places(void **state)
{
	static const struct stk_op at_frame[] = {{.atom = DW_OP_fbreg, .n1 = (uint64_t)-16}};
	static const struct stk_op two[] = {{.atom = DW_OP_reg0 + 5},
					    {.atom = DW_OP_piece, .n1 = 8, .off = 1},
					    {.atom = DW_OP_piece, .n1 = 4, .off = 3}};
	struct stk_expr e = {.ops = at_frame, .n = 1};
	struct stk_place p;

	(void)state;
	assert_true(stk_eval_place(&ev, &e, &p));
	assert_int_equal(p.n, 1);
	assert_int_equal(p.v[0].kind, STK_PLACE_MEMORY);
	assert_int_equal(p.v[0].value, 0x6ff0);
	e = (struct stk_expr){.ops = two, .n = 3};
	assert_true(stk_eval_place(&ev, &e, &p));
	assert_int_equal(p.n, 2);
	assert_int_equal(p.v[0].kind, STK_PLACE_REG);
	assert_int_equal(p.v[0].bits, 64);
	assert_int_equal(p.v[1].kind, STK_PLACE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arithmetic),
	    cmocka_unit_test(unknown_stays_unknown),
	    cmocka_unit_test(loops_end),
	    cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
