#include "signal/program/sigaction.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "signal/program/entry.h"
#include "signal/program/real.h"
#include "signal/program/sigmask.h"
#include "signal/state/action.h"
#include "signal/state/view.h"

/* The flags that the kernel keeps (UAPI_SA_FLAGS of linux/signal.h and x86's SA_RESTORER). */
#define SA_RESTORER_BIT 0x04000000
#define SA_KEPT                                                                                    \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |         \
	 (int)SA_RESETHAND | 0x00000800 /* SA_EXPOSE_TAGBITS */)

static _Atomic uint64_t interrupting; /* siginterrupt(3) */

static void put_ours(struct sigaction *sa)
{
	sa->sa_sigaction = stk_handler;
	sa->sa_flags = (int)(stk_our_action().flags & ~(unsigned long)SA_RESTORER_BIT);
	stk_set_bits(&sa->sa_mask, stk_our_action().mask);
}

/* The default action as the kernel would report what the program asked for; after exec all is zero.
 */
static void show_default(struct sigaction *old, struct stk_view v)
{
	void (*restorer)(void) = old->sa_restorer;

	memset(old, 0, sizeof(*old));
	old->sa_flags = v.flags;
	old->sa_restorer = v.flags & SA_RESTORER_BIT ? restorer : NULL;
	stk_set_bits(&old->sa_mask, v.mask);
}

/* ANY context: in a child that shares our memory. What it sets is true: the view is its parent's,
 * and tells only of what the child has not touched. */
static int child_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction was;

	if (STK_REAL(sigaction)(sig, act, &was))
		return -1;
	if (!old)
		return 0;
	*old = was;
	if (stk_is_ours(&was))
		show_default(old, stk_view_get(sig));
	else
		stk_entry_show(old);
	return 0;
}

/* ANY context: nothing of it is hidden but that the handler may be an entry of ours. */
static int plain_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (STK_REAL(sigaction)(sig, act, old))
		return -1;
	if (old)
		stk_entry_show(old);
	return 0;
}

/* ANY context: false where the view of this signal has nothing that the kernel does not know, and
 * gets nothing. */
static bool touches(int sig, const struct sigaction *act)
{
	uint64_t mask = act ? stk_bits(&act->sa_mask) : 0;

	return (stk_signals_all() & 1ULL << (sig - 1)) || stk_view_get(sig).hidden ||
	       (act && (act->sa_flags & SA_ONSTACK)) ||
	       (mask & stk_signals_sync() & stk_view_all_ours());
}

/* ANY context. */
int stk_view_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction mine, was;
	struct stk_view v = {0};
	bool ours = false;

	if (sig < 1 || sig >= STK_SIGNALS)
		return STK_REAL(sigaction)(sig, act, old);
	if (!touches(sig, act))
		return plain_action(sig, act, old);
	if (stk_view_in_child())
		return child_action(sig, act, old);
	if (act) {
		mine = *act;
		v.mask = stk_bits(&act->sa_mask) & ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1));
		v.flags = (act->sa_flags & SA_KEPT) | SA_RESTORER_BIT;
		v.hidden = v.mask & stk_signals_sync() & stk_view_all_ours();
		stk_set_bits(&mine.sa_mask, v.mask & ~v.hidden);
		ours = act->sa_handler == SIG_DFL && stk_is_managed(sig);
		if (ours)
			put_ours(&mine);
		else
			stk_entry_put(sig, &mine, v.flags, v.mask);
		if (ours)
			v.hidden = 0;
	}
	struct stk_view before = stk_view_get(sig);
	/* Its own handler, or none: a signal that it blocks must not reach it. */
	if (act && !ours)
		stk_view_settle(1ULL << (sig - 1));
	if (STK_REAL(sigaction)(sig, act ? &mine : NULL, &was))
		return -1;
	if (act) {
		stk_view_put(sig, v);
		stk_view_ours(sig, ours);
	}
	if (!old)
		return 0;
	*old = was;
	/* A handler for one time leaves its flags and its mask (kernel/signal.c, get_signal). */
	if (stk_is_ours(&was) || (was.sa_handler == SIG_DFL && (before.flags & (int)SA_RESETHAND)))
		show_default(old, before);
	else if (!stk_entry_show(old))
		stk_set_bits(&old->sa_mask, stk_bits(&old->sa_mask) | before.hidden);
	return 0;
}

