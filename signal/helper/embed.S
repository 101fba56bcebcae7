/* The helper's bytes inside the library (STK_HELPER_FILE: the built program; absent: empty). */
	.section .rodata.stk_helper,"a",@progbits
	.hidden stk_helper_start
	.hidden stk_helper_end
	.globl stk_helper_start
	.globl stk_helper_end
	.balign 16
stk_helper_start:
#ifdef STK_HELPER_FILE
	.incbin STK_HELPER_FILE
#endif
stk_helper_end:
	.byte 0
	.section .note.GNU-stack,"",@progbits
