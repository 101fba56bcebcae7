/*
 * The handler. CRASH context, all of it: no malloc, no stdio, no locks, no libc call
 * (docs/SIGNAL-SAFETY.md).
 *
 * One thread reports at a time (the gate). It copies what the kernel gave it, goes over to a stack
 * of its own, writes the header, lets the tiers report, and gives the signal back to the kernel so
 * that wait status and core are those of the fault.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/mem.h"
#include "base/signals.h"
#include "base/trace.h"
#include "context.h"
#include "core_limit.h"
#include "deliver.h"
#include "fallback.h"
#include "guard.h"
#include "launch.h"
#include "state.h"
#include "sys.h"
#include "view.h"

struct stk_state stk_g;

/* How far the report has come: a fault inside it goes on with what is left. */
enum phase { PHASE_START, PHASE_HEADER, PHASE_HELPER, PHASE_IN_PROCESS, PHASE_END };

static struct {
	enum phase phase;
	unsigned faults;
	uint64_t deadline_ns;
	const char *core_note; /* why there will be no core, and nobody has said it yet */
	struct stk_out out;
	int fd;
	int result;
} run;

static uint8_t own_stack[65536] __attribute__((aligned(16)));

static uint64_t self(void)
{
	return (uint64_t)sys0(SYS_getpid) << 32 | (uint32_t)sys0(SYS_gettid);
}

static void open_gate(void)
{
	atomic_store(&stk_g.gate, 0);
	atomic_fetch_add(&stk_g.gate_turn, 1);
	sys3(SYS_futex, &stk_g.gate_turn, FUTEX_WAKE, 0x7fffffff);
}

enum entry { ENTER, NESTED };

/*
 * Take the gate. A thread of this process that finds it closed waits: its turn comes when the other
 * one's report does not end the program. A gate that another process holds is a copy from before a
 * fork (or that of a vfork parent, who stands still): it is taken over.
 */
static enum entry enter(void)
{
	uint64_t me = self(), seen = 0;

	while (!atomic_compare_exchange_strong(&stk_g.gate, &seen, me)) {
		uint32_t turn = atomic_load(&stk_g.gate_turn);
		if (seen == me)
			return NESTED;
		if (seen >> 32 != me >> 32)
			continue; /* `seen` is what is taken over */
		if (atomic_load(&stk_g.gate) == seen)
			sys4(SYS_futex, &stk_g.gate_turn, FUTEX_WAIT, turn, 0);
		seen = 0;
	}
	return ENTER;
}

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

/* true: system calls are filtered, the next one may be the last. */
static bool filtered(void)
{
	return sys2(SYS_prctl, PR_GET_SECCOMP, 0) == 2;
}

static void in_process(const char *why)
{
	run.phase = PHASE_IN_PROCESS;
	stk_fallback_report(&run.out, &stk_g.crash, why);
}

static void tiers(void)
{
	struct stk_crash *c = &stk_g.crash;
	struct stk_launch l;

	if (filtered()) {
		run.phase = PHASE_IN_PROCESS;
		stk_fallback_first(&run.out, c);
		c->others_only = 1;
	}
	run.phase = PHASE_HELPER;
	stk_text_flush(&run.out.text);
	stk_launch(&l, c, run.out.fd, run.deadline_ns);
	if (!l.done) {
		in_process(l.why);
		return;
	}
	run.phase = PHASE_END;
	if (!l.why)
		run.core_note = 0; /* told by the helper */
	say_no_core(l.why);
}

