/* A thread waits in a library that is closed meanwhile: libunloaded.so with -DLIBRARY. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include "../../fixtures/fixture.h"

#ifdef LIBRARY
int wait_here(sem_t *ready, sem_t *never)
{
	sem_post(ready);
	return sem_wait(never);
}

void *body(void *sems)
{
	return (void *)(long)(wait_here(sems, (sem_t *)sems + 1) + 1);
}
#else
int main(int argc, char **argv)
{
	static sem_t sems[2];
	pthread_t thread;
	void *library = dlopen(argv[1], RTLD_NOW), *(*body)(void *) = NULL;

	fixture_start(20);
	if (argc < 2 || !library || !(body = (void *(*)(void *))dlsym(library, "body")))
		return 1;
	dprintf(fixture_fd, "BODY 0x%lx\n", ADDR(body));
	if (pthread_create(&thread, NULL, body, sems) || sem_wait(&sems[0]))
		return 1;
	dlclose(library);
	if (argc == 2)
		abort();
	write(1, "READY\n", 6);
	pause();
}
#endif
