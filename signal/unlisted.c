/* CRASH context, all of it. */
#include "unlisted.h"

#include <errno.h>
#include <linux/sched.h>
#include <unistd.h>

#include "sys.h"

/*
 * unshare(2) of CLONE_THREAD does nothing, and succeeds only in a process of one thread
 * (kernel/fork.c, check_unshare_flags). A leader that has ended counts there, and is none to be
 * shown; it is not the one that asks.
 */
enum stk_trace_unlisted stk_unlisted(void)
{
	long r = sys1(SYS_unshare, CLONE_THREAD);

	if (!r)
		return STK_UNLISTED_NONE;
	return r == -EINVAL && sys0(SYS_gettid) == sys0(SYS_getpid) ? STK_UNLISTED_SOME
								    : STK_UNLISTED_MAYBE;
}

enum stk_trace_unlisted stk_unlisted_by_proc(void)
{
	return sys2(SYS_access, "/proc/self/task", R_OK | X_OK) ? stk_unlisted()
								: STK_UNLISTED_NONE;
}