/* NORMAL context. */
void stk_view_adopt(void)
{
	struct stk_ksigaction k;
	struct sigaction sa;

	for (int sig = 1; sig < STK_SIGNALS; sig++) {
		if (!stk_entry_lacks(sig) || stk_sigaction(sig, 0, &k) ||
		    k.handler == stk_handler || (uintptr_t)k.handler <= 1 ||
		    stk_entry_number((uintptr_t)k.handler) >= 0 ||
		    !(k.flags & (SA_ONSTACK | (unsigned)SA_RESETHAND)))
			continue;
		memset(&sa, 0, sizeof(sa));
		sa.sa_sigaction = k.handler;
		sa.sa_flags = (int)k.flags;
		stk_set_bits(&sa.sa_mask, k.mask);
		stk_view_action(sig, &sa, 0);
	}
}

static __sighandler_t refuse(void)
{
	errno = EINVAL;
	return SIG_ERR;
}

/* ANY context: signal(3) and its kin differ in the flags and in what the handler blocks. */
static __sighandler_t set_handler(int sig, __sighandler_t handler, int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR || sig < 1 || sig >= STK_SIGNALS)
		return refuse();
	if (!(flags & SA_NODEFER))
		sigaddset(&sa.sa_mask, sig);
	return stk_view_action(sig, &sa, &old) ? SIG_ERR : old.sa_handler;
}

static int restarts(int sig)
{
	bool out = sig < 1 || sig >= STK_SIGNALS;

	return !out && (atomic_load(&interrupting) & 1ULL << (sig - 1)) ? 0 : SA_RESTART;
}

LIBSTACK_API __sighandler_t STK_NAME(signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, restarts(sig));
}

LIBSTACK_API __sighandler_t STK_NAME(bsd_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, restarts(sig));
}

LIBSTACK_API __sighandler_t STK_NAME(ssignal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, restarts(sig));
}

LIBSTACK_API __sighandler_t STK_NAME(sysv_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

LIBSTACK_API __sighandler_t STK_NAME(__sysv_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

LIBSTACK_API int STK_NAME(siginterrupt)(int sig, int interrupt)
{
	struct sigaction sa;

	if (stk_view_action(sig, NULL, &sa))
		return -1;
	if (interrupt) {
		atomic_fetch_or(&interrupting, 1ULL << (sig - 1));
		sa.sa_flags &= ~SA_RESTART;
	} else {
		atomic_fetch_and(&interrupting, ~(1ULL << (sig - 1)));
		sa.sa_flags |= SA_RESTART;
	}
	return stk_view_action(sig, &sa, NULL);
}

LIBSTACK_API int STK_NAME(sigignore)(int sig)
{
	struct sigaction sa = {.sa_handler = SIG_IGN};

	return stk_view_action(sig, &sa, NULL);
}

/* ANY context: sigset(3), the System V way. The action is set before the mask is opened. */
LIBSTACK_API __sighandler_t STK_NAME(sigset)(int sig, __sighandler_t disp)
{
	struct sigaction sa = {.sa_handler = disp}, old;
	bool hold = disp == SIG_HOLD;
	sigset_t one, before;

	if (sig < 1 || sig >= STK_SIGNALS)
		return refuse();
	sigemptyset(&one);
	if (sigaddset(&one, sig))
		return SIG_ERR;
	if (hold && stk_view_change(STK_REAL(sigprocmask), SIG_BLOCK, &one, &before))
		return SIG_ERR;
	if (hold && sigismember(&before, sig))
		return SIG_HOLD;
	if (stk_view_action(sig, hold ? NULL : &sa, &old))
		return SIG_ERR;
	if (!hold && stk_view_change(STK_REAL(sigprocmask), SIG_UNBLOCK, &one, &before))
		return SIG_ERR;
	return !hold && sigismember(&before, sig) ? SIG_HOLD : old.sa_handler;
}
