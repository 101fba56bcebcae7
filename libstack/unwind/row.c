/*
 * Where the call frame information of a module is: .eh_frame by its search table, in the bytes of
 * the file that it maps; then .debug_frame, which is not mapped and has no table. What has no table
 * gets one here at the first look-up.
 */
#include "unwind/row.h"

#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/vec.h"
#include "symbols/image.h"
#include "targets/hash.h"

#define PARTS_MAX 64

/* Bytes, and the addresses that they have. */
struct part {
	uint64_t start, len;
	const uint8_t *bytes;
};

struct source {
	struct part parts[PARTS_MAX];
	unsigned n;
	struct stk_reader reader;
	struct stk_cfi cfi; /* ELF addresses */
	bool there;
	bool indexed; /* `index` is what is searched */
	struct {
		struct stk_cfi_entry *v;
		size_t n, cap;
	} index; /* by start */
};

struct rows {
	struct source eh, debug;
	bool debug_tried;
	struct stk_hash rows; /* by pc */
};

static const struct stk_cfi_row none;

static bool read_parts(void *arg, uint64_t addr, void *to, size_t len)
{
	const struct source *s = arg;

	for (unsigned i = 0; i < s->n; i++) {
		const struct part *p = &s->parts[i];
		if (addr >= p->start && addr - p->start <= p->len &&
		    len <= p->len - (addr - p->start)) {
			memcpy(to, p->bytes + (addr - p->start), len);
			return true;
		}
	}
	return false;
}

static void rows_free(void *p)
{
	struct rows *r = p;

	free(r->eh.index.v);
	free(r->debug.index.v);
	stk_hash_done(&r->rows);
	free(r);
}

static int by_start(const void *a, const void *b)
{
	const struct stk_cfi_entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* All entries, in the order of the code. A copy that the linker has left without code has the
 * address 0, or another that is none (DWARF 5 §7.5.5 of dead code; ld writes 0, lld -1 or 1). */
static void make_index(struct source *s, const struct stk_target *t)
{
	struct stk_cfi_entry e;
	uint64_t at = s->cfi.frames;

	s->indexed = true;
	while (stk_cfi_next(&s->cfi, &at, &e) && stk_spend(stk_budget_of(t), 1)) {
		if (!e.len || !e.start)
			continue;
		if (!stk_spend_bytes(stk_budget_of(t), sizeof(e)) || !STK_VEC_PUSH(&s->index, e))
			break;
	}
	if (s->index.n)
		qsort(s->index.v, s->index.n, sizeof(*s->index.v), by_start);
}

/* .eh_frame lies in the segments of the file. */
static void open_eh(struct source *s, const struct stk_image *im)
{
	size_t n = 0, size = 0;
	const uint8_t *raw = (const uint8_t *)elf_rawfile(im->elf, &size);
	GElf_Phdr ph;
	GElf_Shdr sh;

	if (!raw || elf_getphdrnum(im->elf, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!gelf_getphdr(im->elf, (int)i, &ph))
			continue;
		if (ph.p_type == PT_GNU_EH_FRAME) {
			s->cfi.hdr = ph.p_vaddr;
			s->cfi.hdr_len = ph.p_memsz;
		}
		if (ph.p_type == PT_LOAD && s->n < PARTS_MAX && ph.p_offset <= size &&
		    ph.p_filesz <= size - ph.p_offset)
			s->parts[s->n++] =
			    (struct part){ph.p_vaddr, ph.p_filesz, raw + ph.p_offset};
	}
	if (s->cfi.hdr && stk_cfi_is_sorted(&s->cfi)) {
		s->there = true;
	} else if (stk_image_section(im, ".eh_frame", &sh)) {
		s->cfi.hdr = 0;
		s->cfi.frames = sh.sh_addr;
		s->cfi.frames_len = sh.sh_size;
		s->there = true;
	}
}

/* It is read as if it lay at 0. */
static void open_debug(struct source *s, struct stk_module *m)
{
	const Elf_Data *d = stk_module_dwarf_section(m, ".debug_frame");

	if (!d)
		return;
	s->parts[s->n++] = (struct part){0, d->d_size, d->d_buf};
	s->cfi.frames_len = d->d_size;
	s->cfi.debug = s->there = true;
}

static void init(struct source *s)
{
	s->reader = (struct stk_reader){read_parts, s};
	s->cfi.mem = &s->reader;
}

static struct rows *rows_get(struct stk_module *m)
{
	struct rows *rs = m->unwind.p;

	if (rs || !(rs = calloc(1, sizeof(*rs))))
		return rs;
	m->unwind = (struct stk_kept){rs, rows_free};
	init(&rs->eh);
	init(&rs->debug);
	if (m->image)
		open_eh(&rs->eh, m->image);
	return rs;
}

/* The last entry that begins at or below `addr`; NULL: none. */
static const struct stk_cfi_entry *search(const struct source *s, uint64_t addr)
{
	const struct stk_cfi_entry *v = s->index.v;
	size_t k = STK_PARTITION_POINT(s->index.n, i, v[i].start <= addr);

	return k ? &v[k - 1] : NULL;
}

static bool read_row(struct source *s, const struct stk_target *t, uint64_t addr,
		     struct stk_cfi_row *ret)
{
	if (!s->there)
		return false;
	if (s->cfi.hdr)
		return stk_cfi_find(&s->cfi, t->arch, addr, ret);
	if (!s->indexed)
		make_index(s, t);
	const struct stk_cfi_entry *e = search(s, addr);
	return e && stk_cfi_row_of(&s->cfi, t->arch, e->at, addr, ret);
}

static bool read_debug(struct stk_module *m, struct rows *rs, uint64_t addr,
		       struct stk_cfi_row *ret)
{
	if (!rs->debug_tried) {
		rs->debug_tried = true;
		open_debug(&rs->debug, m);
	}
	return read_row(&rs->debug, m->owner->target, addr, ret);
}

#define CALL_BYTES   7
#define SWITCH_BYTES 16

/* What a step wants to know of the code around the return address `ret`. */
static void look_at_code(const struct stk_target *t, uint64_t ret, struct stk_cfi_row *row)
{
	uint8_t code[SWITCH_BYTES];
	struct stk_switch_back b;

	row->looked = true;
	row->called = ret > CALL_BYTES &&
		      !stk_mem_read(t, ret - CALL_BYTES, code, CALL_BYTES, NULL) &&
		      t->arch->ends_with_call(code, CALL_BYTES);
	row->switches = row->called && !stk_mem_read(t, ret, code, SWITCH_BYTES, NULL) &&
			t->arch->switches_back(code, SWITCH_BYTES, &b);
}

const struct stk_cfi_row *stk_row_at(struct stk_module *m, uint64_t pc)
{
	struct rows *rs = rows_get(m);
	const struct stk_cfi_row *was = rs ? stk_hash_get(&rs->rows, pc) : NULL;
	struct stk_target *t = m->owner->target;
	struct stk_cfi_row row;

	if (!rs || was)
		return was == &none ? NULL : was;
	if (!read_row(&rs->eh, t, pc - m->bias, &row) && !read_debug(m, rs, pc - m->bias, &row)) {
		stk_hash_put(&rs->rows, pc, (void *)(uintptr_t)&none);
		return NULL;
	}
	struct stk_cfi_row *kept = stk_pool_alloc(&t->pool, sizeof(*kept));
	if (kept) {
		*kept = row;
		look_at_code(t, pc + 1, kept);
		stk_hash_put(&rs->rows, pc, kept);
	}
	return kept;
}
