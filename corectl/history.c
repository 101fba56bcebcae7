/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readline's own functions take a path, and follow what stands there. The file is read and written
 * through the descriptor of its folder instead (targets/folder.h); a new one replaces it when it is
 * whole.
 */
#include "history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <readline/history.h>

#include "own.h"

#define NAME "history"

static int folder(bool make)
{
	struct own_names names;
	struct stk_folder f = own_place(OWN_STATE, &names);

	return stk_folder_open(&f, make);
}

void history_read(void)
{
	struct stat st;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int in = folder(false);
	int fd = in < 0 ? -1 : openat(in, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *f = fd >= 0 && stk_folder_is_ours(fd, S_IFREG, &st) ? fdopen(fd, "r") : NULL;

	while (f && (n = getline(&line, &cap, f)) > 0) {
		line[n - (line[n - 1] == '\n')] = 0;
		add_history(line);
	}
	free(line);
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	if (in >= 0)
		close(in);
}

static bool write_lines(int fd)
{
	FILE *f = fdopen(fd, "w");
	HIST_ENTRY **v = history_list();

	if (!f) {
		close(fd);
		return false;
	}
	for (unsigned i = 0; v && v[i]; i++)
		fprintf(f, "%s\n", v[i]->line);
	bool good = !ferror(f);
	return !fclose(f) && good;
}

void history_write(void)
{
	char name[32];
	int in = folder(true);

	snprintf(name, sizeof(name), NAME ".%d.new", (int)getpid());
	int fd = in < 0
		     ? -1
		     : openat(in, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && (!write_lines(fd) || renameat(in, name, in, NAME)))
		unlinkat(in, name, 0);
	if (in >= 0)
		close(in);
}
