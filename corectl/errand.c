/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process of errand_start() waits for messages: the number of an errand, its descriptor, and a
 * pipe for the result. Each errand runs in a child of its own, so that a pager does not keep a file
 * from being written. It ends when the other side of the socket is closed, however corectl ends.
 */
#include "errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int channel = -1;
static pid_t process;

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static void do_errand(errand_fn *f, const int fds[2])
{
	close(channel);
	signal(SIGCHLD, SIG_DFL);
	int result = f(fds[0]);
	_exit(write(fds[1], &result, sizeof(result)) != sizeof(result));
}

/* The two descriptors of a message; false: it has not both, and none stays open. */
static bool take_descriptors(struct msghdr *m, int fds[2])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t n = c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
		       ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
		       : 0;

	if (n)
		memcpy(fds, CMSG_DATA(c), n * sizeof(int)); /* the buffer has room for two */
	if (n == 1)
		close(fds[0]);
	return n == 2;
}

/* One message. false: there will be no other. */
static bool serve(errand_fn *const *fns, unsigned count)
{
	union control control = {0};
	unsigned char which = 0;
	struct iovec iov = {&which, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
	int fds[2];

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (!take_descriptors(&m, fds))
		return true;
	if (which < count && fork() == 0)
		do_errand(fns[which], fds);
	close(fds[0]);
	close(fds[1]);
	return true;
}

bool errand_start(errand_fn *const *fns)
{
	unsigned count = 0;
	int ends[2];

	while (fns[count])
		count++;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return false;
	process = fork();
	if (process) {
		close(ends[1]);
		channel = ends[0];
		if (process < 0)
			errand_end();
		return process > 0;
	}
	close(ends[0]);
	channel = ends[1];
	signal(SIGINT, SIG_IGN); /* Ctrl-C is for corectl and its pager */
	signal(SIGQUIT, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for those that end (wait(2)) */
	while (serve(fns, count))
		;
	_exit(0);
}

int errand_ask(unsigned which, int fd)
{
	unsigned char byte = (unsigned char)which;
	union control control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	int ends[2];

	if (channel < 0 || pipe2(ends, O_CLOEXEC))
		return -1;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.head), (int[]){fd, ends[1]}, 2 * sizeof(int));
	ssize_t n = sendmsg(channel, &m, MSG_NOSIGNAL);
	close(ends[1]);
	if (n == 1)
		return ends[0];
	close(ends[0]);
	return -1;
}

int errand_wait(int asked)
{
	int result = -1;
	ssize_t n;

	while ((n = read(asked, &result, sizeof(result))) < 0 && errno == EINTR)
		;
	close(asked);
	return n == sizeof(result) ? result : -1;
}

void errand_end(void)
{
	if (channel >= 0)
		close(channel);
	channel = -1;
	if (process > 0)
		while (waitpid(process, NULL, 0) < 0 && errno == EINTR)
			;
	process = 0;
}
