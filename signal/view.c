#include "view.h"

#include <errno.h>
#include <string.h>

#include "real.h"
#include "state.h"
#include "sys.h"

#define SIGNALS 65

/* The six that the program believes to have blocked in this thread, though they are not. */
static _Thread_local uint64_t believed __attribute__((tls_model("initial-exec")));

/* What stands only in the program's view of an action: what was taken out of sa_mask, and the flags
 * that it gave with SIG_DFL. */
static struct {
	_Atomic uint64_t mask;
	_Atomic int flags;
} view[SIGNALS];

static uint64_t bits(const sigset_t *s)
{
	uint64_t v;

	memcpy(&v, s, sizeof(v));
	return v;
}

static void set_bits(sigset_t *s, uint64_t v)
{
	memcpy(s, &v, sizeof(v));
}

static bool managed(int sig)
{
	return stk_g.installed && (stk_g.o.signals & 1ULL << (sig - 1));
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
}

/* CRASH context. */
bool stk_view_holds_back(int sig, const siginfo_t *si, ucontext_t *uc)
{
	uint64_t bit = 1ULL << (sig - 1);
	int pid = (int)sys0(SYS_getpid);

	if (si->si_code > 0 || !(stk_signals_sync() & bit) || !(believed & bit))
		return false;
	set_bits(&uc->uc_sigmask, bits(&uc->uc_sigmask) | bit);
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, 0, 8);
	if (si->si_code == SI_TKILL)
		sys4(SYS_rt_tgsigqueueinfo, pid, sys0(SYS_gettid), sig, si);
	else
		sys3(SYS_rt_sigqueueinfo, pid, sig, si);
	return true;
}

bool stk_is_ours(const struct sigaction *sa)
{
	return (sa->sa_flags & SA_SIGINFO) && sa->sa_sigaction == stk_handler;
}

/* ANY context: as sigaction(2), in the program's view. */
static int set_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction mine, was;
	uint64_t strip = 0;

	if (sig < 1 || sig >= SIGNALS || !stk_g.installed)
		return STK_REAL(sigaction)(sig, act, old);
	if (act) {
		mine = *act;
		strip = bits(&act->sa_mask) & stk_signals_sync();
		set_bits(&mine.sa_mask, bits(&act->sa_mask) & ~strip);
		if (act->sa_handler == SIG_DFL && managed(sig)) {
			mine.sa_sigaction = stk_handler;
			mine.sa_flags =
			    (int)(stk_our_action().flags & ~0x04000000UL /* SA_RESTORER */);
			set_bits(&mine.sa_mask, stk_our_action().mask);
		}
	}
	uint64_t hidden = atomic_load(&view[sig].mask);
	int flags = atomic_load(&view[sig].flags);
	if (STK_REAL(sigaction)(sig, act ? &mine : NULL, &was))
		return -1;
	if (act) {
		atomic_store(&view[sig].mask, strip);
		atomic_store(&view[sig].flags, act->sa_flags);
	}
	if (!old)
		return 0;
	*old = was;
	if (stk_is_ours(&was)) {
		memset(old, 0, sizeof(*old));
		old->sa_handler = SIG_DFL;
		old->sa_flags = flags;
	}
	set_bits(&old->sa_mask, bits(&old->sa_mask) | hidden);
	return 0;
}

LIBSTACK_API int STK_NAME(sigaction)(int sig, const struct sigaction *restrict act,
				     struct sigaction *restrict old)
{
	return set_action(sig, act, old);
}

/* ANY context: signal(3) and its kin differ in the flags. */
static __sighandler_t set_handler(int sig, __sighandler_t handler, int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (!(flags & SA_NODEFER) && sig > 0 && sig < SIGNALS)
		sigaddset(&sa.sa_mask, sig);
	return set_action(sig, &sa, &old) ? SIG_ERR : old.sa_handler;
}

LIBSTACK_API __sighandler_t STK_NAME(signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

LIBSTACK_API __sighandler_t STK_NAME(bsd_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

LIBSTACK_API __sighandler_t STK_NAME(ssignal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

LIBSTACK_API __sighandler_t STK_NAME(sysv_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

LIBSTACK_API __sighandler_t STK_NAME(__sysv_signal)(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

/* ANY context. `real`: sigprocmask or pthread_sigmask, which differ in how they say errors. */
static int set_mask(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set,
		    sigset_t *old)
{
	uint64_t six = stk_signals_sync(), was = believed, want = set ? bits(set) : 0;
	sigset_t mine;

	if (!stk_g.installed)
		return real(how, set, old);
	if (set) {
		mine = *set;
		set_bits(&mine, how == SIG_UNBLOCK ? want : want & ~six);
	}
	int r = real(how, set ? &mine : NULL, old);
	if (r)
		return r;
	if (old)
		set_bits(old, bits(old) | was);
	if (set && how == SIG_BLOCK)
		believed |= want & six;
	else if (set && how == SIG_UNBLOCK)
		believed &= ~want;
	else if (set)
		believed = want & six;
	return 0;
}

LIBSTACK_API int STK_NAME(sigprocmask)(int how, const sigset_t *restrict set,
				       sigset_t *restrict old)
{
	return set_mask(STK_REAL(sigprocmask), how, set, old);
}

LIBSTACK_API int STK_NAME(pthread_sigmask)(int how, const sigset_t *restrict set,
					   sigset_t *restrict old)
{
	return set_mask(STK_REAL(pthread_sigmask), how, set, old);
}

/* ANY context: sigset(3), the System V way. */
LIBSTACK_API __sighandler_t STK_NAME(sigset)(int sig, __sighandler_t disp)
{
	struct sigaction sa = {.sa_handler = disp}, old;
	sigset_t one, before;

	sigemptyset(&one);
	if (sigaddset(&one, sig))
		return SIG_ERR;
	if (set_mask(STK_REAL(sigprocmask), disp == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one,
		     &before))
		return SIG_ERR;
	if (set_action(sig, disp == SIG_HOLD ? NULL : &sa, &old))
		return SIG_ERR;
	return sigismember(&before, sig) ? SIG_HOLD : old.sa_handler;
}