/* On the own stack. `faults` counts how often the report itself has crashed. */
static void report(void)
{
	switch (run.phase) {
	case PHASE_START:
		run.phase = PHASE_HEADER;
		stk_out_open(&run.out, run.fd, run.deadline_ns);
		/* Nobody reads the report, but the core is wanted all the same. */
		if (run.out.fd < 0 && stk_g.crash.core_path[0])
			stk_out_nowhere(&run.out);
		write_header();
		if (run.out.fd >= 0 && stk_g.crash.level != STK_LEVEL_NONE)
			tiers();
		break;
	case PHASE_HEADER:
	case PHASE_HELPER:
		in_process("the handler itself crashed");
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
	run.result = run.out.late ? -ETIMEDOUT : run.out.text.cut ? -EIO : 0;
	stk_out_done(&run.out);
}

/* Run `fn` with the stack pointer at `top`; the frame pointer keeps the way back. */
static void on_stack(void *top, void (*fn)(void))
{
	__asm__ volatile("push %%rbp\n\t"
			 "mov %%rsp,%%rbp\n\t"
			 "mov %0,%%rsp\n\t"
			 "call *%1\n\t"
			 "mov %%rbp,%%rsp\n\t"
			 "pop %%rbp\n\t"
			 : "+D"(top), "+S"(fn)
			 :
			 : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void start(int signo, unsigned level)
{
	struct stk_crash *c = &stk_g.crash;

	run.phase = PHASE_START;
	run.faults = 0;
	run.core_note = 0;
	run.result = 0;
	run.deadline_ns = stk_now_ns() + (uint64_t)stk_g.o.timeout_ms * 1000000U;
	c->magic = STK_CRASH_MAGIC;
	c->size = sizeof(*c);
	c->pid = (int32_t)sys0(SYS_getpid);
	c->tid = (int32_t)sys0(SYS_gettid);
	c->signo = signo;
	c->code = 0;
	c->level = level;
	c->args = stk_g.o.args;
	c->others = c->nothers = c->others_only = 0;
	c->has_fpregs = 0;
	c->xstate_len = 0;
	c->core_path[0] = 0;
}

/* The kernel will leave no core: the helper is asked for one, unless the process is private. */
static void want_core(void)
{
	struct stk_crash *c = &stk_g.crash;
	struct stk_text t;
	bool private;

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

/* Where the rest of the extended registers is: the signal frame has them as XSAVE writes them
 * (arch/x86/include/uapi/asm/sigcontext.h, struct _fpx_sw_bytes). */
static void save_xstate(const ucontext_t *uc)
{
	struct stk_crash *c = &stk_g.crash;
	uint32_t magic, size;

	memcpy(&magic, c->fpregs + 464, 4);
	memcpy(&size, c->fpregs + 480, 4);
	if (magic != 0x46505853 /* FP_XSTATE_MAGIC1 */)
		return;
	c->xstate = (uint64_t)(uintptr_t)uc->uc_mcontext.fpregs;
	c->xstate_len = size;
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
	memcpy(c->siginfo, si, sizeof(*si));
	stk_context_gregs(uc, c->gregs);
	if (uc->uc_mcontext.fpregs) {
		memcpy(c->fpregs, uc->uc_mcontext.fpregs, sizeof(c->fpregs));
		c->has_fpregs = 1;
		save_xstate(uc);
	}
	memcpy(&c->blocked, &uc->uc_sigmask, sizeof(c->blocked));
	stk_deliver_save(uc);
	run.fd = -1;
	if (level == STK_LEVEL_CRASH && !(sig == SIGQUIT && stk_g.o.sigquit != STK_SIGQUIT_DIE))
		want_core();
}

void stk_handler(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	if ((sig == SIGSEGV || sig == SIGBUS) && stk_guard_fix(uc))
		return;
	if (stk_view_holds_back(sig, si, uc))
		return;
	if (enter() == NESTED) {
		if (++run.faults > 8)
			sys1(SYS_exit_group, 128 + sig);
		on_stack(own_stack + sizeof(own_stack), report);
		stk_deliver_restore(uc);
		stk_deliver(stk_g.crash.signo, (siginfo_t *)stk_g.crash.siginfo, uc);
		return;
	}
	save(sig, si, uc);
	on_stack(own_stack + sizeof(own_stack), report);
	stk_deliver(sig, si, uc);
	open_gate();
}

/* CRASH context. */
int stk_dump(int fd, const uint64_t *gregs)
{
	unsigned level = stk_g.o.level;
	uint64_t all = ~0ULL, old;

	if (sys2(SYS_fcntl, fd, 1 /* F_GETFD */) < 0)
		return -EBADF;
	/* Nothing of the program's runs on this thread in between. */
	all &= ~stk_signals_sync();
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	int result = -EBUSY;
	if (enter() == ENTER) {
		start(0, level == STK_LEVEL_SYSTEM || level == STK_LEVEL_CRASH ? STK_LEVEL_SYSTEM
									       : STK_LEVEL_ALL);
		memcpy(stk_g.crash.gregs, gregs, sizeof(stk_g.crash.gregs));
		run.fd = fd;
		on_stack(own_stack + sizeof(own_stack), report);
		result = run.result;
		open_gate();
	}
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	return result;
}
