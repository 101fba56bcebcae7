/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readline's own functions take a path, and follow what stands there. The file is read and written
 * through the descriptor of its folder instead (targets/folder.h); a new one replaces it when it is
 * whole, which is an errand.
 */
#include "history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <readline/history.h>

#include "errand.h"
#include "own.h"

#define NAME     "history"
#define TEXT_MAX (16UL << 20) /* bytes */

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

/* The text of the list, in a file without a name; -1: there is none. */
static int list_text(void)
{
	int fd = memfd_create("corectl-history", MFD_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
	HIST_ENTRY **v = history_list();

	for (unsigned i = 0; f && v && v[i]; i++)
		fprintf(f, "%s\n", v[i]->line);
	if (f && !fclose(f) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool copy(int from, int to)
{
	ssize_t n = 1;

	for (size_t all = 0; n > 0 && all < TEXT_MAX; all += (size_t)n)
		n = sendfile(to, from, NULL, TEXT_MAX - all);
	return !close(to) && n >= 0;
}

int history_put(int text)
{
	char name[32];
	int in = folder(true), r = -1;

	snprintf(name, sizeof(name), NAME ".%d.new", (int)getpid());
	int fd = in < 0
		     ? -1
		     : openat(in, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		r = copy(text, fd) ? renameat(in, name, in, NAME) : -1;
	if (fd >= 0 && r)
		unlinkat(in, name, 0);
	if (in >= 0)
		close(in);
	return r;
}

void history_write(void)
{
	int text = list_text(), asked = text < 0 ? -1 : errand_ask(ERRAND_HISTORY, text);

	if (asked >= 0)
		errand_wait(asked);
	else if (text >= 0)
		history_put(text);
	if (text >= 0)
		close(text);
}
