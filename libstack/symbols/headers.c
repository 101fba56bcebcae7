#include "symbols/headers.h"

#include <string.h>

#include "base/cursor.h"

#define AT_PHDR_  3
#define AT_PHNUM_ 5
#define IN_PAGE   (STK_PAGE - 1ULL)
#define FAR       (1ULL << 40) /* an image larger than this is damage */

bool stk_memory_is_elf(const struct stk_target *t, uint64_t start)
{
	uint8_t magic[SELFMAG];

	return !stk_mem_read(t, start, magic, sizeof(magic), NULL) &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

bool stk_headers_span(struct stk_headers *h)
{
	uint64_t lo = UINT64_MAX, hi = 0;

	for (unsigned i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->v[i];
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_memsz > FAR || p->p_filesz > p->p_memsz || p->p_offset > FAR ||
		    p->p_vaddr + p->p_memsz + IN_PAGE < p->p_vaddr)
			return false;
		lo = p->p_vaddr < lo ? p->p_vaddr : lo;
		hi = p->p_vaddr + p->p_memsz > hi ? p->p_vaddr + p->p_memsz : hi;
	}
	if (hi <= lo || hi - lo > FAR)
		return false;
	h->start = (h->bias + lo) & ~IN_PAGE;
	h->end = (h->bias + hi + IN_PAGE) & ~IN_PAGE;
	return h->start < h->end;
}

/* A table is believed where what it loads makes sense: no end wraps, and the first bytes of the
 * file are loaded. `first`: where those are, or 0: PT_PHDR tells, at `table`. */
static bool place(struct stk_headers *h, uint64_t first, uint64_t table)
{
	bool placed = false;

	for (unsigned i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->v[i];
		if (p->p_type == PT_PHDR && !first) {
			h->bias = table - p->p_vaddr;
			placed = true;
		}
		if (p->p_type != PT_LOAD)
			continue;
		if (!placed && p->p_offset <= IN_PAGE && p->p_filesz) {
			/* Without PT_PHDR they stand behind the ELF header. */
			first = first ? first : table - sizeof(Elf64_Ehdr);
			h->bias = first - (p->p_vaddr - p->p_offset);
			placed = true;
		}
	}
	return placed && stk_headers_span(h);
}

static bool read_table(const struct stk_target *t, uint64_t at, struct stk_headers *h)
{
	return h->n && h->n <= sizeof(h->v) / sizeof(*h->v) &&
	       !stk_mem_read(t, at, h->v, h->n * sizeof(*h->v), NULL);
}

static uint64_t started_table(const struct stk_target *t)
{
	uint64_t at = 0;

	return stk_auxv(t, AT_PHDR_, &at) ? at : 0;
}

uint64_t stk_headers_file_end(const struct stk_headers *h)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->v[i];
		if (p->p_type == PT_LOAD && p->p_vaddr + p->p_filesz > end)
			end = p->p_vaddr + p->p_filesz;
	}
	return (h->bias + end + IN_PAGE) & ~IN_PAGE;
}

bool stk_headers_at(const struct stk_target *t, uint64_t start, struct stk_headers *h)
{
	uint64_t table = started_table(t);

	if (stk_mem_read(t, start, &h->eh, sizeof(h->eh), NULL) ||
	    memcmp(h->eh.e_ident, ELFMAG, SELFMAG) != 0 || h->eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->eh.e_phentsize != sizeof(*h->v))
		return false;
	h->n = h->eh.e_phnum;
	if (h->eh.e_phoff < FAR && read_table(t, start + h->eh.e_phoff, h) && place(h, start, 0))
		return true;
	/* patchelf moves them to the end of the file, into a segment of their own. */
	return table > start && table - start < FAR && read_table(t, table, h) &&
	       place(h, start, 0) && table < h->end;
}

bool stk_headers_started(const struct stk_target *t, struct stk_headers *h)
{
	uint64_t table = started_table(t), n = 0;

	if (!table || !stk_auxv(t, AT_PHNUM_, &n) || n > sizeof(h->v) / sizeof(*h->v))
		return false;
	h->n = (unsigned)n;
	if (!read_table(t, table, h) || !place(h, 0, table))
		return false;
	if (stk_mem_read(t, h->start, &h->eh, sizeof(h->eh), NULL) ||
	    memcmp(h->eh.e_ident, ELFMAG, SELFMAG) != 0)
		memset(&h->eh, 0, sizeof(h->eh));
	return true;
}

