#include "targets/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define OTHERS (S_IWGRP | S_IWOTH)

bool stk_folder_is_ours(int fd, mode_t type, struct stat *st)
{
	return fstat(fd, st) == 0 && (st->st_mode & S_IFMT) == type && st->st_uid == geteuid() &&
	       !(st->st_mode & OTHERS);
}

static bool is_of_user(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid();
}

/* A link that root has put into a folder where only root puts something (/home -> /data/home). */
static bool is_link_of_root(int folder, const char *name)
{
	struct stat in, at;

	return fstat(folder, &in) == 0 && in.st_uid == 0 && !(in.st_mode & OTHERS) &&
	       fstatat(folder, name, &at, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(at.st_mode) &&
	       at.st_uid == 0;
}

/* The folder `name` in `folder`, which is closed; -1: none. */
typedef int step_function(int folder, const char *name, bool make);

static int step_to_base(int folder, const char *name, bool make)
{
	int how = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int fd = openat(folder, name, how | O_NOFOLLOW);

	(void)make;
	if (fd < 0 && errno == ENOTDIR && is_link_of_root(folder, name))
		fd = openat(folder, name, how);
	close(folder);
	return fd;
}

static int step_below(int folder, const char *name, bool make)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(folder, name, how);

	if (fd < 0 && errno == ENOENT && make && !mkdirat(folder, name, 0700))
		fd = openat(folder, name, how);
	close(folder);
	if (fd >= 0 && !is_of_user(fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* From `folder` along `path`, one step for each name. */
static int walk(int folder, const char *path, step_function *step, bool make)
{
	char name[256]; /* NAME_MAX */

	while (folder >= 0 && *(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		if (n >= sizeof(name)) {
			close(folder);
			return -1;
		}
		memcpy(name, path, n);
		name[n] = 0;
		path += n;
		folder = step(folder, name, make);
	}
	return folder;
}

int stk_folder_open(const struct stk_folder *f, bool make)
{
	struct stat st;

	if (!f->base || *f->base != '/')
		return -1;
	int fd = walk(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), f->base, step_to_base, false);
	if (fd >= 0 && !is_of_user(fd)) {
		close(fd);
		return -1;
	}
	fd = walk(fd, f->below, step_below, make);
	if (fd >= 0 && !stk_folder_is_ours(fd, S_IFDIR, &st)) {
		close(fd);
		fd = -1;
	}
	return fd;
}
