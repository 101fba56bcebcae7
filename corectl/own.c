/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *variable, *in_home, *name;
} kinds[] = {[OWN_CACHE] = {"XDG_CACHE_HOME", ".cache", "libstack"},
	     [OWN_STATE] = {"XDG_STATE_HOME", ".local/state", "corectl"}};

/* A relative path in a variable is ignored, as the specification wants it. */
static const char *absolute(const char *variable)
{
	const char *path = secure_getenv(variable);

	return path && *path == '/' ? path : NULL;
}

/* What is not there yet may be made within the home; beside it, the one folder that is named. */
static size_t base_length(const char *path, const char *home)
{
	size_t n = home ? strlen(home) : 0;

	while (n && home[n - 1] == '/')
		n--;
	if (n && !strncmp(path, home, n) && path[n] == '/')
		return n;
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (!access(path, F_OK))
		return n;
	while (n > 1 && path[n - 1] != '/')
		n--;
	return n;
}

struct stk_folder own_place(enum own_kind kind, struct own_names *n)
{
	const char *home = absolute("HOME"), *path = absolute(kinds[kind].variable);
	size_t base, len;

	if (path) {
		base = base_length(path, home);
		len = (size_t)snprintf(n->below, sizeof(n->below), "%s/%s", path + base,
				       kinds[kind].name);
	} else {
		path = home;
		base = home ? strlen(home) : 0;
		len = (size_t)snprintf(n->below, sizeof(n->below), "%s/%s", kinds[kind].in_home,
				       kinds[kind].name);
	}
	if (!path || base >= sizeof(n->base) || len >= sizeof(n->below))
		return (struct stk_folder){0};
	memcpy(n->base, path, base);
	n->base[base] = 0;
	return (struct stk_folder){n->base, n->below};
}
