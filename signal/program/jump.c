/*
 * sigsetjmp(3) keeps the mask, and siglongjmp(3) sets it, inside libc: what the program believes of
 * it travels in the buffer, in words of the saved mask that the kernel's 64 signals leave unused
 * (glibc's __sigset_t has 1024 bits; its shadow stack pointer lies in the first words). ANY
 * context. Not in libstack.a: --wrap would have to reach an assembler name through macros.
 */
#ifndef STK_WRAP
#include <setjmp.h>

#include "signal/program/real.h"
#include "signal/program/sigmask.h"

#define MAGIC 0x5354414b4d41534bUL

struct kept {
	unsigned long magic, believed;
};

static struct kept *kept(struct __jmp_buf_tag *env)
{
	return (struct kept *)&env->__saved_mask.__val[14];
}

/* The function to go on with (x86_64/forward.c). */
void *stk_jump_keep(struct __jmp_buf_tag *env, int savemask);
void *stk_jump_keep(struct __jmp_buf_tag *env, int savemask)
{
	if (savemask)
		*kept(env) = (struct kept){MAGIC, stk_view_mask()};
	return (void *)STK_REAL(__sigsetjmp);
}

static void recall(struct __jmp_buf_tag *env)
{
	if (env->__mask_was_saved && kept(env)->magic == MAGIC)
		stk_view_set_mask(kept(env)->believed);
}

/* Declared here: <setjmp.h> has other names for them with _FORTIFY_SOURCE. */
#define JUMP(name)                                                                                 \
	LIBSTACK_API _Noreturn void name(struct __jmp_buf_tag env[1], int value)                   \
	{                                                                                          \
		recall(env);                                                                       \
		STK_REAL(name)(env, value);                                                        \
		__builtin_unreachable();                                                           \
	}

JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
_Noreturn void __longjmp_chk(struct __jmp_buf_tag env[1], int value);
JUMP(__longjmp_chk)

#endif
