/* Words of a made-up stack: what a caller passed, and how sure that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dwarf.h>

#include "symbols/debug.h"
#include "values/args.h"

#define RDI 5
#define RSI 4

/* `inner` was called by `middle`, that by `outer`: each with one parameter, in rdi at its entry. */
enum { INNER, MIDDLE, OUTER, FRAMES };

static struct stk_target target;
static struct stk_modules modules = {.target = &target};
static struct stk_debug debug;
static struct stk_module module = {.owner = &modules, .debug = &debug, .debug_tried = true};

static const struct stk_op rdi[] = {{.atom = DW_OP_reg0 + RDI}};
static const struct stk_expr in_rdi = {.ops = rdi, .n = 1};
static const struct stk_op entry_rdi[] = {{.atom = DW_OP_entry_value, .sub = &in_rdi},
					  {.atom = DW_OP_stack_value, .off = 3}};
static const struct stk_expr at_entry = {.ops = entry_rdi, .n = 2};
static const struct stk_op rsi[] = {{.atom = DW_OP_breg0 + RSI}};
static const struct stk_expr from_rsi = {.ops = rsi, .n = 1};
static const struct stk_op seven[] = {{.atom = DW_OP_lit7}};
static const struct stk_expr constant = {.ops = seven, .n = 1};

static struct stk_call_value by_middle[] = {{.reg = RDI, .value = &from_rsi},
					    {.reg = RSI, .value = &at_entry}};
static struct stk_call_value by_outer[] = {{.reg = RDI, .value = &constant}};
static struct stk_call_site sites[FRAMES] = {
    [MIDDLE] = {.values = by_middle, .nvalues = 2, .target = 0x1000},
    [OUTER] = {.values = by_outer, .nvalues = 1},
};

static struct stk_type word = {.kind = STK_TYPE_SCALAR, .size = 8, .align = 8};
static struct stk_param params[FRAMES];
static struct stk_scope levels[FRAMES];
static struct stk_scopes scopes[FRAMES];
static struct stk_frame frames[FRAMES];
static struct stk_stack stack = {.v = frames, .n = FRAMES};

/* `sure`: outer's call is known to have entered middle. */
static void make(bool sure)
{
	memset(&target, 0, sizeof(target));
	target.arch = stk_arch_find(62);
	debug.dw = (Dwarf *)&debug; /* it is only asked whether there is one */
	stk_hash_done(&debug.sites);
	memset(&debug.sites, 0, sizeof(debug.sites));
	sites[OUTER].target = sure ? 0x2000 : 0;
	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t pc = 0x1000 * (i + 1) + 0x10;
		params[i] = (struct stk_param){.type = &word, .loc = &at_entry};
		levels[i] =
		    (struct stk_scope){.params = &params[i], .nparams = 1, .known_params = true};
		scopes[i] = (struct stk_scopes){.v = &levels[i], .n = 1, .entry = 0x1000 * (i + 1)};
		frames[i] = (struct stk_frame){
		    .pc = pc, .how = STK_HOW_CFI, .mod = &module, .scopes = &scopes[i], .phys = i};
		if (i)
			assert_true(stk_hash_put(&debug.sites, pc, &sites[i]));
	}
}

static void is(unsigned frame, enum stk_word_kind kind, uint64_t value)
{
	struct stk_words w;

	stk_frame_args(&modules, &stack, frame, &w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.v[0].kind, kind);
	if (kind != STK_WORD_UNKNOWN)
		assert_int_equal(w.v[0].value, value);
}

static void known_by_the_call(void **state)
{
	(void)state;
	make(true);
	is(MIDDLE, STK_WORD_VALUE, 7);
	is(INNER, STK_WORD_VALUE, 7);
	is(OUTER, STK_WORD_UNKNOWN, 0);
}

static void a_guess_is_marked(void **state)
{
	(void)state;
	make(false);
	is(MIDDLE, STK_WORD_GUESS, 7);
	/* middle's rsi at its call was its own parameter, which is a guess: no register is made of
	 * it. */
	is(INNER, STK_WORD_UNKNOWN, 0);
}

static void another_was_called(void **state)
{
	(void)state;
	make(true);
	sites[OUTER].target = 0x9000;
	is(MIDDLE, STK_WORD_UNKNOWN, 0);
	is(INNER, STK_WORD_UNKNOWN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_by_the_call),
	    cmocka_unit_test(a_guess_is_marked),
	    cmocka_unit_test(another_was_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
