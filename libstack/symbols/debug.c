/* Find, check and open the DWARF of a module. */
#include "symbols/debug.h"

#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "symbols/beside.h"
#include "symbols/cache.h"
#include "symbols/dirs.h"
#include "symbols/folders.h"
#include "symbols/inflate.h"

#define CRC_MAX   (4ULL << 30) /* a file of holes has any size */
#define CRC_CHUNK (16U << 20)

/* CRC-32 of .gnu_debuglink (the polynomial of zlib). */
static bool crc_matches(const struct stk_target *t, const struct stk_image *im, GElf_Word crc)
{
	size_t size = 0;
	const char *raw = elf_rawfile(im->elf, &size);
	uLong sum = 0;

	if (!raw || size > CRC_MAX)
		return false;
	for (size_t at = 0; at < size; at += CRC_CHUNK) {
		if (stk_interrupted(t))
			return false;
		sum = crc32_z(sum, (const Bytef *)raw + at,
			      size - at < CRC_CHUNK ? size - at : CRC_CHUNK);
	}
	return sum == crc;
}

static struct stk_image *open_checked(struct stk_module *m, const char *path, const GElf_Word *crc)
{
	struct stk_image *im = path ? stk_image_open(path) : NULL;
	uint8_t id[64];

	if (!im)
		return NULL;
	unsigned n = stk_image_build_id(im, id);
	bool fits = n && m->build_id_len ? n == m->build_id_len && !memcmp(id, m->build_id, n)
					 : crc && crc_matches(m->owner->target, im, *crc);
	if (!fits || !stk_image_has_debug(im)) {
		stk_image_free(im);
		return NULL;
	}
	m->debug_file = path;
	return im;
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
	struct stk_image *im = NULL;
	char *dirs = stk_debug_dirs(m);

	if (in_list(m->owner->opts.no_debug, m->name))
		return NULL;
	/* It was compared when it was given. */
	if (m->given_debug && (im = stk_image_open(m->given_debug))) {
		m->debug_file = m->given_debug;
		return im;
	}
	for (char *save = NULL, *d = dirs ? strtok_r(dirs, ":", &save) : NULL; d && !im;
	     d = strtok_r(NULL, ":", &save)) {
		im = open_checked(m, stk_debug_path(m, d, m->build_id, m->build_id_len), NULL);
		if (!im)
			im = by_debuglink(m, d);
	}
	if (!im)
		im = open_checked(m, stk_folders_find(m, true), NULL);
	return im;
}

static struct stk_image *inflated(struct stk_module *m, struct stk_debug *d,
				  const struct stk_image *im)
{
	const struct stk_folder *in = &m->owner->opts.cache;
	struct stk_image *kept = stk_cache_open(in, im);

	if (kept)
		return kept;
	struct stk_image *fresh = stk_image_inflate(im);
	if (fresh)
		d->storing = stk_cache_store(in, im, fresh);
	return fresh;
}

struct stk_debug *stk_debug_get(struct stk_module *m)
{
	if (m->debug_tried)
		return m->debug;
	m->debug_tried = true;
	struct stk_debug *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	m->debug = d;
	struct stk_image *im = NULL;
	if (m->image && stk_image_has_debug(m->image))
		im = m->image;
	else
		im = d->image = find_debug_file(m);
	if (im && stk_inflates_too_much(im)) {
		stk_remark(m->owner->target, true,
			   "%s: its debug information is compressed to a size that no "
			   "compiler's has: not used",
			   m->name);
		im = NULL;
	}
	if (im)
		stk_budget_opened(stk_module_budget(m), im->size);
	if (im && (d->inflated = inflated(m, d, im)))
		im = d->inflated;
	d->dw = im ? dwarf_begin_elf(im->elf, DWARF_C_READ, NULL) : NULL;
	if (!d->dw)
		return d;
	stk_beside_alternate(m, d, d->image ? d->image : m->image);
	stk_units_find(m, d);
	return d;
}

void stk_debug_forget(struct stk_module *m)
{
	struct stk_debug *d = m->debug;

	/* Its rebuilding keeps the DWARF, to which what was shown may still point. */
	m->symtab_tried = false;
	if (m->unwind.free)
		m->unwind.free(m->unwind.p);
	m->unwind = (struct stk_kept){0};
	if (!d || !d->dw)
		return;
	stk_hash_done(&d->scopes);
	stk_hash_done(&d->types);
	stk_hash_done(&d->sites);
	stk_units_done(d);
	stk_units_find(m, d);
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
	stk_units_done(d);
	stk_hash_done(&d->scopes);
	stk_hash_done(&d->types);
	stk_hash_done(&d->sites);
	stk_hash_done(&d->paths);
	if (d->dw)
		dwarf_end(d->dw);
	stk_beside_done(&d->beside);
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
