/*
 * What only glibc has. A program that is given the library by its parent's LD_PRELOAD may have
 * another libc, whose loader starts nothing with a symbol that it cannot find. There the library
 * does nothing, and its functions are those of that libc. In libstack.a all are there: a weak
 * reference would bring none.
 */
#ifndef SIGNAL_LIBC_H
#define SIGNAL_LIBC_H

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdbool.h>
#include <ucontext.h>

/* What pthread_atfork(3) is made of (it is in no shared library). */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			     void *dso);

#ifdef STK_WRAP
#define STK_IS_GLIBC        true
#define STK_HAS_FIND_OBJECT true
#else
#pragma weak gnu_get_libc_version
#pragma weak getcontext
#pragma weak pthread_attr_getsigmask_np
#pragma weak __register_atfork
#pragma weak _dl_find_object
#define STK_IS_GLIBC        (gnu_get_libc_version != NULL)
#define STK_HAS_FIND_OBJECT (_dl_find_object != NULL) /* glibc 2.35 */
#endif

#endif
