#include "signal/program/entry.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/sys.h"
#include "signal/program/adopter.h"
#include "signal/report/deliver.h"
#include "signal/state/action.h"
#include "signal/state/slots.h"
#include "signal/state/view.h"

struct stk_entry stk_entries[STK_ENTRIES] STK_APART;
static _Atomic uint64_t bare; /* signals whose handler had no entry, and may get one later */

/*
 * ANY context: the entry for this handler, a new one if there is none. A place that somebody else
 * writes to, or died over, is passed by. -1: all are taken.
 */
static int entry_for(uint64_t handler, int flags, uint64_t mask, bool slow)
{
	for (int i = 0; i < STK_ENTRIES; i++) {
		struct stk_entry *e = &stk_entries[i];
		uint32_t state = __atomic_load_n(&e->state, __ATOMIC_ACQUIRE);
		if (state == 2 && e->handler == handler && e->flags == flags && e->mask == mask &&
		    e->slow == slow)
			return i;
		if (state == 0 && __atomic_compare_exchange_n(&e->state, &state, 1, false,
							      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			e->handler = handler;
			e->flags = flags;
			e->mask = mask;
			e->slow = slow;
			__atomic_store_n(&e->state, 2, __ATOMIC_RELEASE);
			return i;
		}
	}
	return -1;
}

void stk_entry_put(int sig, struct sigaction *sa, int flags, uint64_t mask)
{
	uint64_t handler = (uint64_t)(uintptr_t)sa->sa_handler;
	bool queue = stk_entry_queues(sig, flags);
	bool once = (sa->sa_flags & (int)SA_RESETHAND) && stk_is_managed(sig);
	bool there = stk_slots_started() && ((sa->sa_flags & SA_ONSTACK) || once);

	if (sa->sa_handler == SIG_DFL || sa->sa_handler == SIG_IGN ||
	    ((sa->sa_flags & SA_ONSTACK) && stk_adopts_stack((const void *)sa->sa_handler)))
		return;
	int i = there ? entry_for(handler, flags, mask, once || queue) : -1;
	if (i < 0) {
		if (sa->sa_flags & (SA_ONSTACK | (int)SA_RESETHAND))
			atomic_fetch_or(&bare, 1ULL << (sig - 1));
		return;
	}
	/* Any number of them may wait: one at a time is pushed, the entry lets the next one come.
	 */
	if (queue)
		sa->sa_flags &= ~SA_NODEFER;
	/* The entry wants to know what happened, whatever the handler wants to know. */
	sa->sa_sigaction = (void (*)(int, siginfo_t *, void *))stk_entry_code(i);
	sa->sa_flags |= SA_SIGINFO;
}

bool stk_entry_show(struct sigaction *sa)
{
	int i = stk_entry_number((uint64_t)(uintptr_t)sa->sa_handler);

	if (i < 0)
		return false;
	sa->sa_handler = (__sighandler_t)(uintptr_t)stk_entries[i].handler;
	sa->sa_flags = stk_entries[i].flags;
	stk_set_bits(&sa->sa_mask, stk_entries[i].mask);
	return true;
}

bool stk_entry_lacks(int sig)
{
	return atomic_load(&bare) & 1ULL << (sig - 1);
}

void stk_entry_reset(int sig)
{
	struct stk_ksigaction ours = stk_our_action(), was;

	if (!stk_is_managed(sig) || !ours.handler || stk_sigaction(sig, 0, &was) || was.handler)
		return;
	if (stk_sigaction(sig, &ours, &was))
		return;
	if (was.handler) /* another thread was faster */
		stk_sigaction(sig, &was, 0);
	else
		stk_view_ours(sig, true);
}

void stk_entry_no_room(int sig, siginfo_t *si, ucontext_t *uc)
{
	/* What the kernel makes of it (force_sig of kernel/signal.c). */
	siginfo_t forced = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};
	uint64_t mask = stk_our_action().mask;

	if (sig != SIGSEGV || si->si_code <= 0)
		si = &forced;
	if (!stk_is_managed(SIGSEGV) || !mask) {
		stk_deliver(SIGSEGV, si, uc);
		return;
	}
	/* A fault in our handler must arrive. */
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	stk_handler(SIGSEGV, si, uc);
}
