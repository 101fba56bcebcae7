/* A thread waits in a library that is closed meanwhile: libunloaded.so with -DLIBRARY. */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#include "../../fixtures/fixture.h"

struct shared {
	sem_t ready, never;
	int tid;
};

#ifdef LIBRARY
int wait_here(struct shared *with)
{
	with->tid = gettid();
	sem_post(&with->ready);
	return sem_wait(&with->never);
}

void *body(void *with)
{
	return (void *)(long)(wait_here(with) + 1);
}
#else
/* Does the thread sleep (proc(5), stat)? Then it is within libc. */
static int sleeps(int tid)
{
	char path[64], text[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	return strstr(text, ") S ") != NULL;
}

int main(int argc, char **argv)
{
	static struct shared with;
	pthread_t thread;
	void *library = dlopen(argv[1], RTLD_NOW), *(*body)(void *) = NULL;

	fixture_start(20);
	if (argc < 2 || !library || !(body = (void *(*)(void *))dlsym(library, "body")))
		return 1;
	dprintf(fixture_fd, "BODY 0x%lx\n", ADDR(body));
	if (pthread_create(&thread, NULL, body, &with) || sem_wait(&with.ready))
		return 1;
	while (!sleeps(with.tid))
		sched_yield();
	dlclose(library);
	if (argc == 2)
		abort();
	write(1, "READY\n", 6);
	pause();
}
#endif
