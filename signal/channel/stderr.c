/* CRASH context, all of it. */
#include "signal/channel/stderr.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "signal/kernel/sys.h"
#include "signal/state/state.h"

/* fstat(2); a filter that was written for a libc which asks by path may refuse it alone. */
static long look(struct stat *st)
{
	long r = sys2(SYS_fstat, 2, st);

	return r && r != -EBADF ? sys4(SYS_newfstatat, 2, "", st, AT_EMPTY_PATH) : r;
}

/* The address family of a socket; -ENOTSOCK, or another error where nobody may ask. */
static int domain(void)
{
	struct sockaddr_storage at;
	int value = 0, len = sizeof(value);
	long r = sys5(SYS_getsockopt, 2, SOL_SOCKET, SO_DOMAIN, &value, &len);

	if (!r || r == -ENOTSOCK)
		return r ? -ENOTSOCK : value;
	len = sizeof(at);
	r = sys3(SYS_getsockname, 2, &at, &len);
	return r ? (int)r : at.ss_family;
}

static bool is_null(const struct stat *st)
{
	return st->st_rdev == makedev(1, 3); /* Documentation/admin-guide/devices.txt */
}

/*
 * A terminal, by what isatty(3) asks. Its other side, that of who made it (/dev/ptmx), is none:
 * what is written there is what a user of the terminal types.
 */
static bool is_terminal(const struct stat *st)
{
	struct termios t;

	return st->st_rdev != makedev(5, 2) && major(st->st_rdev) != 2 &&
	       sys3(SYS_ioctl, 2, TCGETS, &t) == 0;
}

static bool fit_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && (is_null(st) || is_terminal(st));
}

/* What the program was started with: whoever started it reads it, but for a network's other end
 * (inetd and its like give a connection to all three), and for what a text spoils. */
static bool fit_at_start(const struct stat *st, int family)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
		return true;
	case S_IFSOCK:
		return family == AF_UNIX;
	default: /* eventfd(2) and its like have no type, and one inode for all */
		return fit_device(st);
	}
}

void stk_stderr_remember(void)
{
	struct stk_stderr *e = &stk_g.err;
	struct stat st;

	if (e->asked)
		return;
	e->asked = true;
	if (look(&st))
		return;
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->rdev = st.st_rdev;
	e->type = st.st_mode & S_IFMT;
	e->flags = (int32_t)sys2(SYS_fcntl, 2, F_GETFL);
	e->domain = domain();
	e->fit = fit_at_start(&st, e->domain);
	e->known = true;
}

static bool is_that_of_start(const struct stat *st)
{
	const struct stk_stderr *e = &stk_g.err;

	return e->known && st->st_dev == e->dev && st->st_ino == e->ino && st->st_rdev == e->rdev &&
	       (st->st_mode & S_IFMT) == e->type;
}

/*
 * It took the number since. A log is opened to append to it. A pipe to a logger was made for the
 * children too (no FD_CLOEXEC) and is written to only; those of an event loop or to a worker that
 * come to the number by chance are mostly neither. Of sockets and the rest nothing tells a logger.
 */
static bool fit_since(const struct stat *st)
{
	long flags = sys2(SYS_fcntl, 2, F_GETFL);

	if (flags < 0)
		return false;
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return flags & O_APPEND;
	case S_IFIFO:
		return (flags & O_ACCMODE) == O_WRONLY && sys2(SYS_fcntl, 2, F_GETFD) == 0;
	default:
		return fit_device(st);
	}
}

/* Whether it has places, as files and disks do (lseek(2): ESPIPE). */
static bool has_places(void)
{
	return sys3(SYS_lseek, 2, 0, SEEK_CUR) != -ESPIPE;
}

/*
 * A filter refuses to look at it. It is taken for that of the start if all that can be asked says
 * so: a sandboxed program is to have its report. Who may not even ask whether it is a socket gets
 * none, for nobody knows who would read it.
 */
static bool fit_unseen(void)
{
	const struct stk_stderr *e = &stk_g.err;
	long flags = sys2(SYS_fcntl, 2, F_GETFL);
	struct stat st = {.st_rdev = e->rdev};

	if (!e->known || !e->fit || flags < 0 || sys2(SYS_fcntl, 2, F_GETFD) != 0 ||
	    ((flags ^ e->flags) & (O_ACCMODE | O_APPEND)) || domain() != e->domain)
		return false;
	switch (e->type) {
	case S_IFREG:
		return flags & O_APPEND;
	case S_IFCHR:
		return !has_places() && is_terminal(&st);
	default:
		return !has_places();
	}
}

bool stk_stderr_is_fit(void)
{
	struct stat st;
	long r = look(&st);

	if (r)
		return r != -EBADF && fit_unseen();
	return is_that_of_start(&st) ? stk_g.err.fit : fit_since(&st);
}
