/* Byte by byte: what is copied here is short, and no instruction may be one that a broken program's
 * state disturbs. */
#include "base/mem.h"

#include <stdint.h>

/* gcc would make a call of memcpy out of a loop that copies. clang does not in freestanding code.
 */
#ifdef __clang__
#define LOOP
#else
#define LOOP __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

void *stk_memcpy(void *restrict to, const void *restrict from, size_t n);
void *stk_memmove(void *to, const void *from, size_t n);
void *stk_memset(void *to, int c, size_t n);
int stk_memcmp(const void *a, const void *b, size_t n);

LOOP void *stk_memcpy(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

LOOP void *stk_memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if ((uintptr_t)t - (uintptr_t)f >= n)
		return stk_memcpy(to, from, n);
	while (n--)
		t[n] = f[n];
	return to;
}

LOOP void *stk_memset(void *to, int c, size_t n)
{
	uint8_t *t = to;

	while (n--)
		*t++ = (uint8_t)c;
	return to;
}

int stk_memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
