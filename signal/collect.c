#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "context.h"
#include "state.h"
#include "sys.h"

/*
 * glibc's SIGSETXID (nptl, SIGRTMIN − 1 before its own): its mask functions never block it, so that
 * threads which blocked everything answer too.
 */
#define COLLECT_SIGNAL 33

static struct stk_collection all;
static struct stk_ksigaction before;
static _Atomic uint32_t answers, release, leaving;
static bool active;

/* CRASH context. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns();
	uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec ts = {(time_t)(left / 1000000000U), (long)(left % 1000000000U)};

	sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, deadline_ns ? &ts : 0);
}

/* CRASH context: in each thread that was asked. */
static void on_collect(int sig, siginfo_t *si, void *context)
{
	int tid = (int)sys0(SYS_gettid);
	uint32_t i = 0;

	(void)sig;
	(void)si;
	while (i < all.n && all.v[i].tid != tid)
		i++;
	if (i == all.n || atomic_load(&release))
		return;
	atomic_fetch_add(&leaving, 1);
	stk_context_gregs(context, all.v[i].gregs);
	__atomic_store_n(&all.v[i].answered, 1, __ATOMIC_RELEASE);
	atomic_fetch_add(&answers, 1);
	sys3(SYS_futex, &answers, FUTEX_WAKE_PRIVATE, 1);
	while (!atomic_load(&release))
		futex_wait(&release, 0, 0);
	stk_context_restart(context);
	atomic_fetch_sub(&leaving, 1);
	sys3(SYS_futex, &leaving, FUTEX_WAKE_PRIVATE, 1);
}

struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static int number(const char *s)
{
	int n = 0;

	if (*s < '0' || *s > '9')
		return 0;
	for (; *s >= '0' && *s <= '9'; s++)
		n = 10 * n + (*s - '0');
	return n;
}

/* true: /proc is that of another PID namespace, and its numbers are not ours. */
static bool foreign_proc(void)
{
	char link[24];
	long n = sys3(SYS_readlink, "/proc/self", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = 0;
	return n > 0 && number(link) != (int)sys0(SYS_getpid);
}

/* The last number of the line NSpid: the tid in the thread's own namespace (proc(5)). */
static int own_number(int tid)
{
	static char buf[4096 + 8]; /* a comparison may look beyond the text */
	char path[64];
	struct stk_text t;
	int ret = 0;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/self/task/%d/status", tid);
	long fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? 0 : sys3(SYS_read, fd, buf, 4096 - 1);
	if (fd >= 0)
		sys1(SYS_close, fd);
	buf[n > 0 ? n : 0] = 0;
	const char *p = buf;
	while (*p && memcmp(p, "\nNSpid:", 7) != 0)
		p++;
	for (p += *p ? 7 : 0; *p && *p != '\n'; p++)
		if (p[-1] < '0' || p[-1] > '9')
			ret = number(p) ? number(p) : ret;
	return ret;
}

/* The tids of this process but `own`, into the table. CRASH context. */
static void list_threads(int own)
{
	static char buf[4096] __attribute__((aligned(8)));
	long fd = sys3(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool foreign = foreign_proc();
	long n;

	all.n = all.answered = all.dropped = 0;
	all.listed = fd >= 0;
	while (fd >= 0 && (n = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);
			int tid = number(e->name);
			at += e->len;
			if (tid && foreign)
				tid = own_number(tid);
			if (!tid || tid == own)
				continue;
			if (all.n == STK_OTHERS_MAX) {
				all.dropped++;
				continue;
			}
			all.v[all.n].tid = tid;
			all.v[all.n].answered = 0;
			all.n++;
		}
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
}

/* CRASH context. */
struct stk_collection *stk_collect_list(void)
{
	list_threads((int)sys0(SYS_gettid));
	return &all;
}

/* CRASH context. */
struct stk_collection *stk_collect(uint64_t deadline_ns)
{
	struct stk_ksigaction sa = stk_our_action();
	int pid = (int)sys0(SYS_getpid), gone = 0;

	atomic_store(&answers, 0);
	atomic_store(&release, 0);
	list_threads((int)sys0(SYS_gettid));
	sa.handler = on_collect;
	sa.mask = ~0ULL & ~stk_signals_sync();
	if (!all.n || stk_sigaction(COLLECT_SIGNAL, &sa, &before))
		return &all;
	active = true;
	for (uint32_t i = 0; i < all.n; i++)
		if (sys3(SYS_tgkill, pid, all.v[i].tid, COLLECT_SIGNAL) == -ESRCH)
			gone++;
	for (;;) {
		uint32_t seen = atomic_load(&answers);
		if (seen + (uint32_t)gone >= all.n || stk_now_ns() >= deadline_ns)
			break;
		futex_wait(&answers, seen, deadline_ns);
	}
	all.answered = atomic_load(&answers);
	return &all;
}

/* CRASH context. */
void stk_collect_done(void)
{
	uint64_t until = stk_now_ns() + 200000000U;

	if (!active)
		return;
	active = false;
	atomic_store(&release, 1);
	sys3(SYS_futex, &release, FUTEX_WAKE_PRIVATE, 0x7fffffff);
	for (uint32_t n; (n = atomic_load(&leaving)) != 0 && stk_now_ns() < until;)
		futex_wait(&leaving, n, until);
	/* A thread that was asked and answers only now must find a handler: ours stays then. */
	if (all.answered == all.n)
		stk_sigaction(COLLECT_SIGNAL, &before, (struct stk_ksigaction *)0);
}
