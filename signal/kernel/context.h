/* The machine context of a signal frame (ucontext of linux/arch/x86/include/uapi). CRASH context.
 */
#ifndef SIGNAL_CONTEXT_H
#define SIGNAL_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "signal/crash.h"

/* The general registers in the layout of NT_PRSTATUS. */
void stk_context_gregs(const ucontext_t *uc, uint64_t *ret);

/* Where it was interrupted, and the stack pointer there. */
uint64_t stk_context_pc(const ucontext_t *uc);
uint64_t stk_context_sp(const ucontext_t *uc);
/* Continue there when the context is resumed. */
void stk_context_go(ucontext_t *uc, uint64_t pc);

/* The program counter, the stack pointer among registers in the layout of NT_PRSTATUS. */
uint64_t stk_context_pc_of(const uint64_t *gregs);
uint64_t stk_context_sp_of(const uint64_t *gregs);

/* What the processor says of a fault: the address that it could not fetch an instruction from is
 * where the context stands; the context stands behind a breakpoint instruction. */
bool stk_context_is_fetch(int sig, const ucontext_t *uc);
bool stk_context_is_breakpoint(int sig, const ucontext_t *uc);

/* The system call that the context stands behind has failed with this errno value. */
void stk_context_fail_call(ucontext_t *uc, int error);

/* Is the instruction there the one with which abort(3) ends (x86: hlt)? */
bool stk_context_is_privileged(const ucontext_t *uc);

/* All that is kept of a thread that stands in a handler. */
void stk_context_stood(const ucontext_t *uc, struct stk_answer *ret);

/* How long the area is that begins with FXSAVE's, in a signal frame: all of it, and the registers
 * in it. */
struct stk_fx_size {
	uint32_t all, registers;
};
struct stk_fx_size stk_context_fx_size(const void *fx);

/* The extended registers in the signal frame, as XSAVE writes them: where, and how many bytes. 0:
 * there are none. */
uint64_t stk_context_xstate(const ucontext_t *uc, uint64_t *ret_len);

/* The thread pointer, which the program may have set to anything. */
uint64_t stk_context_thread(void);

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
