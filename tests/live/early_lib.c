/* A library that the program needs, and that may crash while it is initialised. */
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) void boom_at(const char *place)
{
	const char *where = getenv("WHERE");

	if (where && !strcmp(where, place))
		*(volatile int *)16 = 1;
}

__attribute__((constructor)) static void lib(void)
{
	boom_at("lib");
}

__attribute__((destructor)) static void end(void)
{
	boom_at("end");
}
