#include "signal/state/view.h"

#include <stdatomic.h>

#include "signal/state/action.h"

static struct {
	_Atomic uint64_t hidden, mask;
	_Atomic int flags;
} view[STK_SIGNALS];

static _Atomic uint64_t all_ours;

struct stk_view stk_view_get(int sig)
{
	return (struct stk_view){.hidden = atomic_load(&view[sig].hidden),
				 .mask = atomic_load(&view[sig].mask),
				 .flags = atomic_load(&view[sig].flags)};
}

void stk_view_put(int sig, struct stk_view v)
{
	atomic_store(&view[sig].hidden, v.hidden);
	atomic_store(&view[sig].mask, v.mask);
	atomic_store(&view[sig].flags, v.flags);
}

void stk_view_ours(int sig, bool ours)
{
	uint64_t bit = 1ULL << (sig - 1);

	if (ours)
		atomic_fetch_or(&all_ours, bit);
	else
		atomic_fetch_and(&all_ours, ~bit);
}

uint64_t stk_view_all_ours(void)
{
	return atomic_load(&all_ours);
}

void stk_view_anew(uint64_t ours)
{
	atomic_store(&all_ours, ours);
	for (int sig = 1; sig < STK_SIGNALS; sig++)
		atomic_store(&view[sig].hidden, 0);
}
