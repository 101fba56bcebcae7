#include "signal/state/end.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "signal/kernel/sys.h"
#include "signal/state/action.h"
#include "signal/state/self.h"

/* CRASH context. */
bool stk_end_by_default(int sig)
{
	struct stk_ksigaction dfl = {0};

	return stk_sigaction(sig, &dfl, 0) == 0;
}

/* CRASH context. */
_Noreturn void stk_end_raw(int sig)
{
	/* The process that it has brought here again, to our own handler. */
	static _Atomic int before;
	uint64_t one = 1ULL << (sig - 1);
	int pid = stk_self_pid(), tid = stk_self_tid();

	bool dfl = stk_end_by_default(sig) && atomic_exchange(&before, pid) != pid;
	if (dfl)
		sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, 0, 8);
	if (dfl && pid != 1) {
		sys3(SYS_tgkill, pid, tid, sig);
		sys2(SYS_kill, pid, sig);
	}
	/* Blocked, a fault ends the process whoever handles it. */
	if (stk_signals_sync() & one && sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8) == 0)
		stk_sys_fault(sig);
	sys1(SYS_exit_group, 128 + sig);
	one = ~0ULL;
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &one, 0, 8);
	for (;;)
		stk_sys_fault(SIGSEGV);
}
