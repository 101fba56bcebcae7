#include "signal/state/slots.h"

#include "signal/kernel/apart.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/arch.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"
#include "signal/state/libc.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* linux/mman.h since 6.13 */
#endif

#define ROOM 57344 /* for our frames, and handlers that the program installs past us */
/*
 * Signals that arrive at once are pushed one upon the other before the first handler runs: there
 * are
 * 62. With SA_NODEFER some may come twice, for the thread and for the process; they have the rest.
 */
#define AT_ONCE 64

#define SINGLES 256  /* threads with a mapping of their own */
#define SLABS   2048 /* of EACH threads */
#define EACH    64
/* A guard by mprotect(2) makes two mappings more of a slab's one: for so many threads. */
#define PROTECTED 1024

/* A size that nobody else gives: signal frames whose stack has another one are not looked up. */
#define ODD ((size_t)48)

struct slab {
	_Atomic uint64_t used, guarded;
	_Atomic int tid[EACH];
};

static struct {
	_Atomic(char *) base;
	_Atomic int tid;
} single[SINGLES] STK_APART;
static _Atomic uint64_t single_used[SINGLES / 64];

static _Atomic(struct slab *) slabs[SLABS] STK_APART;
static _Atomic uint64_t full[SLABS / 64]; /* slabs without a free slot */
static _Atomic int owner;                 /* the process that the numbers belong to */
static size_t stride;                     /* a guard page and a stack */
static _Thread_local int mine __attribute__((tls_model("initial-exec"))) = -1;

/* The lowest bit that is free, or -1. ANY context. */
static int take_bit(_Atomic uint64_t *word)
{
	uint64_t was = atomic_load(word);

	while (~was) {
		int bit = __builtin_ctzll(~was);
		if (atomic_compare_exchange_weak(word, &was, was | 1ULL << bit))
			return bit;
	}
	return -1;
}

/*
 * NORMAL context. After mlockall(MCL_FUTURE) every page would be taken at once, and all for stacks
 * that nobody may ever use: MADV_DONTNEED refuses locked memory (madvise(2)), and tells.
 */
static char *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, size, MADV_DONTNEED) && !munlock(p, size))
		madvise(p, size, MADV_DONTNEED);
	return p;
}

/* NORMAL context: the slab, made if it is not there yet. Its first page holds what is known of it.
 */
static struct slab *slab_at(int s)
{
	size_t size = STK_PAGE + EACH * stride;
	struct slab *there = atomic_load(&slabs[s]), *made;

	if (there)
		return there;
	made = (struct slab *)map(size);
	if (!made)
		return NULL;
	/* The first page that is touched must not become 2 MB. */
	madvise(made, size, MADV_NOHUGEPAGE);
	if (atomic_compare_exchange_strong(&slabs[s], &there, made))
		return made;
	munmap(made, size);
	return there;
}

/* NORMAL context: the slab is full, unless somebody has given back a slot meanwhile. */
static void note_full(int s, struct slab *slab)
{
	uint64_t bit = 1ULL << s % 64;

	atomic_fetch_or(&full[s / 64], bit);
	if (~atomic_load(&slab->used))
		atomic_fetch_and(&full[s / 64], ~bit);
}

/* NORMAL context: in a slab. -1: all are taken, or there is no memory. */
static int take_shared(void)
{
	for (int w = 0; w < SLABS / 64; w++) {
		uint64_t open = ~atomic_load(&full[w]);
		for (; open; open &= open - 1) {
			int s = w * 64 + __builtin_ctzll(open);
			struct slab *slab = slab_at(s);
			if (!slab)
				return -1;
			int i = take_bit(&slab->used);
			if (!~atomic_load(&slab->used))
				note_full(s, slab);
			if (i >= 0)
				return SINGLES + s * EACH + i;
		}
	}
	return -1;
}

/* ANY context: of a slot that is taken. */
static _Atomic int *tid_of(int slot)
{
	if (slot < SINGLES)
		return &single[slot].tid;
	slot -= SINGLES;
	return &atomic_load(&slabs[slot / EACH])->tid[slot % EACH];
}

int stk_slot_take(void)
{
	int slot = -1;

	for (int w = 0; slot < 0 && w < SINGLES / 64; w++) {
		int i = take_bit(&single_used[w]);
		if (i >= 0)
			slot = w * 64 + i;
	}
	if (slot < 0)
		slot = take_shared();
	if (slot >= 0)
		atomic_store(tid_of(slot), (int)sys0(SYS_gettid));
	mine = slot;
	return slot;
}

/*
 * NORMAL context. MADV_GUARD_INSTALL makes no mapping of its own. Old kernels do not know it, and
 * it fails where memory is locked (madvise(2)).
 */
static void guard(int slot, char *page)
{
	if (madvise(page, STK_PAGE, MADV_GUARD_INSTALL) && slot < PROTECTED)
		mprotect(page, STK_PAGE, PROT_NONE);
}

