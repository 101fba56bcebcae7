#include "signal/program/altstack.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "signal/kernel/apart.h"
#include "signal/program/real.h"
#include "signal/program/sigmask.h"
#include "signal/state/libc.h"
#include "signal/state/slots.h"
#include "signal/state/state.h"

static pthread_key_t key;
static bool has_key;
/* The stack that this thread has from us, whether it is in use or the program's own. */
static _Thread_local void *from_us __attribute__((tls_model("initial-exec")));
static _Thread_local size_t from_us_size __attribute__((tls_model("initial-exec")));

static bool has_altstack(void)
{
	stack_t ss;

	return STK_REAL(sigaltstack)(NULL, &ss) || !(ss.ss_flags & SS_DISABLE);
}

/* ANY context: the program does not see ours, and has it again when it gives up its own. */
int stk_altstack(const stack_t *ss, stack_t *old)
{
	stack_t was, ours = {.ss_sp = from_us, .ss_size = from_us_size};
	bool off = ss && (ss->ss_flags & SS_DISABLE) && from_us;

	if (STK_REAL(sigaltstack)(NULL, &was))
		return -1;
	bool in_use = from_us && was.ss_sp == from_us && !(was.ss_flags & SS_DISABLE);
	if (ss && !(off && in_use) && STK_REAL(sigaltstack)(off ? &ours : ss, NULL))
		return -1;
	if (old)
		*old = in_use ? (stack_t){.ss_flags = SS_DISABLE} : was;
	return 0;
}

/* NORMAL context: when a thread ends. Its key holds the slot, counted from one. */
static void release(void *p)
{
	stack_t ss, off = {.ss_flags = SS_DISABLE};
	void *was = from_us;

	from_us = NULL;
	/* One that cannot be left (the thread ends on it) is nobody else's. */
	if (was && !STK_REAL(sigaltstack)(NULL, &ss) && ss.ss_sp == was &&
	    !(ss.ss_flags & SS_DISABLE) && STK_REAL(sigaltstack)(&off, NULL))
		return;
	stk_slot_give_back((int)(intptr_t)p - 1);
}

/* NORMAL context: at the start of a thread. Failure leaves it as it would be without us. */
static void give_altstack(void)
{
	int slot = has_key ? stk_slot_take() : -1;
	stack_t ss = {0};

	if (slot < 0)
		return;
	if (pthread_setspecific(key, (void *)(intptr_t)(slot + 1))) {
		stk_slot_give_back(slot);
		return;
	}
	if (has_altstack())
		return;
	ss.ss_sp = stk_slot_stack(slot, &ss.ss_size);
	if (ss.ss_sp && !STK_REAL(sigaltstack)(&ss, NULL)) {
		from_us_size = ss.ss_size;
		from_us = ss.ss_sp;
	}
}

struct start {
	void *(*posix)(void *);
	thrd_start_t c11;
	void *arg;
	uint64_t mask; /* the creator's belief */
};

/*
 * What a thread is started with lies here until it has taken it. Not on the heap: the first free(3)
 * of a thread gives it an arena, 64 MB of its address space (mallopt(3), M_ARENA_MAX). Beyond
 * STARTS at a time it does.
 */
#define STARTS 1024
static struct start starts[STARTS] STK_APART;
static _Atomic uint64_t taken[STARTS / 64];

/* NORMAL context: in a forked child nobody else starts. */
static void forget_starts(void)
{
	atomic_store(&stk_g.starting, 0);
	for (unsigned i = 0; i < STARTS / 64; i++)
		atomic_store(&taken[i], 0);
}

void stk_altstack_main(void)
{
	stk_slots_start();
	if (!has_key && pthread_key_create(&key, release) == 0) {
		has_key = true;
		__register_atfork(NULL, NULL, forget_starts, NULL);
	}
	if (has_key && !pthread_getspecific(key))
		give_altstack();
}

static struct start *take_start(void)
{
	for (unsigned w = 0; w < STARTS / 64; w++) {
		uint64_t was = atomic_load(&taken[w]);
		while (~was) {
			int i = __builtin_ctzll(~was);
			if (atomic_compare_exchange_weak(&taken[w], &was, was | 1ULL << i))
				return &starts[64 * w + (unsigned)i];
		}
	}
	return malloc(sizeof(struct start));
}

static struct start *new_start(void)
{
	struct start *p = take_start();

	if (p)
		atomic_fetch_add(&stk_g.starting, 1);
	return p;
}

static void end_start(struct start *p)
{
	size_t off = (uintptr_t)p - (uintptr_t)starts;

	if (off < sizeof(starts))
		atomic_fetch_and(&taken[off / sizeof(*p) / 64], ~(1ULL << off / sizeof(*p) % 64));
	else
		free(p);
	atomic_fetch_sub(&stk_g.starting, 1);
}

static struct start begin(void *p)
{
	struct start s = *(struct start *)p;

	stk_view_set_mask(s.mask);
	stk_view_open();
	give_altstack();
	end_start(p);
	return s;
}

static void *stk_thread_start(void *p)
{
	struct start s = begin(p);

	return s.posix(s.arg);
}

static int stk_thrd_start(void *p)
{
	struct start s = begin(p);

	return s.c11(s.arg);
}

/* A mask among the attributes is the whole truth (pthread_attr_setsigmask_np(3)). */
static struct start *prepare(const pthread_attr_t *attr, struct start s)
{
	struct start *p = stk_g.installed ? new_start() : NULL;
	sigset_t own;

	if (!p)
		return NULL;
	s.mask = attr && !pthread_attr_getsigmask_np(attr, &own) ? 0 : stk_view_mask();
	*p = s;
	return p;
}

int stk_thread_posix(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct start *p = prepare(attr, (struct start){.posix = fn, .arg = arg});

	if (!p)
		return STK_REAL(pthread_create)(t, attr, fn, arg);
	uint64_t opened = stk_view_make_true();
	int r = STK_REAL(pthread_create)(t, attr, stk_thread_start, p);
	stk_view_make_believe(opened);
	if (r)
		end_start(p);
	return r;
}

int stk_thread_c11(thrd_t *t, thrd_start_t fn, void *arg)
{
	struct start *p = prepare(NULL, (struct start){.c11 = fn, .arg = arg});

	if (!p)
		return STK_REAL(thrd_create)(t, fn, arg);
	uint64_t opened = stk_view_make_true();
	int r = STK_REAL(thrd_create)(t, stk_thrd_start, p);
	stk_view_make_believe(opened);
	if (r != thrd_success)
		end_start(p);
	return r;
}
