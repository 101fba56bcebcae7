/* What the program believes of its mask, and the functions that set it. ANY context. */
#include <string.h>

#include "context.h"
#include "real.h"
#include "state.h"
#include "sys.h"
#include "view.h"

static _Thread_local uint64_t believed __attribute__((tls_model("initial-exec")));
/* Those of them that were held back here, and are truly blocked since. */
static _Thread_local uint64_t held __attribute__((tls_model("initial-exec")));

static uint64_t raw_mask(int how, uint64_t set)
{
	uint64_t old = 0;

	sys4(SYS_rt_sigprocmask, how, &set, &old, 8);
	return old;
}

/* ANY context. */
uint64_t stk_view_mask(void)
{
	return believed;
}

/* ANY context. */
void stk_view_set_mask(uint64_t mask)
{
	believed = mask;
	held = 0;
}

/* ANY context. */
void stk_view_open(void)
{
	uint64_t six = stk_signals_sync() & stk_view_all_ours() & raw_mask(SIG_BLOCK, 0);

	/* In this order: one that is pending arrives when it is unblocked, and is held back. */
	believed |= six;
	if (six)
		raw_mask(SIG_UNBLOCK, six);
}

/* ANY context. */
void stk_view_settle(uint64_t mask)
{
	mask &= believed;
	if (mask)
		raw_mask(SIG_BLOCK, mask);
	believed &= ~mask;
}

/* CRASH context. */
bool stk_view_holds_back(int sig, const siginfo_t *si, ucontext_t *uc)
{
	uint64_t bit = 1ULL << (sig - 1);
	int pid = (int)sys0(SYS_getpid);

	if (si->si_code > 0 || !(believed & bit))
		return false;
	/* It arrives although it was blocked: a handler that blocked it has returned, and the
	 * kernel has opened the mask again. */
	if (held & bit) {
		held &= ~bit;
		believed &= ~bit;
		return false;
	}
	held |= bit;
	stk_set_bits(&uc->uc_sigmask, stk_bits(&uc->uc_sigmask) | bit);
	raw_mask(SIG_BLOCK, bit);
	/*
	 * To the process again, of which another thread may wait for it. Only the first thread may
	 * repeat who sent it (kernel/signal.c, do_rt_sigqueueinfo compares the tid): from others,
	 * and when the queue is full, it comes from us.
	 */
	if (si->si_code == SI_TKILL) {
		if (sys4(SYS_rt_tgsigqueueinfo, pid, sys0(SYS_gettid), sig, si) != 0)
			sys3(SYS_tgkill, pid, sys0(SYS_gettid), sig);
	} else if (sys3(SYS_rt_sigqueueinfo, pid, sig, si) != 0) {
		sys2(SYS_kill, pid, sig);
	}
	stk_context_restart(uc);
	return true;
}

/*
 * ANY context. What is truly blocked (in a handler of that signal, or because it was held back)
 * stays so as long as the program wants it: the kernel's own changes of the mask bring it back.
 */
int stk_view_change(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old)
{
	uint64_t was = believed, want = set ? stk_bits(set) : 0, hide = 0;
	sigset_t mine;

	if (set && how != SIG_UNBLOCK)
		hide = want & stk_signals_sync() & stk_view_all_ours();
	if (hide)
		hide &= ~raw_mask(SIG_BLOCK, 0);
	if (set) {
		mine = *set;
		stk_set_bits(&mine, want & ~hide);
	}
	/* Before the call: what is pending arrives in it. */
	if (set && how == SIG_BLOCK)
		believed = was | hide;
	else if (set && how == SIG_UNBLOCK)
		believed = was & ~want;
	else if (set && how == SIG_SETMASK)
		believed = hide;
	held &= believed;
	int r = real(how, set ? &mine : NULL, old);
	if (r)
		believed = was;
	else if (old)
		stk_set_bits(old, stk_bits(old) | was);
	return r;
}

static int change_one(int how, int sig)
{
	sigset_t one;

	sigemptyset(&one);
	return sigaddset(&one, sig) ? -1 : stk_view_change(STK_REAL(sigprocmask), how, &one, NULL);
}

LIBSTACK_API int STK_NAME(sighold)(int sig)
{
	return change_one(SIG_BLOCK, sig);
}

LIBSTACK_API int STK_NAME(sigrelse)(int sig)
{
	return change_one(SIG_UNBLOCK, sig);
}

/* The masks of 4.2BSD are the first 32 bits of ours. */
static int change_int(int how, int mask)
{
	sigset_t set, old;

	sigemptyset(&set);
	stk_set_bits(&set, (unsigned)mask);
	return stk_view_change(STK_REAL(sigprocmask), how, &set, &old) ? -1 : (int)stk_bits(&old);
}

LIBSTACK_API int STK_NAME(sigblock)(int mask)
{
	return change_int(SIG_BLOCK, mask);
}

LIBSTACK_API int STK_NAME(sigsetmask)(int mask)
{
	return change_int(SIG_SETMASK, mask);
}

LIBSTACK_API int STK_NAME(siggetmask)(void)
{
	return change_int(SIG_BLOCK, 0);
}
