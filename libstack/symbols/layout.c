#include "symbols/layout.h"

#include <string.h>

#define IN_PAGE (STK_PAGE - 1ULL)

static uint64_t page(uint64_t addr)
{
	return addr & ~IN_PAGE;
}

/* The pages of the file that a header loads: [*ret_from, *ret_to). */
static bool file_pages(const struct stk_headers *h, const Elf64_Phdr *p, uint64_t *ret_from,
		       uint64_t *ret_to)
{
	*ret_from = h->bias + page(p->p_vaddr);
	*ret_to = page(h->bias + p->p_vaddr + p->p_filesz + IN_PAGE);
	return p->p_type == PT_LOAD && p->p_filesz;
}

/* The header that loads `addr` from `off` of the file; the kernel may have made one mapping of
 * two. */
static const Elf64_Phdr *header_at(const struct stk_headers *h, uint64_t addr, uint64_t off,
				   uint64_t *ret_end)
{
	for (unsigned i = 0; i < h->n; i++) {
		uint64_t from, to;
		if (file_pages(h, &h->v[i], &from, &to) && addr >= from && addr < to &&
		    addr - from == off - page(h->v[i].p_offset)) {
			*ret_end = to;
			return &h->v[i];
		}
	}
	return NULL;
}

static bool mapping_fits(const struct stk_module *m, const struct stk_headers *h,
			 const struct stk_mapping *map)
{
	uint64_t off = map->file_off - m->image_off, at = map->start, end = 0;
	const struct stk_segment *s = stk_segment_at(m->owner->target, at);

	/* Programs map their own file elsewhere to read it; holes between segments stay mapped. */
	if (at < h->start || at >= h->end || (s && !s->r && !s->w && !s->x))
		return true;
	while (at < map->end) {
		const Elf64_Phdr *p = header_at(h, at, off + (at - map->start), &end);
		if (!p || (s && !s->w && !(p->p_flags & PF_W) && s->x != !!(p->p_flags & PF_X)))
			return false;
		at = end;
	}
	return true;
}

static bool is_mapped(const struct stk_module *m, uint64_t addr)
{
	for (unsigned i = 0; i < m->nmaps; i++)
		if (addr >= m->maps[i].start && addr < m->maps[i].end)
			return true;
	return stk_segment_at(m->owner->target, addr);
}

/* Text may have been moved to memory of no file: some memory is there. */
static bool all_mapped(const struct stk_module *m, const struct stk_headers *h)
{
	for (unsigned i = 0; i < h->n; i++) {
		uint64_t from, to;
		if (file_pages(h, &h->v[i], &from, &to) &&
		    (!is_mapped(m, from) || !is_mapped(m, to - 1)))
			return false;
	}
	return true;
}

static bool same_headers(const struct stk_headers *a, const struct stk_headers *b)
{
	if (a->n != b->n || a->bias != b->bias)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (memcmp(&a->v[i], &b->v[i], sizeof(a->v[i])) != 0)
			return false;
	return true;
}

static bool dynamic_fits(const struct stk_module *m, const struct stk_headers *h)
{
	for (unsigned i = 0; m->dynamic && i < h->n; i++)
		if (h->v[i].p_type == PT_DYNAMIC)
			return h->bias + h->v[i].p_vaddr == m->dynamic;
	return true;
}

bool stk_layout_fits(const struct stk_module *m, const struct stk_headers *h)
{
	struct stk_headers seen;

	for (unsigned i = 0; i < m->nmaps; i++)
		if (!mapping_fits(m, h, &m->maps[i]))
			return false;
	if ((stk_headers_at(m->owner->target, m->start, &seen) && !same_headers(&seen, h)) ||
	    !dynamic_fits(m, h))
		return false;
	return !m->maps || all_mapped(m, h);
}
