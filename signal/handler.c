/*
 * The handler. CRASH context, all of it: no malloc, no stdio, no locks, no libc call
 * (docs/SIGNAL-SAFETY.md).
 *
 * One thread reports at a time (the gate). It copies what the kernel gave it, goes over to a stack
 * of its own, writes the header, lets the tiers report, and gives the signal back to the kernel so
 * that wait status and core are those of the fault.
 */
#include <errno.h>
#include <time.h>

#include "altstack.h"
#include "apart.h"
#include "base/mem.h"
#include "base/signals.h"
#include "base/trace.h"
#include "belief.h"
#include "collect.h"
#include "context.h"
#include "core_limit.h"
#include "deliver.h"
#include "fallback.h"
#include "gate.h"
#include "guard.h"
#include "launch.h"
#include "seccomp.h"
#include "state.h"
#include "sys.h"
#include "unlisted.h"
#include "view.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code, asm-generic/siginfo.h */
#endif

struct stk_state stk_g STK_PARTLY_APART;

/* How far the report has come: a fault inside it goes on with what is left. */
enum phase {
	PHASE_START,
	PHASE_HALT,
	PHASE_HEADER,
	PHASE_HELPER,
	PHASE_IN_PROCESS,
	PHASE_END,
	PHASE_DELIVERED,
};

#define FAULTS_TOLD 8  /* after so many the report ends */
#define FAULTS_MAX  16 /* and after so many the process, by raw calls */
#define HALT_NS     1000000U
#define SPAWN_NS    20000000U /* where a thread makes a child */

static struct {
	enum phase phase;
	unsigned faults;
	bool halted; /* it was tried before the header */
	uint64_t deadline_ns;
	const char *core_note; /* why there will be no core, and nobody has said it yet */
	struct stk_out out;
	int fd;
	int result;
	stack_t altstack;
	uint64_t back; /* stk_dump's way back out of a report that crashed */
} run;

/* A crash inside the report goes on upon the other one: its signal frame lies on the first. */
static uint8_t own_stack[2][65536] STK_APART __attribute__((aligned(16)));

static void say_no_core(const char *besides)
{
	if (run.core_note)
		stk_printf(&run.out.text, "[no core: %s%s%s]\n", run.core_note, besides ? "; " : "",
			   besides ? besides : "");
	run.core_note = 0;
}

static void write_header(void)
{
	const struct stk_crash *c = &stk_g.crash;
	const siginfo_t *si = (const siginfo_t *)c->siginfo;
	struct stk_trace_head h = {.signo = c->signo,
				   .hidden = c->secure,
				   .pc = c->gregs[16],
				   .tid = c->tid,
				   .has_code = c->signo != 0,
				   .code = c->code};

	if (c->signo && stk_sigcode_has_addr(c->signo, c->code)) {
		h.has_addr = true;
		h.addr = (uint64_t)(uintptr_t)si->si_addr;
	}
	if (c->signo && stk_sigcode_has_sender(c->signo, c->code)) {
		h.has_from = true;
		h.from_pid = si->si_pid;
		h.from_uid = si->si_uid;
	}
	stk_trace_write_head(&run.out.text, &h);
	/* Where the helper is to write one, it says so itself, below the report. */
	if (!c->core_path[0])
		say_no_core(0);
	stk_text_flush(&run.out.text);
}

static void in_process(const char *why, bool mid_line)
{
	run.phase = PHASE_IN_PROCESS;
	run.out.mid_line = mid_line;
	if (run.core_note) {
		stk_out_fresh_line(&run.out);
		say_no_core(0);
	}
	stk_fallback_report(&run.out, &stk_g.crash, why);
}

static void tiers(bool strict)
{
	struct stk_crash *c = &stk_g.crash;
	struct stk_launch l;

	if (strict) {
		run.phase = PHASE_IN_PROCESS;
		/* With one thread this is all there is to say: nothing is risked for more. */
		if (stk_fallback_first(&run.out, c))
			return;
		c->others_only = 1;
	}
	run.phase = PHASE_HELPER;
	if (stk_text_flush(&run.out.text) && !c->core_path[0])
		return; /* nobody reads */
	c->unlisted = c->others_only ? stk_fallback_unlisted() : stk_unlisted_by_proc();
	stk_launch(&l, c, run.out.fd, run.deadline_ns);
	if (!l.done) {
		in_process(l.why, l.mid_line);
		return;
	}
	run.out.text.cut |= l.unwritten;
	if (!l.why)
		run.core_note = 0; /* the helper has told */
	say_no_core(l.why);
}

