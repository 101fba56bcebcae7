/*
 * NORMAL context, all of it. The environment is changed in place: nothing is allocated, and a
 * program that reads the third argument of main sees the same.
 */
#include "signal/program/follow.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void drop(const char *name)
{
	size_t n = strlen(name);
	char **to = environ;

	for (char **e = environ; *e; e++)
		if (strncmp(*e, name, n) != 0 || (*e)[n] != '=')
			*to++ = *e;
	*to = NULL;
}

static bool is_us(const char *path, size_t len)
{
	static const char us[] = "libstack.so";
	const char *name = memrchr(path, '/', len);

	name = name ? name + 1 : path;
	return (size_t)(path + len - name) >= sizeof(us) - 1 && !memcmp(name, us, sizeof(us) - 1);
}

/* A list as ld.so(8) reads LD_PRELOAD: separated by colons or spaces. */
static void leave(char *list)
{
	char *to = list;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ": "), sep = p[n] != 0;
		if (n && !is_us(p, n)) {
			if (to != list)
				*to++ = ':';
			memmove(to, p, n);
			to += n;
		}
		p += n + sep;
	}
	*to = 0;
	if (to == list)
		drop("LD_PRELOAD");
}

void stk_follow(void)
{
	const char *v = secure_getenv("LIBSTACK_FOLLOW");
	char *list = getenv("LD_PRELOAD");

	if (!v || !*v || !strcmp(v, "yes"))
		return;
	if (strcmp(v, "no") != 0) {
		fprintf(stderr,
			"libstack: LIBSTACK_FOLLOW=%s is not known, using the default; it "
			"takes yes or no\n",
			v);
		return;
	}
	if (list)
		leave(list);
	drop("LIBSTACK_FOLLOW");
}
