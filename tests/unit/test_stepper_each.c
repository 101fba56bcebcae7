/*
 * Every instruction of real functions: the trap flag stops after each, the stepper walks the whole
 * stack from there, and a shadow of calls and returns tells what it must find: the callers' pcs,
 * and the registers that they had when they called.
 */
#include "stepping.h"

#include <stdio.h>

uint64_t work_cc(uint64_t n, int (*each)(uint64_t, double));
uint64_t work_clang(uint64_t n, int (*each)(uint64_t, double));

#define TRAP_FLAG   0x100
#define SHADOW_MAX  256
#define INSN_MAX    15 /* bytes of an instruction */
#define SAVED_FIRST 8  /* bytes of a word pushed by a call */

struct entry {
	uint64_t slot; /* address of the return address */
	uint64_t ret;
	uint64_t r[STK_REGS_MAX]; /* the caller's registers at the call */
};

static struct entry shadow[SHADOW_MAX];
static unsigned depth;
static uint64_t last_pc, last_sp;
static unsigned long stops, compared, lost_saved, wrong;
static char first_wrong[256];

static void note(const char *what, uint64_t pc, uint64_t got, uint64_t want)
{
	if (!wrong++)
		snprintf(first_wrong, sizeof(first_wrong), "%s at 0x%lx: 0x%lx, not 0x%lx", what,
			 (unsigned long)pc, (unsigned long)got, (unsigned long)want);
}

static void follow(const struct stk_step_frame *f)
{
	uint64_t sp = f->regs.r[(*stk_arch_host).sp], word;

	while (depth && shadow[depth - 1].slot < sp)
		depth--;
	if (sp == last_sp - SAVED_FIRST && stk_guard_read(sp, &word, sizeof(word)) &&
	    word > last_pc && word <= last_pc + INSN_MAX &&
	    !(f->pc > last_pc && f->pc <= last_pc + INSN_MAX) && depth < SHADOW_MAX) {
		struct entry *e = &shadow[depth++];
		e->slot = sp;
		e->ret = word;
		memcpy(e->r, f->regs.r, sizeof(e->r));
	}
	last_pc = f->pc;
	last_sp = sp;
}

static void compare_saved(uint64_t pc, const struct stk_step_frame *f, const struct entry *e)
{
	for (unsigned n = 0; n < STK_REGS_MAX; n++) {
		if (!(stk_bit(&stk_arch_host->callee_saved, n)))
			continue;
		if (!(stk_reg_known(&f->regs, n)))
			lost_saved++;
		else if (f->regs.r[n] != e->r[n])
			note("register", pc, f->regs.r[n], e->r[n]);
	}
}

static void check(struct stk_step_frame f)
{
	uint64_t pc = f.pc;
	struct stk_step_frame next;
	enum stk_step_end end = STK_STEP_MORE;

	for (unsigned k = 0; k < 300 && end == STK_STEP_MORE; k++, f = next) {
		end = step(&f, &next);
		if (end != STK_STEP_MORE)
			break;
		if (next.how != STK_HOW_CFI)
			note("not by CFI", pc, next.pc, next.how);
		if (k >= depth)
			continue;
		const struct entry *e = &shadow[depth - 1 - k];
		compared++;
		if (next.pc != e->ret)
			note("caller", pc, next.pc, e->ret);
		else
			compare_saved(pc, &next, e);
	}
	if (end != STK_STEP_BASE)
		note("end", pc, end, STK_STEP_BASE);
}

static void trap(int sig, siginfo_t *si, void *uc)
{
	struct stk_step_frame f = frame_of(uc);

	(void)sig, (void)si;
	stops++;
	follow(&f);
	check(f);
}

static void toggle(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;

	(void)si;
	if (sig == SIGUSR1)
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	depth = 0;
	last_sp = 0;
}

/* From the return of the first raise() to the last one's signal, each instruction is checked. */
static void stepped(void (*fn)(void))
{
	begin(NULL);
	handle(SIGTRAP, trap, SA_ONSTACK);
	handle(SIGUSR1, toggle, SA_ONSTACK);
	handle(SIGUSR2, toggle, SA_ONSTACK);
	stops = compared = lost_saved = wrong = 0;
	raise(SIGUSR1);
	fn();
	raise(SIGUSR2);
	print_message("%lu instructions, %lu frames compared\n", stops, compared);
	if (wrong)
		fail_msg("%lu wrong, first: %s", wrong, first_wrong);
	assert_true(compared > stops);
}

static volatile int sink;

static int each(uint64_t a, double b)
{
	char text[64];

	return snprintf(text, sizeof(text), "%lx", (unsigned long)(a % 1000)) + (b > 0);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void use_gcc(void)
{
	sink = (int)work_cc(5, each);
}

static void use_libc(void)
{
	static char text[256];
	int v[20];

	/* Functions that nothing here has called yet are bound by the loader while it is stepped.
	 */
	for (unsigned i = 0; i < 20; i++)
		v[i] = (int)(i * 7919 % 101);
	qsort(v, 20, sizeof(*v), compare);
	snprintf(text, sizeof(text), "%d %s %10.3f %-8lx %c", v[3], "text", 3.25, 0xbeefUL, 'x');
	sink = (int)strtol("1234", NULL, 10) + (int)strlen(text);
	free(realloc(malloc(100), 5000));
	sink += getenv("PATH") != NULL;
	sink += (int)strtod("2.5e3", NULL);
}

/* A handler that is stepped itself, and its way back through the trampoline. */
static void in_handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	raise(SIGUSR1);
	sink = (int)strtoul("77", NULL, 8);
}

static void use_handler(void)
{
	handle(SIGWINCH, in_handler, 0);
	raise(SIGWINCH);
	sink += compare(&(int){1}, &(int){2});
}

static void by_gcc(void **state)
{
	(void)state;
	stepped(use_gcc);
	/* gcc's rules for a realigned frame go over rbp; they stay in force after it has popped
	 * rbp, for the last two instructions: there the caller's registers cannot be found. */
	assert_in_range(lost_saved, 0, compared / 1000);
	assert_true(stops > 15000);
}

static void libc(void **state)
{
	(void)state;
	stepped(use_libc);
	assert_int_equal(lost_saved, 0);
	assert_true(stops > 5000);
}

static void handler(void **state)
{
	(void)state;
	stepped(use_handler);
	assert_int_equal(lost_saved, 0);
	assert_true(stops > 200);
}

#ifdef HAVE_CLANG
static void use_clang(void)
{
	sink = (int)work_clang(5, each);
}

static void by_clang(void **state)
{
	(void)state;
	stepped(use_clang);
	assert_int_equal(lost_saved, 0);
	assert_true(stops > 15000);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(libc),
	    cmocka_unit_test(by_gcc),
	    cmocka_unit_test(handler),
#ifdef HAVE_CLANG
	    cmocka_unit_test(by_clang),
#endif
	};

#ifdef __SANITIZE_ADDRESS__
	return 77; /* its interceptors have no call frame information for what they jump through */
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