unsigned stk_note_build_id(const void *bytes, size_t len, uint8_t *ret)
{
	struct stk_cur c = stk_cur_init(bytes, len);

	while (stk_cur_left(&c) >= 12) {
		uint32_t namesz = stk_cur_u32(&c), descsz = stk_cur_u32(&c), type = stk_cur_u32(&c);
		const uint8_t *name = stk_cur_bytes(&c, ((uint64_t)namesz + 3) & ~3ULL);
		const uint8_t *desc = stk_cur_bytes(&c, ((uint64_t)descsz + 3) & ~3ULL);
		if (c.bad)
			return 0;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(name, "GNU", 4) && descsz &&
		    descsz <= 64) {
			memcpy(ret, desc, descsz);
			return descsz;
		}
	}
	return 0;
}

unsigned stk_headers_build_id(const struct stk_target *t, const struct stk_headers *h, uint8_t *ret)
{
	unsigned len = 0;

	for (unsigned i = 0; i < h->n && !len; i++) {
		uint8_t buf[4096];
		if (h->v[i].p_type == PT_NOTE && h->v[i].p_filesz <= sizeof(buf) &&
		    !stk_mem_read(t, h->bias + h->v[i].p_vaddr, buf, h->v[i].p_filesz, NULL))
			len = stk_note_build_id(buf, h->v[i].p_filesz, ret);
	}
	return len;
}

bool stk_headers_run(const struct stk_target *t, const struct stk_headers *h, bool unless_missing)
{
	for (unsigned i = 0; i < h->n; i++) {
		if (h->v[i].p_type != PT_LOAD || !(h->v[i].p_flags & PF_X))
			continue;
		const struct stk_segment *s = stk_segment_at(t, h->bias + h->v[i].p_vaddr);
		if (s ? s->x : unless_missing)
			return true;
	}
	return false;
}

bool stk_headers_hold(const struct stk_headers *h, uint64_t start, uint64_t off)
{
	for (unsigned i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->v[i];
		uint64_t from = p->p_offset & ~IN_PAGE;
		if (p->p_type == PT_LOAD && off >= from && off < p->p_offset + p->p_filesz &&
		    start == h->bias + (p->p_vaddr & ~IN_PAGE) + (off - from))
			return true;
	}
	return false;
}

uint64_t stk_headers_dynamic(const struct stk_target *t, const struct stk_headers *h, uint64_t tag)
{
	for (unsigned i = 0; i < h->n; i++) {
		uint8_t dyn[8192];
		if (h->v[i].p_type != PT_DYNAMIC)
			continue;
		size_t max = h->v[i].p_memsz < sizeof(dyn) ? h->v[i].p_memsz : sizeof(dyn);
		size_t len = stk_mem_avail(t, h->bias + h->v[i].p_vaddr, max);
		if (stk_mem_read(t, h->bias + h->v[i].p_vaddr, dyn, len, NULL))
			return 0;
		struct stk_cur c = stk_cur_init(dyn, len);
		while (stk_cur_left(&c) >= 16) {
			uint64_t k = stk_cur_u64(&c), v = stk_cur_u64(&c);
			if (k == tag)
				return v;
			if (!k)
				break;
		}
	}
	return 0;
}

const char *stk_memory_string(struct stk_target *t, uint64_t addr)
{
	char buf[4096];
	size_t len = stk_mem_avail(t, addr, sizeof(buf));

	if (!len || stk_mem_read(t, addr, buf, len, NULL) || !memchr(buf, 0, len))
		return NULL;
	return stk_pool_strdup(&t->pool, buf);
}

const char *stk_headers_soname(struct stk_target *t, const struct stk_headers *h)
{
	uint64_t name = stk_headers_dynamic(t, h, DT_SONAME);
	uint64_t str = stk_headers_dynamic(t, h, DT_STRTAB);

	if (!name || !str)
		return NULL;
	/* The loader has relocated the pointer, or not yet. */
	return stk_memory_string(t, (str < h->bias ? str + h->bias : str) + name);
}
