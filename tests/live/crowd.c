/*
 * crowd N: as many threads at the same time as vm.max_map_count allows without libstack. Each looks
 * whether the kernel has an alternate stack of it, with a guard below, and whether it sees one
 * itself.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000, made = 0, failed = 0;
	pthread_attr_t attr;
	pthread_t t;

	alarm(100);
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
	fflush(stdout);
	_exit(0);
}
