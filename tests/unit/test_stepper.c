/* The in-process unwinder against glibc's backtrace(3), and where that has no answer. */
#include "stepping.h"

#include <execinfo.h>
#include <sys/mman.h>

int bare_kept(int (*fn)(int), int n);
int bare_lost(int (*fn)(int), int n);

#ifdef __SANITIZE_ADDRESS__
#define INTERCEPTORS 1 /* frames between a caller and glibc's backtrace() */
#else
#define INTERCEPTORS 0
#endif

static struct walked w;
static void *expected[FRAMES_MAX];
static int checks;

/* All frames but this one: its two pcs differ. */
NOINLINE static void same_as_backtrace(void)
{
	ucontext_t uc;

	getcontext(&uc);
	int n = backtrace(expected, FRAMES_MAX);
	walk(&uc, &w);
	assert_int_equal(w.end, STK_STEP_BASE);
	assert_int_equal(w.n, n - INTERCEPTORS);
	for (unsigned i = 1; i < w.n; i++) {
		assert_int_equal(w.pc[i], (uintptr_t)expected[i + INTERCEPTORS]);
		assert_int_equal(w.how[i], STK_HOW_CFI);
	}
	checks++;
}

NOINLINE static int deep(int n)
{
	if (n)
		return deep(n - 1) + 1;
	same_as_backtrace();
	return 0;
}

static void own_stack(void **state)
{
	begin(state);
	assert_int_equal(deep(0), 0);
	assert_int_equal(deep(1000), 1000);
	assert_true(w.n > 1000);
}

/* Without the search table: all of .eh_frame, entry by entry. */
static void by_linear_scan(void **state)
{
	int32_t rel;

	begin(state);
	for (unsigned i = 0; i < images.n; i++) {
		struct stk_img *img = &images.v[i];
		if (!img->eh_hdr)
			continue;
		memcpy(&rel, (char *)(uintptr_t)img->eh_hdr + 4, 4);
		img->eh_frame = img->eh_hdr + 4 + (uint64_t)(int64_t)rel;
		img->eh_frame_len = img->end - img->eh_frame;
		img->eh_hdr = 0;
	}
	assert_int_equal(deep(3), 3);
}

static int compare(const void *a, const void *b)
{
	same_as_backtrace();
	return *(const int *)a - *(const int *)b;
}

static void callbacks(void **state)
{
	int v[] = {5, 3, 9, 1, 7}, key = 7;

	begin(state);
	checks = 0;
	qsort(v, 5, sizeof(*v), compare);
	assert_ptr_equal(bsearch(&key, v, 5, sizeof(*v), compare), &v[3]);
	assert_true(checks > 6);
}

static struct walked from_context;

static void inner(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si;
	same_as_backtrace();
	/* The interrupted context alone gives the same stack from there on. */
	walk(uc, &from_context);
	assert_int_equal(from_context.end, STK_STEP_BASE);
	assert_in_range(from_context.n, 10, w.n - 2);
	for (unsigned i = 0; i < from_context.n; i++)
		assert_int_equal(from_context.pc[i], w.pc[w.n - from_context.n + i]);
}

static void outer(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	same_as_backtrace();
	raise(SIGUSR2);
}

static int compare_raise(const void *a, const void *b)
{
	raise(SIGUSR1);
	return *(const int *)a - *(const int *)b;
}

static void in_handlers(int outer_flags, int inner_flags)
{
	int v[] = {2, 1, 3};

	handle(SIGUSR1, outer, outer_flags);
	handle(SIGUSR2, inner, inner_flags);
	checks = 0;
	qsort(v, 3, sizeof(*v), compare_raise);
	assert_true(checks >= 4);
}

static void nested_handlers(void **state)
{
	begin(state);
	in_handlers(SA_ONSTACK, SA_ONSTACK);
	in_handlers(SA_ONSTACK, 0);
	in_handlers(0, SA_ONSTACK);
	in_handlers(0, 0);
}

