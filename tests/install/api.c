/* The public functions, as a program that steers the library itself uses them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libstack.h"

#ifdef MANUAL
LIBSTACK_MANUAL;
#endif

/* The kernel's own answer: 0 default, 1 ignored, 2 a handler. The library hides itself from
 * sigaction(2), so the mask of /proc is asked. */
static int caught(int sig)
{
	char line[256];
	unsigned long mask = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigCgt: %lx", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask >> (sig - 1) & 1;
}

__attribute__((noinline)) static int dump(int fd)
{
	return libstack_dump(fd);
}

int main(int argc, char **argv)
{
	struct libstack_options bad = {.size = sizeof(bad), .traceback = "loud"};
	struct libstack_options o = {.size = sizeof(o), .traceback = "single", .signals = "SEGV"};

	printf("version %s\n", libstack_version());
	printf("at start %d\n", caught(SIGSEGV));
	fflush(stdout);
	printf("dump %d\n", dump(1));
	printf("dump of a bad descriptor %d\n", dump(77));
	printf("install with a bad value %d\n", libstack_install(&bad));
	printf("then %d\n", caught(SIGSEGV));
	printf("install %d\n", libstack_install(&o));
	printf("SEGV %d QUIT %d\n", caught(SIGSEGV), caught(SIGQUIT));
	printf("again with all %d\n", libstack_install(NULL));
	printf("SEGV %d QUIT %d\n", caught(SIGSEGV), caught(SIGQUIT));
	printf("uninstall %d\n", libstack_uninstall());
	printf("SEGV %d QUIT %d\n", caught(SIGSEGV), caught(SIGQUIT));
	if (argc > 1 && !strcmp(argv[1], "crash"))
		printf("install %d\n", libstack_install(&o));
	fflush(stdout);
	raise(SIGSEGV);
	return 0;
}
