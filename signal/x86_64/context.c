#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "signal/crash.h"
#include "signal/kernel/context.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"

/* CRASH context. */
uint64_t stk_context_thread(void)
{
	uint64_t fs_base = 0;

	sys2(SYS_arch_prctl, ARCH_GET_FS, &fs_base);
	return fs_base;
}

/* CRASH context. Order: struct user_regs_struct of sys/user.h. */
void stk_context_gregs(const ucontext_t *uc, uint64_t *r)
{
	static const int8_t from[21] = {REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX,
					REG_R11, REG_R10, REG_R9,  REG_R8,  REG_RAX, REG_RCX,
					REG_RDX, REG_RSI, REG_RDI, -1,      REG_RIP, -2,
					REG_EFL, REG_RSP, -3};
	const greg_t *g = uc->uc_mcontext.gregs;
	uint64_t csgsfs = (uint64_t)g[REG_CSGSFS];
	uint64_t gs_base = 0;

	for (int i = 0; i < 21; i++)
		r[i] = from[i] >= 0 ? (uint64_t)g[from[i]] : 0;
	r[15] = ~0ULL; /* orig_rax: the frame does not have it */
	r[17] = csgsfs & 0xffff;
	r[20] = csgsfs >> 48;
	sys2(SYS_arch_prctl, ARCH_GET_GS, &gs_base);
	r[21] = stk_context_thread();
	r[22] = gs_base;
	__asm__ volatile("mov %%ds,%0" : "=r"(r[23]));
	__asm__ volatile("mov %%es,%0" : "=r"(r[24]));
	__asm__ volatile("mov %%fs,%0" : "=r"(r[25]));
	__asm__ volatile("mov %%gs,%0" : "=r"(r[26]));
}

/* CRASH context. */
uint64_t stk_context_pc(const ucontext_t *uc)
{
	return (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
}

/* CRASH context. */
uint64_t stk_context_sp(const ucontext_t *uc)
{
	return (uint64_t)uc->uc_mcontext.gregs[REG_RSP];
}

/* CRASH context. */
void stk_context_go(ucontext_t *uc, uint64_t pc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
}

/* CRASH context. Places in struct user_regs_struct. */
uint64_t stk_context_pc_of(const uint64_t *gregs)
{
	return gregs[16];
}

/* CRASH context. */
uint64_t stk_context_sp_of(const uint64_t *gregs)
{
	return gregs[19];
}

/* CRASH context. Page fault (vector 14), bit 4 of its error code: an instruction fetch (Intel SDM
 * 3A §4.7). */
bool stk_context_is_fetch(int sig, const ucontext_t *uc)
{
	return sig == SIGSEGV && uc->uc_mcontext.gregs[REG_TRAPNO] == 14 &&
	       (uc->uc_mcontext.gregs[REG_ERR] & 0x10);
}

/* CRASH context. #BP is vector 3 (Intel SDM 3A §6.3.1). */
bool stk_context_is_breakpoint(int sig, const ucontext_t *uc)
{
	return sig == SIGTRAP && uc->uc_mcontext.gregs[REG_TRAPNO] == 3;
}

/* CRASH context. */
void stk_context_fail_call(ucontext_t *uc, int error)
{
	uc->uc_mcontext.gregs[REG_RAX] = -error;
}

/* CRASH context. */
bool stk_context_is_privileged(const ucontext_t *uc)
{
	uint8_t code;

	return stk_guard_read(stk_context_pc(uc), &code, 1) && code == 0xf4;
}

/* CRASH context. struct _fpx_sw_bytes at offset 464 of the FXSAVE area: magic1, extended_size, and
 * xstate_size 16 bytes on (arch/x86/include/uapi/asm/sigcontext.h). */
struct stk_fx_size stk_context_fx_size(const void *fx)
{
	uint32_t sw[5];

	memcpy(sw, (const uint8_t *)fx + 464, sizeof(sw));
	return sw[0] == 0x46505853 /* FP_XSTATE_MAGIC1 */ ? (struct stk_fx_size){sw[1], sw[4]}
							  : (struct stk_fx_size){512, 512};
}

/* CRASH context. */
uint64_t stk_context_xstate(const ucontext_t *uc, uint64_t *ret_len)
{
	const void *fx = uc->uc_mcontext.fpregs;

	*ret_len = fx ? stk_context_fx_size(fx).registers : 0;
	return (uint64_t)(uintptr_t)fx;
}

/* CRASH context. */
void stk_context_stood(const ucontext_t *uc, struct stk_answer *ret)
{
	stk_context_gregs(uc, ret->gregs);
	ret->xstate = stk_context_xstate(uc, &ret->xstate_len);
	memcpy(&ret->blocked, &uc->uc_sigmask, sizeof(ret->blocked));
}

/*
 * The number of the call is not in the frame: it is what the instructions before `syscall` put into
 * eax, as libc's wrappers have them: `mov $N,%eax` or `xor %eax,%eax`, and between that and the
 * call at most loads of arguments from the stack, `mov N(%rsp),%reg`. -1: it is not known.
 */
static long call_number(const uint8_t *code, size_t n)
{
	for (; n >= 5; n -= 4) {
		const uint8_t *end = code + n;
		uint32_t number;
		if (end[-5] == 0xb8) {
			memcpy(&number, end - 4, sizeof(number));
			return (long)number;
		}
		if (end[-2] == 0x31 && end[-1] == 0xc0)
			return 0;
		if (end[-4] != 0x8b || (end[-3] & 0xc7) != 0x44 || end[-2] != 0x24)
			return -1;
		if ((end[-5] & 0xf0) == 0x40) /* REX */
			n--;
	}
	return -1;
}

/* CRASH context. */
void stk_context_restart(ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint8_t code[24];
	const size_t n = sizeof(code) - 2;

	if (g[REG_RAX] != -EINTR ||
	    !stk_guard_read((uint64_t)g[REG_RIP] - sizeof(code), code, sizeof(code)) ||
	    code[n] != 0x0f || code[n + 1] != 0x05)
		return;
	long number = call_number(code, n);
	if (number < 0 || number == SYS_close) /* that has done its work all the same */
		return;
	g[REG_RIP] -= 2;
	g[REG_RAX] = number;
}

/* rdi: top, rsi: fn, rdx: back. The registers that a call preserves lie where rbp points. */
__asm__(".text\n"
	".hidden stk_context_on_stack\n"
	".globl stk_context_on_stack\n"
	".type stk_context_on_stack,@function\n"
	"stk_context_on_stack:\n"
	".cfi_startproc\n"
	"	push %rbp\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset %rbp,-16\n"
	"	mov %rsp,%rbp\n"
	".cfi_def_cfa_register %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rbp,(%rdx)\n"
	"	mov %rdi,%rsp\n"
	"	call *%rsi\n"
	".hidden stk_context_returned\n"
	".globl stk_context_returned\n"
	"stk_context_returned:\n"
	"	mov -8(%rbp),%rbx\n"
	"	mov -16(%rbp),%r12\n"
	"	mov -24(%rbp),%r13\n"
	"	mov -32(%rbp),%r14\n"
	"	mov -40(%rbp),%r15\n"
	"	leave\n"
	".cfi_def_cfa %rsp,8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size stk_context_on_stack,.-stk_context_on_stack\n");

extern const char stk_context_returned[];

/* CRASH context. */
void stk_context_back(ucontext_t *uc, uint64_t back)
{
	uc->uc_mcontext.gregs[REG_RBP] = (greg_t)back;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)stk_context_returned;
	uc->uc_mcontext.gregs[REG_EFL] &= ~0x400; /* the direction flag is clear in C */
}
