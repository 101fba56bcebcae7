#include "deliver.h"

#include <errno.h>

#include "base/mem.h"
#include "base/signals.h"
#include "context.h"
#include "state.h"
#include "sys.h"

#define FX_AREA 4096

/* struct _fpx_sw_bytes at offset 464 of the FXSAVE area: magic1, extended_size (uapi sigcontext.h).
 */
#define SW_MAGIC1 0x46505853U
#define SW_AT     464
#define FX_MIN    512

static mcontext_t kept;
static stack_t kept_stack;
static uint64_t kept_mask;
static uint8_t kept_fx[FX_AREA] __attribute__((aligned(64)));
static size_t kept_fx_len;

static size_t fx_len(const void *fx)
{
	uint32_t sw[2];

	memcpy(sw, (const uint8_t *)fx + SW_AT, sizeof(sw));
	size_t n = sw[0] == SW_MAGIC1 ? sw[1] : FX_MIN;
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

static void set_default(int sig)
{
	struct stk_ksigaction dfl = {0};

	stk_sigaction(sig, &dfl, 0);
}

static void unblock(ucontext_t *uc, int sig)
{
	uint64_t mask;

	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask &= ~(1ULL << (sig - 1));
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

/* true: the instruction at the pc raises the signal again when it is resumed. */
static bool faults_again(int sig, const siginfo_t *si)
{
	return stk_sigcode_has_addr(sig, si->si_code) && sig != SIGTRAP;
}

void stk_deliver_refuse(ucontext_t *uc)
{
	/* The pc is behind the call (seccomp(2), SECCOMP_RET_TRAP). */
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
}

/* true: the program ends with this signal (0: libstack_dump, it does not). */
static bool ends(int sig)
{
	return sig && !(sig == SIGQUIT && stk_g.o.sigquit == STK_SIGQUIT_CONTINUE);
}

void stk_deliver_later(int sig, siginfo_t *si, ucontext_t *uc)
{
	uint64_t mask, one = 1ULL << (sig - 1);

	if (ends(stk_g.crash.signo))
		return;
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask |= one;
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8);
	sys4(SYS_rt_tgsigqueueinfo, sys0(SYS_getpid), sys0(SYS_gettid), sig, si);
}

bool stk_deliver(int sig, siginfo_t *si, ucontext_t *uc)
{
	int pid = (int)sys0(SYS_getpid);

	if (!ends(sig)) {
		stk_context_restart(uc);
		return true;
	}
	if (sig == SIGQUIT && stk_g.o.sigquit == STK_SIGQUIT_EXIT)
		sys1(SYS_exit_group, 2);
	set_default(sig);
	unblock(uc, sig);
	if (pid == 1) {
		/* The kernel drops a signal with the default action for the init of a PID namespace
		 * (SIGNAL_UNKILLABLE), unless a fault raises it (force_sig_info). */
		if (!faults_again(sig, si))
			sys1(SYS_exit_group, 128 + sig);
		return false;
	}
	long self = sys0(SYS_gettid);
	/* The mask of the handler must hold it back until the context is restored. */
	uint64_t one = 1ULL << (sig - 1);
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8);
	if (sys4(SYS_rt_tgsigqueueinfo, pid, self, sig, si) != 0 && !faults_again(sig, si) &&
	    sys3(SYS_tgkill, pid, self, sig) != 0)
		sys1(SYS_exit_group, 128 + sig);
	return false;
}
