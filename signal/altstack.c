#include "altstack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libc.h"
#include "real.h"
#include "state.h"
#include "view.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define ROOM  57344 /* for our frames, the program's own handlers, and a nested signal frame */
#define GUARD 4096

static uint8_t main_stack[65536] __attribute__((aligned(16)));
static pthread_key_t key;
static bool has_key;
/* The stack that this thread has from us, whether it is in use or the program's own. */
static _Thread_local void *from_us __attribute__((tls_model("initial-exec")));
static _Thread_local size_t from_us_size __attribute__((tls_model("initial-exec")));

/* The frame that the kernel pushes is as large as the vector state (getauxval(3)). */
static size_t stack_size(void)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ);

	return (2 * (frame ? frame : 4096) + ROOM + GUARD - 1) & ~(size_t)(GUARD - 1);
}

static bool has_altstack(void)
{
	stack_t ss;

	return STK_REAL(sigaltstack)(NULL, &ss) || !(ss.ss_flags & SS_DISABLE);
}

static bool use_altstack(const stack_t *ss)
{
	if (STK_REAL(sigaltstack)(ss, NULL))
		return false;
	from_us_size = ss->ss_size;
	from_us = ss->ss_sp;
	return true;
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

/* NORMAL context: when a thread ends. */
static void release(void *map)
{
	stack_t ss, off = {.ss_flags = SS_DISABLE};

	from_us = NULL;
	if (!STK_REAL(sigaltstack)(NULL, &ss) && ss.ss_sp == (char *)map + GUARD)
		STK_REAL(sigaltstack)(&off, NULL);
	munmap(map, GUARD + stack_size());
}

/* NORMAL context: at the start of a thread. Failure leaves it as it would be without us. */
static void give_altstack(void)
{
	size_t size = stack_size();

	if (!has_key || has_altstack())
		return;
	char *map = mmap(NULL, GUARD + size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return;
	stack_t ss = {.ss_sp = map + GUARD, .ss_size = size};
	if (mprotect(map, GUARD, PROT_NONE) || pthread_setspecific(key, map) ||
	    !use_altstack(&ss)) {
		pthread_setspecific(key, NULL);
		munmap(map, GUARD + size);
	}
}

void stk_altstack_main(void)
{
	stack_t ss = {.ss_sp = main_stack, .ss_size = sizeof(main_stack)};

	if (!has_key)
		has_key = pthread_key_create(&key, release) == 0;
	if (!has_altstack())
		use_altstack(&ss);
}

struct start {
	void *(*posix)(void *);
	thrd_start_t c11;
	void *arg;
	uint64_t mask; /* the creator's belief */
};

static struct start begin(void *p)
{
	struct start s = *(struct start *)p;

	free(p);
	stk_view_set_mask(s.mask);
	stk_view_open();
	give_altstack();
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
	struct start *p = stk_g.installed ? malloc(sizeof(*p)) : NULL;
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
	int r = STK_REAL(pthread_create)(t, attr, stk_thread_start, p);
	if (r)
		free(p);
	return r;
}

int stk_thread_c11(thrd_t *t, thrd_start_t fn, void *arg)
{
	struct start *p = prepare(NULL, (struct start){.c11 = fn, .arg = arg});

	if (!p)
		return STK_REAL(thrd_create)(t, fn, arg);
	int r = STK_REAL(thrd_create)(t, stk_thrd_start, p);
	if (r != thrd_success)
		free(p);
	return r;
}
