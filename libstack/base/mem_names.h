/*
 * The calls that compilers make by themselves (memcpy for an assignment, memset for {0}) go to our
 * own functions, base/mem.c: those of the program may be its own, hold a lock, or be what crashed.
 * Included by the compiler's -include before anything else. (The names are the assembler's:
 * no macro reaches what a compiler emits.)
 */
__asm__("memcpy = stk_memcpy\n"
	"memmove = stk_memmove\n"
	"memset = stk_memset\n"
	"memcmp = stk_memcmp\n");
