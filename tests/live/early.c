/*
 * early PLACE: crashes before main or behind it. PLACE is in the environment (WHERE), for there are
 * no arguments yet: lib, own, main, or end of the library that it needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void boom_at(const char *place);

static void before_all(void)
{
	/* Of libc, which has not begun, nothing is there yet; and nothing of us changes that. */
	extern char **environ;
	static char line[] = "environ was set\n";

	if (environ)
		fputs(line, stdout);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = before_all;

__attribute__((constructor)) static void own(void)
{
	boom_at("own");
}

int main(void)
{
	boom_at("main");
	puts("done");
	return 0;
}
