/*
 * What the handler does between the gate and the end of the program: has the threads stand, writes
 * the header, lets the tiers report one after the other, ends the report. A fault inside goes on
 * here with what is left. CRASH context, all of it.
 */
#include "signal/report/report.h"

#include <errno.h>

#include "base/signals.h"
#include "base/text.h"
#include "base/trace.h"
#include "signal/channel/out.h"
#include "signal/crash.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/context.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"
#include "signal/kernel/unlisted.h"
#include "signal/report/core_limit.h"
#include "signal/report/deliver.h"
#include "signal/state/action.h"
#include "signal/state/options.h"
#include "signal/state/seccomp.h"
#include "signal/state/self.h"
#include "signal/state/state.h"
#include "signal/tiers/collect.h"
#include "signal/tiers/fallback.h"
#include "signal/tiers/launch.h"
#include "signal/tiers/threads.h"

#define HALT_NS  1000000U
#define SPAWN_NS 200000000U /* where a thread makes a child */
#define START_NS 20000000U  /* where one is beginning */

struct stk_reporting stk_reporting;

static struct stk_trace_sink text(void)
{
	static struct stk_trace_text state;

	state = (struct stk_trace_text){0};
	return stk_trace_text(&state, &stk_reporting.out.text);
}

static void say_no_core(const char *besides)
{
	if (stk_reporting.core_note)
		stk_trace_note(text(), "[no core: %s%s%s]", stk_reporting.core_note,
			       besides ? "; " : "", besides ? besides : "");
	stk_reporting.core_note = 0;
}

static void write_header(void)
{
	const struct stk_crash *c = &stk_g.crash;
	const siginfo_t *si = (const siginfo_t *)c->siginfo;
	struct stk_trace_head h = {.signo = c->signo,
				   .no_pc = c->secure,
				   .no_addr = c->secure,
				   .pc = stk_context_pc_of(c->gregs),
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
	STK_EMIT(text(), head, &h);
	/* Where the helper is to write one, it says so itself, below the report. */
	if (!c->core_path[0])
		say_no_core(0);
	stk_text_flush(&stk_reporting.out.text);
}

static void in_process(const char *why, bool mid_line)
{
	stk_reporting.phase = STK_PHASE_IN_PROCESS;
	stk_reporting.out.mid_line = mid_line;
	if (stk_reporting.core_note) {
		stk_out_fresh_line(&stk_reporting.out);
		say_no_core(0);
	}
	stk_fallback_report(&stk_reporting.out, &stk_g.crash, why);
}

static void tiers(bool strict)
{
	struct stk_crash *c = &stk_g.crash;
	struct stk_launch l;

	if (strict) {
		stk_reporting.phase = STK_PHASE_IN_PROCESS;
		/* With one thread this is all there is to say: nothing is risked for more. */
		if (stk_fallback_first(&stk_reporting.out, c))
			return;
		c->others_only = 1;
	}
	stk_reporting.phase = STK_PHASE_HELPER;
	if (stk_text_flush(&stk_reporting.out.text) && !c->core_path[0])
		return; /* nobody reads */
	c->unlisted = c->others_only ? stk_fallback_unlisted() : stk_unlisted_by_proc();
	stk_launch(&l, c, stk_reporting.out.fd, stk_reporting.deadline_ns);
	if (!l.done) {
		in_process(l.why, l.mid_line);
		return;
	}
	stk_reporting.out.text.cut |= l.unwritten;
	if (!l.why)
		stk_reporting.core_note = 0; /* the helper has told */
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
	stk_collect_known(stk_now_ns() + (atomic_load(&stk_g.spawning)   ? SPAWN_NS
					  : atomic_load(&stk_g.starting) ? START_NS
									 : HALT_NS));
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
	stk_reporting.phase = STK_PHASE_HEADER;
	stk_out_open(&stk_reporting.out, stk_reporting.fd, stk_reporting.deadline_ns);
	/* Nobody reads the report, but the core is wanted all the same. */
	if (stk_reporting.out.fd < 0 && stk_g.crash.core_path[0])
		stk_out_nowhere(&stk_reporting.out);
	bool waits = stk_reporting.out.fd < 0 || atomic_load(&stk_g.starting) ||
		     !stk_out_has_room(&stk_reporting.out);
	if (waits && !stk_reporting.halted) {
		stk_reporting.phase = STK_PHASE_HALT;
		stk_reporting.halted = true;
		halt_all();
		stk_reporting.phase = STK_PHASE_HEADER;
	}
	write_header();
	bool strict = stk_seccomp_is_strict();
	if (!waits && !strict)
		halt_all();
	if (stk_reporting.out.fd >= 0 && stk_g.crash.level != STK_LEVEL_NONE)
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

	stk_reporting.core_note = stk_core_allow(&private);
	if (!stk_reporting.core_note || private)
		return;
	stk_text_init(&t, c->core_reason, sizeof(c->core_reason));
	stk_puts(&t, stk_reporting.core_note);
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
void stk_report(void)
{
	leave_altstack(stk_reporting.phase == STK_PHASE_START ? &stk_reporting.altstack : 0);
	switch (stk_reporting.phase) {
	case STK_PHASE_START:
		stk_reporting.phase = STK_PHASE_HALT;
		halt_known();
		choose_guard();
		want_core();
		begin();
		break;
	case STK_PHASE_HALT:
		begin();
		break;
	case STK_PHASE_HEADER:
		in_process("the handler itself crashed", stk_reporting.out.mid_line);
		break;
	case STK_PHASE_HELPER:
		stk_reporting.phase = STK_PHASE_IN_PROCESS;
		in_process("the handler itself crashed", stk_launch_abort());
		break;
	case STK_PHASE_IN_PROCESS:
		stk_reporting.phase = STK_PHASE_END;
		stk_fallback_rest(&stk_reporting.out, &stk_g.crash);
		break;
	default:
		break;
	}
	stk_reporting.phase = STK_PHASE_END;
	say_no_core(0);
	stk_reporting.result = stk_reporting.faults         ? -EIO
			       : stk_reporting.out.late     ? -ETIMEDOUT
			       : stk_reporting.out.text.cut ? -EIO
							    : 0;
	stk_out_done(&stk_reporting.out);
}
