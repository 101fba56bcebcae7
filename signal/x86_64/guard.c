/* The copy that may fault (kernel/guard.h). CRASH context. */
/*
 * rdi: to, rsi: from, rdx: bytes. Byte by byte: reads are short and a page may end anywhere.
 * Returns 1; a fault between the labels is continued at stk_guard_fail, which returns 0.
 */
__asm__(".text\n"
	".hidden stk_guard_copy\n"
	".globl stk_guard_copy\n"
	".type stk_guard_copy,@function\n"
	"stk_guard_copy:\n"
	".cfi_startproc\n"
	"	mov %rdx,%rcx\n"
	".hidden stk_guard_begin\n"
	".globl stk_guard_begin\n"
	"stk_guard_begin:\n"
	"	rep movsb\n"
	".hidden stk_guard_end\n"
	".globl stk_guard_end\n"
	"stk_guard_end:\n"
	"	mov $1,%eax\n"
	"	ret\n"
	".hidden stk_guard_fail\n"
	".globl stk_guard_fail\n"
	"stk_guard_fail:\n"
	"	xor %eax,%eax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size stk_guard_copy,.-stk_guard_copy\n");
typedef int stk_guard_only_code; /* ISO C has no empty file */
