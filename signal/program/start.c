/*
 * Of libstack.so.1 the loader takes care that its constructor is the first of all (-z initfirst):
 * a library of the program may crash in its own. NORMAL context, all of it.
 *
 * Nothing has been initialised then. That does no harm to libc, which the loader itself has made
 * ready (__libc_early_init). But another library may stand before a function that we call, as the
 * runtimes of the sanitizers and libfakeroot do, and have nothing behind it yet: then we begin
 * later, when all libraries are ready and main is about to be called.
 */
#include "signal/program/start.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signal/program/follow.h"
#include "signal/program/real.h"
#include "signal/program/sigmask.h"
#include "signal/state/libc.h"
#include "signal/state/seccomp.h"
#include "signal/state/state.h"

void stk_begin(void)
{
	stk_follow();
	stk_g.filters = stk_seccomp_filters();
	stk_view_start();
	stk_install_first();
}

#ifndef STK_WRAP

static bool put_off;

/* What is called until the handlers are installed. */
static const void *const called[] = {
    close,         dl_iterate_phdr,
    fprintf,       fstat,
    getauxval,     getenv,
    madvise,       memrchr,
    mmap,          mprotect,
    munmap,        open,
    pread,         pthread_key_create,
    sigaddset,     pthread_setspecific,
    secure_getenv, strcmp,
    strcpy,        strcspn,
    strlen,        strncmp,
    strspn,        __register_atfork,
};

static bool find(const void *fn, struct dl_find_object *ret)
{
	return !_dl_find_object((void *)(uintptr_t)fn, ret);
}

/* true: it is libc's own, or in this library. */
static bool is_known(const void *fn)
{
	static struct dl_find_object libc, us;
	uintptr_t at = (uintptr_t)fn;

	if (!libc.dlfo_map_end &&
	    (!find((const void *)gnu_get_libc_version, &libc) || !find(&put_off, &us)))
		return false;
	return (at >= (uintptr_t)libc.dlfo_map_start && at < (uintptr_t)libc.dlfo_map_end) ||
	       (at >= (uintptr_t)us.dlfo_map_start && at < (uintptr_t)us.dlfo_map_end);
}

static bool all_known(void)
{
	const struct stk_reals *r = stk_reals();

	/* glibc 2.35 */
	if (!_dl_find_object)
		return false;
	for (unsigned i = 0; i < sizeof(called) / sizeof(*called); i++)
		if (!is_known(called[i]))
			return false;
	return is_known((const void *)r->sigaction) && is_known((const void *)r->sigaltstack);
}

/* glibc gives constructors what main gets. */
__attribute__((constructor(101))) static void start(int argc, char **argv, char **envp)
{
	(void)argv;
	if (!STK_IS_GLIBC)
		return;
	/* Libc's own constructor sets both (csu/init-first.c, misc/init-misc.c). Where it has run,
	 * we are loaded by dlopen(3), and all is ready. */
	bool early = argc > 0 && !*program_invocation_name;
	char **was = environ;
	/* Now: the first call of a function that we stand before may be one in a signal handler. */
	put_off = early & !all_known();
	if (put_off)
		return;
	if (early && !was)
		environ = envp;
	stk_begin();
	/* Until libc's own constructor nobody else has one. */
	environ = was;
}

void *stk_start_main(void)
{
	if (put_off)
		stk_begin();
	put_off = false;
	return (void *)STK_REAL(__libc_start_main);
}

#endif
