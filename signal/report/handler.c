/*
 * The handler. CRASH context, all of it: no malloc, no stdio, no locks, no libc call
 * (docs/SIGNAL-SAFETY.md).
 *
 * One thread reports at a time (the gate). It copies what the kernel gave it, goes over to a stack
 * of its own, writes the header, lets the tiers report, and gives the signal back to the kernel so
 * that wait status and core are those of the fault.
 */
#include "signal/report/handler.h"

#include <errno.h>

#include "base/mem.h"
#include "signal/crash.h"
#include "signal/images/snapshot.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/context.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"
#include "signal/report/deliver.h"
#include "signal/report/gate.h"
#include "signal/report/report.h"
#include "signal/state/action.h"
#include "signal/state/belief.h"
#include "signal/state/end.h"
#include "signal/state/options.h"
#include "signal/state/self.h"
#include "signal/state/state.h"
#include "signal/tiers/collect.h"
#include "signal/tiers/fallback.h"
#include "signal/tiers/supervise.h"

#define FAULTS_TOLD 8  /* after so many the report ends */
#define FAULTS_MAX  16 /* and after so many the process, by raw calls */

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code, asm-generic/siginfo.h */
#endif

/* A crash inside the report goes on upon the other one: its signal frame lies on the first. */
static uint8_t own_stack[2][65536] STK_APART __attribute__((aligned(16)));

/* The end of an own stack on which `p` does not lie. */
static void *stack_without(const void *p)
{
	const uint8_t *at = p;
	bool first = at >= own_stack[0] && at < own_stack[1];

	return own_stack[first] + sizeof(own_stack[0]);
}

/* Was this context interrupted in the report? Known without a system call. */
static bool in_report(const ucontext_t *uc)
{
	uint64_t at = stk_context_sp(uc) - (uint64_t)(uintptr_t)own_stack;

	return at <= sizeof(own_stack);
}

static void start(int signo, unsigned level)
{
	struct stk_crash *c = &stk_g.crash;

	stk_reporting.phase = STK_PHASE_START;
	stk_reporting.faults = 0;
	stk_reporting.halted = false;
	stk_reporting.core_note = 0;
	stk_reporting.altstack = (stack_t){.ss_flags = SS_DISABLE};
	stk_reporting.result = 0;
	stk_reporting.deadline_ns = stk_now_ns() + (uint64_t)stk_g.o.timeout_ms * 1000000U;
	stk_fallback_start();
	c->magic = STK_CRASH_MAGIC;
	c->size = sizeof(*c);
	c->pid = stk_self_pid();
	c->tid = stk_self_tid();
	c->signo = signo;
	c->code = 0;
	c->level = level;
	c->args = stk_g.o.args;
	c->secure = stk_g.o.secure;
	c->images = (uint64_t)(uintptr_t)stk_images_now()->v;
	c->nimages = stk_images_now()->n;
	c->others = c->nothers = c->others_only = 0;
	c->has_fpregs = c->nowhere = c->trapped = c->ends = 0;
	c->xstate_len = 0;
	c->core_path[0] = 0;
}

static void save(int sig, siginfo_t *si, ucontext_t *uc)
{
	struct stk_crash *c = &stk_g.crash;
	unsigned level = stk_g.o.level;

	/* One thread says little of a hang. */
	if (sig == SIGQUIT && level == STK_LEVEL_SINGLE)
		level = STK_LEVEL_ALL;
	start(sig, level);
	c->code = si->si_code;
	c->ends = stk_deliver_ends(sig, si);
	memcpy(c->siginfo, si, sizeof(*si));
	stk_context_gregs(uc, c->gregs);
	c->nowhere = stk_context_is_fetch(sig, uc);
	c->trapped = stk_context_is_breakpoint(sig, uc);
	if (uc->uc_mcontext.fpregs) {
		memcpy(c->fpregs, uc->uc_mcontext.fpregs, sizeof(c->fpregs));
		c->has_fpregs = 1;
		c->xstate = stk_context_xstate(uc, &c->xstate_len);
	}
	memcpy(&c->blocked, &uc->uc_sigmask, sizeof(c->blocked));
	stk_deliver_save(uc);
	stk_reporting.fd = -1;
}

/* What was to end the process has not: the default action could not be set, or the kernel refuses
 * to leave a handler. */
