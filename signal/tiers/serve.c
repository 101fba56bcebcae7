#include "signal/tiers/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "signal/crash.h"
#include "signal/images/maps.h"
#include "signal/images/snapshot.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/sys.h"

#define TURNS_MAX 10000000
#define TRIES     1000 /* of a ppoll that ends with EINTR */

static uint8_t reply[STK_REPLY_MAX] STK_APART;

static long send_packet(int fd, const void *p, long len)
{
	return sys6(SYS_sendto, fd, (long)p, len, MSG_NOSIGNAL, 0, 0);
}

/* Memory for the helper. process_vm_readv(2) of ourselves: a bad address is an error, not a fault.
 * Where a filter refuses that call, sendto(2) from the address itself: a bad one is an error there,
 * too, but it would read the registers of a mapped device, so it is the second choice. */
static long send_memory(int fd, uint64_t addr, uint32_t len)
{
	struct iovec here = {reply, len}, there = {(void *)(uintptr_t)addr, len};
	long n = sys6(SYS_process_vm_readv, sys0(SYS_getpid), (long)&here, 1, (long)&there, 1, 0);

	if (n == -EPERM || n == -ENOSYS) {
		n = send_packet(fd, (const void *)(uintptr_t)addr, len);
		return n == -EFAULT ? send_packet(fd, reply, 0) : n;
	}
	return send_packet(fd, reply, n > 0 ? n : 0);
}

/* An open /proc/self/maps, as a descriptor over the socket: this process has the memory of the
 * program. Without /proc, a file of the same form (images/maps.c). */
static void send_maps(int fd, const struct stk_crash *c)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte = STK_MAPS_REAL;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	long maps = sys3(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

	if (maps < 0) {
		byte = STK_MAPS_MADE;
		maps = stk_maps_make(stk_images_now(), c);
	}
	if (maps >= 0) {
		memset(&control, 0, sizeof(control));
		control.h.cmsg_len = CMSG_LEN(sizeof(int));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		int n = (int)maps;
		memcpy(control.space + CMSG_LEN(0), &n, sizeof(n));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	if (sys3(SYS_sendmsg, fd, &m, MSG_NOSIGNAL) < 0)
		send_packet(fd, reply, 0);
	if (maps >= 0)
		sys1(SYS_close, maps);
}

/* Answer one request; an empty packet says no. false: the helper cannot be reached. */
static bool answer(struct stk_serve *s, const struct stk_request *q)
{
	uint64_t ms;

	switch (q->ask) {
	case STK_ASK_READ:
		return send_memory(s->fd, q->addr,
				   q->len < STK_REPLY_MAX ? q->len : STK_REPLY_MAX) >= 0;
	case STK_ASK_MAPS:
		send_maps(s->fd, s->crash);
		return true;
	case STK_ASK_THREADS:
		s->collect();
		memcpy(reply, &s->crash->others, 8);
		memcpy(reply + 8, &s->crash->nothers, 4);
		return send_packet(s->fd, reply, 12) >= 0;
	case STK_ASK_WRITES:
		s->writes((char)q->len);
		return true;
	case STK_ASK_DONE:
		s->done((int)(q->len & 0xff), q->len & STK_HOLDS);
		s->deadline_ns = stk_now_ns() + STK_HOLD_SECONDS * 1000000000ULL;
		return true;
	case STK_ASK_TIME:
		s->deadline_ns = s->extend();
		ms = (s->deadline_ns - stk_now_ns()) / 1000000U;
		memcpy(reply, &ms, 8);
		return send_packet(s->fd, reply, 8) >= 0;
	default:
		return send_packet(s->fd, reply, 0) >= 0;
	}
}

/* Wait for a request. false: none came before the deadline. Where ppoll is refused, or interrupted
 * each time, say that there is one: the caller then waits in recvfrom, which ends when the helper
 * ends by its own alarm. */
static bool wait_packet(const struct stk_serve *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	for (unsigned tries = 0; tries < TRIES; tries++) {
		struct timespec ts = stk_time_left(s->deadline_ns);
		long r = sys5(SYS_ppoll, &p, 1, &ts, 0, 0);
		if (r != -EINTR)
			return r != 0;
	}
	return true;
}

void stk_serve(struct stk_serve *s)
{
	struct stk_request q;

	for (unsigned turns = 0; s->fd >= 0 && turns < TURNS_MAX; turns++) {
		if (stk_now_ns() >= s->deadline_ns || !wait_packet(s))
			return;
		long n = sys6(SYS_recvfrom, s->fd, (long)&q, sizeof(q), 0, 0, 0);
		if (n != (long)sizeof(q) || !answer(s, &q))
			return;
	}
}
