/*
 * Making the other threads stand. The thread that reports asks, the others answer in a handler:
 *
 * - begin(): install on_collect() for COLLECT_SIGNAL (33, which libc's functions cannot block).
 * - stk_threads_list() (threads.c) lists the threads; ask() sends each one the signal, queued, with
 * the thread's place in the table as its value.
 * - on_collect() runs in the thread: stand() leaves its registers in the table, counts in
 * `answers`, and waits on `release`.
 * - wait_answers() waits for the count. A thread that just runs our own handler is let go on for a
 *   moment (`patient`) and asked again; one that cannot answer now is not waited for.
 * - List again, until no thread is new.
 * - stk_collect_done(): `release`; wait until all have left; the signal gets libc's handler back.
 *
 * For good (`forever`): the program does not go on. Then the crash's own signal asks first (send()
 * tells why), nothing is released, and a thread that stands ends the process when the report is
 * overdue: the thread that makes it may have been killed.
 *
 * Threads count by atomics alone: any of them may be interrupted at any place.
 */
#include "signal/tiers/collect.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/status.h"
#include "signal/crash.h"
#include "signal/images/images.h"
#include "signal/images/snapshot.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/context.h"
#include "signal/kernel/status.h"
#include "signal/kernel/sys.h"
#include "signal/state/action.h"
#include "signal/state/end.h"
#include "signal/state/self.h"
#include "signal/state/slots.h"
#include "signal/state/state.h"
#include "signal/tiers/threads.h"

#define COLLECT_SIGNAL STK_COLLECT_SIGNAL
#define ROUNDS         8        /* of asking those that were let go on */
#define ROUND_NS       1000000U /* between two of them */
#define NAP_NS         50000U   /* until a thread that begins is looked for again */
#define HOPELESS_NS    5000000U /* between two looks whether any can answer at all */
#define LISTS_MAX      16       /* a thread that still runs may begin others */
#define TURNS_MAX      100000
#define SECOND         1000000000ULL

/* What stands in `answered` of struct stk_other; the second: it is just being written. */
enum { ANSWERED = 1, ANSWERING = 2 };
#define MAGIC 0x53544b41U /* "STKA": beside a thread's place in the table */

static struct stk_ksigaction before; /* libc's action of COLLECT_SIGNAL */
/* `answers`: calls of stand(), a word to wait on; `stood`: threads whose registers are in the
 * table; `release`: 1, they may go on; `leaving`: threads that are still in stand(). */
static _Atomic uint32_t answers, stood, release, leaving;
static uint32_t nparked; /* threads that wait at the gate with their registers (report/gate.c) */
/* Our signals that were sent, and that reached on_collect; those on their way that are not queued,
 * and look like libc's. */
static _Atomic uint32_t sent, taken, unqueued;
static _Atomic bool waiting; /* for `answers` */
/* A thread on its way through our handler is let go on for a moment: it will park. */
static _Atomic uint32_t patient;
static _Atomic bool active;
static bool forever;
static bool by_own;   /* the crash's own signal asks */
static int asked_pid; /* a forked child has a copy of all this */
/* The queue of signals is full (RLIMIT_SIGPENDING): those that are not queued do it. */
static _Atomic bool by_trap;

/* Does the thread run our handler (it has crashed, too, and is on its way to the gate)? It does on
 * an alternate stack of ours, and on one of the program's if the pc is in libstack. libstack's
 * versions of libc's functions run on the ordinary stack: they do not count. */
static bool in_handler(const ucontext_t *uc)
{
	uint64_t below = stk_context_sp(uc) - (uint64_t)(uintptr_t)uc->uc_stack.ss_sp;
	if ((uc->uc_stack.ss_flags & SS_DISABLE) || below > uc->uc_stack.ss_size)
		return false;
	if (stk_slot_is_stack(uc->uc_stack.ss_sp, uc->uc_stack.ss_size))
		return true;
	const struct stk_img *im = stk_image_of(stk_images_now(), (uint64_t)(uintptr_t)stk_collect);
	uint64_t pc = stk_context_pc(uc);

	return im && !im->main && pc >= im->start && pc < im->end;
}

static bool is_active(void)
{
	return atomic_load(&active) && asked_pid == stk_self_pid();
}

/* Another signal has been delivered at the same moment, and its handler, ours, has not begun. */
static bool is_entering(const ucontext_t *uc)
{
	return stk_context_pc(uc) == (uint64_t)(uintptr_t)stk_handler;
}

