/* What stands below a signal's handler: compiled by musl-gcc, whose libc has no call frame
 * information. */
#include <signal.h>

#include "../../fixtures/fixture.h"

static int *volatile missing;

static void on_signal(int sig)
{
	LOG("on_signal 0x%x\n", sig);
	abort();
}

NOINLINE static int work(int depth, long *sum)
{
	LOG("work 0x%x, 0x%lx\n", depth, ADDR(sum));
	*sum += depth;
	return depth ? work(depth - 1, sum) + 1 : *missing;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	long sum = 0;

	fixture_start(20);
	sigaction(SIGSEGV, &sa, NULL);
	return work(2, &sum);
}
