#include "signal/state/self.h"

#include <fcntl.h>

#include "base/status.h"
#include "signal/kernel/sys.h"

static int32_t owner;
int32_t *stk_memory_owner = &owner;

bool stk_in_child(void)
{
	int32_t pid = (int32_t)sys0(SYS_getpid);

	/* A filter that refuses the call is the program's own affair. */
	if (pid <= 0)
		return false;
	if (!*stk_memory_owner)
		*stk_memory_owner = pid;
	return *stk_memory_owner != pid;
}

int stk_self_pid(void)
{
	long pid = sys0(SYS_getpid);

	return pid > 0 ? (int)pid : *stk_memory_owner;
}

int stk_self_tid(void)
{
	static const char path[] = "/proc/thread-self";
	long tid = sys0(SYS_gettid), n = 0;
	char link[64];

	if (tid > 0)
		return (int)tid;
	/* "PID/task/TID" */
	n = sys4(SYS_readlinkat, AT_FDCWD, path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	tid = n > 0 ? stk_last_number(link) : 0;
	return tid > 0 ? (int)tid : stk_self_pid();
}