/* NORMAL context: the guard page of the slot, and above it the stack. */
static char *base_of(int slot)
{
	if (slot < SINGLES) {
		char *base = atomic_load(&single[slot].base);
		if (!base && (base = map(stride))) {
			guard(slot, base);
			atomic_store(&single[slot].base, base);
		}
		return base;
	}
	int i = (slot - SINGLES) % EACH;
	struct slab *slab = atomic_load(&slabs[(slot - SINGLES) / EACH]);
	char *base = (char *)slab + STK_PAGE + (size_t)i * stride;
	if (!(atomic_load(&slab->guarded) & 1ULL << i)) {
		guard(slot, base);
		atomic_fetch_or(&slab->guarded, 1ULL << i);
	}
	return base;
}

void *stk_slot_stack(int slot, size_t *size)
{
	char *base = base_of(slot);

	*size = stride - STK_PAGE - ODD;
	return base ? base + STK_PAGE : NULL;
}

/* NORMAL context: its pages are given back, its place in memory is kept for the next thread. */
static void empty(int slot)
{
	if (slot < SINGLES) {
		char *base = atomic_load(&single[slot].base);
		/* Locked memory is not given back (madvise(2)). */
		if (base && madvise(base + STK_PAGE, stride - STK_PAGE, MADV_DONTNEED)) {
			atomic_store(&single[slot].base, NULL);
			munmap(base, stride);
		}
	} else {
		madvise(base_of(slot) + STK_PAGE, stride - STK_PAGE, MADV_DONTNEED);
	}
}

void stk_slot_give_back(int slot)
{
	int s = (slot - SINGLES) / EACH;

	mine = -1;
	atomic_store(tid_of(slot), 0);
	empty(slot);
	if (slot < SINGLES) {
		atomic_fetch_and(&single_used[slot / 64], ~(1ULL << slot % 64));
		return;
	}
	struct slab *slab = atomic_load(&slabs[s]);
	atomic_fetch_and(&slab->used, ~(1ULL << (slot - SINGLES) % EACH));
	atomic_fetch_and(&full[s / 64], ~(1ULL << s % 64));
}

/* NORMAL context: in a forked child. Only the thread that forked is there. */
static void forget_others(void)
{
	int i = mine >= SINGLES ? mine - SINGLES : -1;

	for (int slot = 0; slot < SINGLES; slot++)
		atomic_store(&single[slot].tid, 0);
	for (int w = 0; w < SINGLES / 64; w++)
		atomic_store(&single_used[w], mine >= 0 && mine / 64 == w ? 1ULL << mine % 64 : 0);
	for (int s = 0; s < SLABS && atomic_load(&slabs[s]); s++) {
		struct slab *slab = atomic_load(&slabs[s]);
		for (int t = 0; t < EACH; t++)
			atomic_store(&slab->tid[t], 0);
		atomic_store(&slab->used, i >= 0 && i / EACH == s ? 1ULL << i % EACH : 0);
	}
	for (int w = 0; w < SLABS / 64; w++)
		atomic_store(&full[w], 0);
	if (mine >= 0)
		atomic_store(tid_of(mine), (int)sys0(SYS_gettid));
	atomic_store(&owner, (int)sys0(SYS_getpid));
}

void stk_slots_start(void)
{
	if (stride)
		return;
	/* The frame that the kernel pushes is as large as the vector state (getauxval(3)). */
	size_t frame = getauxval(AT_MINSIGSTKSZ);
	stride = STK_PAGE +
		 ((AT_ONCE * (frame ? frame : STK_PAGE) + ROOM + STK_PAGE - 1) & ~(STK_PAGE - 1));
	atomic_store(&owner, (int)sys0(SYS_getpid));
	__register_atfork(NULL, NULL, forget_others, NULL);
}

bool stk_slots_started(void)
{
	return stride != 0;
}

/* ANY context. */
bool stk_slot_is_stack(const void *sp, size_t size)
{
	uintptr_t at = (uintptr_t)sp;

	if ((size + ODD) % STK_PAGE || at % STK_PAGE)
		return false;
	for (int i = 0; i < SINGLES; i++)
		if ((uintptr_t)atomic_load(&single[i].base) == at - STK_PAGE)
			return true;
	for (int s = 0; s < SLABS && atomic_load(&slabs[s]); s++) {
		uintptr_t off = at - (uintptr_t)atomic_load(&slabs[s]);
		if (off < STK_PAGE + EACH * stride)
			return (off - STK_PAGE) % stride == STK_PAGE;
	}
	return false;
}

/* CRASH context: what the program may have spoilt is read with care. */
static unsigned known_in(const struct slab *slab, stk_thread_each *each, void *arg)
{
	unsigned n = 0;
	int tid;

	for (int i = 0; i < EACH; i++)
		if (stk_guard_read((uint64_t)(uintptr_t)&slab->tid[i], &tid, sizeof(tid)) && tid) {
			each(arg, tid);
			n++;
		}
	return n;
}

/* CRASH context. */
unsigned stk_threads_known(stk_thread_each *each, void *arg)
{
	unsigned n = 0;

	int pid = (int)sys0(SYS_getpid);

	/* Refused, it does not tell that this is a copy. */
	if (atomic_load(&owner) != pid && pid > 0)
		return 0;
	for (int i = 0; i < SINGLES; i++) {
		int tid = atomic_load(&single[i].tid);
		if (tid) {
			each(arg, tid);
			n++;
		}
	}
	for (int s = 0; s < SLABS && atomic_load(&slabs[s]); s++)
		n += known_in(atomic_load(&slabs[s]), each, arg);
	return n;
}
