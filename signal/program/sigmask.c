/* What the program believes of its mask, and the functions that set it. ANY context. */
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "signal/kernel/sys.h"
#include "signal/program/real.h"
#include "signal/program/sigmask.h"
#include "signal/report/gate.h"
#include "signal/state/action.h"
#include "signal/state/belief.h"
#include "signal/state/libc.h"
#include "signal/state/self.h"
#include "signal/state/state.h"
#include "signal/state/view.h"

static _Thread_local struct stk_belief mine __attribute__((tls_model("initial-exec")));

static uint64_t raw_mask(int how, uint64_t set)
{
	uint64_t old = 0;

	sys4(SYS_rt_sigprocmask, how, &set, &old, 8);
	return old;
}

static void believe(uint64_t mask)
{
	mine.magic = (uint64_t)(uintptr_t)&mine ^ STK_BELIEF_MAGIC;
	if (mask & ~mine.believed)
		mine.since = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	mine.believed = mask;
	mine.held &= mask;
}

/* ANY context. */
bool stk_view_in_child(void)
{
	if (!stk_in_child())
		return false;
	if (stk_actions() == STK_ACTIONS_HIDDEN) {
		/* In this order: the handler does the same, and is done when it returns. */
		raw_mask(SIG_BLOCK, mine.believed);
		stk_actions_make_true();
	}
	return true;
}

/* ANY context. */
void stk_view_spawn(int more)
{
	atomic_fetch_add(&stk_g.spawning, more);
}

/* NORMAL context: fork(3) has made a copy, which is a process of its own. */
static void forked(void)
{
	*stk_memory_owner = 0;
	atomic_store(&stk_g.spawning, 0);
	/* Threads that waited for their turn to crash are the parent's. */
	memset(stk_g.crash.parked, 0, sizeof(stk_g.crash.parked));
	stk_gate_open();
	(void)stk_in_child();
	if (stk_actions() == STK_ACTIONS_TRUE) {
		mine.believed = mine.held = 0;
		stk_view_anew(stk_actions_anew());
		stk_view_open();
	}
}

/*
 * NORMAL context. The word that names the owner is empty in a copy that was made without fork(3),
 * too, where the kernel knows MADV_WIPEONFORK (Linux 4.14).
 */
void stk_view_start(void)
{
	size_t size = getauxval(AT_PAGESZ);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && !madvise(page, size, MADV_WIPEONFORK)) {
		stk_memory_owner = page;
		stk_gate_move((struct stk_gate_word *)page + 1);
	} else if (page != MAP_FAILED)
		munmap(page, size);
	(void)stk_in_child();
	stk_belief_start(&mine);
	__register_atfork(NULL, NULL, forked, NULL);
}

/* ANY context. Whose memory it is is asked only where it holds something. */
uint64_t stk_view_mask(void)
{
	return mine.believed && !stk_view_in_child() ? mine.believed : 0;
}

/* ANY context. */
void stk_view_set_mask(uint64_t mask)
{
	if ((!mask && !mine.believed) || stk_view_in_child())
		return;
	mine.held = 0;
	believe(mask);
}

/* ANY context. */
void stk_view_open(void)
{
	uint64_t six = stk_signals_sync() & stk_view_all_ours() & raw_mask(SIG_BLOCK, 0);

	/* In this order: one that is pending arrives when it is unblocked, and is held back. */
	if (six && !stk_view_in_child()) {
		believe(mine.believed | six);
		raw_mask(SIG_UNBLOCK, six);
	}
}

/* ANY context. */
void stk_view_settle(uint64_t mask)
{
	mask &= mine.believed;
	if (mask) {
		raw_mask(SIG_BLOCK, mask);
		believe(mine.believed & ~mask);
	}
}

/* ANY context. */
uint64_t stk_view_make_true(void)
{
	uint64_t believed = stk_view_mask();

	return believed ? believed & ~raw_mask(SIG_BLOCK, believed) : 0;
}

/* ANY context. */
void stk_view_make_believe(uint64_t opened)
{
	if (opened)
		raw_mask(SIG_UNBLOCK, opened);
}

/*
 * ANY context. What is truly blocked (in a handler of that signal, or because it was held back)
 * stays so as long as the program wants it: the kernel's own changes of the mask bring it back.
 */
int stk_view_change(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old)
{
	uint64_t was = mine.believed, want = set ? stk_bits(set) : 0;
	uint64_t six = want & stk_signals_sync() & stk_view_all_ours(), hide = 0;
	sigset_t open;

	if ((!was && !six) || stk_view_in_child())
		return real(how, set, old);
	if (how != SIG_UNBLOCK)
		hide = six;
	if (hide)
		hide &= ~raw_mask(SIG_BLOCK, 0);
	if (set) {
		open = *set;
		stk_set_bits(&open, want & ~hide);
	}
	/* Before the call: what is pending arrives in it. */
	if (set && how == SIG_BLOCK)
		believe(was | hide);
	else if (set && how == SIG_UNBLOCK)
		believe(was & ~want);
	else if (set && how == SIG_SETMASK)
		believe(hide);
	int r = real(how, set ? &open : NULL, old);
	if (r)
		believe(was);
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
