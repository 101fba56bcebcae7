/* CRASH context, all of it. */
#include "signal/images/images.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>

#include "base/arch.h"
#include "base/mem.h"
#include "base/search.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"
#include "step/window.h"

#define PHDRS_MAX      128
#define NOTES_MAX      64
#define DYNAMIC_MAX    512
#define LINKS_MAX      4096
#define NAMESPACES_MAX 16

static uint64_t up(uint64_t v, uint64_t to)
{
	return (v + to - 1) & ~(to - 1);
}

/* gABI, note section: descriptor and next note are aligned to 4 or, as the segment says, 8. */
static void read_notes(uint64_t addr, uint64_t len, uint64_t align, struct stk_img *img)
{
	struct stk_win w;

	align = align == 8 ? 8 : 4;
	w.mem = &stk_guarded;
	stk_win_open(&w, addr, addr + len);
	for (unsigned i = 0; i < NOTES_MAX && stk_win_more(&w); i++) {
		uint64_t note = stk_win_pos(&w);
		uint32_t namesz = stk_cur_u32(&w.c), descsz = stk_cur_u32(&w.c);
		uint32_t type = stk_cur_u32(&w.c);
		uint64_t desc = note + up(sizeof(Elf64_Nhdr) + (uint64_t)namesz, align);
		const uint8_t *gnu = namesz == 4 ? stk_cur_bytes(&w.c, 4) : NULL;

		if (gnu && type == NT_GNU_BUILD_ID && !memcmp(gnu, "GNU", 4) && descsz &&
		    descsz <= sizeof(img->build_id) &&
		    stk_guard_read(desc, img->build_id, descsz)) {
			img->build_id_len = (uint8_t)descsz;
			return;
		}
		stk_win_skip(&w, desc + up(descsz, align) - stk_win_pos(&w));
	}
}

static void widen(uint64_t *start, uint64_t *end, uint64_t from, uint64_t to)
{
	if (!*end || from < *start)
		*start = from;
	if (to > *end)
		*end = to;
}

static void read_segment(const Elf64_Phdr *ph, struct stk_img *img)
{
	uint64_t at = img->bias + ph->p_vaddr, end = at + ph->p_memsz;

	if (end < at || !ph->p_memsz)
		return;
	switch (ph->p_type) {
	case PT_LOAD:
		widen(&img->start, &img->end, at & -(uint64_t)STK_PAGE, up(end, STK_PAGE));
		if (ph->p_flags & PF_X)
			widen(&img->text_start, &img->text_end, at, end);
		break;
	case PT_DYNAMIC:
		img->dynamic = at;
		break;
	case PT_GNU_EH_FRAME:
		img->eh_hdr = at;
		img->eh_hdr_len = ph->p_memsz;
		break;
	case PT_NOTE:
		if (!img->build_id_len)
			read_notes(at, ph->p_memsz, ph->p_align, img);
		break;
	}
}