_Noreturn static void end_raw(void)
{
	if (stk_in_child())
		stk_gate_open();
	stk_end_raw(stk_g.crash.signo ? stk_g.crash.signo : SIGABRT);
}

/* The gate stays closed where the program ends: others would begin reports of their own. */
static void deliver(int sig, siginfo_t *si, ucontext_t *uc)
{
	stk_reporting.phase = STK_PHASE_DELIVERED;
	if (stk_deliver(sig, si, uc) || stk_in_child())
		stk_gate_open();
}

/*
 * A signal of a fault in the thread that reports. Sent by somebody, it waits until the report is
 * done; else the report has crashed: it goes on with what is left, and the signal frame that this
 * ends with is that of the first fault.
 */
static void nested(int sig, siginfo_t *si, ucontext_t *uc)
{
	uint64_t back;

	if (stk_reporting.phase == STK_PHASE_DELIVERED || ++stk_reporting.faults > FAULTS_MAX)
		end_raw();
	if (si->si_code <= 0) {
		stk_reporting.faults--;
		stk_deliver_later(sig, si, uc);
		return;
	}
	if (stk_reporting.faults <= FAULTS_TOLD)
		stk_context_on_stack(stack_without(uc), stk_report, &back);
	if (!stk_g.crash.signo) {
		stk_context_back(uc, stk_reporting.back);
		return;
	}
	stk_deliver_restore(uc);
	deliver(stk_g.crash.signo, (siginfo_t *)stk_g.crash.siginfo, uc);
}

/* A clone of ours faults before its signals are its own: it dies of the fault, or at least ends. */
static void end_clone(int sig)
{
	if (stk_end_by_default(sig))
		return;
	sys1(SYS_exit_group, STK_HELPER_CRASHED);
	sys1(SYS_exit, STK_HELPER_CRASHED);
}

__attribute__((force_align_arg_pointer)) void stk_handler(int sig, siginfo_t *si, void *context)
{
	uint64_t back;
	ucontext_t *uc = context;

	stk_sys_begin();
	if ((sig == SIGSEGV || sig == SIGBUS) && stk_guard_fix(uc))
		return;
	if (sig == SIGSYS && si->si_code == SYS_SECCOMP && stk_sys_is_ours(stk_context_pc(uc))) {
		stk_context_fail_call(uc, EPERM);
		return;
	}
	if (stk_deliver_is_abort_again(sig, si, uc)) {
		stk_deliver(sig, si, uc);
		return;
	}
	if (in_report(uc)) {
		nested(sig, si, uc);
		return;
	}
	if (stk_supervise_is_on(stk_context_sp(uc))) {
		end_clone(sig);
		return;
	}
	if (stk_collect_takes(sig, si, uc) || stk_belief_holds_back(sig, si, uc))
		return;
	switch (stk_gate_enter(uc)) {
	case STK_GATE_NESTED:
		nested(sig, si, uc);
		return;
	case STK_GATE_GIVE_UP:
		stk_deliver(sig, si, uc);
		return;
	default:
		break;
	}
	save(sig, si, uc);
	stk_context_on_stack(own_stack[1], stk_report, &back);
	deliver(sig, si, uc);
}

/* CRASH context. */
int stk_dump(int fd, const uint64_t *gregs)
{
	unsigned level = stk_g.o.level;
	uint64_t mask = stk_handler_mask(), old;

	if (sys2(SYS_fcntl, fd, 1 /* F_GETFD */) < 0)
		return -EBADF;
	/* Nothing of the program's runs on this thread in between; the collecting signal is
	 * answered. */
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, 8);
	int result = -EBUSY;
	if (stk_gate_enter(0) == STK_GATE_ENTERED) {
		start(0, level == STK_LEVEL_SYSTEM || level == STK_LEVEL_CRASH ? STK_LEVEL_SYSTEM
									       : STK_LEVEL_ALL);
		memcpy(stk_g.crash.gregs, gregs, sizeof(stk_g.crash.gregs));
		stk_reporting.fd = fd;
		stk_context_on_stack(own_stack[1], stk_report, &stk_reporting.back);
		result = stk_reporting.result;
		sys2(SYS_sigaltstack, &stk_reporting.altstack, 0);
		stk_gate_open();
	}
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	return result;
}
