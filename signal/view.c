#include "view.h"

#include <errno.h>
#include <string.h>

#include "entry.h"
#include "real.h"
#include "state.h"

#define SIGNALS 65

/* The flags that the kernel keeps (UAPI_SA_FLAGS of linux/signal.h and x86's SA_RESTORER). */
#define SA_RESTORER_BIT 0x04000000
#define SA_KEPT                                                                                    \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |         \
	 (int)SA_RESETHAND | 0x00000800 /* SA_EXPOSE_TAGBITS */)

/*
 * What stands only in the program's view of an action: what was taken out of sa_mask; and the flags
 * and the mask that it gave with SIG_DFL.
 */
static struct {
	_Atomic uint64_t hidden, mask;
	_Atomic int flags;
} view[SIGNALS];

static _Atomic uint64_t all_ours;
static _Atomic uint64_t interrupting; /* siginterrupt(3) */

static bool managed(int sig)
{
	return stk_g.installed && (stk_g.o.signals & 1ULL << (sig - 1));
}

void stk_view_ours(int sig, bool ours)
{
	uint64_t bit = 1ULL << (sig - 1);

	if (ours)
		atomic_fetch_or(&all_ours, bit);
	else
		atomic_fetch_and(&all_ours, ~bit);
}

/* ANY context. */
uint64_t stk_view_all_ours(void)
{
	return atomic_load(&all_ours);
}

bool stk_is_ours(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) && sa->sa_sigaction == stk_handler;
}

static void put_ours(struct sigaction *sa)
{
	sa->sa_sigaction = stk_handler;
	sa->sa_flags = (int)(stk_our_action().flags & ~(unsigned long)SA_RESTORER_BIT);
	stk_set_bits(&sa->sa_mask, stk_our_action().mask);
}

/* The default action as the kernel would report what the program asked for; after exec all is zero.
 */
static void show_default(struct sigaction *old, int flags, uint64_t mask)
{
	void (*restorer)(void) = old->sa_restorer;

	memset(old, 0, sizeof(*old));
	old->sa_flags = flags;
	old->sa_restorer = flags & SA_RESTORER_BIT ? restorer : NULL;
	stk_set_bits(&old->sa_mask, mask);
}

/* ANY context. */
uint64_t stk_view_hidden(int sig)
{
	return sig >= 1 && sig < SIGNALS ? atomic_load(&view[sig].hidden) : 0;
}

/* ANY context. */
void stk_view_anew(uint64_t ours)
{
	atomic_store(&all_ours, ours);
	for (int sig = 1; sig < SIGNALS; sig++)
		atomic_store(&view[sig].hidden, 0);
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
		show_default(old, atomic_load(&view[sig].flags), atomic_load(&view[sig].mask));
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

	return (stk_signals_all() & 1ULL << (sig - 1)) || stk_view_hidden(sig) ||
	       (act && (act->sa_flags & SA_ONSTACK)) ||
	       (mask & stk_signals_sync() & stk_view_all_ours());
}

/* ANY context. */
int stk_view_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction mine, was;
	uint64_t hide = 0, full = 0;
	int flags = 0;
	bool ours = false;

	if (sig < 1 || sig >= SIGNALS)
		return STK_REAL(sigaction)(sig, act, old);
	if (!touches(sig, act))
		return plain_action(sig, act, old);
	if (stk_view_in_child())
		return child_action(sig, act, old);
	if (act) {
		mine = *act;
		full = stk_bits(&act->sa_mask) & ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1));
		flags = (act->sa_flags & SA_KEPT) | SA_RESTORER_BIT;
		hide = full & stk_signals_sync() & stk_view_all_ours();
		stk_set_bits(&mine.sa_mask, full & ~hide);
		ours = act->sa_handler == SIG_DFL && managed(sig);
		if (ours)
			put_ours(&mine);
		else
			stk_entry_put(sig, &mine, flags, full);
	}
	uint64_t hidden = atomic_load(&view[sig].hidden), mask = atomic_load(&view[sig].mask);
	int kept = atomic_load(&view[sig].flags);
	/* Its own handler, or none: a signal that it blocks must not reach it. */
	if (act && !ours)
		stk_view_settle(1ULL << (sig - 1));
	if (STK_REAL(sigaction)(sig, act ? &mine : NULL, &was))
		return -1;
	if (act) {
		atomic_store(&view[sig].hidden, ours ? 0 : hide);
		atomic_store(&view[sig].mask, full);
		atomic_store(&view[sig].flags, flags);
		stk_view_ours(sig, ours);
	}
	if (!old)
		return 0;
	*old = was;
	/* A handler for one time leaves its flags and its mask (kernel/signal.c, get_signal). */
	if (stk_is_ours(&was) || (was.sa_handler == SIG_DFL && (kept & (int)SA_RESETHAND)))
		show_default(old, kept, mask);
	else if (!stk_entry_show(old))
		stk_set_bits(&old->sa_mask, stk_bits(&old->sa_mask) | hidden);
	return 0;
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

	if (handler == SIG_ERR || sig < 1 || sig >= SIGNALS)
		return refuse();
	if (!(flags & SA_NODEFER))
		sigaddset(&sa.sa_mask, sig);
	return stk_view_action(sig, &sa, &old) ? SIG_ERR : old.sa_handler;
}

static int restarts(int sig)
{
	bool out = sig < 1 || sig >= SIGNALS;

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

	if (sig < 1 || sig >= SIGNALS)
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
