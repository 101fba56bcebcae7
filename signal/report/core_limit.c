#include "signal/report/core_limit.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arch.h"
#include "base/mem.h"
#include "base/text.h"
#include "signal/kernel/status.h"
#include "signal/kernel/sys.h"

static char why[256];

/* "|/usr/lib/systemd/systemd-coredump %P …": is there such a program? */
static const char *check_pipe(char *pattern)
{
	struct stk_text t;
	char *end = pattern + 1;

	while (*end && *end != ' ' && *end != '\n')
		end++;
	*end = 0;
	if (sys2(SYS_access, pattern + 1, X_OK) == 0)
		return 0;
	stk_text_init(&t, why, sizeof(why));
	stk_printf(&t, "core_pattern pipes to %s, which cannot be run here", pattern + 1);
	return why;
}

/* CRASH context. */
const char *stk_core_pattern(char *pattern, long n)
{
	if (n <= 0 || !pattern[0] || pattern[0] == '\n')
		return "kernel.core_pattern is empty";
	if (pattern[0] == '|')
		return check_pipe(pattern);
	/* "@/path": a coredump socket, since Linux 6.16. */
	if (pattern[0] != '/' && pattern[0] != '@' && sys2(SYS_access, ".", W_OK) != 0)
		return "the working directory is not writable";
	return 0;
}

const char *stk_core_allow(bool *ret_private)
{
	char pattern[200];
	long n = stk_read_small("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	struct rlimit r;

	*ret_private = sys1(SYS_prctl, PR_GET_DUMPABLE) != 1;
	if (*ret_private)
		return "the process is not dumpable (set-uid, or PR_SET_DUMPABLE)";
	if (sys4(SYS_prlimit64, 0, RLIMIT_CORE, 0, &r) != 0)
		return "the limit of core files cannot be read";
	/* What goes through a pipe or a socket has no limit (core(5)). Below a page nothing useful
	 * is written. */
	bool file = n < 0 || (pattern[0] != '|' && pattern[0] != '@');
	if (file && r.rlim_max < STK_PAGE)
		return "the hard limit of core files is 0 (ulimit -Hc)";
	if (r.rlim_cur != r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (sys4(SYS_prlimit64, 0, RLIMIT_CORE, &r, 0) != 0)
			return "the limit of core files cannot be raised";
	}
	return n < 0 ? 0 : stk_core_pattern(pattern, n);
}
