#include "signal/kernel/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>

#include "signal/kernel/sys.h"

#define SECOND 1000000000ULL
#define NAP    1000000L

/* CRASH context. */
uint64_t stk_now_ns(void)
{
	struct timespec ts = {0, 0};

	if (sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) == 0)
		return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
	/* Processors count 2 to 4 times in a nanosecond: no deadline comes later than it should. */
	return stk_sys_ticks() / 2;
}

/* CRASH context. */
struct timespec stk_time_left(uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	return (struct timespec){(time_t)(left / SECOND), (long)(left % SECOND)};
}

/* CRASH context. */
void stk_wait_word(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	struct timespec ts = stk_time_left(deadline_ns), nap = {0, NAP};

	if ((!ts.tv_sec && !ts.tv_nsec) || atomic_load(word) != value)
		return;
	long r = sys4(SYS_futex, word, FUTEX_WAIT, value, &ts);
	if (r == 0 || r == -EAGAIN || r == -EINTR || r == -ETIMEDOUT)
		return;
	if (sys5(SYS_ppoll, 0, 0, &nap, 0, 0) != 0)
		stk_sys_ticks(); /* both are refused: the deadline ends it */
}

/* CRASH context. */
void stk_wake_word(_Atomic uint32_t *word)
{
	sys3(SYS_futex, word, FUTEX_WAKE, 0x7fffffff);
}