/*
 * The kernel takes the alternate stack for free while we stand on our own, and would put a nested
 * signal's frame over that of the first: away with it, until the handler returns (the signal frame
 * has the setting, sigreturn(2)) or stk_dump() gives it back.
 */
static void leave_altstack(stack_t *old)
{
	stack_t off = {.ss_flags = SS_DISABLE};

	sys2(SYS_sigaltstack, &off, old);
}

/*
 * The crash is the end: no thread that libc has started runs on, and nothing but its signal ends
 * the process. /proc is not asked yet: a filter may end the process for that. Signals are ignored
 * when the threads stand: a child that one of them makes meanwhile would go on with that.
 */
static void halt_known(void)
{
	bool child = stk_in_child();

	if (!stk_g.crash.ends)
		return;
	if (!child)
		stk_deliver_ask();
	stk_collect_known(stk_now_ns() + (stk_view_spawns() ? SPAWN_NS : HALT_NS));
	if (!child)
		stk_deliver_shut();
}

/* Nor any other. */
static void halt_all(void)
{
	struct stk_crash *c = &stk_g.crash;

	if (!c->ends)
		return;
	const struct stk_collection *all = stk_collect(true, stk_now_ns() + HALT_NS);
	c->others = (uint64_t)(uintptr_t)all->v;
	c->nothers = all->n;
}

/* The header before all that could fail; but where its reader lets it wait, or a thread is
 * beginning that is not known yet, the others do not run on for that long. */
static void begin(void)
{
	run.phase = PHASE_HEADER;
	stk_out_open(&run.out, run.fd, run.deadline_ns);
	/* Nobody reads the report, but the core is wanted all the same. */
	if (run.out.fd < 0 && stk_g.crash.core_path[0])
		stk_out_nowhere(&run.out);
	bool waits = run.out.fd < 0 || stk_threads_starting() || !stk_out_has_room(&run.out);
	if (waits && !run.halted) {
		run.phase = PHASE_HALT;
		run.halted = true;
		halt_all();
		run.phase = PHASE_HEADER;
	}
	write_header();
	bool strict = stk_seccomp_is_strict();
	if (!waits && !strict)
		halt_all();
	if (run.out.fd >= 0 && stk_g.crash.level != STK_LEVEL_NONE)
		tiers(strict);
}

/* The kernel will leave no core: the helper is asked for one, unless the process is private. */
static void want_core(void)
{
	struct stk_crash *c = &stk_g.crash;
	struct stk_text t;
	bool private;

	if (!c->signo || c->level != STK_LEVEL_CRASH ||
	    (c->signo == SIGQUIT && stk_g.o.sigquit != STK_SIGQUIT_DIE))
		return;

	run.core_note = stk_core_allow(&private);
	if (!run.core_note || private)
		return;
	stk_text_init(&t, c->core_reason, sizeof(c->core_reason));
	stk_puts(&t, run.core_note);
	stk_text_init(&t, c->core_path, sizeof(c->core_path));
	stk_out_expand(&t, stk_g.o.core[0] ? stk_g.o.core : "core.%p");
	if (t.cut)
		c->core_path[0] = 0;
}

/* A fault of a guarded read would find the program's own handler. (Where nobody tells whose it is,
 * it is ours.) */
static void choose_guard(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS};
	struct stk_ksigaction sa;
	bool others = false;

	for (unsigned i = 0; i < 2; i++)
		others |= !stk_sigaction(faults[i], 0, &sa) && sa.handler != stk_handler;
	stk_guard_by_call(others);
}

