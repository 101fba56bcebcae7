#include "targets/dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define LINKS 40 /* MAXSYMLINKS of the kernel */
#define TRIES 8

static bool set_path(struct stk_dump_file *f, const char *folder, size_t len, const char *name)
{
	char path[sizeof(f->path)];
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_putn(&t, folder, len);
	stk_puts(&t, name);
	memcpy(f->path, path, sizeof(path));
	const char *slash = strrchr(f->path, '/');
	f->name = slash ? slash + 1 : f->path;
	return !t.cut;
}

static size_t folder_len(const struct stk_dump_file *f)
{
	return (size_t)(f->name - f->path);
}

/* The target of a link at f->path that is ours or root's. */
static bool read_link(const struct stk_dump_file *f, char *ret, size_t cap)
{
	int fd = open(f->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && !fstat(fd, &st) && S_ISLNK(st.st_mode) &&
	    (st.st_uid == geteuid() || st.st_uid == 0))
		n = readlinkat(fd, "", ret, cap - 1);
	if (fd >= 0)
		close(fd);
	if (n > 0)
		ret[n] = 0;
	return n > 0;
}

static bool follow_links(struct stk_dump_file *f)
{
	char to[sizeof(f->path)];

	for (unsigned i = 0; i < LINKS && read_link(f, to, sizeof(to)); i++)
		if (!set_path(f, f->path, *to == '/' ? 0 : folder_len(f), to))
			return false;
	return true;
}

static int open_folder(const struct stk_dump_file *f)
{
	char dir[sizeof(f->path)];
	struct stk_text t;

	stk_text_init(&t, dir, sizeof(dir));
	stk_putn(&t, f->path, folder_len(f));
	return open(*dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A name that nobody can have taken beforehand. */
static void choose_name(struct stk_dump_file *f)
{
	struct stk_text t;
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint64_t)getpid();
	stk_text_init(&t, f->tmp, sizeof(f->tmp));
	stk_printf(&t, ".core.%lx.part", (unsigned long)random);
}

/* Not every file system knows files without a name. */
static int open_named(struct stk_dump_file *f)
{
	int fd = -1;

	for (unsigned i = 0; i < TRIES && fd < 0 && (!i || errno == EEXIST); i++) {
		choose_name(f);
		fd = openat(f->folder, f->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	}
	if (fd < 0)
		f->tmp[0] = 0;
	return fd;
}

int stk_dump_file_open(struct stk_dump_file *f, const char *path, bool named, struct stk_err *err)
{
	struct stat st;

	f->fd = f->folder = -1;
	f->tmp[0] = 0;
	if (!set_path(f, "", 0, path) || (named && !follow_links(f)))
		return stk_fail_sys(err, ENAMETOOLONG, "%s", path);
	if (!*f->name)
		return stk_fail_sys(err, *path ? EISDIR : ENOENT, "%s", path);
	f->folder = open_folder(f);
	if (f->folder < 0)
		return stk_fail_sys(err, errno, "%s", path);
	if (!fstatat(f->folder, f->name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode) &&
	    !S_ISLNK(st.st_mode))
		return stk_fail(err, STK_EARG, "%s: not a regular file", path);
	f->fd = openat(f->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (f->fd < 0)
		f->fd = open_named(f);
	return f->fd < 0 ? stk_fail_sys(err, errno, "%s", path) : 0;
}

/* open(2), "O_TMPFILE": the descriptor's file gets a name. An existing one is replaced by way of a
 * second name, because linkat(2) does not replace. */
static int give_name(struct stk_dump_file *f)
{
	char self[40];
	struct stk_text t;
	int r;

	stk_text_init(&t, self, sizeof(self));
	stk_printf(&t, "/proc/self/fd/%d", f->fd);
	if (!linkat(AT_FDCWD, self, f->folder, f->name, AT_SYMLINK_FOLLOW))
		return 0;
	if (errno != EEXIST)
		return -1;
	for (unsigned i = 0; i < TRIES; i++) {
		choose_name(f);
		r = linkat(AT_FDCWD, self, f->folder, f->tmp, AT_SYMLINK_FOLLOW);
		if (!r || errno != EEXIST)
			break;
	}
	if (r)
		f->tmp[0] = 0;
	return r;
}

int stk_dump_file_commit(struct stk_dump_file *f, uint64_t size, struct stk_err *err)
{
	bool ok = !ftruncate(f->fd, (off_t)size);

	if (ok && !f->tmp[0])
		ok = !give_name(f);
	/* rename(2) replaces a link itself. */
	if (ok && f->tmp[0])
		ok = !renameat(f->folder, f->tmp, f->folder, f->name);
	if (!ok) {
		int r = stk_fail_sys(err, errno, "%s", f->path);
		stk_dump_file_drop(f);
		return r;
	}
	f->tmp[0] = 0;
	/* Some file systems tell only now that there is no room (close(2)). */
	int bad = close(f->fd) ? errno : 0;
	f->fd = -1;
	if (bad)
		unlinkat(f->folder, f->name, 0);
	stk_dump_file_drop(f);
	return bad ? stk_fail_sys(err, bad, "%s", f->path) : 0;
}

void stk_dump_file_drop(struct stk_dump_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->tmp[0])
		unlinkat(f->folder, f->tmp, 0);
	if (f->folder >= 0)
		close(f->folder);
	f->fd = f->folder = -1;
	f->tmp[0] = 0;
}
