/* At -O2 the unit has code in three places: main, the function, and the function's cold part. */
#include "../../fixtures/fixture.h"

static volatile int total;

NOINLINE int outer(int a, long b)
{
	LOG("outer 0x%x, 0x%lx\n", a, b);
	total += a;
	if (__builtin_expect(total != 0, 0)) {
		total = (int)b;
		abort();
	}
	return total + a;
}

int main(int argc, char **argv)
{
	(void)argv;
	fixture_start(20);
	LOG("main 0x%x, 0x%lx\n", argc, ADDR(argv));
	return outer(argc + 4, 0x1234567890) + argc;
}