/* On the own stack. `faults` counts how often the report itself has crashed. */
static void report(void)
{
	leave_altstack(run.phase == PHASE_START ? &run.altstack : 0);
	switch (run.phase) {
	case PHASE_START:
		run.phase = PHASE_HALT;
		halt_known();
		choose_guard();
		want_core();
		begin();
		break;
	case PHASE_HALT:
		begin();
		break;
	case PHASE_HEADER:
		in_process("the handler itself crashed", run.out.mid_line);
		break;
	case PHASE_HELPER:
		run.phase = PHASE_IN_PROCESS;
		in_process("the handler itself crashed", stk_launch_abort());
		break;
	case PHASE_IN_PROCESS:
		run.phase = PHASE_END;
		stk_fallback_rest(&run.out, &stk_g.crash);
		break;
	default:
		break;
	}
	run.phase = PHASE_END;
	say_no_core(0);
	run.result = run.faults ? -EIO : run.out.late ? -ETIMEDOUT : run.out.text.cut ? -EIO : 0;
	stk_out_done(&run.out);
}

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

	run.phase = PHASE_START;
	run.faults = 0;
	run.halted = false;
	run.core_note = 0;
	run.altstack = (stack_t){.ss_flags = SS_DISABLE};
	run.result = 0;
	run.deadline_ns = stk_now_ns() + (uint64_t)stk_g.o.timeout_ms * 1000000U;
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
	c->images = (uint64_t)(uintptr_t)stk_g.images.v;
	c->nimages = stk_g.images.n;
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
	/* Page fault (vector 14), bit 4 of its error code: an instruction fetch (Intel SDM 3A
	 * §4.7). */
	c->nowhere = sig == SIGSEGV && uc->uc_mcontext.gregs[REG_TRAPNO] == 14 &&
		     (uc->uc_mcontext.gregs[REG_ERR] & 0x10);
	c->trapped = sig == SIGTRAP && uc->uc_mcontext.gregs[REG_TRAPNO] == 3; /* #BP */
	if (uc->uc_mcontext.fpregs) {
		memcpy(c->fpregs, uc->uc_mcontext.fpregs, sizeof(c->fpregs));
		c->has_fpregs = 1;
		c->xstate = stk_context_xstate(uc, &c->xstate_len);
	}
	memcpy(&c->blocked, &uc->uc_sigmask, sizeof(c->blocked));
	stk_deliver_save(uc);
	run.fd = -1;
}

/* What was to end the process has not: the default action could not be set, or the kernel refuses
 * to leave a handler. */
_Noreturn static void end_raw(void)
{
	if (stk_in_child())
		stk_gate_open();
	stk_deliver_raw(stk_g.crash.signo ? stk_g.crash.signo : SIGABRT);
}

/* The gate stays closed where the program ends: others would begin reports of their own. */
static void deliver(int sig, siginfo_t *si, ucontext_t *uc)
{
	run.phase = PHASE_DELIVERED;
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

	if (run.phase == PHASE_DELIVERED || ++run.faults > FAULTS_MAX)
		end_raw();
	if (si->si_code <= 0) {
		run.faults--;
		stk_deliver_later(sig, si, uc);
		return;
	}
	if (run.faults <= FAULTS_TOLD)
		stk_context_on_stack(stack_without(uc), report, &back);
	if (!stk_g.crash.signo) {
		stk_context_back(uc, run.back);
		return;
	}
	stk_deliver_restore(uc);
	deliver(stk_g.crash.signo, (siginfo_t *)stk_g.crash.siginfo, uc);
}

/* A clone of ours faults before its signals are its own: it dies of the fault, or at least ends. */
static void end_clone(int sig)
{
	struct stk_ksigaction dfl = {0};

	if (stk_sigaction(sig, &dfl, 0) == 0)
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
		stk_deliver_refuse(uc);
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
	if (stk_launch_is_clone(stk_context_sp(uc))) {
		end_clone(sig);
		return;
	}
	if (stk_collect_takes(sig, si, uc) || stk_view_holds_back(sig, si, uc))
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
	stk_context_on_stack(own_stack[1], report, &back);
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
		run.fd = fd;
		stk_context_on_stack(own_stack[1], report, &run.back);
		result = run.result;
		sys2(SYS_sigaltstack, &run.altstack, 0);
		stk_gate_open();
	}
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	return result;
}
