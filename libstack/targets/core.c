/* ELF cores: the file is mapped, its segments are sorted, its notes parsed. Nothing is copied. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/text.h"
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
	/* As much as there is of it: a file with holes can have any size. */
	stk_budget_opened(&c->t.pool.budget, (uint64_t)st->st_blocks * 512);
	c->t.file = c->map;
	c->t.file_len = (size_t)st->st_size;
	return 0;
}

struct phdr {
	uint32_t type, flags;
	uint64_t off, vaddr, filesz, memsz, align;
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
	p->align = stk_cur_u64(c);
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

	if (!p->memsz)
		return;
	if (p->vaddr + p->memsz < p->vaddr || p->off + p->filesz < p->off) {
		stk_remark(t, true,
			   "a program header of the core is damaged: 0x%llx bytes at 0x%llx end "
			   "beyond all addresses",
			   (unsigned long long)p->memsz, (unsigned long long)p->vaddr);
		return;
	}
	if (p->off + p->filesz > *need)
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
	for (uint64_t i = 0; i < n && stk_spend(&t->pool.budget, 1) && read_phdr(&c, &p); i++) {
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
			stk_notes_parse(t, t->file + p.off, len, p.align);
		}
	}
	sort_segments(t);
	if (need > t->file_len)
		stk_remark(t, true, "%s is truncated: %llu of %llu bytes", t->path,
			   (unsigned long long)t->file_len, (unsigned long long)need);
}

/* Files that people take for cores, and what makes a core of them. */
static int refuse_file(const struct stk_target *t, struct stk_err *err)
{
	static const struct {
		const char *begin, *what;
	} known[] = {
	    {"ProblemType:", "a report of apport: apport-unpack REPORT FOLDER takes the core out, "
			     "as FOLDER/CoreDump"},
	    {"MDMP", "a minidump of breakpad or crashpad: minidump-2-core makes a core of it"},
	};

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (t->file_len >= strlen(known[i].begin) &&
		    !memcmp(t->file, known[i].begin, strlen(known[i].begin)))
			return stk_fail(err, STK_ENOTELF, "%s: %s", t->path, known[i].what);
	return stk_fail(err, STK_ENOTELF, "%s: not an ELF file", t->path);
}

/* gABI, EI_OSABI: the systems whose cores say there whose they are. */
static const char *system_of(uint8_t osabi)
{
	return osabi == ELFOSABI_FREEBSD   ? "FreeBSD"
	       : osabi == ELFOSABI_NETBSD  ? "NetBSD"
	       : osabi == ELFOSABI_OPENBSD ? "OpenBSD"
	       : osabi == ELFOSABI_SOLARIS ? "Solaris"
					   : NULL;
}

static int refuse_system(const struct stk_target *t, const char *system, struct stk_err *err)
{
	return stk_fail(err, STK_EARCH, "%s: a core of %s; cores of Linux can be read", t->path,
			!strcmp(system, "NetBSD-CORE") ? "NetBSD" : system);
}

static int refuse_machine(const struct stk_target *t, uint16_t machine, bool wide, bool big,
			  struct stk_err *err)
{
	const char *name = stk_machine_name(machine);
	char number[32];
	struct stk_text text;

	stk_text_init(&text, number, sizeof(number));
	stk_printf(&text, "number %u", machine);
	/* x86-64 in a file of 32 bits: the x32 ABI. */
	return stk_fail(err, STK_EARCH,
			"%s: a core of architecture %s (%d-bit%s); %s cores can be read", t->path,
			t->arch && !wide && !big ? "x32"
			: name                   ? name
						 : number,
			wide ? 64 : 32, big ? ", big-endian" : "", stk_arch_host->printed);
}

static uint16_t in_order(uint16_t v, bool big)
{
	return big ? (uint16_t)(v >> 8 | v << 8) : v;
}

static int read_header(struct stk_target *t, struct stk_err *err)
{
	struct stk_cur c = stk_cur_init(t->file, t->file_len);
	const uint8_t *id = stk_cur_bytes(&c, EI_NIDENT);

	if (!id || memcmp(id, ELFMAG, SELFMAG) != 0)
		return refuse_file(t, err);
	bool big = id[EI_DATA] == ELFDATA2MSB, wide = id[EI_CLASS] == ELFCLASS64;
	uint16_t type = in_order(stk_cur_u16(&c), big), machine = in_order(stk_cur_u16(&c), big);
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
	if (!c.bad && (!t->arch || !wide || big))
		return refuse_machine(t, machine, wide, big, err);
	if (!c.bad && system_of(id[EI_OSABI]))
		return refuse_system(t, system_of(id[EI_OSABI]), err);
	if (c.bad || phentsize != 56 || !phnum)
		return stk_fail(err, STK_EFORMAT, "%s: the ELF header is damaged or cut off",
				t->path);
	read_segments(t, phoff, phdr_count(t, shoff, phnum));
	return t->system && !t->nthreads ? refuse_system(t, t->system, err) : 0;
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
