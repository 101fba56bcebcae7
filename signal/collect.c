#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/status.h"
#include "base/text.h"
#include "context.h"
#include "state.h"
#include "status.h"
#include "sys.h"

/*
 * glibc's SIGSETXID (nptl, SIGRTMIN − 1 before its own): its mask functions never block it, so that
 * threads which blocked everything answer too.
 */
#define COLLECT_SIGNAL 33
#define ROUNDS         8
#define ROUND_NS       1000000U

static struct stk_collection all;
static struct stk_ksigaction before;
static _Atomic uint32_t answers, release, leaving;
/* Our signals that were sent, and that reached on_collect. */
static _Atomic uint32_t sent, taken;
/* A thread on its way through our handler is let go on for a moment: it will park. */
static _Atomic uint32_t patient;
static _Atomic bool active;

/* CRASH context. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	struct timespec ts = stk_time_left(deadline_ns);

	sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, deadline_ns ? &ts : 0);
}

/* The pc is in libstack. (In a static program nobody can tell.) */
static bool in_libstack(const ucontext_t *uc)
{
	const struct stk_img *im = stk_image_of(&stk_g.images, (uint64_t)(uintptr_t)stk_collect);
	uint64_t pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	return im && !im->main && pc >= im->start && pc < im->end;
}

/* CRASH context: in each thread that was asked. */
static void on_collect(int sig, siginfo_t *si, void *context)
{
	bool mine = atomic_fetch_add(&taken, 1) < atomic_load(&sent);
	int tid = (int)sys0(SYS_gettid);
	uint32_t i = 0;

	/* We are still here after the report for a thread that was late: this is libc's own. */
	if (!mine && !atomic_load(&active) && (uintptr_t)before.handler > 1)
		before.handler(sig, si, context);
	while (i < all.n && all.v[i].tid != tid)
		i++;
	if (!atomic_load(&active) || i == all.n || atomic_load(&release) ||
	    (atomic_load(&patient) && in_libstack(context)))
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

/* true: /proc is that of another PID namespace, and its numbers are not ours. */
static bool foreign_proc(void)
{
	char link[24];
	long n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = 0;
	return n > 0 && stk_number(link) != (int)sys0(SYS_getpid);
}

/* The tid in the thread's own namespace, the last of the line. */
static int own_number(int tid)
{
	char path[64];
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/self/task/%d/status", tid);
	return stk_status_number(path, "NSpid:");
}

/* A leader that left by pthread_exit() is a zombie as long as there are others: it stays in the
 * list, and answers no signal. */
static int ended_leader(void)
{
	char buf[256];

	stk_read_small("/proc/self/stat", buf, sizeof(buf));
	const char *state = stk_stat_state(buf);
	return state && *state == 'Z' ? (int)sys0(SYS_getpid) : 0;
}

/* The tids of this process but `own`, into the table. CRASH context. */
static void list_threads(int own)
{
	int ended = ended_leader();
	static char buf[4096] __attribute__((aligned(8)));
	long fd = sys3(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool foreign = foreign_proc();
	long n;

	all.n = all.answered = all.gone = all.dropped = 0;
	all.listed = fd >= 0;
	while (fd >= 0 && (n = sys3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);
			int tid = stk_number(e->name);
			at += e->len;
			if (tid && foreign)
				tid = own_number(tid);
			if (!tid || tid == own || tid == ended)
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

static bool is_parked(int tid)
{
	const struct stk_crash *c = &stk_g.crash;

	for (int i = 0; i < STK_PARKED_MAX; i++)
		if (__atomic_load_n(&c->parked[i].answered, __ATOMIC_ACQUIRE) &&
		    c->parked[i].tid == tid)
			return true;
	return false;
}

/* Signal those that have not answered. A parked one stands still as it is; one that has ended
 * meanwhile is no thread any more. */
static void ask(int pid)
{
	for (uint32_t i = 0; i < all.n; i++) {
		struct stk_other *o = &all.v[i];
		if (!o->tid || __atomic_load_n(&o->answered, __ATOMIC_ACQUIRE))
			continue;
		if (is_parked(o->tid)) {
			o->answered = 1;
			continue;
		}
		/* Counted before it can arrive. */
		atomic_fetch_add(&sent, 1);
		long r = sys3(SYS_tgkill, pid, o->tid, COLLECT_SIGNAL);
		if (r != 0)
			atomic_fetch_sub(&sent, 1);
		if (r == -ESRCH) {
			o->tid = 0;
			all.gone++;
		}
	}
}

static uint32_t count_answered(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < all.n; i++)
		n += __atomic_load_n(&all.v[i].answered, __ATOMIC_ACQUIRE);
	return n;
}

/* Ask, and ask those again that were let go on, until all have answered. */
static void wait_answers(uint64_t deadline_ns)
{
	int pid = (int)sys0(SYS_getpid);
	uint64_t now, next = 0;

	for (unsigned rounds = 0; (now = stk_now_ns()) < deadline_ns;) {
		uint32_t seen = atomic_load(&answers);
		if (now >= next && rounds < ROUNDS) {
			atomic_store(&patient, ++rounds < ROUNDS);
			next = now + ROUND_NS;
			ask(pid);
		}
		if (count_answered() + all.gone >= all.n)
			return;
		futex_wait(&answers, seen, rounds < ROUNDS ? next : deadline_ns);
	}
}

/* CRASH context. */
struct stk_collection *stk_collect(uint64_t deadline_ns)
{
	struct stk_ksigaction sa = stk_our_action(), was;

	list_threads((int)sys0(SYS_gettid));
	atomic_store(&sent, 0);
	atomic_store(&taken, 0);
	atomic_store(&answers, 0);
	atomic_store(&release, 0);
	sa.handler = on_collect;
	sa.mask = ~0ULL & ~stk_signals_sync();
	if (!all.n || stk_sigaction(COLLECT_SIGNAL, &sa, &was))
		return &all;
	if (was.handler != on_collect)
		before = was;
	atomic_store(&active, true);
	wait_answers(deadline_ns);
	all.answered = count_answered();
	return &all;
}

/* CRASH context. */
void stk_collect_done(void)
{
	uint64_t until = stk_now_ns() + 200000000U;

	if (!atomic_load(&active))
		return;
	atomic_store(&release, 1);
	sys3(SYS_futex, &release, FUTEX_WAKE_PRIVATE, 0x7fffffff);
	for (;;) {
		uint64_t now = stk_now_ns();
		uint32_t n = atomic_load(&taken);
		if ((!atomic_load(&leaving) && n == atomic_load(&sent)) || now >= until)
			break;
		futex_wait(&taken, n, now + ROUND_NS);
	}
	/* A thread that takes the signal only now must find a handler: ours stays then. */
	if (atomic_load(&taken) == atomic_load(&sent))
		stk_sigaction(COLLECT_SIGNAL, &before, (struct stk_ksigaction *)0);
	atomic_store(&active, false);
}
