/* The report's output: bounded writes that wait for room, against one deadline. CRASH context. */
#include "signal/channel/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "base/text.h"
#include "signal/channel/stderr.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/status.h"
#include "signal/kernel/sys.h"
#include "signal/state/state.h"

#define TRIES 1000 /* of a call that does not get on */

/* Wait until the descriptor takes bytes; once the deadline is over, it takes them now or never: how
 * the report ends is said where there is room. false: it does not, or never will. CRASH. */
static bool wait_room(struct stk_out *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};
	unsigned tries = 0;
	long r;

	/* A signal that somebody sends meanwhile ends the wait, not the report. */
	do {
		struct timespec ts = stk_time_left(o->deadline_ns);
		r = sys5(SYS_ppoll, &p, 1, &ts, 0, 0);
	} while (r == -EINTR && ++tries < TRIES && stk_now_ns() < o->deadline_ns);
	/* Where poll is forbidden the write has to do without. */
	return r == 1 ? !(p.revents & (POLLERR | POLLNVAL))
		      : r < 0 && stk_now_ns() < o->deadline_ns;
}

/* CRASH context. */
bool stk_out_has_room(const struct stk_out *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};
	struct timespec now = {0, 0};

	return sys5(SYS_ppoll, &p, 1, &now, 0, 0) != 0;
}

/* Others write into a pipe too: the room that poll saw may be gone, and nobody may ever read. A
 * pipe can be told not to wait (pwritev2(2), RWF_NOWAIT; position −1: none). CRASH context. */
static long write_some(struct stk_out *o, const char *bytes, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	long n = o->pipe && o->tries < TRIES
		     ? sys6(SYS_pwritev2, o->fd, (long)&iov, 1, -1, -1, RWF_NOWAIT)
		     : -ENOSYS;

	return n == -EOPNOTSUPP || n == -ENOSYS || n == -EPERM || n == -EINVAL
		   ? sys3(SYS_write, o->fd, bytes, len)
		   : n;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return sys2(SYS_fstat, fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

#define BIT(sig) (1ULL << ((sig)-1))

/*
 * A write to what nobody reads any more, or beyond the limit of files, sent this thread a signal
 * that a program which goes on would die of. It is blocked as long as we are here: it is taken
 * back, unless the program had one pending, which is one with ours then (signal(7), standard
 * signals do not queue). The thread's own, which ours is, is taken before one of the process
 * (kernel/signal.c, dequeue_signal).
 */
static void take_back(const struct stk_out *o, long error)
{
	uint64_t bit = error == -EPIPE ? BIT(SIGPIPE) : error == -EFBIG ? BIT(SIGXFSZ) : 0;
	struct timespec now = {0, 0};

	if (o->survives && bit & ~o->pending)
		sys4(SYS_rt_sigtimedwait, &bit, 0, &now, sizeof(bit));
}

/* CRASH context. */
static int flush(void *arg, const char *bytes, size_t len)
{
	struct stk_out *o = arg;

	for (o->tries = 0; len && o->fd >= 0; o->tries++) {
		if (o->tries > 2 * TRIES || !wait_room(o)) {
			o->late = stk_now_ns() >= o->deadline_ns;
			return -1;
		}
		long n = write_some(o, bytes, len);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0) {
			take_back(o, n);
			return -1;
		}
		o->tries = 0;
		bytes += n;
		len -= (size_t)n;
		o->mid_line = bytes[-1] != '\n';
	}
	return 0;
}

/* CRASH context. */
void stk_out_fresh_line(struct stk_out *o)
{
	size_t len = o->text.len;

	if (len ? o->buf[len - 1] != '\n' : o->mid_line)
		stk_putc(&o->text, '\n');
}

static void put_comm(struct stk_text *t)
{
	char comm[64];
	long n = stk_read_small("/proc/self/comm", comm, sizeof(comm));

	for (long i = 0; i < n && comm[i] != '\n'; i++)
		stk_putc(t, comm[i] == '/' ? '!' : comm[i]);
	if (n <= 0)
		stk_putc(t, '-');
}

/* CRASH context. */
void stk_out_expand(struct stk_text *t, const char *path)
{
	struct timespec ts = {0, 0};

	for (; *path; path++) {
		if (*path != '%' || !path[1]) {
			stk_putc(t, *path);
			continue;
		}
		switch (*++path) {
		case 'p':
			stk_printf(t, "%d", (int)sys0(SYS_getpid));
			break;
		case 'e':
			put_comm(t);
			break;
		case 't':
			sys2(SYS_clock_gettime, CLOCK_REALTIME, &ts);
			stk_printf(t, "%lu", (unsigned long)ts.tv_sec);
			break;
		case '%':
			stk_putc(t, '%');
			break;
		default:
			stk_putc(t, '%');
			stk_putc(t, *path);
			break;
		}
	}
}

/* CRASH context. */
static bool is_trusted(unsigned uid)
{
	return uid == 0 || (long)uid == sys0(SYS_geteuid);
}

/* Has somebody else had a hand in it? What is no file has a reader, who gave it its name. A file
 * with a second name may be any file of the user's own. CRASH context. */
static bool is_planted(int fd)
{
	struct stat st;

	if (sys2(SYS_fstat, fd, &st) && sys4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH))
		return true;
	return S_ISREG(st.st_mode) && (!is_trusted(st.st_uid) || st.st_nlink > 1);
}

