/* System calls and the end of the process on x86-64 (ABI A.2.1). CRASH context, all of it. */
#include <signal.h>

#include "signal/kernel/sys.h"

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x

/* rdi: number, the rest as syscall(3) has them; the kernel takes the fourth argument in r10. */
__asm__(".text\n"
	".hidden stk_sys6\n"
	".globl stk_sys6\n"
	".type stk_sys6,@function\n"
	"stk_sys6:\n"
	".cfi_startproc\n"
	"	mov %rdi,%rax\n"
	"	mov %rsi,%rdi\n"
	"	mov %rdx,%rsi\n"
	"	mov %rcx,%rdx\n"
	"	mov %r8,%r10\n"
	"	mov %r9,%r8\n"
	"	mov 8(%rsp),%r9\n"
	"	syscall\n"
	".hidden stk_sys6_behind\n"
	".globl stk_sys6_behind\n"
	"stk_sys6_behind:\n"
	"	ret\n"
	".cfi_endproc\n"
	".size stk_sys6,.-stk_sys6\n");

/* rdi: flags, rsi: stack, rdx: fn, rcx: child, r8: clear. The child's frame is the outermost one.
 */
__asm__(".text\n"
	".hidden stk_sys_clone\n"
	".globl stk_sys_clone\n"
	".type stk_sys_clone,@function\n"
	"stk_sys_clone:\n"
	".cfi_startproc\n"
	"	mov %rdx,%r9\n"
	"	mov %rcx,%rdx\n"
	"	mov %r8,%r10\n"
	"	xor %r8d,%r8d\n"
	"	or $0x00100000,%rdi\n" /* CLONE_PARENT_SETTID */
	"	mov $" TEXT(SYS_clone) ",%eax\n"
				       "	syscall\n"
				       ".hidden stk_sys_clone_behind\n"
				       ".globl stk_sys_clone_behind\n"
				       "stk_sys_clone_behind:\n"
				       "	test %rax,%rax\n"
				       "	jz 1f\n"
				       "	ret\n"
				       ".cfi_undefined %rip\n"
				       "1:	xor %ebp,%ebp\n"
				       "	call *%r9\n"
				       "	mov $" TEXT(
					   SYS_exit) ",%eax\n"
						     "	xor %edi,%edi\n"
						     "	syscall\n"
						     "	hlt\n"
						     ".cfi_endproc\n"
						     ".size stk_sys_clone,.-stk_sys_clone\n");

/* EFLAGS.AC, bit 18 (Intel SDM 1 §3.4.3.3). */
__asm__(".text\n"
	".hidden stk_sys_begin\n"
	".globl stk_sys_begin\n"
	".type stk_sys_begin,@function\n"
	"stk_sys_begin:\n"
	".cfi_startproc\n"
	"	pushfq\n"
	".cfi_adjust_cfa_offset 8\n"
	"	andq $-0x40001,(%rsp)\n"
	"	popfq\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size stk_sys_begin,.-stk_sys_begin\n");

extern const char stk_sys6_behind[], stk_sys_clone_behind[];

bool stk_sys_is_ours(uint64_t pc)
{
	return pc == (uint64_t)(uintptr_t)stk_sys6_behind ||
	       pc == (uint64_t)(uintptr_t)stk_sys_clone_behind;
}

uint64_t stk_sys_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/*
 * A client request (valgrind.h, RUNNING_ON_VALGRIND): rotations that change nothing, by 128 bits in
 * all, and an exchange of a register with itself. Only valgrind knows the sequence, and answers in
 * rdx.
 */
bool stk_sys_in_valgrind(void)
{
	volatile uint64_t request[6] = {0x1001};
	uint64_t answer = 0;

	__asm__ volatile("rolq $3,%%rdi\n\t"
			 "rolq $13,%%rdi\n\t"
			 "rolq $61,%%rdi\n\t"
			 "rolq $51,%%rdi\n\t"
			 "xchgq %%rbx,%%rbx"
			 : "+d"(answer)
			 : "a"(request)
			 : "cc", "memory", "rdi");
	return answer != 0;
}

void stk_sys_fault(int sig)
{
	if (sig == SIGILL)
		__asm__ volatile("ud2");
	else if (sig == SIGTRAP)
		__asm__ volatile("int3");
	else if (sig == SIGFPE)
		__asm__ volatile("xor %%ecx,%%ecx\n\tdiv %%ecx" : : : "rax", "rcx", "rdx");
	/* Not allowed to programs: SIGSEGV (general protection). */
	__asm__ volatile("hlt");
}
