/*
 * Steps over made-up memory: code of an image at CODE, which has no call frame information but what
 * a test gives it, and a stack at STACK.
 */
#include "stepping.h"

#define CODE  0x400000UL
#define STACK 0x7ff000UL
#define SIZE  0x1000UL
#define WORDS (SIZE / 8)

static uint8_t code_bytes[SIZE];
static uint64_t stack[WORDS];
static uint64_t begins, put_at, row_at; /* a function; one of a run time system; the one row */
static struct stk_cfi_row made_row;
static struct stk_step_frame f, next;

static bool made_read(void *arg, uint64_t addr, void *to, size_t len)
{
	(void)arg;
	if (addr >= CODE && addr - CODE <= SIZE - len)
		memcpy(to, code_bytes + (addr - CODE), len);
	else if (addr >= STACK && addr - STACK <= SIZE - len)
		memcpy(to, (uint8_t *)stack + (addr - STACK), len);
	else
		return false;
	return true;
}

static const struct stk_cfi_row *made_row_at(void *arg, uint64_t pc)
{
	(void)arg;
	return pc == row_at ? &made_row : NULL;
}

static enum stk_code_kind made_code(void *arg, uint64_t addr)
{
	(void)arg;
	return addr >= CODE && addr < CODE + SIZE ? STK_CODE_IMAGE : STK_CODE_NO;
}

static uint64_t made_entry(void *arg, uint64_t pc)
{
	(void)arg;
	return begins && pc >= begins ? begins : 0;
}

static bool made_put(void *arg, uint64_t pc)
{
	(void)arg;
	return put_at && pc == put_at;
}

static const struct stk_reader mem = {made_read, NULL};

/* A frame at `pc`, with the stack pointer at the beginning of the stack. */
static void made(uint64_t pc, bool exact)
{
	f = (struct stk_step_frame){.pc = pc, .exact = exact, .how = STK_HOW_CFI};
	if (exact)
		f.how = STK_HOW_REGS;
	stk_reg_set(&f.regs, stk_arch_host->pc, pc);
	stk_reg_set(&f.regs, stk_arch_host->sp, STACK);
}

static enum stk_step_end made_step(bool symbols)
{
	const struct stk_stepper s = {.arch = stk_arch_host,
				      .mem = &mem,
				      .row = made_row_at,
				      .code = made_code,
				      .entry = symbols ? made_entry : NULL,
				      .put = symbols ? made_put : NULL};

	return stk_step(&s, &f, &next).end;
}

static void put_code(uint64_t at, const void *bytes, size_t len)
{
	memcpy(code_bytes + (at - CODE), bytes, len);
}

static int clear(void **state)
{
	(void)state;
	memset(code_bytes, 0xcc, sizeof(code_bytes));
	memset(stack, 0, sizeof(stack));
	begins = put_at = row_at = 0;
	made_row = (struct stk_cfi_row){.cfa_kind = STK_CFI_VAL_OFFSET, .cfa_reg = 7, .cfa = 8};
	return 0;
}

/* Behind the nop with which runtime.goexit begins, and behind one that fills up what lies before a
 * function. */
static void a_goroutine_returns_to_goexit(void **state)
{
	static const uint8_t goexit[] = {0x90, 0xe8, 0, 1, 0, 0, 0x90};

	(void)state;
	put_code(CODE + 0x100, goexit, sizeof(goexit));
	made(CODE + 0x101, false);
	assert_int_not_equal(made_step(false), STK_STEP_NO_CALL);
	begins = CODE + 0x100;
	assert_int_not_equal(made_step(true), STK_STEP_NO_CALL);
	begins = CODE + 0x101;
	assert_int_equal(made_step(true), STK_STEP_NO_CALL);
	row_at = CODE + 0x100;
	assert_int_not_equal(made_step(true), STK_STEP_NO_CALL);
	made_row.off = 1;
	assert_int_equal(made_step(false), STK_STEP_NO_CALL);
	row_at = 0;
	begins = CODE + 0x100;
	code_bytes[0x101] = 0x55;
	assert_int_equal(made_step(true), STK_STEP_NO_CALL);
	assert_int_equal(made_step(false), STK_STEP_NO_CALL);
}

/* At a function that only returns: the one by which Go changes stacks, and any other. */
static void a_stack_is_left_for_another(void **state)
{
	(void)state;
	code_bytes[0x200] = 0xc3;
	begins = CODE + 0x200;
	made(CODE + 0x200, false);
	assert_int_equal(made_step(true), STK_STEP_NO_CALL);
	assert_false(f.exact);
	put_at = CODE + 0x200;
	assert_int_not_equal(made_step(true), STK_STEP_NO_CALL);
	assert_true(f.exact);
	made(CODE + 0x200, false);
	assert_int_equal(made_step(false), STK_STEP_NO_CALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_goroutine_returns_to_goexit, clear),
	    cmocka_unit_test_setup(a_stack_is_left_for_another, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
