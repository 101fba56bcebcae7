/*
 * abort(3) after the program's own handler of SIGABRT has returned, or where the signal is ignored.
 * libc then sets the default action inside itself and raises the signal again: the end would come
 * without a report. So what libc does first is done here, and the default action, which is ours, is
 * back before its turn. ANY context: abort() may be called in a handler.
 *
 * libc's own calls (assert, a damaged heap) come here in a static program only.
 */
#include <signal.h>

#include "real.h"
#include "state.h"
#include "view.h"

#ifdef STK_WRAP
/* This file is in the program only if the program is linked with --wrap. */
#undef STK_REAL
#define STK_REAL(name) __real_##name
#endif

/* As abort(3) says: unblocked, raised; and if that comes back, by default. */
__attribute__((noinline)) static void by_handler(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGABRT);
	stk_view_change(STK_REAL(sigprocmask), SIG_UNBLOCK, &one, NULL);
	raise(SIGABRT);
	stk_view_action(SIGABRT, &dfl, NULL);
}

/* The function to go on with: libc's. */
__attribute__((used, target("general-regs-only"))) static void *stk_abort_first(void)
{
	struct stk_ksigaction now;

	if (stk_g.installed && (stk_g.o.signals & 1ULL << (SIGABRT - 1)) &&
	    !stk_sigaction(SIGABRT, NULL, &now) && now.handler && now.handler != stk_handler)
		by_handler();
	return (void *)STK_REAL(abort);
}

#ifdef STK_WRAP
#define ABORT "__wrap_abort"
#else
#define ABORT "abort"
#endif

#ifdef __x86_64__
/* A jump, no call: a report shows libc's abort() below the program's own function, as ever. The
 * registers are as they were, too: they are in the core. */
__asm__(".text\n"
	".globl " ABORT "\n"
	".type " ABORT ",@function\n" ABORT ":\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"sub $72,%rsp\n\t"
	".cfi_adjust_cfa_offset 72\n\t"
	"mov %rdi,(%rsp)\n\t"
	"mov %rsi,8(%rsp)\n\t"
	"mov %rdx,16(%rsp)\n\t"
	"mov %rcx,24(%rsp)\n\t"
	"mov %r8,32(%rsp)\n\t"
	"mov %r9,40(%rsp)\n\t"
	"mov %r10,48(%rsp)\n\t"
	"mov %r11,56(%rsp)\n\t"
	"call stk_abort_first\n\t"
	"mov (%rsp),%rdi\n\t"
	"mov 8(%rsp),%rsi\n\t"
	"mov 16(%rsp),%rdx\n\t"
	"mov 24(%rsp),%rcx\n\t"
	"mov 32(%rsp),%r8\n\t"
	"mov 40(%rsp),%r9\n\t"
	"mov 48(%rsp),%r10\n\t"
	"mov 56(%rsp),%r11\n\t"
	"add $72,%rsp\n\t"
	".cfi_adjust_cfa_offset -72\n\t"
	"jmp *%rax\n\t"
	".cfi_endproc\n\t"
	".size " ABORT ",.-" ABORT "\n");
#endif
