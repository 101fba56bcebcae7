/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * malloc(3), calloc(3) and realloc(3) for corectl and all its libraries, before libc's. libdw and
 * capstone use what they get without a look at it, and where they look, an answer from which
 * something is missing is like a whole one. So a small piece that is not there ends the program
 * with a word. Large pieces are as large as some number in a file says: their NULL goes to whoever
 * asked, and it is said afterwards. The sanitizers bring functions of their own.
 */
#include "memory.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define LARGE (1UL << 20) /* bytes */

static _Atomic(void (*)(void)) at_end;
static atomic_bool was_short;

void memory_watch(void (*end)(void))
{
	atomic_store(&at_end, end);
}

bool memory_was_short(void)
{
	return atomic_exchange(&was_short, false);
}

#ifndef STK_SANITIZED

/* Exported: the libraries are to find them. */
#define EXPORT __attribute__((visibility("default")))
EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);

static void *checked(void *p, size_t size)
{
	/* realloc(p, 0) frees. `end` allocates at its own risk. */
	if (p || !size)
		return p;
	atomic_store(&was_short, true);
	void (*end)(void) = size < LARGE ? atomic_exchange(&at_end, NULL) : NULL;
	if (end)
		end();
	return NULL;
}

void *malloc(size_t size)
{
	static void *(*next)(size_t);

	if (!next)
		next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	return checked(next(size), size);
}

void *calloc(size_t n, size_t size)
{
	static void *(*next)(size_t, size_t);
	size_t all;

	if (!next)
		next = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	return checked(next(n, size), __builtin_mul_overflow(n, size, &all) ? SIZE_MAX : all);
}

void *realloc(void *p, size_t size)
{
	static void *(*next)(void *, size_t);

	if (!next)
		next = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	return checked(next(p, size), size);
}

#endif
