#include "gate.h"

#include <linux/futex.h>

#include "base/mem.h"
#include "context.h"
#include "launch.h"
#include "state.h"
#include "sys.h"

static uint64_t self(void)
{
	return (uint64_t)sys0(SYS_getpid) << 32 | (uint32_t)sys0(SYS_gettid);
}

bool stk_gate_is_mine(void)
{
	return atomic_load(&stk_g.gate) == self();
}

void stk_gate_open(void)
{
	atomic_store(&stk_g.gate, 0);
	atomic_fetch_add(&stk_g.gate_turn, 1);
	sys3(SYS_futex, &stk_g.gate_turn, FUTEX_WAKE, 0x7fffffff);
}

/* A thread that waits for its turn leaves the registers of its fault: the report shows those, not
 * where it waits. NULL: there is no room, or no need. */
static struct stk_other *park(const ucontext_t *uc)
{
	int32_t tid = (int32_t)sys0(SYS_gettid);

	for (int i = 0; uc && i < STK_PARKED_MAX; i++) {
		struct stk_other *p = &stk_g.crash.parked[i];
		int32_t free = 0;
		if (!__atomic_compare_exchange_n(&p->tid, &free, tid, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			continue;
		stk_context_gregs(uc, p->gregs);
		__atomic_store_n(&p->answered, 1, __ATOMIC_RELEASE);
		return p;
	}
	return 0;
}

static void unpark(struct stk_other *p)
{
	if (!p)
		return;
	__atomic_store_n(&p->answered, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&p->tid, 0, __ATOMIC_RELEASE);
}

/* Wait until the gate changes hands. false: that takes longer than any report. */
static bool wait_turn(uint64_t seen, uint64_t until)
{
	uint32_t turn = atomic_load(&stk_g.gate_turn);
	struct timespec ts = stk_time_left(until);

	if (!ts.tv_sec && !ts.tv_nsec && !stk_launch_writes_core())
		return false;
	if (!ts.tv_sec && !ts.tv_nsec)
		ts.tv_sec = 1; /* a core takes its time: look again */
	if (atomic_load(&stk_g.gate) == seen)
		sys4(SYS_futex, &stk_g.gate_turn, FUTEX_WAIT, turn, &ts);
	return true;
}

enum stk_gate stk_gate_enter(const ucontext_t *uc)
{
	uint64_t me = self(), seen = 0, until = 0;
	struct stk_other *parked = 0;

	while (!atomic_compare_exchange_strong(&stk_g.gate, &seen, me)) {
		if (seen == me)
			return STK_GATE_NESTED;
		if (seen >> 32 != me >> 32) {
			/* It shares our memory, and must not begin a report about itself. */
			if (stk_launch_is_clone())
				return STK_GATE_GIVE_UP;
			/* `seen` is what is taken over; its threads are not ours. */
			memset(stk_g.crash.parked, 0, sizeof(stk_g.crash.parked));
			continue;
		}
		if (!until) {
			until = stk_now_ns() + (stk_g.o.timeout_ms + 1000) * 1000000ULL;
			parked = park(uc);
		}
		if (!wait_turn(seen, until)) {
			unpark(parked);
			return STK_GATE_GIVE_UP;
		}
		seen = 0;
	}
	unpark(parked);
	return STK_GATE_ENTERED;
}
