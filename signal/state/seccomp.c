#include "signal/state/seccomp.h"

#include <sys/prctl.h>

#include "signal/kernel/status.h"
#include "signal/kernel/sys.h"
#include "signal/state/state.h"

static bool filtered(void)
{
	return sys2(SYS_prctl, PR_GET_SECCOMP, 0) == 2; /* SECCOMP_MODE_FILTER */
}

int stk_seccomp_filters(void)
{
	return filtered() ? stk_status_number("/proc/self/status", "Seccomp_filters:") : 0;
}

bool stk_seccomp_is_strict(void)
{
	/* A program that began without filters is not asked how many: that takes calls, too. */
	return filtered() && (!stk_g.filters || stk_seccomp_filters() != stk_g.filters);
}
