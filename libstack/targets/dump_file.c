#include "targets/dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* ".core.PID.part" beside `path`. false: too long. */
static bool temporary_name(struct stk_dump_file *f)
{
	const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path;
	struct stk_text t;

	stk_text_init(&t, f->tmp, sizeof(f->tmp));
	stk_putn(&t, f->path, (size_t)(name - f->path));
	stk_printf(&t, ".core.%d.part", (int)getpid());
	return !t.cut && *name;
}

static int open_unnamed(const char *path)
{
	char dir[4128];
	const char *slash = strrchr(path, '/');
	struct stk_text t;

	stk_text_init(&t, dir, sizeof(dir));
	if (!slash)
		stk_putc(&t, '.');
	else
		stk_putn(&t, path, slash == path ? 1 : (size_t)(slash - path));
	return t.cut ? -1 : open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int stk_dump_file_open(struct stk_dump_file *f, const char *path, struct stk_err *err)
{
	struct stat st;

	f->path = path;
	/* Where a link leads, and not in its place. */
	if (!lstat(path, &st) && S_ISLNK(st.st_mode) && realpath(path, f->real))
		f->path = path = f->real;
	f->tmp[0] = 0;
	f->fd = -1;
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return stk_fail(err, STK_EARG, "%s: not a regular file", path);
	f->fd = open_unnamed(path);
	if (f->fd >= 0)
		return 0;
	/* Not every file system knows files without a name. */
	if (!temporary_name(f)) {
		f->tmp[0] = 0;
		return stk_fail_sys(err, *path ? ENAMETOOLONG : ENOENT, "%s", path);
	}
	unlink(f->tmp);
	f->fd = open(f->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return 0;
	f->tmp[0] = 0;
	return stk_fail_sys(err, errno, "%s", path);
}

/* open(2), "O_TMPFILE": the descriptor's file gets a name. An existing one is replaced by way of a
 * second name, because linkat(2) does not replace. */
static int give_name(struct stk_dump_file *f)
{
	char self[40];
	struct stk_text t;

	stk_text_init(&t, self, sizeof(self));
	stk_printf(&t, "/proc/self/fd/%d", f->fd);
	if (!linkat(AT_FDCWD, self, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW))
		return 0;
	if (errno != EEXIST || !temporary_name(f))
		return -1;
	unlink(f->tmp);
	return linkat(AT_FDCWD, self, AT_FDCWD, f->tmp, AT_SYMLINK_FOLLOW);
}

int stk_dump_file_commit(struct stk_dump_file *f, uint64_t size, struct stk_err *err)
{
	bool ok = !ftruncate(f->fd, (off_t)size);

	if (ok && !f->tmp[0])
		ok = !give_name(f);
	if (ok && f->tmp[0])
		ok = !rename(f->tmp, f->path);
	if (!ok) {
		int r = stk_fail_sys(err, errno, "%s", f->path);
		stk_dump_file_drop(f);
		return r;
	}
	f->tmp[0] = 0;
	/* Some file systems tell only now that there is no room (close(2)). */
	int bad = close(f->fd);
	f->fd = -1;
	if (bad) {
		bad = errno;
		unlink(f->path);
		return stk_fail_sys(err, bad, "%s", f->path);
	}
	return 0;
}

void stk_dump_file_drop(struct stk_dump_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->tmp[0])
		unlink(f->tmp);
	f->fd = -1;
	f->tmp[0] = 0;
}
