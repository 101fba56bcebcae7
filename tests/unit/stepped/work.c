/* Work for the stepper's tests: recursion, saved registers, early returns, an aligned frame. */
#include <stdint.h>

#define NOINLINE __attribute__((noinline))

uint64_t WORK(uint64_t n, int (*each)(uint64_t, double));

NOINLINE static uint64_t fold(const volatile uint64_t *v, unsigned n, int (*each)(uint64_t, double))
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;

	if (n < 2)
		return v[0];
	for (unsigned i = 0; i < n; i++) {
		a = a * 31 + v[i];
		b ^= a + c;
		c += b >> 3;
		d = d * c + e;
		e -= a ^ f;
		f += (uint64_t)each(d, (double)e);
	}
	return a ^ b ^ c ^ d ^ e ^ f;
}

/* The stack pointer is realigned and of variable size: the CFA follows the frame pointer. */
NOINLINE static uint64_t aligned(unsigned n, int (*each)(uint64_t, double))
{
	_Alignas(64) volatile uint64_t v[8];
	volatile uint64_t w[n + 1];

	for (unsigned i = 0; i < 8; i++)
		v[i] = i * n;
	for (unsigned i = 0; i <= n; i++)
		w[i] = i;
	return fold(v, 8, each) + fold(w, n, each);
}

NOINLINE static uint64_t even(uint64_t n, int (*each)(uint64_t, double));

NOINLINE static uint64_t odd(uint64_t n, int (*each)(uint64_t, double))
{
	return n ? even(n - 1, each) * 3 + 1 : aligned(5, each);
}

NOINLINE static uint64_t even(uint64_t n, int (*each)(uint64_t, double))
{
	return n ? odd(n - 1, each) / 2 + n : aligned(3, each);
}

uint64_t WORK(uint64_t n, int (*each)(uint64_t, double))
{
	return even(n, each) + odd(n, each);
}
