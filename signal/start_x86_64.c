/*
 * __libc_start_main of the LSB, which _start calls: our own goes on to libc's by a jump, so that
 * the stack of main has no frame of ours. NORMAL context.
 */
#include "start.h"

#ifndef STK_WRAP
__asm__(".text\n"
	".globl __libc_start_main\n"
	".type __libc_start_main,@function\n"
	"__libc_start_main:\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"push %rdi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %rsi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %rdx\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %rcx\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %r8\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %r9\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"sub $8,%rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call stk_start_main\n\t"
	"add $8,%rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %r9\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %r8\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rcx\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rdx\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rsi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rdi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"jmp *%rax\n\t"
	".cfi_endproc\n\t"
	".size __libc_start_main,.-__libc_start_main\n");
#else
typedef int stk_start_empty; /* ISO C has no empty file */
#endif
