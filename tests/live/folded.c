/* Functions whose machine code is the same, for --icf=all; and an alias, which is one function. C,
 * and C++ as it is. */
#include "../../fixtures/fixture.h"

#ifdef __cplusplus
extern "C"
#endif
    NOINLINE long
    other_name(long n);
NOINLINE void check(const char *who, long n);
NOINLINE long fetch(long n);
NOINLINE long flush(long n);

static volatile long total;
static const char *volatile who;

NOINLINE void check(const char *caller, long n)
{
	LOG("%s 0x%lx\n", caller, n);
	total += n;
	if (total)
		abort();
}

NOINLINE long fetch(long n)
{
	check(who, n);
	total += n;
	return total + 1;
}

NOINLINE long flush(long n)
{
	check(who, n);
	total += n;
	return total + 1;
}

NOINLINE static long unseen(long n)
{
	check(who, n);
	total += n;
	return total + 1;
}

#ifdef __cplusplus
extern "C"
#endif
    NOINLINE long
    name(long n)
{
	check(who, n);
	total -= n;
	return total + 2;
}

long other_name(long n) __attribute__((alias("name")));

int main(int argc, char **argv)
{
	long (*volatile pointer)(long) = unseen;

	fixture_start(20);
	who = argc > 1 ? argv[1] : "";
	switch (*who) {
	case 'n':
		return (int)other_name(0x44) + 1;
	case 'u':
		return (int)pointer(0x33) + 2;
	default:
		return (int)(who[2] == 'u' ? flush(0x22) : fetch(0x11)) + 3;
	}
}
