/*
 * Functions of libc that the library stands before and leaves by a jump: what calls them finds the
 * stack as if libc's own had been called, so that a report shows no frame of ours, setjmp(3) sees
 * its caller's, and main has none above it. Of each one C function is told the arguments and
 * returns where to go on. The registers are as they were, too: they are in the core. ANY context.
 */
#define FORWARD(name, first)                                                                       \
	__asm__(".text\n"                                                                          \
		".globl " name "\n"                                                                \
		".type " name ",@function\n" name ":\n"                                            \
		".cfi_startproc\n"                                                                 \
		"	endbr64\n"                                                                       \
		"	sub $72,%rsp\n"                                                                  \
		".cfi_adjust_cfa_offset 72\n"                                                      \
		"	mov %rdi,(%rsp)\n"                                                               \
		"	mov %rsi,8(%rsp)\n"                                                              \
		"	mov %rdx,16(%rsp)\n"                                                             \
		"	mov %rcx,24(%rsp)\n"                                                             \
		"	mov %r8,32(%rsp)\n"                                                              \
		"	mov %r9,40(%rsp)\n"                                                              \
		"	mov %r10,48(%rsp)\n"                                                             \
		"	mov %r11,56(%rsp)\n"                                                             \
		"	call " first "\n"                                                          \
		"	mov (%rsp),%rdi\n"                                                               \
		"	mov 8(%rsp),%rsi\n"                                                              \
		"	mov 16(%rsp),%rdx\n"                                                             \
		"	mov 24(%rsp),%rcx\n"                                                             \
		"	mov 32(%rsp),%r8\n"                                                              \
		"	mov 40(%rsp),%r9\n"                                                              \
		"	mov 48(%rsp),%r10\n"                                                             \
		"	mov 56(%rsp),%r11\n"                                                             \
		"	add $72,%rsp\n"                                                                  \
		".cfi_adjust_cfa_offset -72\n"                                                     \
		"	jmp *%rax\n"                                                                     \
		".cfi_endproc\n"                                                                   \
		".size " name ",.-" name "\n")

#ifdef STK_WRAP
FORWARD("__wrap_abort", "stk_abort_first");
#else
FORWARD("abort", "stk_abort_first");
FORWARD("__sigsetjmp", "stk_jump_keep");
FORWARD("__libc_start_main", "stk_start_main");
#endif
