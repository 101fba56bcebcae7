#include "signal/helper/hold.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "signal/crash.h"
#include "signal/helper/core.h"
#include "signal/helper/helper.h"
#include "targets/stop.h"

#define HOLD_MS 1000
/* PTRACE_SETSIGMASK of linux/ptrace.h, which contradicts sys/ptrace.h */
#define SETSIGMASK 0x420b

static bool (*known)(int tid, struct stk_answer *ret);

/* For stop.c (struct stk_stops, stands): only threads that answered are stopped, all others count
 * as standing by themselves. */
static bool is_none_of_ours(void *arg, int tid)
{
	struct stk_answer s;

	(void)arg;
	return !known(tid, &s);
}

static bool set(int tid, unsigned note, void *bytes, size_t len)
{
	struct iovec iov = {bytes, len};

	return !ptrace(PTRACE_SETREGSET, tid, (void *)(uintptr_t)note, &iov);
}

/* PTRACE_SETREGSET wants all parts of the extended state that the processor has; a signal frame
 * holds those in use: these replace theirs in what the thread has now. */
static void put_back_xstate(helper_read_fn *program, int tid, const struct stk_answer *s)
{
	static uint8_t now[HELPER_XSTATE_MAX];
	uint8_t *x = helper_xstate(program, s->xstate, s->xstate_len);
	int n = x ? stk_stop_regs(tid, stk_arch_host->extended_note, now, sizeof(now)) : -1;

	if (n > 0) {
		memcpy(now, x, s->xstate_len < (uint64_t)n ? s->xstate_len : (uint64_t)n);
		set(tid, stk_arch_host->extended_note, now, (size_t)n);
	}
	free(x);
}

/* Put a thread back to where it was interrupted. The signal is sent first: if this process dies,
 * the kernel lets the thread go on, and it takes the signal before it runs anything, and stands
 * again. */
static bool put_back(int pid, int tid, helper_read_fn *program, struct stk_answer *s)
{
	syscall(SYS_tgkill, pid, tid, STK_COLLECT_SIGNAL);
	if (!set(tid, NT_PRSTATUS, s->gregs, sizeof(s->gregs)))
		return false;
	put_back_xstate(program, tid, s);
	s->blocked &= ~(1ULL << (STK_COLLECT_SIGNAL - 1));
	return !ptrace(SETSIGMASK, tid, (void *)sizeof(s->blocked), &s->blocked);
}

unsigned helper_hold(int pid, int own, helper_read_fn *program,
		     bool (*stood)(int tid, struct stk_answer *ret))
{
	struct stk_stops stops = {.stands = is_none_of_ours};
	struct stk_answer s;
	unsigned n = 0;

	known = stood;
	stk_stop_all(&stops, pid, own, HOLD_MS);
	for (unsigned i = 0; i < stops.n; i++)
		n += stops.v[i].state == STK_STOPPED && stood(stops.v[i].tid, &s) &&
		     put_back(pid, stops.v[i].tid, program, &s);
	return n;
}
