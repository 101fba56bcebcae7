#include "targets/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "targets/procfs.h"

#define BATCH 512 /* regions in one call; the kernel takes IOV_MAX, 1024 */

/* By /proc/PID/mem, page by page where a whole does not go: what seccomp filters of containers
 * leave that refuse process_vm_readv. */
static ssize_t read_mem(int pid, uint64_t addr, uint8_t *to, size_t len)
{
	char path[32];
	struct stk_text t;
	size_t done = 0;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/mem", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && done < len) {
		ssize_t n = pread(fd, to + done, len - done, (off_t)(addr + done));
		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	return (ssize_t)done;
}

static bool refused(ssize_t r)
{
	return r < 0 && (errno == EPERM || errno == ENOSYS);
}

static ssize_t read_process(int pid, uint64_t addr, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)(uintptr_t)addr, len};
	ssize_t r = process_vm_readv(pid, &here, 1, &there, 1, 0);

	return refused(r) ? read_mem(pid, addr, to, len) : r;
}

ssize_t stk_read_mm(int pid, _Atomic int *mm_tid, uint64_t addr, void *to, size_t len)
{
	int used = *mm_tid;
	ssize_t n = read_process(used, addr, to, len);

	return n < 0 && errno == ESRCH && stk_proc_other_mm_tid(pid, mm_tid, used)
		   ? read_process(*mm_tid, addr, to, len)
		   : n;
}

/* The regions at `v` in one call; the number of them that are done with. */
static unsigned read_batch(struct stk_region *v, unsigned n, int pid)
{
	struct iovec here[BATCH], there[BATCH];

	if (n > BATCH)
		n = BATCH;
	for (unsigned i = 0; i < n; i++) {
		size_t len = v[i].end - v[i].start;
		here[i] = (struct iovec){v[i].bytes, len};
		there[i] = (struct iovec){(void *)(uintptr_t)v[i].start, len};
	}
	ssize_t r = process_vm_readv(pid, here, n, there, n, 0);
	if (refused(r)) {
		r = read_mem(pid, v->start, v->bytes, v->end - v->start);
		n = 1;
	}
	size_t left = r > 0 ? (size_t)r : 0;
	for (unsigned i = 0; i < n; i++) {
		size_t len = v[i].end - v[i].start;
		v[i].have = left < len ? left : len;
		left -= v[i].have;
		/* Reading ends where a page is not there: the region holds what came before it. */
		if (v[i].have < len)
			return i + 1;
	}
	return n;
}

void stk_copy_prepare(struct stk_copy *c, size_t size)
{
	if (c->size >= size)
		return;
	if (c->buf)
		munmap(c->buf, c->size);
	c->buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (c->buf == MAP_FAILED)
		c->buf = NULL;
	c->size = c->buf ? size : 0;
}

void stk_copy_add(struct stk_copy *c, uint64_t start, uint64_t end)
{
	(void)STK_VEC_PUSH(c, (struct stk_region){.start = start, .end = end});
}

static int by_start(const void *a, const void *b)
{
	const struct stk_region *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Each byte once, however many threads have their stack pointers into one stack; no more than
 * STK_COPY_MAX of them, the rest is left out. */
static void join(struct stk_copy *c)
{
	uint64_t size = 0;
	unsigned n = 0;

	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_start);
	for (unsigned i = 0; i < c->n; i++) {
		struct stk_region r = c->v[i];
		if (n && r.start <= c->v[n - 1].end) {
			r.start = c->v[n - 1].end;
			if (r.end <= r.start)
				continue;
			c->v[n - 1].end = r.end;
		} else {
			c->v[n++] = r;
		}
		size += r.end - r.start;
		if (size > STK_COPY_MAX) {
			c->v[n - 1].end -= size - STK_COPY_MAX;
			break;
		}
	}
	c->n = n;
}

void stk_copy_read(struct stk_copy *c, int pid)
{
	size_t size = 0;

	join(c);
	for (unsigned i = 0; i < c->n; i++)
		size += c->v[i].end - c->v[i].start;
	stk_copy_prepare(c, size);
	uint8_t *to = c->buf;
	for (unsigned i = 0; to && i < c->n; i++) {
		c->v[i].bytes = to;
		to += c->v[i].end - c->v[i].start;
	}
	for (unsigned done = 0; to && done < c->n;)
		done += read_batch(c->v + done, c->n - done, pid);
}

bool stk_copy_same(const struct stk_copy *c, int pid)
{
	struct stk_copy now = {0};
	bool same = true;

	for (unsigned i = 0; i < c->n; i++)
		stk_copy_add(&now, c->v[i].start, c->v[i].end);
	stk_copy_read(&now, pid);
	for (unsigned i = 0; same && i < c->n && i < now.n; i++) {
		const struct stk_region *a = &c->v[i], *b = &now.v[i];
		size_t n = a->have < b->have ? a->have : b->have;
		same = !n || memcmp(a->bytes, b->bytes, n) == 0;
	}
	stk_copy_done(&now);
	return same;
}

void stk_copy_done(struct stk_copy *c)
{
	if (c->buf)
		munmap(c->buf, c->size);
	free(c->v);
	*c = (struct stk_copy){0};
}