/* A queued signal of ours carries the thread's place in the table. */
static bool is_queued(const siginfo_t *si, uint32_t *ret_place)
{
	uint64_t v = (uint64_t)(uintptr_t)si->si_value.sival_ptr;

	*ret_place = (uint32_t)v;
	return si->si_code == SI_QUEUE && v >> 32 == MAGIC;
}

/* The caller's place; NULL: it has none. */
static struct stk_other *place_of(const siginfo_t *si, int tid)
{
	uint32_t i;

	if (is_queued(si, &i) && i < stk_threads.n && (stk_threads.v[i].tid == tid || tid <= 0))
		return &stk_threads.v[i];
	i = stk_threads_place(tid);
	return i ? &stk_threads.v[i - 1] : 0;
}

/*
 * The report should be over by now. The thread that makes it was killed alone (a seccomp filter
 * can), or waits for something that one of the standing threads would have to do: this one ends the
 * process. Not while the kernel writes the core, which would be cut: it looks again in a second.
 */
static void overdue(uint64_t *until)
{
	char path[64], line[64];

	stk_threads_status(path, sizeof(path), stk_g.crash.pid);
	const char *dumps = stk_status_find(path, "CoreDumping:", line, sizeof(line));
	if (dumps && stk_last_number(dumps) == 1)
		*until = stk_now_ns() + SECOND;
	else
		stk_end_raw(stk_g.crash.signo);
}

/* Stand here with the registers of `uc` until all are let go. */
static void stand(struct stk_other *o, const ucontext_t *uc)
{
	struct stk_answer s;

	uint32_t no = 0;

	atomic_fetch_add(&leaving, 1);
	/* Only the first answer counts: a second one would show this handler. */
	if (o && __atomic_compare_exchange_n(&o->answered, &no, ANSWERING, false, __ATOMIC_SEQ_CST,
					     __ATOMIC_SEQ_CST)) {
		stk_context_stood(uc, &s);
		o->stood = (uint64_t)(uintptr_t)&s;
		__atomic_store_n(&o->answered, ANSWERED, __ATOMIC_RELEASE);
		atomic_fetch_add(&stood, 1);
	}
	atomic_fetch_add(&answers, 1);
	if (atomic_load(&waiting))
		stk_wake_word(&answers);
	uint64_t until = stk_now_ns() + (stk_g.o.timeout_ms + 500) * 1000000ULL;
	while (!atomic_load(&release)) {
		stk_wait_word(&release, 0, forever ? until : stk_now_ns() + SECOND);
		if (forever && stk_now_ns() >= until && !stk_core_is_written())
			overdue(&until);
	}
	atomic_fetch_sub(&leaving, 1);
	stk_wake_word(&leaving);
}

/* Was a signal of ours sent without a value? One of those on their way counts as taken. */
static bool take_unqueued(void)
{
	uint32_t n = atomic_load(&unqueued);

	while (n && !atomic_compare_exchange_weak(&unqueued, &n, n - 1))
		;
	return n;
}

/*
 * CRASH context: in each thread that was asked. For good, a thread that has answered stands once
 * more: the helper has put it back to where it was for the core, and died before the core was
 * written.
 */
__attribute__((force_align_arg_pointer)) static void on_collect(int sig, siginfo_t *si,
								void *context)
{
	stk_sys_begin();
	uint32_t place;
	bool mine = asked_pid == stk_self_pid() && (is_queued(si, &place) || take_unqueued());
	struct stk_other *o = place_of(si, stk_self_tid());

	if (mine)
		atomic_fetch_add(&taken, 1);
	/* libc sent it (setuid(3), which has every thread change): to its handler. Ours may stay
	 * after the report, too (stk_collect_done()). */
	if (!mine && !is_queued(si, &place) && !(is_active() && forever)) {
		if ((uintptr_t)before.handler > 1)
			before.handler(sig, si, context);
		return;
	}
	if (!is_active() || (!o && !forever) || atomic_load(&release) ||
	    (o && o->answered && !forever) || is_entering(context) ||
	    (atomic_load(&patient) && in_handler(context)))
		return;
	stand(o, context);
	stk_context_restart(context);
}

bool stk_collect_takes(int sig, const siginfo_t *si, ucontext_t *uc)
{
	bool asks = sig == stk_g.crash.signo || (sig == SIGTRAP && atomic_load(&by_trap));

	if (si->si_code > 0 || !asks || !forever || !is_active())
		return false;
	int tid = stk_self_tid();
	if (tid == stk_g.crash.tid)
		return false;
	if (!is_entering(uc) && (!atomic_load(&patient) || !in_handler(uc)))
		stand(place_of(si, tid), uc);
	return true;
}

