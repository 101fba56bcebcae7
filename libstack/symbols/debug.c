/* Find, check and open the DWARF of a module; units and functions by pc. */
#include "symbols/debug.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/text.h"
#include "symbols/cache.h"
#include "symbols/inflate.h"
#include "symbols/lines.h"

#define DEBUG_DIR "/usr/lib/debug"

static bool ranges_add(struct stk_ranges *r, uint64_t start, uint64_t end, uint32_t index)
{
	if (r->n == r->cap) {
		unsigned cap = r->cap ? 2 * r->cap : 64;
		struct stk_range *v = realloc(r->v, cap * sizeof(*v));
		if (!v)
			return false;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct stk_range){start, end, index};
	return true;
}

static int range_cmp(const void *a, const void *b)
{
	const struct stk_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end); /* the wider one first */
}

static void ranges_sort(struct stk_ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), range_cmp);
}

/* Ranges hardly ever nest: a few steps back are enough. */
#define STEPS_BACK 16

/* How many ranges begin at or below `addr`. */
static unsigned ranges_upto(const struct stk_ranges *r, uint64_t addr)
{
	unsigned lo = 0, hi = r->n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (r->v[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct stk_range *ranges_find(const struct stk_ranges *r, uint64_t addr)
{
	for (unsigned i = ranges_upto(r, addr), steps = 0; i-- > 0 && steps < STEPS_BACK; steps++)
		if (addr < r->v[i].end)
			return &r->v[i];
	return NULL;
}

/* CRC-32 of .gnu_debuglink (the polynomial of zlib). */
static bool crc_matches(const struct stk_image *im, GElf_Word crc)
{
	size_t size = 0;
	const char *raw = elf_rawfile(im->elf, &size);

	return raw && crc32_z(0, (const Bytef *)raw, size) == crc;
}

static struct stk_image *open_checked(struct stk_module *m, const char *path, const GElf_Word *crc)
{
	struct stk_image *im = path ? stk_image_open(path) : NULL;
	uint8_t id[64];
	GElf_Shdr sh;

	if (!im)
		return NULL;
	unsigned n = stk_image_build_id(im, id);
	bool fits = n && m->build_id_len ? n == m->build_id_len && !memcmp(id, m->build_id, n)
					 : crc && crc_matches(im, *crc);
	if (!fits || !stk_image_section(im, ".debug_info", &sh)) {
		stk_image_free(im);
		return NULL;
	}
	m->debug_file = path;
	return im;
}

static struct stk_image *by_build_id(struct stk_module *m, const char *dir)
{
	char hex[129];
	struct stk_text t;

	if (m->build_id_len < 2)
		return NULL;
	stk_text_init(&t, hex, sizeof(hex));
	stk_put_bytes(&t, m->build_id + 1, m->build_id_len - 1);
	return open_checked(m,
			    stk_pool_printf(&m->owner->target->pool, "%s/.build-id/%02x/%s.debug",
					    dir, m->build_id[0], hex),
			    NULL);
}

static struct stk_image *by_debuglink(struct stk_module *m, const char *dir)
{
	struct stk_pool *pool = &m->owner->target->pool;
	GElf_Word crc;
	const char *link = m->image ? dwelf_elf_gnu_debuglink(m->image->elf, &crc) : NULL;
	const char *file = m->file ? m->file : m->path;
	const char *slash = strrchr(file, '/');
	int len = slash ? (int)(slash - file) : 1;
	const char *base = slash ? file : ".";
	struct stk_image *im;

	if (!link)
		return NULL;
	im = open_checked(m, stk_pool_printf(pool, "%.*s/%s", len, base, link), &crc);
	if (!im)
		im =
		    open_checked(m, stk_pool_printf(pool, "%.*s/.debug/%s", len, base, link), &crc);
	if (!im)
		im =
		    open_checked(m, stk_pool_printf(pool, "%s%.*s/%s", dir, len, base, link), &crc);
	if (!im)
		im = open_checked(m, stk_pool_printf(pool, "%s/%s", dir, link), &crc);
	return im;
}

/* true: `name` is one of a colon-separated list. */
static bool in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p += *p == ':') {
		size_t n = strcspn(p, ":");
		if (n == len && !memcmp(p, name, n))
			return true;
		p += n;
	}
	return false;
}

static struct stk_image *find_debug_file(struct stk_module *m)
{
	struct stk_pool *pool = &m->owner->target->pool;
	const struct stk_symbol_options *o = &m->owner->opts;
	char *dirs =
	    stk_pool_printf(pool, "%s:%s%s:%s", o->debug_dir ? o->debug_dir : "",
			    o->sysroot ? o->sysroot : "", o->sysroot ? DEBUG_DIR : "", DEBUG_DIR);
	struct stk_image *im = NULL;

	if (in_list(o->no_debug, m->name))
		return NULL;
	for (char *save = NULL, *d = dirs ? strtok_r(dirs, ":", &save) : NULL; d && !im;
	     d = strtok_r(NULL, ":", &save)) {
		im = by_build_id(m, d);
		if (!im)
			im = by_debuglink(m, d);
	}
	return im;
}

/* `skeleton` has the ranges: libdw does not find gcc's (DW_FORM_sec_offset) from the split unit. */
static void add_unit(struct stk_debug *d, Dwarf_Die *die, Dwarf_Die *skeleton)
{
	ptrdiff_t off = 0;
	Dwarf_Addr base, start, end;

	if (d->nunits == d->units_cap) {
		unsigned cap = d->units_cap ? 2 * d->units_cap : 64;
		struct stk_unit *v = realloc(d->units, cap * sizeof(*v));
		if (!v)
			return;
		d->units = v;
		d->units_cap = cap;
	}
	d->units[d->nunits] = (struct stk_unit){.die = *die};
	while ((off = dwarf_ranges(skeleton, off, &base, &start, &end)) > 0)
		if (!start || start >= end)
			d->units[d->nunits].dead = true;
		else
			ranges_add(&d->ranges, start, end, d->nunits);
	d->nunits++;
}

static void add_units(struct stk_module *m, struct stk_debug *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, sub;
	Dwarf_Attribute a;
	uint8_t type;
	unsigned n = 0, lost = 0;
	const char *first = NULL;

	while (dwarf_get_units(d->dw, cu, &cu, NULL, &type, &die, &sub) == 0) {
		bool split = type == DW_UT_skeleton;
		if (!split && type != DW_UT_compile)
			continue;
		n++;
		add_unit(d, split && sub.addr ? &sub : &die, &die);
		if (!split || sub.addr)
			continue;
		if (!lost++ && !(first = dwarf_formstring(dwarf_attr(&die, DW_AT_dwo_name, &a))))
			first = dwarf_formstring(dwarf_attr(&die, DW_AT_GNU_dwo_name, &a));
	}
	if (lost)
		stk_remark(m->owner->target, false,
			   "%s: split debug information is missing for %u of %u units (%s): no "
			   "arguments and no inlined calls there",
			   m->name, lost, n, first ? first : "no .dwo file is named");
}

/* How a unit was compiled, from its producer string (the last -O counts). */
static void unit_producer(struct stk_unit *u)
{
	Dwarf_Attribute a;
	const char *p = dwarf_formstring(dwarf_attr(&u->die, DW_AT_producer, &a));

	u->clang = p && strstr(p, "clang");
	for (; p && (p = strstr(p, " -O")); p += 3)
		u->optimized = p[3] != '0';
}

static struct stk_image *inflated(struct stk_module *m, struct stk_debug *d,
				  const struct stk_image *im)
{
	const char *dir = m->owner->opts.cache_dir;
	struct stk_image *kept = stk_cache_open(dir, im);

	if (kept)
		return kept;
	struct stk_image *fresh = stk_image_inflate(im);
	if (fresh)
		d->storing = stk_cache_store(dir, im, fresh);
	return fresh;
}

struct stk_debug *stk_debug_get(struct stk_module *m)
{
	GElf_Shdr sh;

	if (m->debug_tried)
		return m->debug;
	m->debug_tried = true;
	struct stk_debug *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	m->debug = d;
	struct stk_image *im = NULL;
	if (m->image && stk_image_section(m->image, ".debug_info", &sh))
		im = m->image;
	else
		im = d->image = find_debug_file(m);
	if (im && (d->inflated = inflated(m, d, im)))
		im = d->inflated;
	d->dw = im ? dwarf_begin_elf(im->elf, DWARF_C_READ, NULL) : NULL;
	if (!d->dw)
		return d;
	add_units(m, d);
	ranges_sort(&d->ranges);
	return d;
}

const Elf_Data *stk_module_dwarf_section(struct stk_module *m, const char *name)
{
	struct stk_debug *d = stk_debug_get(m);

	return d && d->dw ? stk_dwarf_section(dwarf_getelf(d->dw), name) : NULL;
}

void stk_debug_free(struct stk_debug *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->nunits; i++) {
		free(d->units[i].funcs);
		free(d->units[i].tails);
		if (d->units[i].lines)
			stk_lines_done(d->units[i].lines);
		free(d->units[i].lines);
		free(d->units[i].franges.v);
	}
	free(d->units);
	free(d->ranges.v);
	stk_map_done(&d->scopes);
	stk_map_done(&d->types);
	stk_map_done(&d->sites);
	if (d->dw)
		dwarf_end(d->dw);
	stk_cache_wait(d->storing);
	stk_image_free(d->inflated);
	stk_image_free(d->image);
	free(d);
}

