#include "signal/report/deliver.h"

#include <errno.h>

#include "base/mem.h"
#include "base/signals.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"
#include "signal/state/action.h"
#include "signal/state/end.h"
#include "signal/state/options.h"
#include "signal/state/self.h"
#include "signal/state/state.h"

#define FX_MIN  512
#define FX_AREA 4096

static mcontext_t kept;
static stack_t kept_stack;
static uint64_t kept_mask;
static uint8_t kept_fx[FX_AREA] STK_APART __attribute__((aligned(64)));
static size_t kept_fx_len;

static size_t fx_len(const void *fx)
{
	size_t n = stk_context_fx_size(fx).all;

	return n < FX_MIN || n > FX_AREA ? FX_MIN : n;
}

void stk_deliver_save(const ucontext_t *uc)
{
	kept = uc->uc_mcontext;
	kept_stack = uc->uc_stack;
	memcpy(&kept_mask, &uc->uc_sigmask, sizeof(kept_mask));
	kept_fx_len = kept.fpregs ? fx_len(kept.fpregs) : 0;
	memcpy(kept_fx, kept.fpregs, kept_fx_len);
}

void stk_deliver_restore(ucontext_t *uc)
{
	fpregset_t fx = uc->uc_mcontext.fpregs;

	uc->uc_stack = kept_stack;
	memcpy(uc->uc_mcontext.gregs, kept.gregs, sizeof(kept.gregs));
	memcpy(&uc->uc_sigmask, &kept_mask, sizeof(kept_mask));
	if (fx && fx_len(fx) == kept_fx_len)
		memcpy(fx, kept_fx, kept_fx_len);
}

static void unblock(ucontext_t *uc, int sig)
{
	stk_set_bits(&uc->uc_sigmask, stk_bits(&uc->uc_sigmask) & ~(1ULL << (sig - 1)));
}

static void block(ucontext_t *uc, int sig)
{
	stk_set_bits(&uc->uc_sigmask, stk_bits(&uc->uc_sigmask) | 1ULL << (sig - 1));
}

/* true: the instruction at the pc raises the signal again when it is resumed. */
static bool faults_again(int sig, const siginfo_t *si)
{
	return stk_sigcode_has_addr(sig, si->si_code) && sig != SIGTRAP;
}

/*
 * The init of a PID namespace does not end by a signal with the default action that somebody sends
 * or a terminal raises, only by a fault (kernel/signal.c, sig_task_ignored(), SIGNAL_UNKILLABLE).
 */
static bool is_dropped(int sig, const siginfo_t *si)
{
	return stk_self_pid() == 1 &&
	       (si->si_code <= 0 || !(stk_signals_sync() & 1ULL << (sig - 1)));
}

/* The thread whose SIGABRT of its own was dropped; 0: none. */
static int aborts;

static void note_abort(int sig, const siginfo_t *si)
{
	bool own = si->si_code == SI_TKILL && si->si_pid == stk_self_pid();

	aborts = sig == SIGABRT && own ? stk_self_tid() : 0;
}

bool stk_deliver_is_abort_again(int sig, const siginfo_t *si, const ucontext_t *uc)
{
	return aborts && sig == SIGSEGV && si->si_code == SI_KERNEL && aborts == stk_self_tid() &&
	       stk_context_is_privileged(uc);
}

bool stk_deliver_ends(int sig, const siginfo_t *si)
{
	return sig && !(sig == SIGQUIT && stk_g.o.sigquit == STK_SIGQUIT_CONTINUE) &&
	       !is_dropped(sig, si);
}

/* What does not go on shows where it was, not where it would begin anew. */
static struct stk_ksigaction for_good(void)
{
	struct stk_ksigaction sa = stk_our_action();

	sa.flags &= ~(unsigned long)SA_RESTART;
	return sa;
}

void stk_deliver_ask(void)
{
	struct stk_ksigaction sa = for_good();

	stk_g.asked_by = stk_sigaction(stk_g.crash.signo, &sa, 0) == 0 ? stk_g.crash.pid : 0;
}

void stk_deliver_shut(void)
{
	struct stk_ksigaction ign = {.handler = (void *)1 /* SIG_IGN */}, ours = for_good();
	/* Those that end nothing by default (signal(7)), and those that nobody can change. */
	const uint64_t leave = 1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) |
			       1ULL << (SIGCHLD - 1) | 1ULL << (SIGCONT - 1) |
			       1ULL << (SIGURG - 1) | 1ULL << (SIGWINCH - 1) | 3ULL << 31;

	for (int n = 1; n <= 64; n++)
		if (stk_signals_all() & 1ULL << (n - 1))
			stk_sigaction(n, &ours, 0);
		else if (!(leave & 1ULL << (n - 1)))
			stk_sigaction(n, &ign, 0);
}

void stk_deliver_later(int sig, siginfo_t *si, ucontext_t *uc)
{
	uint64_t one = 1ULL << (sig - 1);

	if (stk_g.crash.ends)
		return;
	/* Not held back it would come again at once, and without end. */
	if (sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8) != 0)
		return;
	block(uc, sig);
	sys4(SYS_rt_tgsigqueueinfo, stk_self_pid(), stk_self_tid(), sig, si);
}

/* The signal, pending until the context is restored: the handler's mask must hold it back. */
static bool by_queue(int sig, siginfo_t *si)
{
	uint64_t one = 1ULL << (sig - 1);
	int pid = stk_self_pid(), tid = stk_self_tid();

	bool held = sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8) == 0;
	/* The others are blocked for the time of the handler. */
	return (held || !(stk_signals_sync() & one)) &&
	       (sys4(SYS_rt_tgsigqueueinfo, pid, tid, sig, si) == 0 ||
		(!faults_again(sig, si) && sys3(SYS_tgkill, pid, tid, sig) == 0));
}

bool stk_deliver(int sig, siginfo_t *si, ucontext_t *uc)
{
	if (!stk_deliver_ends(sig, si)) {
		note_abort(sig, si);
		stk_context_restart(uc);
		return true;
	}
	if (sig == SIGQUIT && stk_g.o.sigquit == STK_SIGQUIT_EXIT)
		sys1(SYS_exit_group, 2);
	bool dfl = stk_end_by_default(sig);
	/* valgrind takes a fault that is queued for one of its own. */
	bool queued = dfl && stk_self_pid() != 1 && !stk_sys_in_valgrind() && by_queue(sig, si);
	if (queued || (dfl && faults_again(sig, si)))
		unblock(uc, sig);
	else if (faults_again(sig, si))
		/* Left blocked, the fault comes again when the context is restored, and the kernel
		 * takes the default action by itself (force_sig_info_to_task()). */
		block(uc, sig);
	else
		stk_end_raw(sig);
	return false;
}