static void forget(void)
{
	stk_threads_forget();
	nparked = 0;
	atomic_store(&stood, 0);
}

/* CRASH context. */
struct stk_collection *stk_collect_list(void)
{
	if (!is_active())
		forget();
	if (!stk_threads.listed)
		stk_threads_list();
	return &stk_threads;
}

static bool is_parked(int tid)
{
	const struct stk_crash *c = &stk_g.crash;

	for (int i = 0; i < STK_PARKED_MAX; i++)
		if (__atomic_load_n(&c->parked[i].there, __ATOMIC_ACQUIRE) &&
		    c->parked[i].tid == tid)
			return true;
	return false;
}

/* The queue is full: tgkill(2) needs no room in it, but carries no value. */
static long send_unqueued(int tid)
{
	atomic_fetch_add(&unqueued, 1);
	long r = sys3(SYS_tgkill, stk_g.crash.pid, tid, COLLECT_SIGNAL);
	if (r != 0)
		take_unqueued();
	return r;
}

/* A queued signal brings the thread its place in the table. */
static long send_queued(int tid, uint32_t place)
{
	int pid = stk_g.crash.pid;
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = COLLECT_SIGNAL;
	si.si_code = SI_QUEUE;
	si.si_pid = pid;
	si.si_value.sival_ptr = (void *)(uintptr_t)((uint64_t)MAGIC << 32 | place);
	return sys4(SYS_rt_tgsigqueueinfo, pid, tid, COLLECT_SIGNAL, &si);
}

static long send_collect(int tid, uint32_t place)
{
	/* Counted before it can arrive. */
	atomic_fetch_add(&sent, 1);
	long r = send_queued(tid, place);
	if (r != 0 && r != -ESRCH)
		r = send_unqueued(tid);
	if (r != 0)
		atomic_fetch_sub(&sent, 1);
	return r;
}

/*
 * Where the program ends, the crash's own signal asks first: a thread that is executing another
 * program takes what is pending there, and must die of the crash. A fault's is blocked nowhere, and
 * does alone; the others may be. Where nothing can be queued SIGTRAP does it: it needs no room.
 */
static long send(int tid, uint32_t place, bool again)
{
	int pid = stk_g.crash.pid, signo = stk_g.crash.signo;
	long r = by_own ? sys3(SYS_tgkill, pid, tid, signo) : -EPERM;

	if (r == -ESRCH || (r == 0 && !again && stk_signals_sync() & 1ULL << (signo - 1)))
		return r;
	r = send_collect(tid, place);
	if (r != 0 && r != -ESRCH && by_own) {
		atomic_store(&by_trap, true);
		r = sys3(SYS_tgkill, pid, tid, SIGTRAP);
	}
	return r;
}

/* Signal those that have not answered. A parked one stands still as it is; one that has ended
 * meanwhile is no thread any more. */
