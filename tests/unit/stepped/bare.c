/* A function without call frame information; with LOST it has no frame pointer, and breaks the
 * chain of its callers. */
int BARE(int (*fn)(int), int n);

int BARE(int (*fn)(int), int n)
{
	volatile int pad[4] = {n, n, n, n};

#ifdef LOST
	__asm__ volatile("xor %%ebp, %%ebp" ::: "rbp");
#endif
	return fn(pad[0]) + pad[1];
}
