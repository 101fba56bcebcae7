#include "targets/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/text.h"

/* What a path that is no regular file leads to; NULL: one. */
static const char *other_than_file(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return NULL;
	case S_IFDIR:
		return "a folder";
	case S_IFIFO:
		return "a named pipe";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a link that leads nowhere";
	}
}

/* Reading one of these does something, or waits (/proc/kmsg, trace_pipe). What /proc/PID/exe,
 * map_files and root lead to lies elsewhere. */
static bool is_made_by_kernel(int fd)
{
	static const unsigned long made[] = {
	    PROC_SUPER_MAGIC,   SYSFS_MAGIC,         DEBUGFS_MAGIC,   TRACEFS_MAGIC,
	    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, SECURITYFS_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	for (unsigned i = 0; i < sizeof(made) / sizeof(*made); i++)
		if ((unsigned long)fs.f_type == made[i])
			return true;
	return false;
}

/* O_PATH descriptors are opened for reading by their link. Where there is no /proc the path must do
 * once more: O_NONBLOCK does not wait for a FIFO that took the place, and it is seen. */
static int open_again(int place, const struct stat *seen, const char *path)
{
	const int how = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	char self[40];
	struct stat st;
	struct stk_text t;

	stk_text_init(&t, self, sizeof(self));
	stk_printf(&t, "/proc/self/fd/%d", place);
	int fd = open(self, how);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open(path, how);
	if (fd >= 0 && (fstat(fd, &st) || st.st_dev != seen->st_dev || st.st_ino != seen->st_ino)) {
		close(fd);
		errno = ESTALE;
		fd = -1;
	}
	return fd;
}

static int look(int place, const char *path, uint64_t max, struct stat *st, struct stk_err *err)
{
	if (fstat(place, st))
		return stk_fail_sys(err, errno, "%s", path);
	const char *what = other_than_file(st->st_mode);
	if (!what && is_made_by_kernel(place))
		what = "made by the kernel";
	if (what)
		return stk_fail(err, STK_EUNSUPPORTED, "%s: %s, not a regular file", path, what);
	if ((uint64_t)st->st_size > max)
		return stk_fail(err, STK_EUNSUPPORTED, "%s: it has more than %llu MB", path,
				(unsigned long long)max >> 20);
	return 0;
}

int stk_foreign_open(const char *path, uint64_t max, struct stat *ret, struct stk_err *err)
{
	struct stat st;
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;

	if (place < 0)
		return stk_fail_sys(err, errno, "%s", path);
	int r = look(place, path, max, &st, err);
	if (!r && (fd = open_again(place, &st, path)) < 0)
		r = stk_fail_sys(err, errno, "%s", path);
	close(place);
	if (r)
		return r;
	if (ret)
		*ret = st;
	return fd;
}