/* A fault at the first instruction of a function, where the one before it belongs to another, with
 * other rules: the interrupted pc is looked up as it is. */
int fault_at_entry(void);
__asm__(".text\n"
	"before_entry:\n"
	"	.cfi_startproc\n"
	"	sub $72, %rsp\n"
	"	.cfi_def_cfa_offset 80\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	".globl fault_at_entry\n"
	".type fault_at_entry, @function\n"
	"fault_at_entry:\n"
	"	.cfi_startproc\n"
	"	ud2\n"
	"	mov $5, %eax\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size fault_at_entry, . - fault_at_entry\n");

static void step_over(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si;
	same_as_backtrace();
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void fault_at_entry_of(void **state)
{
	begin(state);
	handle(SIGILL, step_over, 0);
	checks = 0;
	assert_int_equal(fault_at_entry(), 5);
	assert_int_equal(checks, 1);
}

NOINLINE static int walk_here(int n)
{
	ucontext_t uc;

	getcontext(&uc);
	walk(&uc, &w);
	return n;
}

static void *bare_ret;

NOINLINE static int call_bare(int (*bare)(int (*)(int), int))
{
	int r = bare(walk_here, 7);
	bare_ret = __builtin_extract_return_addr(__builtin_return_address(0));
	return r;
}

/* walk_here, the bare function, call_bare, its caller. */
static void without_cfi(void **state)
{
	begin(state);
	assert_int_equal(call_bare(bare_kept), 14);
	assert_int_equal(w.end, STK_STEP_BASE);
	assert_int_equal(w.how[1], STK_HOW_CFI);
	assert_int_equal(w.how[2], STK_HOW_FP);
	assert_int_equal(w.how[3], STK_HOW_CFI);
	assert_int_equal(w.pc[3], (uintptr_t)bare_ret);
	assert_int_equal(call_bare(bare_lost), 14);
	assert_int_equal(w.end, STK_STEP_BASE);
	assert_int_equal(w.how[1], STK_HOW_CFI);
	assert_int_equal(w.how[2], STK_HOW_SCAN);
	/* call_bare keeps a frame pointer at -O0, which a scan does not recover: the next is then
	 * found by scanning too, or its CFA follows the stack pointer. */
	assert_true(w.pc[2] > (uintptr_t)call_bare && w.pc[2] < (uintptr_t)call_bare + 256);
}

static sigjmp_buf back;
static uint64_t return_addr;
static struct walked whole;

NOINLINE static void record(void)
{
	ucontext_t uc;

	return_addr = (uintptr_t)__builtin_return_address(0);
	getcontext(&uc);
	walk(&uc, &whole);
}

static void walk_fault(int sig, siginfo_t *si, ucontext_t *uc)
{
	struct stk_step_frame f = frame_of(uc);

	(void)sig, (void)si;
	f.nowhere = (uc->uc_mcontext.gregs[REG_ERR] & 0x10) != 0;
	walk_from(f, &w);
	siglongjmp(back, 1);
}

NOINLINE static void call_it(void (*fn)(void))
{
	fn();
	__asm__ volatile("");
}

static void call_nowhere(uint64_t addr)
{
	volatile uint64_t to = (uintptr_t)record;

	for (volatile int i = 0; i < 2; i++) {
		on_fault = walk_fault;
		if (!sigsetjmp(back, 1))
			call_it((void (*)(void))(uintptr_t)to);
		to = addr;
	}
	on_fault = NULL;
	assert_int_equal(w.pc[0], addr);
	assert_int_equal(w.pc[1], return_addr);
	assert_int_equal(w.how[1], STK_HOW_CALL);
	assert_int_equal(w.end, STK_STEP_BASE);
	assert_int_equal(w.n, whole.n);
	for (unsigned i = 2; i < w.n; i++) {
		assert_int_equal(w.pc[i], whole.pc[i]);
		assert_int_equal(w.how[i], STK_HOW_CFI);
	}
}

static int data_word;

static void calls_to_nowhere(void **state)
{
	char *heap = malloc(64);

	begin(state);
	call_nowhere(0);
	call_nowhere(0x123456789abULL);
	call_nowhere((uintptr_t)heap);
	call_nowhere((uintptr_t)&data_word);
	free(heap);
}

/* Code of no image: the frame pointer chain leads through it. */
static void through_jit(void **state)
{
	/* push %rbp; mov %rsp,%rbp; mov %rdi,%rax; mov %esi,%edi; call *%rax; pop %rbp; ret */
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
				       0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
	uint8_t *jit = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	begin(state);
	if (jit == MAP_FAILED)
		skip();
	memcpy(jit, code, sizeof(code));
	assert_int_equal(((int (*)(int (*)(int), int))(uintptr_t)jit)(walk_here, 3), 3);
	assert_int_equal(w.pc[1], (uintptr_t)jit + 11);
	assert_int_equal(w.how[2], STK_HOW_FP);
	assert_true(w.pc[2] > (uintptr_t)through_jit && w.pc[2] < (uintptr_t)through_jit + 1024);
	assert_int_equal(w.end, STK_STEP_BASE);
	munmap(jit, 4096);
}

/* A frame pointer is followed only if it can be one. */
static void frame_pointers_refused(void **state)
{
	static uint64_t stack[1024];
	static const uint8_t nop[16] = {0x90};
	uint64_t good;

	begin(state);
	record();
	good = return_addr;
	const struct {
		uint64_t fp, old, ret;
		bool ok;
	} t[] = {
	    {(uintptr_t)&stack[8], (uintptr_t)&stack[20], good, true},
	    {(uintptr_t)&stack[8], 0, good, true},
	    {(uintptr_t)&stack[8], (uintptr_t)&stack[8], good, false},
	    {(uintptr_t)&stack[8], (uintptr_t)&stack[7], good, false},
	    {(uintptr_t)&stack[8], (uintptr_t)&stack[20], good + 1, false},
	    {(uintptr_t)&stack[8], (uintptr_t)&stack[20], (uintptr_t)&nop[8], false},
	    {(uintptr_t)&stack[1], (uintptr_t)&stack[20], good, false}, /* below sp */
	    {(uintptr_t)&stack[8] + 4, (uintptr_t)&stack[20], good, false},
	    {8, 0, 0, false},
	};
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct stk_step_frame f = {.regs.valid = {{1U << 6 | 1U << 7}}, .exact = true},
				      next;
		f.pc = (uintptr_t)nop;
		f.regs.r[6] = t[i].fp;
		f.regs.r[7] = (uintptr_t)&stack[4];
		memset(stack, 0, sizeof(stack));
		if (t[i].fp > 8) {
			memcpy((void *)(uintptr_t)t[i].fp, &t[i].old, 8);
			memcpy((void *)(uintptr_t)(t[i].fp + 8), &t[i].ret, 8);
		}
		/* A scan would find the good address too. */
		enum stk_step_end end = step(&f, &next);
		assert_int_equal(end == STK_STEP_MORE && next.how == STK_HOW_FP, t[i].ok);
		if (!t[i].ok)
			continue;
		assert_int_equal(next.pc, good);
		assert_int_equal(next.regs.r[6], t[i].old);
		assert_int_equal(next.regs.r[7], t[i].fp + 16);
		assert_int_equal(next.regs.valid.w[0], 1U << 6 | 1U << 7 | 1U << 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(own_stack),
	    cmocka_unit_test(by_linear_scan),
	    cmocka_unit_test(callbacks),
	    cmocka_unit_test(nested_handlers),
	    cmocka_unit_test(without_cfi),
	    cmocka_unit_test(fault_at_entry_of),
	    cmocka_unit_test(calls_to_nowhere),
	    cmocka_unit_test(through_jit),
	    cmocka_unit_test(frame_pointers_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