/* CRASH context. */
bool stk_image_read(uint64_t phdr, unsigned n, uint64_t bias, struct stk_img *ret)
{
	Elf64_Phdr ph;

	*ret = (struct stk_img){.bias = bias};
	for (unsigned i = 0; i < n && i < PHDRS_MAX; i++) {
		if (!stk_guard_read(phdr + i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		read_segment(&ph, ret);
	}
	return ret->end > ret->start;
}

/* CRASH context. */
bool stk_image_read_elf(uint64_t ehdr, struct stk_img *ret)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint64_t at;

	if (!stk_guard_read(ehdr, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_phentsize != sizeof(ph))
		return false;
	at = ehdr + eh.e_phoff;
	/* The first loadable segment maps the ELF header: it gives the bias. */
	for (unsigned i = 0; i < eh.e_phnum && i < PHDRS_MAX; i++) {
		if (!stk_guard_read(at + i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		if (ph.p_type == PT_LOAD)
			return stk_image_read(at, eh.e_phnum, ehdr - (ph.p_vaddr - ph.p_offset),
					      ret);
	}
	return false;
}

/* The first image that ends above `addr`. */
static unsigned lower(const struct stk_images *im, uint64_t addr)
{
	unsigned n = im->n < STK_IMAGES_MAX ? im->n : STK_IMAGES_MAX;

	return STK_PARTITION_POINT(n, i, im->v[i].end <= addr);
}

/* CRASH context. */
const struct stk_img *stk_image_of(const struct stk_images *im, uint64_t addr)
{
	unsigned i = lower(im, addr);

	return i < im->n && i < STK_IMAGES_MAX && im->v[i].start <= addr ? &im->v[i] : NULL;
}

/* CRASH context. */
void stk_images_put(struct stk_images *im, const struct stk_img *img)
{
	unsigned from = lower(im, img->start), to = from;

	while (to < im->n && im->v[to].start < img->end)
		to++;
	if (to == from && im->n >= STK_IMAGES_MAX) {
		im->dropped++;
		return;
	}
	memmove(&im->v[from + 1], &im->v[to], (im->n - to) * sizeof(*im->v));
	im->v[from] = *img;
	im->n += 1 - (to - from);
}

/* The value of a tag in a dynamic section; 0: none. */
static uint64_t dynamic_value(uint64_t dynamic, int64_t tag)
{
	Elf64_Dyn d;

	for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
		if (!stk_guard_read(dynamic + i * sizeof(d), &d, sizeof(d)) || d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag == tag)
			return d.d_un.d_val;
	}
	return 0;
}

/* The same file: what was kept of it is still right. */
static bool same_build(const struct stk_img *a, const struct stk_img *b)
{
	return a->start == b->start && a->end == b->end && a->build_id_len &&
	       a->build_id_len == b->build_id_len &&
	       !memcmp(a->build_id, b->build_id, a->build_id_len);
}

static struct stk_img *by_dynamic(struct stk_images *im, uint64_t dynamic)
{
	for (unsigned i = 0; i < im->n; i++)
		if (im->v[i].dynamic == dynamic)
			return &im->v[i];
	return NULL;
}

/* One link map. An image that is being loaded or unloaded just now may have no headers yet. */
static void see(struct stk_images *im, const struct link_map *l)
{
	struct stk_img *old = by_dynamic(im, (uintptr_t)l->l_ld), img;

	if (old && (old->main || old->vdso)) {
		old->seen = true;
	} else if (stk_image_read_elf(l->l_addr, &img) && img.dynamic == (uintptr_t)l->l_ld) {
		img.path = (uintptr_t)l->l_name;
		img.seen = true;
		if (old && same_build(old, &img))
			img.kept = old->kept;
		stk_images_put(im, &img);
	} else if (old) {
		old->seen = true; /* its headers were readable once */
	} else {
		im->dropped++;
	}
}

/* The list from `at`. false: it could not be read to its end. */
static bool see_list(struct stk_images *im, uint64_t at)
{
	struct link_map l;

	for (unsigned i = 0; at; i++) {
		if (i == LINKS_MAX || !stk_guard_read(at, &l, sizeof(l)))
			return false;
		if (l.l_ld)
			see(im, &l);
		at = (uintptr_t)l.l_next;
	}
	return true;
}

static void sweep(struct stk_images *im)
{
	unsigned n = 0;

	for (unsigned i = 0; i < im->n; i++) {
		const struct stk_img *v = &im->v[i];
		if (!v->seen && !v->main && !v->vdso)
			continue;
		if (n != i)
			im->v[n] = *v;
		n++;
	}
	im->n = n;
}

static uint64_t find_debug(const struct stk_images *im)
{
	for (unsigned i = 0; i < im->n; i++)
		if (im->v[i].main && im->v[i].dynamic)
			return dynamic_value(im->v[i].dynamic, DT_DEBUG);
	return 0;
}

/* CRASH context. glibc's link.h: from version 2 on, r_debug is followed by the address of the next
 * namespace's. */
void stk_images_refresh(struct stk_images *im)
{
	struct {
		struct r_debug base;
		uint64_t next;
	} d;
	uint64_t at = find_debug(im);
	bool whole = at != 0;

	im->dropped = 0;
	for (unsigned i = 0; i < im->n; i++)
		im->v[i].seen = false;
	for (unsigned i = 0; at && i < NAMESPACES_MAX; i++) {
		d.next = 0;
		if (!stk_guard_read(at, &d.base, sizeof(d.base)) ||
		    !see_list(im, (uintptr_t)d.base.r_map) ||
		    (d.base.r_version >= 2 && !stk_guard_read(at, &d, sizeof(d)))) {
			whole = false;
			break;
		}
		at = d.next;
	}
	if (whole && !at)
		sweep(im);
}

/* CRASH context. */
const char *stk_image_path(const struct stk_img *im, char *buf, size_t cap)
{
	long n = -1;

	buf[0] = 0;
	if (im->main && !im->by_loader)
		n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", buf, cap - 1);
	if (n >= 0)
		buf[n] = 0;
	else if (im->path)
		stk_guard_str(im->path, buf, cap);
	return buf;
}
