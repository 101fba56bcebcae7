#include "signal/tiers/threads.h"

#include <fcntl.h>

#include "base/status.h"
#include "base/text.h"
#include "signal/crash.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/status.h"
#include "signal/kernel/sys.h"
#include "signal/state/slots.h"
#include "signal/state/state.h"

struct stk_collection stk_threads STK_APART;

/* Where the number of a thread's place, from 1, is kept; there is always room: half of it. */
static uint16_t slots[2 * STK_OTHERS_MAX] STK_APART;
static int32_t tids[STK_OTHERS_MAX] STK_APART; /* as they were asked */

static uint16_t *slot_of(int tid)
{
	uint32_t h = (uint32_t)tid * 2654435769U >> 16;

	for (uint32_t end = h + 2 * STK_OTHERS_MAX - 1; h != end; h++) {
		uint16_t *s = &slots[h % (2 * STK_OTHERS_MAX)];
		if (!*s || *s > STK_OTHERS_MAX || tids[*s - 1] == tid)
			return s;
	}
	return &slots[h % (2 * STK_OTHERS_MAX)];
}

uint32_t stk_threads_place(int tid)
{
	uint32_t i = *slot_of(tid);

	return i <= stk_threads.n ? i : 0;
}

void stk_threads_status(char *path, size_t cap, int tid)
{
	struct stk_text t;

	stk_text_init(&t, path, cap);
	stk_printf(&t, "/proc/self/task/%d/status", tid);
}

struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* true: /proc is that of another PID namespace, and its numbers are not ours. */
static bool foreign_proc(void)
{
	char link[24];
	long n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = 0;
	return n > 0 && stk_number(link) != stk_g.crash.pid;
}

/* The tid in the thread's own namespace, the last of the line. */
static int own_number(int tid)
{
	char path[64];

	stk_threads_status(path, sizeof(path), tid);
	return stk_status_number(path, "NSpid:");
}

/* A leader that left by pthread_exit() is a zombie as long as there are others: it stays in the
 * list, and answers no signal. */
static int ended_leader(void)
{
	char buf[256];

	stk_read_small("/proc/self/stat", buf, sizeof(buf));
	const char *state = stk_stat_state(buf);
	return state && *state == 'Z' ? stk_g.crash.pid : 0;
}

static bool add(int tid)
{
	if (*slot_of(tid))
		return false;
	if (stk_threads.n == STK_OTHERS_MAX) {
		stk_threads.dropped++;
		return true;
	}
	stk_threads.v[stk_threads.n] = (struct stk_other){.tid = tid};
	uint16_t *s = slot_of(tid);
	tids[stk_threads.n] = tid;
	*s = (uint16_t)(stk_threads.n + 1);
	stk_threads.n++;
	return true;
}

static void add_known(void *arg, int tid)
{
	bool *any = arg;

	if (tid != stk_g.crash.tid)
		*any |= add(tid);
}

bool stk_threads_list_known(void)
{
	bool any = false;

	stk_threads_known(add_known, &any);
	return any;
}

bool stk_threads_list(void)
{
	static char buf[4096] STK_APART __attribute__((aligned(8)));
	int ended = ended_leader(), own = stk_g.crash.tid;
	long fd = sys3(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool foreign = foreign_proc(), any = false, self = false;
	long n = 0;

	stk_threads.dropped = 0;
	while (fd >= 0 && (n = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);
			int tid = stk_number(e->name);
			at += e->len;
			if (tid && foreign)
				tid = own_number(tid);
			self |= tid == own;
			if (tid && tid != own && tid != ended)
				any |= add(tid);
		}
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	/* An empty list is none: the caller stands there at least. */
	stk_threads.listed = fd >= 0 && !n && self;
	return stk_threads.listed ? any : stk_threads_list_known() || any;
}

void stk_threads_forget(void)
{
	/* The last first: what stands behind it in a row of slots is gone then. */
	for (uint32_t i = stk_threads.n; i--;)
		*slot_of(tids[i]) = 0;
	stk_threads.n = stk_threads.answered = stk_threads.gone = stk_threads.dropped = 0;
	stk_threads.listed = false;
}
