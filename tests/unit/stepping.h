/* What the stepper's tests share: handlers, frames from a context, a walk. */
#ifndef TESTS_UNIT_STEPPING_H
#define TESTS_UNIT_STEPPING_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arch.h"
#include "signal/images/images.h"
#include "signal/images/stepper.h"
#include "signal/kernel/guard.h"

#define NOINLINE   __attribute__((noinline))
#define FRAMES_MAX 4096

struct walked {
	unsigned n;
	enum stk_step_end end;
	uint64_t pc[FRAMES_MAX];
	enum stk_how how[FRAMES_MAX];
};

static struct stk_images images;
static struct stk_own_stepper stepper;

/* General registers by DWARF number (System V ABI, figure 3.36). */
static const int greg[STK_REGS_MAX] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				       REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
				       REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

static inline struct stk_step_frame frame_of(const ucontext_t *uc)
{
	struct stk_step_frame f = {.regs.valid = {{(1ULL << STK_REGS_MAX) - 1}}, .exact = true};

	for (unsigned i = 0; i < STK_REGS_MAX; i++)
		f.regs.r[i] = (uint64_t)uc->uc_mcontext.gregs[greg[i]];
	f.pc = f.regs.r[(*stk_arch_host).pc];
	return f;
}

/* With the images as they are now. */
static inline enum stk_step_end step(struct stk_step_frame *f, struct stk_step_frame *next)
{
	stk_own_stepper(&stepper, &images, stk_arch_host);
	return stk_step(&stepper.s, f, next).end;
}

static inline void walk_from(struct stk_step_frame f, struct walked *ret)
{
	struct stk_step_frame next;

	for (ret->n = 0; ret->n < FRAMES_MAX; f = next) {
		ret->end = step(&f, &next);
		if (ret->end == STK_STEP_LOOP)
			return;
		ret->pc[ret->n] = f.pc;
		ret->how[ret->n++] = f.how;
		if (ret->end != STK_STEP_MORE)
			return;
	}
}

static inline void walk(const ucontext_t *uc, struct walked *ret)
{
	walk_from(frame_of(uc), ret);
}

static void (*on_fault)(int sig, siginfo_t *si, ucontext_t *uc);

static inline void fault(int sig, siginfo_t *si, void *arg)
{
	if (stk_guard_fix(arg))
		return;
	if (on_fault)
		on_fault(sig, si, arg);
	else
		_exit(3);
}

static inline void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

/* First in each test: cmocka installs handlers of its own before it. */
static inline void begin(void **state)
{
	static char alt[1 << 17];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};

	(void)state;
	sigaltstack(&ss, NULL);
	handle(SIGSEGV, fault, SA_ONSTACK | SA_NODEFER);
	handle(SIGBUS, fault, SA_ONSTACK | SA_NODEFER);
	stk_images_collect(&images);
}

#endif
