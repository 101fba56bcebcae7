#include "helper_hold.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "helper_core.h"
#include "target/stop.h"

#define HOLD_MS 1000
#define SETSIGMASK                                                                                 \
	0x420b /* PTRACE_SETSIGMASK of linux/ptrace.h, which contradicts sys/ptrace.h              \
		*/

static bool (*known)(int tid, struct stk_answer *ret);

/* To the stopping of threads, all others "stand by themselves". */
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

static void put_back(int pid, int tid, struct stk_answer *s)
{
	uint8_t *x = helper_xstate(pid, s->xstate, s->xstate_len);

	set(tid, NT_PRSTATUS, s->gregs, sizeof(s->gregs));
	if (x)
		set(tid, NT_X86_XSTATE, x, s->xstate_len);
	free(x);
	ptrace(SETSIGMASK, tid, (void *)sizeof(s->blocked), &s->blocked);
}

unsigned helper_hold(int pid, int own, bool (*stood)(int tid, struct stk_answer *ret))
{
	struct stk_stops stops = {.stands = is_none_of_ours};
	struct stk_answer s;
	unsigned n = 0;

	known = stood;
	stk_stop_all(&stops, pid, own, HOLD_MS);
	for (unsigned i = 0; i < stops.n; i++)
		if (stops.v[i].state == STK_STOPPED && stood(stops.v[i].tid, &s)) {
			put_back(pid, stops.v[i].tid, &s);
			n++;
		}
	return n;
}
