/* ANY context, all of it. */
#include "signal/state/action.h"

#include "signal/kernel/sys.h"
#include "signal/state/state.h"

#define BIT(sig) (1ULL << ((sig)-1))

static struct stk_ksigaction ours;

long stk_sigaction(int sig, const struct stk_ksigaction *sa, struct stk_ksigaction *old)
{
	return sys4(SYS_rt_sigaction, sig, sa, old, sizeof(sa->mask));
}

struct stk_ksigaction stk_our_action(void)
{
	return ours;
}

void stk_our_action_is(int sig)
{
	/* Of all signals it is the same. */
	if (!ours.handler)
		stk_sigaction(sig, 0, &ours);
}

bool stk_is_ours(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) && sa->sa_sigaction == stk_handler;
}

/*
 * The six stay open in the handler: a fault inside it must arrive. So do libc's two own signals: a
 * thread that waits here for its turn still answers the one that collects registers.
 */
uint64_t stk_handler_mask(void)
{
	return ~stk_signals_sync() & ~BIT(32) & ~BIT(33);
}

uint64_t stk_signals_sync(void)
{
	return BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS);
}

uint64_t stk_signals_all(void)
{
	return stk_signals_sync() | BIT(SIGABRT) | BIT(SIGQUIT);
}

bool stk_is_managed(int sig)
{
	return stk_g.installed && (stk_g.o.signals & BIT(sig));
}
