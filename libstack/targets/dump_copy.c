/*
 * Copying memory into a core. Each worker takes a range of the file and, until it is through:
 *
 * 1. stk_dump_next() finds the next run of bytes to fetch. In private memory those are the pages
 * that were ever touched (pagemap, ioctl_pagemap_scan(2)), in shared memory those where its file
 * has no hole. All else reads as zeros and stays a hole of the core.
 * 2. stk_dump_fetch() reads the run (process_vm_readv; where that is refused /proc/PID/mem). Pages
 *    that cannot be read become zeros and go into the worker's list `lost`: stk_dump_head() gives
 *    them program headers without bytes.
 * 3. stk_dump_put_sparse() writes it, but for pages of zeros.
 *
 * Step 1 spares the process, too: to read a page that it never touched can give it one, as large as
 * a huge page, or one that fills the hole of a shared file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/search.h"
#include "base/text.h"
#include "targets/copy.h"
#include "targets/dump_parts.h"
#include "targets/procfs.h"

#define BLOCK (1U << 20) /* read and written at once */

/* include/uapi/linux/fs.h, Linux 6.7 */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof, returned;
};
#define SCAN         _IOWR('f', 16, struct scan)
#define SCAN_PRESENT (1 << 3)
#define SCAN_SWAPPED (1 << 4)
#define SCAN_ZERO    (1 << 5)
#define SCAN_GUARD   (1 << 8) /* Linux 6.15: madvise(2), MADV_GUARD_INSTALL */

/* A file below /proc/PID; where the thread asked for the memory has ended, by another one. */
static int open_proc(struct stk_dump *d, const char *name)
{
	int used = d->mm_tid, fd = stk_proc_open(used, name);

	return fd < 0 && stk_proc_other_mm_tid(d->o.pid, &d->mm_tid, used)
		   ? stk_proc_open(d->mm_tid, name)
		   : fd;
}

/* By the entries of pagemap: 63 present, 62 swapped, 58 a guard (Documentation/admin-guide/mm/
 * pagemap.rst). */
static bool touched_by_entry(struct stk_dump_worker *w, uint64_t *from, uint64_t *to)
{
	uint64_t e[512], at = *from, start = 0;

	while (at < *to) {
		uint64_t n = (*to - at) / STK_PAGE < 512 ? (*to - at) / STK_PAGE : 512;
		ssize_t got = pread(w->pagemap - 1, e, n * 8, (off_t)(at / STK_PAGE * 8));
		if (got < 8)
			return false;
		for (ssize_t i = 0; i < got / 8; i++, at += STK_PAGE) {
			bool there = e[i] >> 62 != 0 && !(e[i] >> 58 & 1);
			if (there && !start)
				start = at;
			if (!there && start) {
				*from = start;
				*to = at;
				return true;
			}
		}
	}
	*from = start ? start : *to;
	return true;
}

/* Narrow [from, to) to the first pages in it that were ever touched; from == to: none. false: not
 * known. By ioctl_pagemap_scan(2), one call; where the kernel has none, by pagemap's entries. */
static bool look_for_touched(struct stk_dump_worker *w, uint64_t *from, uint64_t *to)
{
	struct scan_region found;
	struct scan s = {.size = sizeof(s),
			 .start = *from,
			 .end = *to,
			 .vec = (uint64_t)(uintptr_t)&found,
			 .vec_len = 1,
			 .anyof = SCAN_PRESENT | SCAN_SWAPPED};

	if (!w->no_scan) {
		s.mask = s.inverted = w->no_guards ? SCAN_ZERO : SCAN_ZERO | SCAN_GUARD;
		int n = ioctl(w->pagemap - 1, SCAN, &s);
		if (n < 0 && errno == EINVAL && !w->no_guards) {
			w->no_guards = true;
			s.mask = s.inverted = SCAN_ZERO;
			n = ioctl(w->pagemap - 1, SCAN, &s);
		}
		if (n == 0)
			*from = *to;
		if (n == 1)
			*from = found.start, *to = found.end;
		if (n >= 0)
			return true;
		w->no_scan = true;
	}
	return touched_by_entry(w, from, to);
}

/* The same. What was found is remembered: a long run is copied in blocks, each of which asks again.
 */
static bool touched(struct stk_dump *d, struct stk_dump_worker *w, uint64_t *from, uint64_t *to)
{
	uint64_t end = *to;

	if (!w->pagemap)
		w->pagemap = open_proc(d, "pagemap") + 1;
	if (!w->pagemap)
		return false;
	if (*from < w->touched_from || *from >= w->touched_to) {
		if (!look_for_touched(w, from, to))
			return false;
		w->touched_from = *from;
		w->touched_to = *to;
	}
	*to = w->touched_to < end ? w->touched_to : end;
	return true;
}

