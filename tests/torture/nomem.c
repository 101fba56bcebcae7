/*
 * Preloaded: the allocation number NOMEM_AT fails, and with NOMEM_ON all that follow. With
 * NOMEM_OWN only those count that the program's own code asks for, not its libraries. At the end
 * NOMEM_COUNT, a file, gets their number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long at, count, from, to;
static bool on, began;

/* The program's own code: the first executable mapping of the file that runs. */
static void find_program(void)
{
	char line[512], path[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long a, b;
	char perms[5], name[256];

	path[len > 0 ? len : 0] = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &a, &b, perms, name) == 4 &&
		    perms[2] == 'x' && !__builtin_strcmp(name, path)) {
			from = a;
			to = b;
		}
	if (f)
		fclose(f);
}

__attribute__((constructor)) static void begin(void)
{
	const char *s = getenv("NOMEM_AT");

	at = s ? strtoul(s, NULL, 10) : 0;
	on = getenv("NOMEM_ON") != NULL;
	if (getenv("NOMEM_OWN"))
		find_program();
	began = true;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("NOMEM_COUNT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	began = false;
	if (fd >= 0) {
		dprintf(fd, "%lu\n", count);
		close(fd);
	}
}

static bool fails(void *caller)
{
	unsigned long a = (unsigned long)caller;

	if (!began || (to && (a < from || a >= to)))
		return false;
	count++;
	if (!at || count < at || (count > at && !on))
		return false;
	errno = ENOMEM;
	return true;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}
