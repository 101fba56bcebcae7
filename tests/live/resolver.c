/* A crash before main: in an IFUNC resolver, which calls through a linkage table, or in a leaf of a
 * library that it calls. */
#include <string.h>

int leaf(const int *from);

#ifdef LIBRARY
/* As strlen(3) is written: no call frame information, nothing on the stack. */
__asm__(".text\n"
	".globl leaf\n"
	".type leaf,@function\n"
	"leaf:	xor %eax, %eax\n"
	"	add (%rdi), %eax\n"
	"	ret\n"
	".size leaf,.-leaf\n");
#else
static int first(int n)
{
	return n + 1;
}

__attribute__((noinline)) static int resolver_calls(const int *from)
{
#ifdef WITH_LEAF
	return leaf(from);
#else
	return *(volatile const int *)from;
#endif
}

static void *pick(void)
{
	int *volatile missing = 0;

#ifdef WITH_LEAF
	return (void *)(long)resolver_calls(missing);
#else
	return resolver_calls(missing) ? (void *)first : (void *)0;
#endif
}

#ifdef WITH_LEAF
int main(void)
{
	(void)first;
	return pick() != 0;
}
#else
int chosen(int n) __attribute__((ifunc("pick")));

int main(void)
{
	return chosen(3);
}
#endif
#endif
