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
static struct stk_budget budget;
static const struct stk_eval ev = {
    .target = &no_memory, .budget = &budget, .reg = reg, .frame_base = frame_base};

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

#define S(n) .type = {STK_OP_SIGNED, n}
#define U(n) .type = {STK_OP_UNSIGNED, n}
#define F(n) .type = {STK_OP_FLOAT, n}

/* A constant of a type, more operations, and the bits that come out. */
static void typed(void **state)
{
	static const struct {
		struct stk_op ops[4];
		uint64_t want;
		bool unknown;
	} t[] = {
	    /* sign and zero extension, and cutting off */
	    {.ops = {{.atom = DW_OP_const_type, S(1), .n1 = 0xfe}, {.atom = DW_OP_convert}},
	     .want = (uint64_t)-2},
	    {.ops = {{.atom = DW_OP_const_type, U(1), .n1 = 0xfe}, {.atom = DW_OP_convert}},
	     .want = 0xfe},
	    {.ops = {{.atom = DW_OP_const_type, U(8), .n1 = 0x1234}, {.atom = DW_OP_convert, S(1)}},
	     .want = 0x34},
	    {.ops = {{.atom = DW_OP_const_type, U(8), .n1 = 0x1284}, {.atom = DW_OP_convert, S(1)}},
	     .want = -124ULL},
	    {.ops = {{.atom = DW_OP_lit31}, {.atom = DW_OP_neg}, {.atom = DW_OP_convert, U(4)}},
	     .want = 0xffffffe1},
	    {.ops = {{.atom = DW_OP_regval_type, S(1), .n1 = 3}, {.atom = DW_OP_convert}},
	     .want = 103},
	    {.ops = {{.atom = DW_OP_regval_type, U(4), .n1 = 5}}, .unknown = true},
	    /* signedness of operations */
	    {.ops = {{.atom = DW_OP_const_type, U(8), .n1 = -9ULL},
		     {.atom = DW_OP_const_type, U(8), .n1 = 3},
		     {.atom = DW_OP_div}},
	     .want = 0x5555555555555552},
	    {.ops = {{.atom = DW_OP_const_type, S(8), .n1 = -9ULL},
		     {.atom = DW_OP_const_type, S(8), .n1 = 3},
		     {.atom = DW_OP_div}},
	     .want = -3ULL},
	    {.ops = {{.atom = DW_OP_const_type, S(4), .n1 = -9U},
		     {.atom = DW_OP_const_type, S(4), .n1 = 4},
		     {.atom = DW_OP_mod}},
	     .want = -1ULL},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = -9U},
		     {.atom = DW_OP_const_type, U(4), .n1 = 4},
		     {.atom = DW_OP_mod}},
	     .want = 3},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = -1U},
		     {.atom = DW_OP_const_type, U(4), .n1 = 1},
		     {.atom = DW_OP_lt}},
	     .want = 0},
	    {.ops = {{.atom = DW_OP_const_type, S(4), .n1 = -1U},
		     {.atom = DW_OP_const_type, S(4), .n1 = 1},
		     {.atom = DW_OP_lt}},
	     .want = 1},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = -1U},
		     {.atom = DW_OP_const_type, U(4), .n1 = 1},
		     {.atom = DW_OP_plus}},
	     .want = 0},
	    {.ops = {{.atom = DW_OP_const_type, S(4), .n1 = -8U},
		     {.atom = DW_OP_lit1},
		     {.atom = DW_OP_shr}},
	     .want = 0x7ffffffc},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = -8U},
		     {.atom = DW_OP_lit1},
		     {.atom = DW_OP_shra}},
	     .want = 0xfffffffc},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = 1},
		     {.atom = DW_OP_const_type, S(4), .n1 = 1},
		     {.atom = DW_OP_plus}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = 1},
		     {.atom = DW_OP_lit1},
		     {.atom = DW_OP_plus}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, U(4), .n1 = 1},
		     {.atom = DW_OP_plus_uconst, .n1 = 2}},
	     .want = 3},
	    /* floats: 2.0, 0.5, 2^60 as doubles */
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x4000000000000000},
		     {.atom = DW_OP_convert, S(4)}},
	     .want = 2},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x3fe0000000000000},
		     {.atom = DW_OP_convert, S(4)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0xbff0000000000000}, /* -1.0 */
		     {.atom = DW_OP_convert, U(8)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0xbff0000000000000},
		     {.atom = DW_OP_convert, S(8)}},
	     .want = UINT64_MAX},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x43b0000000000000},
		     {.atom = DW_OP_convert, S(4)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, S(4), .n1 = -2U}, {.atom = DW_OP_convert, F(4)}},
	     .want = 0xc0000000},
	    {.ops = {{.atom = DW_OP_const_type, S(4), .n1 = (1 << 24) + 1},
		     {.atom = DW_OP_convert, F(4)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, F(4), .n1 = 0x3f000000},
		     {.atom = DW_OP_convert, F(8)}},
	     .want = 0x3fe0000000000000},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x3fe0000000000000},
		     {.atom = DW_OP_convert, F(4)}},
	     .want = 0x3f000000},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x3ff0000000000001},
		     {.atom = DW_OP_convert, F(4)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, F(4), .n1 = 0x3f000000}, {.atom = DW_OP_neg}},
	     .want = 0xbf000000},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 0x3fe0000000000000},
		     {.atom = DW_OP_reinterpret}},
	     .want = 0x3fe0000000000000},
	    {.ops = {{.atom = DW_OP_const_type, F(4), .n1 = 0x3f000000},
		     {.atom = DW_OP_reinterpret, S(8)}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, F(8), .n1 = 1},
		     {.atom = DW_OP_const_type, F(8), .n1 = 1},
		     {.atom = DW_OP_mul}},
	     .unknown = true},
	    /* no such type */
	    {.ops = {{.atom = DW_OP_lit1}, {.atom = DW_OP_convert, .type = {STK_OP_OTHER, 0}}},
	     .unknown = true},
	    {.ops = {{.atom = DW_OP_const_type, .type = {STK_OP_OTHER, 16}, .n1 = 1}},
	     .unknown = true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		uint64_t v = 77;
		unsigned n = 0;
		while (n < 4 && t[i].ops[n].atom)
			n++;
		bool known = value(t[i].ops, n, &v);
		if (known == t[i].unknown || (known && v != t[i].want))
			fail_msg("row %u: known %d, 0x%lx", i, known, (unsigned long)v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(arithmetic), cmocka_unit_test(unknown_stays_unknown),
	    cmocka_unit_test(loops_end),  cmocka_unit_test(places),
	    cmocka_unit_test(typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
