#include "signal/images/maps.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/arch.h"
#include "base/mem.h"
#include "base/text.h"
#include "signal/crash.h"
#include "signal/images/images.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/context.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"

#define STACK_PAGES 2048

static char path[1024] STK_APART;

/* The path of an image, made absolute as the main program's may not be; "" if it is not there. */
static const char *path_of(const struct stk_img *im)
{
	size_t n = 0;
	char first = 0;

	if (!im->path || !stk_read_by_call(im->path, &first, 1))
		return "";
	if (first != '/' && !im->vdso) {
		long cwd = sys2(SYS_getcwd, path, sizeof(path) / 2);
		if (cwd < 2 || path[0] != '/')
			return "";
		n = (size_t)cwd - 1;
		if (path[n - 1] != '/')
			path[n++] = '/';
	}
	for (uint64_t from = im->path; n + 1 < sizeof(path); n++)
		if (!stk_read_by_call(from++, &path[n], 1) || !path[n])
			break;
	path[n] = 0;
	return path;
}

static int flush(void *arg, const char *bytes, size_t len)
{
	while (len) {
		long n = sys3(SYS_write, *(long *)arg, bytes, len);
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

#define PROBES     1024 /* UIO_MAXIOV of linux/uio.h */
#define RANGES_MAX (STK_IMAGES_MAX + 512)

struct range {
	uint64_t start, end;
	const struct stk_img *im; /* 0: a stack */
};
static struct range ranges[RANGES_MAX] STK_APART;
static unsigned nranges;

/* How many pages from `low` on can be read, at most `most`: a byte of each, many with one call. */
static uint64_t readable(uint64_t low, uint64_t most)
{
	static struct iovec there[PROBES] STK_APART;
	static uint8_t bytes[PROBES] STK_APART;
	uint64_t have = 0;

	while (have < most) {
		unsigned n = most - have < PROBES ? (unsigned)(most - have) : PROBES;
		struct iovec here = {bytes, n};
		for (unsigned i = 0; i < n; i++)
			there[i] =
			    (struct iovec){(void *)(uintptr_t)(low + (have + i) * STK_PAGE), 1};
		long got =
		    sys6(SYS_process_vm_readv, sys0(SYS_getpid), (long)&here, 1, (long)there, n, 0);
		have += got > 0 ? (uint64_t)got : 0;
		if (got != (long)n)
			break;
	}
	return have;
}

/* In the order of addresses, and apart from the others. */
static void put_range(uint64_t start, uint64_t end, const struct stk_img *im)
{
	unsigned at = nranges;

	while (at && ranges[at - 1].start > start)
		at--;
	if (at < nranges && end > ranges[at].start)
		end = ranges[at].start;
	if (nranges == RANGES_MAX || end <= start || (at && ranges[at - 1].end > start))
		return;
	for (unsigned i = nranges++; i > at; i--)
		ranges[i] = ranges[i - 1];
	ranges[at] = (struct range){start, end, im};
}

static void put_stack(uint64_t sp)
{
	uint64_t low = sp & ~(STK_PAGE - 1);

	put_range(low, low + readable(low, STACK_PAGES) * STK_PAGE, 0);
}

long stk_maps_make(const struct stk_images *im, const struct stk_crash *c)
{
	const struct stk_other *others = (const struct stk_other *)(uintptr_t)c->others;
	char buf[512];
	struct stk_text t;
	long fd = sys2(SYS_memfd_create, "libstack-maps", MFD_CLOEXEC);

	if (fd < 0)
		return fd;
	nranges = 0;
	for (unsigned i = 0; i < im->n; i++)
		put_range(im->v[i].start, im->v[i].end, &im->v[i]);
	put_stack(stk_context_sp_of(c->gregs));
	for (uint32_t i = 0; others && i < c->nothers; i++)
		if (others[i].answered && others[i].stood)
			put_stack(stk_context_sp_of(
			    ((const struct stk_answer *)(uintptr_t)others[i].stood)->gregs));
	stk_text_init_stream(&t, buf, sizeof(buf), flush, &fd);
	for (unsigned i = 0; i < nranges; i++)
		stk_printf(&t, "%lx-%lx %s 00000000 00:00 0 %s\n", (unsigned long)ranges[i].start,
			   (unsigned long)ranges[i].end, ranges[i].im ? "r-xp" : "rw-p",
			   ranges[i].im ? path_of(ranges[i].im) : "[stack]");
	stk_text_flush(&t);
	sys3(SYS_lseek, fd, 0, 0 /* SEEK_SET */);
	return fd;
}
