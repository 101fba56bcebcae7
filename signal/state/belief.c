/* CRASH context, all of it: the handler asks, too. */
#include "signal/state/belief.h"

#include <errno.h>
#include <signal.h>

#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"
#include "signal/state/action.h"
#include "signal/state/self.h"
#include "signal/state/view.h"

/* In the mask of our handler: the action is that of a child which was made true. Libc never sends
 * its SIGCANCEL to a process of one thread (nptl). */
#define CHILD_MARK (1ULL << (32 - 1))

/* Where the record lies, as seen from the thread pointer: the same in every thread (ELF TLS, the
 * static block; the record is initial-exec). 0: not known yet. */
static int64_t offset;

void stk_belief_start(const struct stk_belief *b)
{
	offset = (int64_t)((uint64_t)(uintptr_t)b - stk_context_thread());
}

/*
 * rt_sigprocmask(2) copies the new mask before it looks at `how` (kernel/signal.c): with one that
 * does not exist it only tells whether 8 bytes can be read. The program's own handler of SIGSEGV
 * may be in place, where a guarded read would end.
 */
static bool readable(uint64_t addr)
{
	return sys4(SYS_rt_sigprocmask, ~0, addr, 0, 8) == -EINVAL;
}

/* CRASH context: the record of this thread, or NULL where it is not proven that there is one. */
static struct stk_belief *proven(void)
{
	uint64_t at = stk_context_thread() + (uint64_t)offset;
	struct stk_belief *b = (struct stk_belief *)(uintptr_t)at;

	if (!offset || at % sizeof(*b) || !readable(at))
		return 0;
	return b->magic == (at ^ STK_BELIEF_MAGIC) ? b : 0;
}

static bool get_ours(int sig, struct stk_ksigaction *sa)
{
	return (stk_signals_all() & 1ULL << (sig - 1)) && !stk_sigaction(sig, 0, sa) &&
	       sa->handler == stk_handler;
}

enum stk_actions stk_actions(void)
{
	struct stk_ksigaction sa;

	for (int sig = 1; sig < 32; sig++)
		if (get_ours(sig, &sa))
			return sa.mask & CHILD_MARK ? STK_ACTIONS_TRUE : STK_ACTIONS_HIDDEN;
	return STK_ACTIONS_NONE;
}

static void show_hidden(int sig, uint64_t hidden)
{
	struct stk_ksigaction sa;

	if (!hidden || stk_sigaction(sig, 0, &sa) || sa.handler == stk_handler)
		return;
	sa.mask |= hidden;
	stk_sigaction(sig, &sa, 0);
}

void stk_actions_make_true(void)
{
	struct stk_ksigaction sa;

	for (int sig = 1; sig < STK_SIGNALS; sig++)
		show_hidden(sig, stk_view_get(sig).hidden);
	for (int sig = 1; sig < 32; sig++)
		if (get_ours(sig, &sa)) {
			sa.mask |= CHILD_MARK;
			stk_sigaction(sig, &sa, 0);
		}
}

uint64_t stk_actions_anew(void)
{
	struct stk_ksigaction sa;
	uint64_t ours = 0;

	for (int sig = 1; sig < 32; sig++)
		if (get_ours(sig, &sa)) {
			sa.mask &= ~CHILD_MARK;
			stk_sigaction(sig, &sa, 0);
			ours |= 1ULL << (sig - 1);
		}
	return ours;
}

/*
 * Pending again, in the process, of which another thread may wait for it. Only the first thread may
 * repeat who sent it (kernel/signal.c, do_rt_sigqueueinfo compares the tid): from others, and when
 * the queue is full, it comes from us. It is blocked here until the handler has returned.
 */
static void put_back(int sig, const siginfo_t *si, int pid)
{
	uint64_t bit = 1ULL << (sig - 1);

	/* Not blocked it would come again at once, and without end. */
	if (sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, 0, 8) != 0)
		return;
	if (si->si_code == SI_TKILL) {
		if (sys4(SYS_rt_tgsigqueueinfo, pid, sys0(SYS_gettid), sig, si) != 0)
			sys3(SYS_tgkill, pid, sys0(SYS_gettid), sig);
	} else if (sys3(SYS_rt_sigqueueinfo, pid, sig, si) != 0) {
		sys2(SYS_kill, pid, sig);
	}
}

/*
 * Was it a handler that blocked, which has returned to this context since? It ran below the signal
 * frame, which the kernel pushed below the context: 128 bytes of red zone, 440 of struct
 * rt_sigframe, 512 of FXSAVE's area at least (arch/x86/kernel/signal_64.c). Or it ran on the
 * alternate stack, and the context does not.
 */
static bool was_set_below(const struct stk_belief *b, const ucontext_t *uc)
{
	const uint64_t frame = 128 + 440 + 512;
	uint64_t sp = stk_context_sp(uc), alt = (uint64_t)(uintptr_t)uc->uc_stack.ss_sp;
	uint64_t size = uc->uc_stack.ss_flags & SS_DISABLE ? 0 : uc->uc_stack.ss_size;

	if (sp - alt < size)
		return b->since - alt < size && b->since + frame < sp;
	return b->since - alt < size || b->since + frame < sp;
}

bool stk_belief_holds_back(int sig, const siginfo_t *si, ucontext_t *uc)
{
	uint64_t bit = 1ULL << (sig - 1);
	struct stk_belief *b = si->si_code > 0 ? 0 : proven();
	int pid = (int)sys0(SYS_getpid);

	if (!b || !(b->believed & bit))
		return false;
	if (stk_in_child()) {
		/* Its own mask, as the program believes it, is true from now on. */
		if (stk_actions() != STK_ACTIONS_HIDDEN)
			return false;
		stk_set_bits(&uc->uc_sigmask, stk_bits(&uc->uc_sigmask) | b->believed);
		stk_actions_make_true();
		put_back(sig, si, pid);
		stk_context_restart(uc);
		return true;
	}
	/* It arrives although it was blocked: a handler has returned, and the kernel has opened the
	 * mask again. If it was the handler that had blocked it, that is over. */
	if ((b->held & bit) && was_set_below(b, uc)) {
		b->held &= ~bit;
		b->believed &= ~bit;
		return false;
	}
	b->held |= bit;
	stk_set_bits(&uc->uc_sigmask, stk_bits(&uc->uc_sigmask) | bit);
	put_back(sig, si, pid);
	stk_context_restart(uc);
	return true;
}
