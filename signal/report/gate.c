#include "signal/report/gate.h"

#include <errno.h>

#include "base/mem.h"
#include "signal/crash.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"
#include "signal/state/self.h"
#include "signal/state/state.h"

#define TURNS_MAX 100000

/* Where it stands in memory that a forked child finds empty, the second. */
static struct stk_gate_word plain, *wiped;

static struct stk_gate_word *gate(void)
{
	return wiped ? wiped : &plain;
}

static uint64_t self(void)
{
	return (uint64_t)stk_self_pid() << 32 | (uint32_t)stk_self_tid();
}

void stk_gate_open(void)
{
	atomic_store(&gate()->owner, 0);
	atomic_fetch_add(&gate()->turn, 1);
	stk_wake_word(&gate()->turn);
}

/* A thread that waits for its turn leaves the registers of its fault: the report shows those, not
 * where it waits. NULL: there is no room, or no need. */
static struct stk_parked *park(const ucontext_t *uc)
{
	int32_t tid = stk_self_tid();

	for (int i = 0; uc && i < STK_PARKED_MAX; i++) {
		struct stk_parked *p = &stk_g.crash.parked[i];
		int32_t free = 0;
		if (!__atomic_compare_exchange_n(&p->tid, &free, tid, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
			continue;
		stk_context_stood(uc, &p->stood);
		__atomic_store_n(&p->there, 1, __ATOMIC_RELEASE);
		return p;
	}
	return 0;
}

static void unpark(struct stk_parked *p)
{
	if (!p)
		return;
	__atomic_store_n(&p->there, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&p->tid, 0, __ATOMIC_RELEASE);
}

/* Wait until the gate changes hands. false: that takes longer than any report. */
static bool wait_turn(uint64_t seen, uint64_t until)
{
	uint32_t turn = atomic_load(&gate()->turn);
	uint64_t now = stk_now_ns();

	if (now >= until && !stk_core_is_written())
		return false;
	if (now >= until)
		until = now + 1000000000U; /* a core takes its time: look again */
	if (atomic_load(&gate()->owner) == seen)
		stk_wait_word(&gate()->turn, turn, until);
	return true;
}

/* Is the owner, another process, in this memory and still there? Where a forked child does not find
 * the gate empty, it is taken for a copy. */
static bool lives(uint64_t owner)
{
	return wiped && sys3(SYS_tgkill, owner >> 32, (uint32_t)owner, 0) != -ESRCH;
}

enum stk_gate stk_gate_enter(const ucontext_t *uc)
{
	uint64_t me = self(), seen = 0, until = 0;
	struct stk_parked *parked = 0;

	for (unsigned turns = 0; !atomic_compare_exchange_strong(&gate()->owner, &seen, me);
	     turns++) {
		if (seen == me)
			return STK_GATE_NESTED;
		if (seen >> 32 != me >> 32 && !lives(seen)) {
			/* `seen` is what is taken over; its threads are not ours. */
			memset(stk_g.crash.parked, 0, sizeof(stk_g.crash.parked));
			continue;
		}
		if (!until) {
			until = stk_now_ns() + (stk_g.o.timeout_ms + 1000) * 1000000ULL;
			parked = seen >> 32 == me >> 32 ? park(uc) : 0;
		}
		if (turns >= TURNS_MAX || !wait_turn(seen, until)) {
			unpark(parked);
			return STK_GATE_GIVE_UP;
		}
		seen = 0;
	}
	unpark(parked);
	return STK_GATE_ENTERED;
}

/* NORMAL context. */
void stk_gate_move(struct stk_gate_word *to)
{
	wiped = to;
}