static void ask(bool again)
{
	for (uint32_t i = 0; i < stk_threads.n; i++) {
		struct stk_other *o = &stk_threads.v[i];
		uint32_t no = 0;
		if (!o->tid || __atomic_load_n(&o->answered, __ATOMIC_ACQUIRE))
			continue;
		if (is_parked(o->tid)) {
			nparked += __atomic_compare_exchange_n(&o->answered, &no, ANSWERED, false,
							       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
			continue;
		}
		if (send(o->tid, i, again) == -ESRCH) {
			o->tid = 0;
			stk_threads.gone++;
		}
	}
}

static uint32_t count_answered(void)
{
	return atomic_load(&stood) + nparked;
}

/* No answer comes from a thread in uninterruptible sleep (vfork, a disk), nor from one that has
 * blocked the signal by a raw system call. The first runs no code of the program before it has
 * taken the signal; the second runs on. */
static bool is_hopeless(int tid)
{
	char path[64], line[64];

	stk_threads_status(path, sizeof(path), tid);
	const char *state = stk_status_find(path, "State:", line, sizeof(line));
	while (state && (*state == ' ' || *state == '\t'))
		state++;
	if (state && *state == 'D')
		return true;
	const char *mask = stk_status_find(path, "SigBlk:", line, sizeof(line));
	return mask && stk_hex(mask) & 1ULL << (COLLECT_SIGNAL - 1);
}

static bool all_hopeless(void)
{
	for (uint32_t i = 0, asked = 0; i < stk_threads.n; i++) {
		const struct stk_other *o = &stk_threads.v[i];
		if (!o->tid || __atomic_load_n(&o->answered, __ATOMIC_ACQUIRE))
			continue;
		if (++asked > 64 || !is_hopeless(o->tid))
			return false;
	}
	return true;
}

/* Ask, and ask those again that were let go on, until all have answered. */
static void wait_answers(uint64_t deadline_ns)
{
	uint64_t now = stk_now_ns(), next = 0, look = now + HOPELESS_NS;
	unsigned rounds = 0;

	for (unsigned turns = 0; turns < TURNS_MAX; turns++, now = stk_now_ns()) {
		uint32_t seen = atomic_load(&answers);
		if (now >= next && rounds < ROUNDS) {
			atomic_store(&patient, ++rounds < ROUNDS);
			next = now + ROUND_NS;
			ask(rounds > 1);
		}
		if (count_answered() + stk_threads.gone >= stk_threads.n)
			return;
		/* Where the crash's own signal is blocked, the other one is not. */
		if (now >= deadline_ns && rounds < 2)
			ask(true);
		if (now >= deadline_ns)
			return;
		/* A thread in posix_spawn(3) looks hopeless (vfork), but answers when the child
		 * has executed its program: wait on. */
		if (now >= look && !atomic_load(&stk_g.spawning) && all_hopeless())
			return;
		if (now >= look)
			look = now + HOPELESS_NS;
		uint64_t until = rounds < ROUNDS ? next : look;
		atomic_store(&waiting, true);
		stk_wait_word(&answers, seen, until < deadline_ns ? until : deadline_ns);
		atomic_store(&waiting, false);
	}
}

static bool begin(bool for_good)
{
	struct stk_ksigaction sa = stk_our_action(), was;

	forget();
	atomic_store(&sent, 0);
	atomic_store(&taken, 0);
	atomic_store(&unqueued, 0);
	atomic_store(&answers, 0);
	atomic_store(&release, 0);
	atomic_store(&by_trap, false);
	forever = for_good;
	by_own = for_good && stk_g.asked_by == stk_g.crash.pid;
	asked_pid = stk_g.crash.pid;
	sa.handler = on_collect;
	sa.mask = ~0ULL & ~stk_signals_sync();
	/* What does not go on shows where it was, not where it would begin anew. */
	if (for_good)
		sa.flags &= ~(unsigned long)SA_RESTART;
	if (!for_good && !stk_threads_list())
		return false;
	if (stk_sigaction(COLLECT_SIGNAL, &sa, &was))
		return false;
	if (was.handler != on_collect)
		before = was;
	atomic_store(&active, true);
	return true;
}

/* CRASH context. */
void stk_collect_known(uint64_t deadline_ns)
{
	bool begins;

	if (is_active() || !begin(true))
		return;
	/* A thread that is beginning is known when it has taken its slot. */
	do {
		begins = atomic_load(&stk_g.starting) && stk_now_ns() < deadline_ns;
		if (stk_threads_list_known())
			wait_answers(deadline_ns);
		if (begins)
			stk_wait_word(&answers, atomic_load(&answers), stk_now_ns() + NAP_NS);
	} while (begins);
}

/* CRASH context. */
struct stk_collection *stk_collect(bool for_good, uint64_t deadline_ns)
{
	if (!is_active() && !begin(for_good))
		return &stk_threads;
	for (unsigned i = 0; i < LISTS_MAX && (stk_threads_list() || !i); i++) {
		wait_answers(deadline_ns);
		if (stk_now_ns() >= deadline_ns)
			break;
	}
	stk_threads.answered = count_answered();
	return &stk_threads;
}

/* CRASH context. */
void stk_collect_done(void)
{
	uint64_t until = stk_now_ns() + 200000000U, now;

	if (!is_active() || forever)
		return;
	atomic_store(&release, 1);
	stk_wake_word(&release);
	for (unsigned turns = 0; turns < TURNS_MAX && (now = stk_now_ns()) < until; turns++) {
		uint32_t n = atomic_load(&taken);
		if (!atomic_load(&leaving) && n == atomic_load(&sent))
			break;
		stk_wait_word(&taken, n, now + ROUND_NS);
	}
	/* A thread that takes the signal only now must find a handler: ours stays then. */
	if (atomic_load(&taken) == atomic_load(&sent))
		stk_sigaction(COLLECT_SIGNAL, &before, (struct stk_ksigaction *)0);
	atomic_store(&active, false);
}
