/* ELF cores: the file is mapped, its segments are sorted, its notes parsed. Nothing is copied. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "targets/foreign.h"
#include "targets/notes.h"
#include "targets/target.h"

struct core {
	struct stk_target t;
	void *map;
	int fd;             /* of it */
	struct stat opened; /* what it was then */
};

static void core_close(struct stk_target *t)
{
	struct core *c = (struct core *)t;

	if (c->map)
		munmap(c->map, t->file_len);
	if (c->fd >= 0)
		close(c->fd);
	stk_pool_done(&t->pool);
	free(c);
}

static bool core_changed(struct stk_target *t)
{
	const struct core *c = (struct core *)t;
	struct stat now;

	return !fstat(c->fd, &now) && (now.st_size != c->opened.st_size ||
				       now.st_mtim.tv_sec != c->opened.st_mtim.tv_sec ||
				       now.st_mtim.tv_nsec != c->opened.st_mtim.tv_nsec);
}

static const struct stk_target_ops core_ops = {.kind = "core",
					       .ran = "crashed",
					       .absent = "is not in the core",
					       .changed = core_changed,
					       .close = core_close};

int stk_elf_kind(const char *path, struct stk_err *err)
{
	uint8_t id[20];
	int fd = stk_foreign_open(path, STK_FOREIGN_ANY, NULL, err);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = pread(fd, id, sizeof(id), 0);
	int sys = errno;
	close(fd);
	if (n < 0)
		return stk_fail_sys(err, sys, "%s", path), 0;
	if (n < (ssize_t)sizeof(id) || memcmp(id, ELFMAG, SELFMAG) != 0)
		return '?';
	unsigned type = id[EI_DATA] == ELFDATA2MSB ? id[16] << 8 | id[17] : id[17] << 8 | id[16];
	if (type == ET_CORE)
		return 'c';
	return type == ET_EXEC || type == ET_DYN ? 'x' : 'o';
}

static int map_file(struct core *c, const char *path, int fd, struct stk_err *err)
{
	struct stat *st = &c->opened;

	c->fd = fd < 0 ? stk_foreign_open(path, STK_FOREIGN_ANY, NULL, err) : fd;
	if (c->fd < 0)
		return c->fd;
	if (fstat(c->fd, st) || !st->st_size)
		return stk_fail(err, STK_EFORMAT, "%s: the file is empty", path);
	c->map = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, c->fd, 0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return stk_fail_sys(err, errno, "%s: cannot be mapped", path);
	}
	madvise(c->map, (size_t)st->st_size, MADV_RANDOM);
	c->t.file = c->map;
	c->t.file_len = (size_t)st->st_size;
	return 0;
}

struct phdr {
	uint32_t type, flags;
	uint64_t off, vaddr, filesz, memsz;
};

static bool read_phdr(struct stk_cur *c, struct phdr *p)
{
	p->type = stk_cur_u32(c);
	p->flags = stk_cur_u32(c);
	p->off = stk_cur_u64(c);
	p->vaddr = stk_cur_u64(c);
	stk_cur_skip(c, 8);
	p->filesz = stk_cur_u64(c);
	p->memsz = stk_cur_u64(c);
	stk_cur_skip(c, 8);
	return !c->bad;
}

