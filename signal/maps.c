#include "maps.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "base/text.h"
#include "sys.h"

#define PAGE        4096UL
#define STACK_PAGES 2048

static char path[1024];

static bool read_self(uint64_t addr, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)(uintptr_t)addr, len};

	return sys6(SYS_process_vm_readv, sys0(SYS_getpid), (long)&here, 1, (long)&there, 1, 0) ==
	       (long)len;
}

/* The path of an image, made absolute as the main program's may not be; "" if it is not there. */
static const char *path_of(const struct stk_img *im)
{
	size_t n = 0;
	char first = 0;

	if (!im->path || !read_self(im->path, &first, 1))
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
		if (!read_self(from++, &path[n], 1) || !path[n])
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

long stk_maps_make(const struct stk_images *im, uint64_t sp)
{
	char buf[512], byte;
	struct stk_text t;
	uint64_t low = sp & ~(PAGE - 1), high = low;
	long fd = sys2(SYS_memfd_create, "libstack-maps", MFD_CLOEXEC);

	if (fd < 0)
		return fd;
	stk_text_init_stream(&t, buf, sizeof(buf), flush, &fd);
	for (unsigned i = 0; i < im->n; i++)
		stk_printf(&t, "%lx-%lx r-xp 00000000 00:00 0 %s\n", (unsigned long)im->v[i].start,
			   (unsigned long)im->v[i].end, path_of(&im->v[i]));
	while (high < low + STACK_PAGES * PAGE && read_self(high, &byte, 1))
		high += PAGE;
	if (high > low)
		stk_printf(&t, "%lx-%lx rw-p 00000000 00:00 0 [stack]\n", (unsigned long)low,
			   (unsigned long)high);
	stk_text_flush(&t);
	sys3(SYS_lseek, fd, 0, 0 /* SEEK_SET */);
	return fd;
}
