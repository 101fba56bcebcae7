/*
 * crowd N [locked]: as many threads at the same time as vm.max_map_count allows without libstack.
 * Each looks whether the kernel has an alternate stack of it, with a guard below, and whether it
 * sees one itself.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int given, seen, guarded;
static _Atomic int looked;
static int pipes[2];

static int byte_is_there(const char *p)
{
	char c;

	return write(pipes[1], p, 1) == 1 && read(pipes[0], &c, 1) == 1;
}

static void look(void)
{
	stack_t kernels, ours;

	syscall(SYS_sigaltstack, NULL, &kernels);
	sigaltstack(NULL, &ours);
	if (!(kernels.ss_flags & SS_DISABLE) && kernels.ss_size) {
		char *p = kernels.ss_sp;
		given++;
		guarded += byte_is_there(p) && !byte_is_there(p - 1) &&
			   byte_is_there(p + kernels.ss_size - 1);
	}
	seen += !(ours.ss_flags & SS_DISABLE);
}

static void *stay(void *p)
{
	look();
	looked++;
	for (;;)
		pause();
	return p;
}

/* Address space, and locked memory that is there, in MB. */
static void size(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmSize: %ld", &n) == 1 || sscanf(line, "VmRSS: %ld", &n) == 1)
			printf("%.5s %ld\n", line, n / 1024);
	fclose(f);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000, made = 0, failed = 0;
	pthread_attr_t attr;
	pthread_t t;

	alarm(100);
	if (argc > 2)
		printf("mlockall %d\n", mlockall(MCL_CURRENT | MCL_FUTURE));
	if (pipe(pipes))
		return 1;
	look();
	printf("main: given %d guarded %d seen %d\n", given, guarded, seen);
	given = guarded = seen = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (made < n && !(failed = pthread_create(&t, &attr, stay, NULL)))
		made++;
	while (looked < made)
		usleep(1000);
	printf("made %d %s\ngiven %d guarded %d seen %d\n", made, failed ? strerror(failed) : "all",
	       given, guarded, seen);
	size();
	fflush(stdout);
	_exit(0);
}