static int by_start(const void *a, const void *b)
{
	const struct stk_segment *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Overlapping segments (damage) are cut so that the binary search stays right. */
static void sort_segments(struct stk_target *t)
{
	qsort(t->segments, t->nsegments, sizeof(*t->segments), by_start);
	for (unsigned i = 0; i + 1 < t->nsegments; i++) {
		struct stk_segment *s = &t->segments[i];
		uint64_t next = t->segments[i + 1].start;
		if (s->end > next) {
			stk_remark(t, true, "segments of the core overlap at 0x%llx",
				   (unsigned long long)next);
			s->end = next;
			if (s->have > next - s->start)
				s->have = next - s->start;
		}
	}
}

static void add_segment(struct stk_target *t, const struct phdr *p, uint64_t *need)
{
	struct stk_segment *s = &t->segments[t->nsegments];
	uint64_t have = p->filesz < p->memsz ? p->filesz : p->memsz;

	if (!p->memsz || p->vaddr + p->memsz < p->vaddr)
		return;
	if (p->off + p->filesz > *need && p->off + p->filesz >= p->off)
		*need = p->off + p->filesz;
	if (p->off >= t->file_len)
		have = 0;
	else if (have > t->file_len - p->off)
		have = t->file_len - p->off;
	*s = (struct stk_segment){.start = p->vaddr,
				  .end = p->vaddr + p->memsz,
				  .have = have,
				  .bytes = t->file + (have ? p->off : 0),
				  .file_off = p->off,
				  .r = p->flags & PF_R,
				  .w = p->flags & PF_W,
				  .x = p->flags & PF_X};
	t->nsegments++;
}

/* With 0xffff or more program headers the count stands in sh_info of section 0 (elf(5)). */
static uint64_t phdr_count(const struct stk_target *t, uint64_t shoff, uint16_t phnum)
{
	struct stk_cur f = stk_cur_init(t->file, t->file_len);
	struct stk_cur s = stk_cur_sub(&f, shoff, 64);

	if (phnum != PN_XNUM)
		return phnum;
	stk_cur_skip(&s, 44);
	uint32_t n = stk_cur_u32(&s);
	return s.bad ? 0 : n;
}

static void read_segments(struct stk_target *t, uint64_t phoff, uint64_t n)
{
	struct stk_cur f = stk_cur_init(t->file, t->file_len);
	struct stk_cur c = stk_cur_sub(&f, phoff, t->file_len > phoff ? t->file_len - phoff : 0);
	uint64_t need = 0;
	struct phdr p;

	if (n > t->file_len / 56) {
		stk_remark(t, true, "the program headers of the core are damaged or cut off");
		n = t->file_len / 56;
	}
	t->segments = stk_pool_alloc(&t->pool, (n + 1) * sizeof(*t->segments));
	if (!t->segments)
		return;
	for (uint64_t i = 0; i < n && read_phdr(&c, &p); i++) {
		if (p.type == PT_LOAD) {
			add_segment(t, &p, &need);
		} else if (p.type == PT_NOTE) {
			uint64_t len = p.filesz;
			if (p.off + len > need && p.off + len >= p.off)
				need = p.off + len;
			if (p.off >= t->file_len)
				continue;
			if (len > t->file_len - p.off)
				len = t->file_len - p.off;
			stk_notes_parse(t, t->file + p.off, len);
		}
	}
	sort_segments(t);
	if (need > t->file_len)
		stk_remark(t, true, "%s is truncated: %llu of %llu bytes", t->path,
			   (unsigned long long)t->file_len, (unsigned long long)need);
}

static int read_header(struct stk_target *t, struct stk_err *err)
{
	struct stk_cur c = stk_cur_init(t->file, t->file_len);
	const uint8_t *id = stk_cur_bytes(&c, EI_NIDENT);

	if (!id || memcmp(id, ELFMAG, SELFMAG) != 0)
		return stk_fail(err, STK_ENOTELF, "%s: not an ELF file", t->path);
	if (id[EI_DATA] != ELFDATA2LSB)
		return stk_fail(err, STK_EARCH, "%s: a big-endian ELF file; %s cores can be read",
				t->path, stk_arch_host->printed);
	uint16_t type = stk_cur_u16(&c), machine = stk_cur_u16(&c);
	stk_cur_skip(&c, 4 + 8);
	uint64_t phoff = stk_cur_u64(&c), shoff = stk_cur_u64(&c);
	stk_cur_skip(&c, 4 + 2);
	uint16_t phentsize = stk_cur_u16(&c), phnum = stk_cur_u16(&c);
	if (!c.bad && type != ET_CORE)
		return stk_fail(err, STK_ENOTCORE, "%s: %s, not a core", t->path,
				type == ET_EXEC || type == ET_DYN
				    ? "an executable or shared library"
				    : "an ELF file of another type");
	t->arch = stk_arch_find(machine);
	if (!c.bad && (!t->arch || id[EI_CLASS] != ELFCLASS64))
		return stk_fail(err, STK_EARCH,
				"%s: a core of architecture %s (%d-bit); %s cores can be read",
				t->path, stk_machine_name(machine),
				id[EI_CLASS] == ELFCLASS64 ? 64 : 32, stk_arch_host->printed);
	if (c.bad || phentsize != 56 || !phnum)
		return stk_fail(err, STK_EFORMAT, "%s: the ELF header is damaged or cut off",
				t->path);
	read_segments(t, phoff, phdr_count(t, shoff, phnum));
	return 0;
}

int stk_core_open(const char *path, int fd, struct stk_target **ret, struct stk_err *err)
{
	struct core *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	c->t.ops = &core_ops;
	c->t.remarks_tail = &c->t.remarks;
	c->t.path = stk_pool_strdup(&c->t.pool, path);
	r = map_file(c, path, fd, err);
	if (!r)
		r = read_header(&c->t, err);
	if (!r && !c->t.nthreads)
		stk_remark(&c->t, true, "the core has no threads: their registers are not in it");
	if (r) {
		core_close(&c->t);
		return r;
	}
	stk_notes_number_threads(&c->t);
	*ret = &c->t;
	return 0;
}