/*
 * The same for shared memory, by the holes of its file (lseek(2), SEEK_DATA): to read where there
 * is one would take memory for it, in the name of the process. false: the file cannot be looked at.
 */
static bool written(struct stk_dump *d, struct stk_dump_worker *w, const struct stk_dump_area *a,
		    uint64_t *from, uint64_t *to)
{
	int64_t shift = (int64_t)(a->file_off - a->start);

	if (w->file_of != a) {
		char name[64];
		struct stk_text t;
		if (w->file)
			close(w->file - 1);
		stk_text_init(&t, name, sizeof(name));
		stk_printf(&t, "map_files/%llx-%llx", (unsigned long long)a->start,
			   (unsigned long long)a->end);
		w->file = open_proc(d, name) + 1;
		w->file_of = a;
	}
	if (!w->file)
		return false;
	off_t data = lseek(w->file - 1, (off_t)*from + shift, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		return false;
	off_t hole = data < 0 ? -1 : lseek(w->file - 1, data, SEEK_HOLE);
	if (data < 0 || (uint64_t)(data - shift) >= *to) {
		*from = *to;
		return true;
	}
	*from = (uint64_t)(data - shift) & ~(STK_PAGE - 1);
	if (hole > data && (uint64_t)(hole - shift) < *to)
		*to = ((uint64_t)(hole - shift) + STK_PAGE - 1) & ~(STK_PAGE - 1);
	return true;
}

static struct stk_dump_area *area_at(struct stk_dump *d, uint64_t off)
{
	struct stk_dump_area *v = d->areas;
	unsigned k = STK_PARTITION_POINT(d->nareas, i, v[i].off + v[i].have <= off);

	return k < d->nareas ? &v[k] : NULL;
}

bool stk_dump_next(struct stk_dump *d, struct stk_dump_worker *w, uint64_t off, uint64_t end,
		   size_t max, struct stk_dump_run *ret)
{
	struct stk_dump_area *a;

	while (off < end && (a = area_at(d, off))) {
		if (off < a->off)
			off = a->off;
		uint64_t until = a->off + a->have < end ? a->off + a->have : end;
		uint64_t from = a->start + (off - a->off), to = a->start + (until - a->off);
		const uint64_t begin = from;
		off = until;
		if (from < to && a->anonymous && !a->bytes)
			touched(d, w, &from, &to);
		else if (from < to && a->shared && !a->bytes)
			written(d, w, a, &from, &to);
		if (a->served && from > begin)
			stk_spans_add(&w->lost, begin, from);
		if (from >= to)
			continue;
		*ret = (struct stk_dump_run){.area = a,
					     .off = a->off + (from - a->start),
					     .addr = from,
					     .len = to - from < max ? to - from : max};
		return true;
	}
	return false;
}

/* Has the process ended, so that nothing can be read any more? */
static bool gone(struct stk_dump *d)
{
	int used = d->mm_tid;

	/* A zombie has no memory any more, nor has one that is about to become it. */
	return !stk_proc_stat(used, STK_PROC_VSIZE) &&
	       !stk_proc_other_mm_tid(d->o.pid, &d->mm_tid, used);
}

/* As much as can be read from the start on. process_vm_readv(2) waits for a page that another has
 * to bring; by /proc/PID/mem it is not there. */
static size_t read_some(struct stk_dump *d, struct stk_dump_worker *w, bool served, uint64_t addr,
			uint8_t *buf, size_t len)
{
	if (d->o.read) {
		size_t n = len < STK_PAGE ? len : STK_PAGE;
		return d->o.read(d->o.arg, addr, buf, n) ? 0 : n;
	}
	ssize_t n = served ? 0 : stk_read_mm(d->o.pid, &d->mm_tid, addr, buf, len);
	if (n > 0)
		return (size_t)n;
	/* Memory that the process itself may not read, and the vsyscall page: a tracer may by
	 * /proc/PID/mem. */
	if (!w->mem)
		w->mem = open_proc(d, "mem") + 1;
	n = w->mem ? pread(w->mem - 1, buf, len < STK_PAGE ? len : STK_PAGE, (off_t)addr) : -1;
	return n > 0 ? (size_t)n : 0;
}

int stk_dump_fetch(struct stk_dump *d, struct stk_dump_worker *w, const struct stk_dump_run *r,
		   uint8_t *buf, struct stk_err *err)
{
	uint64_t done = 0;

	if (r->area->bytes) {
		memcpy(buf, r->area->bytes + (r->addr - r->area->start), r->len);
		return 0;
	}
	while (done < r->len) {
		uint64_t at = r->addr + done;
		size_t n = read_some(d, w, r->area->served, at, buf + done, r->len - done);
		if (!n) {
			if (gone(d))
				return stk_dump_lost(d, err);
			n = STK_PAGE - at % STK_PAGE < r->len - done ? STK_PAGE - at % STK_PAGE
								     : r->len - done;
			memset(buf + done, 0, n);
			if (!stk_spans_add(&w->lost, at, at + n))
				return stk_fail(err, STK_ENOMEM, "out of memory");
		}
		done += n;
	}
	return 0;
}

/* Each byte equals the one before it, and the first is 0. */
static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

int stk_dump_put(int fd, const void *bytes, size_t len, uint64_t off, struct stk_err *err)
{
	const uint8_t *p = bytes;

	/* Blocks had at once, not one by one: a quarter of the time on ext4. Whether there is room,
	 * pwrite tells. */
	if (len >= (256U << 10))
		fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return stk_fail_sys(err, n ? errno : ENOSPC, "writing the core");
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int stk_dump_put_sparse(int fd, const uint8_t *p, size_t len, uint64_t off, struct stk_err *err)
{
	size_t from = 0, at = 0;
	int r = 0;

	while (at < len && !r) {
		size_t n = STK_PAGE - (off + at) % STK_PAGE < len - at
			       ? STK_PAGE - (off + at) % STK_PAGE
			       : len - at;
		bool zero = is_zero(p + at, n);
		if (zero && at > from)
			r = stk_dump_put(fd, p + from, at - from, off + from, err);
		at += n;
		if (zero)
			from = at;
	}
	return r || at == from ? r : stk_dump_put(fd, p + from, at - from, off + from, err);
}

int stk_dump_copy(struct stk_dump *d, struct stk_dump_worker *w, int fd, uint64_t off, uint64_t end,
		  struct stk_err *err)
{
	struct stk_dump_run run;
	uint64_t at = off;
	int r = 0;

	if (!w->buf && !(w->buf = malloc(BLOCK)))
		return stk_fail(err, STK_ENOMEM, "out of memory");
	while (!r && stk_dump_next(d, w, at, end, BLOCK, &run)) {
		if (stk_interrupted(d->t))
			return stk_fail(err, STK_EINTR, "interrupted");
		r = stk_dump_fetch(d, w, &run, w->buf, err);
		if (!r)
			r = stk_dump_put_sparse(fd, w->buf, run.len, run.off, err);
		atomic_fetch_add(&d->done, run.off + run.len - at);
		at = run.off + run.len;
	}
	atomic_fetch_add(&d->done, end - at);
	return r;
}

/* The stacks that were copied while all stood (`d->first`) replace what was read later. Call `fn`
 * for each part of them that belongs into [off, off + len) of the file. Areas and spans are both
 * sorted by address: `k` moves along with the areas. */
static int each_first(const struct stk_dump *d, uint64_t off, uint64_t len,
		      int (*fn)(void *arg, uint64_t off, const uint8_t *p, size_t n), void *arg)
{
	unsigned k = 0;

	for (unsigned i = 0; i < d->nareas && !d->o.stacks_only; i++) {
		const struct stk_dump_area *a = &d->areas[i];
		uint64_t from = a->off > off ? a->off : off;
		uint64_t to = a->off + a->have < off + len ? a->off + a->have : off + len;
		if (from >= to)
			continue;
		from = a->start + (from - a->off);
		to = a->start + (to - a->off);
		while (k && d->first.v[k - 1].end > from)
			k--;
		for (; k < d->first.n && d->first.v[k].start < to; k++) {
			const struct stk_dump_span *s = &d->first.v[k];
			uint64_t x = s->start > from ? s->start : from;
			uint64_t y = s->end < to ? s->end : to;
			int r = x < y ? fn(arg, a->off + (x - a->start), s->bytes + (x - s->start),
					   y - x)
				      : 0;
			if (r)
				return r;
		}
	}
	return 0;
}

struct chunk {
	uint8_t *buf;
	uint64_t off;
	int fd;
	struct stk_err *err;
};

static int lay(void *arg, uint64_t off, const uint8_t *p, size_t n)
{
	struct chunk *c = arg;

	memcpy(c->buf + (off - c->off), p, n);
	return 0;
}

void stk_dump_lay_first(const struct stk_dump *d, uint64_t off, uint8_t *buf, size_t len)
{
	struct chunk c = {.buf = buf, .off = off};

	each_first(d, off, len, lay, &c);
}

static int put_first(void *arg, uint64_t off, const uint8_t *p, size_t n)
{
	struct chunk *c = arg;

	return stk_dump_put(c->fd, p, n, off, c->err);
}

int stk_dump_copy_first(struct stk_dump *d, int fd, struct stk_err *err)
{
	struct chunk c = {.fd = fd, .err = err};

	return each_first(d, 0, d->size, put_first, &c);
}
