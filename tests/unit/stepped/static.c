/* A static program walks its own stack, from a callback of qsort to its base. Status 0: all frames
 * by call frame information, main's among them, and the base reached. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "base/arch.h"
#include "signal/images/stepper.h"
#include "signal/kernel/guard.h"

static struct stk_images images;
static struct stk_own_stepper stepper;
static uint64_t main_ret;
static int seen_main, frames, bad;

static void fault(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si;
	if (!stk_guard_fix(uc))
		_Exit(3);
}

static void walk(const ucontext_t *uc)
{
	static const int saved[][2] = {{3, REG_RBX},  {6, REG_RBP},  {7, REG_RSP},  {12, REG_R12},
				       {13, REG_R13}, {14, REG_R14}, {15, REG_R15}, {16, REG_RIP}};
	struct stk_step_frame f = {.exact = true}, next;
	enum stk_step_end end;

	for (unsigned i = 0; i < sizeof(saved) / sizeof(*saved); i++) {
		f.regs.r[saved[i][0]] = (uint64_t)uc->uc_mcontext.gregs[saved[i][1]];
		stk_bit_set(&f.regs.valid, (unsigned)saved[i][0]);
	}
	f.pc = f.regs.r[16];
	for (frames = 1; frames < 100; frames++, f = next) {
		end = stk_step(&stepper.s, &f, &next).end;
		if (end != STK_STEP_MORE)
			break;
		bad += next.how != STK_HOW_CFI;
		seen_main += next.pc == main_ret;
	}
	bad += end != STK_STEP_BASE;
}

static int compare(const void *a, const void *b)
{
	ucontext_t uc;

	getcontext(&uc);
	if (!frames)
		walk(&uc);
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) void sort(void)
{
	int v[] = {2, 1};

	main_ret = (uint64_t)(uintptr_t)__builtin_return_address(0);
	qsort(v, 2, sizeof(*v), compare);
	__asm__ volatile("");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	stk_images_collect(&images);
	stk_images_refresh(&images);
	stk_own_stepper(&stepper, &images, stk_arch_host);
	sort();
	printf("%d frames, %d not as expected, main seen %d times\n", frames, bad, seen_main);
	return bad || seen_main != 1 || frames < 6;
}
