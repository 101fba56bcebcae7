/* CRASH context, all of it. */
#include "signal/kernel/unlisted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>

#include "signal/kernel/sys.h"

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
	/* access(2) does not know what Landlock forbids. */
	long fd = sys3(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return stk_unlisted();
	sys1(SYS_close, fd);
	return STK_UNLISTED_NONE;
}
