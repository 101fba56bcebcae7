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

/* A call to `to`, so that the return address is `ret`. */
static void put_call(uint64_t ret, uint64_t to)
{
	int32_t rel = (int32_t)(to - ret);

	code_bytes[ret - 5 - CODE] = 0xe8;
	put_code(ret - 4, &rel, 4);
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

/* A word of the stack whose call leads here proves nothing where the stack pointer has moved. */
static void a_leaf_keeps_the_stack_pointer(void **state)
{
	/* xor %eax,%eax; add (%rdi),%eax */
	static const uint8_t leaf[] = {0x31, 0xc0, 0x03, 0x07, 0xc3};
	/* sub $32,%rsp; add (%rdi),%eax */
	static const uint8_t moves[] = {0x48, 0x83, 0xec, 0x20, 0x03, 0x07, 0xc3};

	(void)state;
	put_code(CODE + 0x300, leaf, sizeof(leaf));
	put_code(CODE + 0x340, moves, sizeof(moves));
	put_call(CODE + 0x800, CODE + 0x300);
	put_call(CODE + 0x900, CODE + 0x340);
	stack[0] = CODE + 0x800;
	made(CODE + 0x302, true);
	assert_int_equal(made_step(false), STK_STEP_MORE);
	assert_int_equal(next.pc, CODE + 0x800);
	assert_int_equal(next.how, STK_HOW_CALL);
	stack[0] = CODE + 0x900;
	made(CODE + 0x340, true);
	assert_int_equal(made_step(false), STK_STEP_MORE);
	assert_int_equal(next.how, STK_HOW_CALL);
	made(CODE + 0x344, true);
	assert_int_not_equal(made_step(false), STK_STEP_MORE);
}

static void a_leaf_is_one_function(void **state)
{
	(void)state;
	memset(code_bytes + 0x300, 0x90, 0x20);
	put_call(CODE + 0x800, CODE + 0x300);
	stack[0] = CODE + 0x800;
	made(CODE + 0x310, true);
	assert_int_equal(made_step(true), STK_STEP_MORE);
	/* Its beginning may have call frame information that ends before the pc (clone3). */
	row_at = CODE + 0x300;
	assert_int_equal(made_step(true), STK_STEP_MORE);
	row_at = CODE + 0x30f;
	assert_int_not_equal(made_step(true), STK_STEP_MORE);
	row_at = 0;
	begins = CODE + 0x308;
	code_bytes[0x309] = 0x55;
	made(CODE + 0x310, true);
	assert_int_not_equal(made_step(true), STK_STEP_MORE);
}

/* Called through a pointer: only the symbol tells where it begins. */
static void a_leaf_begins_at_its_symbol(void **state)
{
	static const uint8_t call[] = {0xff, 0xd0};

	(void)state;
	memset(code_bytes + 0x300, 0x90, 0x20);
	put_code(CODE + 0x7fe, call, sizeof(call));
	stack[0] = CODE + 0x800;
	begins = CODE + 0x310;
	for (unsigned i = 0; i < 2; i++) {
		made(CODE + 0x310 + i, true);
		assert_int_not_equal(made_step(false), STK_STEP_MORE);
		made(CODE + 0x310 + i, true);
		assert_int_equal(made_step(true), STK_STEP_MORE);
		assert_int_equal(next.pc, CODE + 0x800);
		assert_int_equal(next.how, STK_HOW_CALL);
		assert_int_equal(f.cfa, STACK + 8);
	}
	stack[0] = CODE + 0x810;
	assert_int_not_equal(made_step(true), STK_STEP_MORE);
}

/* 2 arguments, 1 variable, the auxiliary vector. */
static const uint64_t start[] = {
    2, STACK + 0x800, STACK + 0x810, 0, STACK + 0x820, 0, 33, 0x1000, 6, 4096, 0, 0};
enum { ARGC, ARGV, ENVP = 4, AUXV = 6, PAGESZ = 8 };

static enum stk_step_end started(unsigned at, uint64_t v)
{
	memcpy(stack, start, sizeof(start));
	stack[at] = v;
	made(CODE + 0x400, true);
	return made_step(true);
}

static void a_process_starts(void **state)
{
	(void)state;
	memset(stack, 0x41, sizeof(stack));
	assert_int_equal(started(ARGC, 2), STK_STEP_BASE);
	/* The program may have set its variables anew. */
	assert_int_equal(started(ENVP, 0x1000), STK_STEP_BASE);
	assert_int_equal(started(PAGESZ + 1, 65536), STK_STEP_BASE);
	assert_int_not_equal(started(ARGC, 1), STK_STEP_BASE);
	assert_int_not_equal(started(ARGC, 3), STK_STEP_BASE);
	assert_int_not_equal(started(ARGV, STACK - 8), STK_STEP_BASE);
	assert_int_not_equal(started(ARGV + 1, STACK - 8), STK_STEP_BASE);
	assert_int_not_equal(started(PAGESZ, 7), STK_STEP_BASE);
	assert_int_not_equal(started(PAGESZ + 1, 4097), STK_STEP_BASE);
	assert_int_not_equal(started(PAGESZ + 1, 2048), STK_STEP_BASE);
	assert_int_not_equal(started(PAGESZ + 2, 1), STK_STEP_BASE);
}

/* {1, its address, 0}: a count, a pointer, and a zero make no start. */
static void an_array_starts_no_process(void **state)
{
	(void)state;
	stack[0] = 1;
	stack[1] = STACK + 64;
	made(CODE + 0x400, true);
	assert_int_not_equal(made_step(true), STK_STEP_BASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_goroutine_returns_to_goexit, clear),
	    cmocka_unit_test_setup(a_stack_is_left_for_another, clear),
	    cmocka_unit_test_setup(a_leaf_keeps_the_stack_pointer, clear),
	    cmocka_unit_test_setup(a_process_starts, clear),
	    cmocka_unit_test_setup(an_array_starts_no_process, clear),
	    cmocka_unit_test_setup(a_leaf_is_one_function, clear),
	    cmocka_unit_test_setup(a_leaf_begins_at_its_symbol, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