bool stk_module_has_debug(struct stk_module *m)
{
	struct stk_debug *d = stk_debug_get(m);

	return d && d->dw;
}

struct stk_unit *stk_unit_at(struct stk_debug *d, uint64_t addr)
{
	const struct stk_range *r = d->dw ? ranges_find(&d->ranges, addr) : NULL;

	return r ? &d->units[r->index] : NULL;
}

static void add_function(struct stk_unit *u, Dwarf_Die *die)
{
	ptrdiff_t off = 0;
	Dwarf_Addr base, start, end;
	unsigned before = u->franges.n;

	if (u->nfuncs == u->funcs_cap) {
		unsigned cap = u->funcs_cap ? 2 * u->funcs_cap : 32;
		Dwarf_Die *v = realloc(u->funcs, cap * sizeof(*v));
		if (!v)
			return;
		u->funcs = v;
		u->funcs_cap = cap;
	}
	while ((off = dwarf_ranges(die, off, &base, &start, &end)) > 0)
		if (start && start < end)
			ranges_add(&u->franges, start, end, u->nfuncs);
	if (u->franges.n > before)
		u->funcs[u->nfuncs++] = *die;
}

static void index_children(struct stk_unit *u, struct stk_walk *w, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > 64 || !stk_walk_child(w, parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			add_function(u, &die);
			/* GNU nested functions and methods of local classes. */
			if (!dwarf_hasattr(&die, DW_AT_inline) &&
			    !dwarf_hasattr(&die, DW_AT_declaration))
				index_children(u, w, &die, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_lexical_block:
			index_children(u, w, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (stk_walk_next(w, &die));
}

void stk_unit_index(struct stk_unit *u)
{
	if (u->indexed)
		return;
	struct stk_walk w = {0};
	u->indexed = true;
	unit_producer(u);
	index_children(u, &w, &u->die, 0);
	ranges_sort(&u->franges);
}

bool stk_function_entry(Dwarf_Die *func, Dwarf_Addr *ret)
{
	Dwarf_Addr base, end;

	if (dwarf_entrypc(func, ret) == 0)
		return true;
	/* A function in several parts (DW_AT_ranges): the cold ones come behind the first. */
	return dwarf_ranges(func, 0, &base, ret, &end) > 0;
}

bool stk_function_die(struct stk_unit *u, uint64_t addr, Dwarf_Die *ret, struct stk_range *range)
{
	stk_unit_index(u);
	const struct stk_range *r = ranges_find(&u->franges, addr);
	if (!r || r->index >= u->nfuncs)
		return false;
	*ret = u->funcs[r->index];
	*range = *r;
	return true;
}

static void functions_of(struct stk_unit *u, uint64_t addr,
			 void (*fn)(void *arg, Dwarf_Die *func, const struct stk_range *range),
			 void *arg)
{
	stk_unit_index(u);
	for (unsigned i = ranges_upto(&u->franges, addr), steps = 0; i-- > 0 && steps < STEPS_BACK;
	     steps++) {
		const struct stk_range *r = &u->franges.v[i];
		if (addr < r->end && r->index < u->nfuncs)
			fn(arg, &u->funcs[r->index], r);
	}
}

void stk_functions_at(struct stk_debug *d, uint64_t addr,
		      void (*fn)(void *arg, Dwarf_Die *func, const struct stk_range *range),
		      void *arg)
{
	uint32_t last = UINT32_MAX;

	for (unsigned i = ranges_upto(&d->ranges, addr), steps = 0; i-- > 0 && steps < STEPS_BACK;
	     steps++) {
		const struct stk_range *r = &d->ranges.v[i];
		if (addr < r->end && r->index != last)
			functions_of(&d->units[last = r->index], addr, fn, arg);
	}
}