/* Does a link stand there that is the user's or root's, in a folder where nobody else puts one?
 * CRASH context. */
static bool is_own_link(char *path)
{
	struct stat link, folder;
	char *slash = 0;
	long r;

	if (sys4(SYS_newfstatat, AT_FDCWD, path, &link, AT_SYMLINK_NOFOLLOW) ||
	    !is_trusted(link.st_uid))
		return false;
	for (char *p = path; *p; p++)
		slash = *p == '/' ? p : slash;
	char kept = slash ? slash[1] : 0;
	if (slash)
		slash[1] = 0;
	r = sys4(SYS_newfstatat, AT_FDCWD, slash ? path : ".", &folder, 0);
	if (slash)
		slash[1] = kept;
	return !r && is_trusted(folder.st_uid) && !(folder.st_mode & (S_IWGRP | S_IWOTH));
}

/* CRASH context. */
static long open_output(const char *path)
{
	/* A FIFO that nobody reads would keep us here. */
	const int how = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	char buf[1024];
	struct stk_text t;

	stk_text_init(&t, buf, sizeof(buf));
	stk_out_expand(&t, path);
	long fd = sys3(SYS_open, buf, how | O_NOFOLLOW, 0600);
	if (fd == -ELOOP && is_own_link(buf))
		fd = sys3(SYS_open, buf, how, 0600);
	if (fd >= 0 && is_planted((int)fd)) {
		sys1(SYS_close, fd);
		fd = -EPERM;
	}
	return fd;
}

/* CRASH context. */
void stk_out_open(struct stk_out *o, int fd, uint64_t deadline_ns)
{
	o->fd = fd;
	o->own = o->late = o->mid_line = false;
	o->deadline_ns = deadline_ns;
	o->pending = 0;
	o->survives = !stk_g.crash.ends;
	if (o->survives)
		sys2(SYS_rt_sigpending, &o->pending, sizeof(o->pending));
	if (fd < 0 && stk_g.o.output[0]) {
		o->fd = (int)open_output(stk_g.o.output);
		o->own = o->fd >= 0;
	}
	if (o->fd < 0)
		o->fd = stk_stderr_is_fit() ? 2 : -1;
	o->pipe = o->fd >= 0 && is_pipe(o->fd);
	stk_text_init_stream(&o->text, o->buf, sizeof(o->buf), flush, o);
}

/* CRASH context. */
void stk_out_nowhere(struct stk_out *o)
{
	o->fd = (int)sys3(SYS_open, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
	o->own = o->fd >= 0;
}

/* CRASH context. */
void stk_out_done(struct stk_out *o)
{
	stk_text_flush(&o->text);
	if (o->own)
		sys1(SYS_close, o->fd);
}
