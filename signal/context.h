/* The machine context of a signal frame (ucontext of linux/arch/x86/include/uapi). CRASH context.
 */
#ifndef SIGNAL_CONTEXT_H
#define SIGNAL_CONTEXT_H

#include <stdint.h>
#include <ucontext.h>

#include "crash.h"

/* The general registers in the layout of NT_PRSTATUS. */
void stk_context_gregs(const ucontext_t *uc, uint64_t *ret);

/*
 * If the context stands behind a system call that ended with EINTR although nobody but us sent a
 * signal, make it begin anew when the context is resumed.
 */
void stk_context_restart(ucontext_t *uc);

/* Run `fn` with the stack pointer at `top`. `back` gets what stk_context_back() needs. */
void stk_context_on_stack(void *top, void (*fn)(void), uint64_t *back);

/* Make a context continue where stk_context_on_stack() returns from the call. */
void stk_context_back(ucontext_t *uc, uint64_t back);

#endif
