/*
 * abort(3) after the program's own handler of SIGABRT has returned, or where the signal is ignored.
 * libc then sets the default action inside itself and raises the signal again: the end would come
 * without a report. So what libc does first is done here, and the default action, which is ours, is
 * back before its turn. ANY context: abort() may be called in a handler.
 *
 * libc's own calls (assert, a damaged heap) come here in a static program only.
 */
#include <signal.h>

#include "signal/program/real.h"
#include "signal/program/sigaction.h"
#include "signal/program/sigmask.h"
#include "signal/state/action.h"
#include "signal/state/state.h"

#ifdef STK_WRAP
/* This file is in the program only if the program is linked with --wrap. */
#undef STK_REAL
#define STK_REAL(name) __real_##name
#endif

/* As abort(3) says: unblocked, raised; and if that comes back, by default. */
__attribute__((noinline)) static void by_handler(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGABRT);
	stk_view_change(STK_REAL(sigprocmask), SIG_UNBLOCK, &one, NULL);
	raise(SIGABRT);
	stk_view_action(SIGABRT, &dfl, NULL);
}

/* The function to go on with: libc's (x86_64/forward.c). The registers of the extended state stay
 * as they are for the core. */
void *stk_abort_first(void);
__attribute__((target("general-regs-only"))) void *stk_abort_first(void)
{
	struct stk_ksigaction now;

	if (stk_g.installed && (stk_g.o.signals & 1ULL << (SIGABRT - 1)) &&
	    !stk_sigaction(SIGABRT, NULL, &now) && now.handler && now.handler != stk_handler)
		by_handler();
	return (void *)STK_REAL(abort);
}
