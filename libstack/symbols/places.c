/*
 * Where images lie, in this order: NT_FILE or the map of the process, by groups of mappings of one
 * file; AT_PHDR; ELF headers in pages of no file (text that was moved to large pages; cores without
 * NT_FILE); then, for names and for the rest, the list of the loader.
 */
#include "symbols/places.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/search.h"
#include "base/vec.h"
#include "symbols/headers.h"
#include "symbols/image.h"
#include "symbols/linkmap.h"

#define MODULES_MAX      8192 /* no program has more; each is compared with each */
#define AT_PHDR_         3
#define AT_EXECFN_       31
#define AT_SYSINFO_EHDR_ 33

void stk_module_rename(struct stk_module *m, const char *path)
{
	const char *slash = strrchr(path, '/');

	m->path = path;
	m->name = slash ? slash + 1 : path;
}

struct stk_module *stk_places_add(struct stk_modules *ms, const char *path, uint64_t start,
				  uint64_t end)
{
	struct stk_module *m = stk_pool_alloc(&ms->target->pool, sizeof(*m));

	if (!m || !STK_VEC_PUSH(ms, m))
		return NULL;
	*m = (struct stk_module){
	    .start = start, .end = end, .state = STK_MODULE_MISSING, .owner = ms};
	if (path)
		stk_module_rename(m, path);
	return m;
}

static struct stk_module *module_over(const struct stk_modules *ms, uint64_t addr)
{
	for (unsigned i = 0; i < ms->n; i++)
		if (addr >= ms->v[i]->start && addr < ms->v[i]->end)
			return ms->v[i];
	return NULL;
}

static bool has_code(const struct stk_target *t, uint64_t start, uint64_t end)
{
	unsigned lo = STK_PARTITION_POINT(t->nsegments, i, t->segments[i].end <= start);

	for (; lo < t->nsegments && t->segments[lo].start < end; lo++)
		if (t->segments[lo].x)
			return true;
	return false;
}

static bool file_is_elf(struct stk_target *t, const struct stk_mapping *map, uint64_t off)
{
	const char *path = t->ops->file ? t->ops->file(t, map, false) : NULL;

	return stk_file_is_elf(path ? path : map->path, off);
}

/* An image may begin in the middle of a file, uncompressed in an archive. */
static bool begins_within(struct stk_target *t, const struct stk_mapping *map)
{
	struct stk_headers h;

	return map->file_off &&
	       (stk_headers_at(t, map->start, &h) || file_is_elf(t, map, map->file_off));
}

/* How many mappings from v[0] on are of the same file. */
static unsigned same_file(const struct stk_mapping *v, unsigned n)
{
	unsigned i = 1;

	while (i < n && !strcmp(v[i].path, v[0].path))
		i++;
	return i;
}

/* How many of the mappings v[0] … v[n-1], which are of one file, are of one image. */
static unsigned same_image(struct stk_target *t, const struct stk_mapping *v, unsigned n,
			   bool within)
{
	struct stk_headers h;
	uint64_t end = stk_headers_at(t, v->start, &h) ? h.end : 0;
	unsigned i;

	/* Offsets rise within an image; but lld maps a page of the file once for each segment that
	 * shares it. */
	for (i = 1; i < n; i++)
		if ((v[i].file_off <= v[i - 1].file_off && v[i].start >= end) ||
		    (within && begins_within(t, &v[i])))
			return i;
	return i;
}

/* The first bytes of a mapping are those of an ELF file. Where they are zero or not there, its name
 * and its use tell. */
static bool begins_as_elf(struct stk_target *t, const struct stk_mapping *v, uint64_t end)
{
	static const uint8_t zero[SELFMAG];
	uint8_t magic[SELFMAG];
	uint64_t phdr = 0;

	if (stk_mem_read(t, v->start, magic, sizeof(magic), NULL))
		return true;
	if (memcmp(magic, zero, sizeof(zero)) != 0)
		return !memcmp(magic, ELFMAG, SELFMAG);
	return (stk_auxv(t, AT_PHDR_, &phdr) && phdr >= v->start && phdr < end) ||
	       file_is_elf(t, v, v->file_off);
}

/* A file that is mapped only to be read is none of the images, though it may be an ELF file. */
static bool is_image(struct stk_target *t, const struct stk_mapping *v, unsigned n,
		     uint64_t image_off)
{
	uint64_t end = v[n - 1].end;
	bool code = has_code(t, v->start, end);
	struct stk_headers h;

	if (v->file_off != image_off)
		return code;
	if (!begins_as_elf(t, v, end))
		return false;
	if (code || !stk_headers_at(t, v->start, &h))
		return code;
	for (unsigned i = 0; i < h.n; i++)
		if (h.v[i].p_type == PT_LOAD && (h.v[i].p_flags & PF_X))
			return stk_headers_run(t, &h, true);
	return true;
}

static int from_mappings(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;

	for (unsigned i = 0, n; i < t->nmappings && stk_spend(&t->pool.budget, 1); i += n) {
		const struct stk_mapping *v = &t->mappings[i];
		unsigned run = same_file(v, t->nmappings - i);
		bool code = has_code(t, v->start, v[run - 1].end);
		/* What stands at the beginning of a file that is no ELF file says nothing. */
		bool within = code && (v->file_off ||
				       (!stk_memory_is_elf(t, v->start) && !file_is_elf(t, v, 0)));
		uint64_t image_off = within && begins_within(t, v) ? v->file_off : 0;
		n = same_image(t, v, run, within);
		/* The loader may map a page of a file twice (RELRO at the same offset). */
		while (n < run && v[n].file_off != 0 && !(within && begins_within(t, &v[n])))
			n++;
		if (!is_image(t, v, n, image_off))
			continue;
		struct stk_module *m = stk_places_add(ms, v->path, v->start, v[n - 1].end);
		if (!m)
			return STK_ENOMEM;
		m->maps = v;
		m->nmaps = n;
		m->image_off = image_off;
	}
	return 0;
}

/* The mappings of `m` are what is left of an image whose headers are `h`. */
static bool is_rest(const struct stk_module *m, const struct stk_headers *h)
{
	return m->maps && !m->image_off && m->start > h->start && m->start < h->end &&
	       stk_headers_hold(h, m->maps->start, m->maps->file_off);
}

/* Its own mappings may have been passed over: without code they could be of any file. */
static void take_mappings(struct stk_module *m, const struct stk_headers *h)
{
	const struct stk_target *t = m->owner->target;

	for (unsigned i = STK_PARTITION_POINT(t->nmappings, k, t->mappings[k].start < h->start);
	     !m->maps && i < t->nmappings; i++) {
		const struct stk_mapping *v = &t->mappings[i];
		if (v->start < h->start || !stk_headers_hold(h, v->start, v->file_off))
			continue;
		m->maps = v;
		while (i + m->nmaps < t->nmappings && v[m->nmaps].start < h->end &&
		       !strcmp(v[m->nmaps].path, v->path))
			m->nmaps++;
		stk_module_rename(m, v->path);
	}
}

/* An image that is known by its headers; what is known of it by mappings becomes one with it. */
static struct stk_module *add_headers(struct stk_modules *ms, const struct stk_headers *h)
{
	struct stk_module *m = module_over(ms, h->start);

	for (unsigned i = 0; !m && i < ms->n; i++)
		if (is_rest(ms->v[i], h))
			m = ms->v[i];
	if (!m)
		m = stk_places_add(ms, NULL, h->start, h->end);
	else if (m->start != h->start && !is_rest(m, h))
		return m; /* an ELF file within another's memory */
	if (!m)
		return NULL;
	/* Behind what comes from the file lies memory that stays as it is when nothing is known. */
	uint64_t end = m->maps ? stk_headers_file_end(h) : h->end;
	m->start = h->start;
	m->end = end > m->end ? end : m->end;
	m->bias = h->bias;
	m->placed = true;
	for (unsigned i = 0; i < ms->n; i++)
		if (ms->v[i] != m && is_rest(ms->v[i], h))
			ms->v[i--] = ms->v[--ms->n];
	take_mappings(m, h);
	return m;
}

static int from_pages(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;
	uint64_t vdso = 0;

	stk_auxv(t, AT_SYSINFO_EHDR_, &vdso);
	for (unsigned i = 0;
	     i < t->nsegments && ms->n < MODULES_MAX && stk_spend(&t->pool.budget, 1); i++) {
		const struct stk_segment *s = &t->segments[i];
		struct stk_headers h;
		/* What no file backs and nothing may write to is rare. */
		if (s->w || (!s->r && !s->x) || s->start == vdso || stk_mapping_at(t, s->start) ||
		    !stk_headers_at(t, s->start, &h) || h.start != s->start ||
		    !stk_headers_run(t, &h, false))
			continue;
		if (!add_headers(ms, &h))
			return STK_ENOMEM;
	}
	return 0;
}

int stk_places_find(struct stk_modules *ms)
{
	struct stk_headers h;
	int r = from_mappings(ms);

	if (!r && stk_headers_started(ms->target, &h) && !add_headers(ms, &h))
		r = STK_ENOMEM;
	return r ? r : from_pages(ms);
}

/* The dynamic section's DT_DEBUG, which the loader fills in programs only. */
static uint64_t debug_of(const struct stk_module *m)
{
	const struct stk_target *t = m->owner->target;
	struct stk_headers h;

	if (!stk_headers_at(t, m->start, &h) &&
	    !(m->image && stk_image_headers(m->image, m->bias, &h)))
		return 0;
	return stk_headers_dynamic(t, &h, DT_DEBUG);
}

static uint64_t find_list(struct stk_modules *ms)
{
	uint64_t phdr = 0, found = 0;
	struct stk_module *first = NULL;

	if (stk_auxv(ms->target, AT_PHDR_, &phdr) && (first = module_over(ms, phdr)))
		found = debug_of(first);
	for (unsigned i = 0; !found && i < ms->n; i++)
		if (ms->v[i] != first)
			found = debug_of(ms->v[i]);
	return found;
}

static void take_link(struct stk_modules *ms, const struct stk_link *l)
{
	struct stk_module *m = module_over(ms, l->dynamic);
	bool named = strchr(l->path, '/');

	/* The vdso is listed too, by a name that is no path. */
	if (!m && ms->n < MODULES_MAX && (named || l->program) &&
	    (m = stk_places_add(ms, NULL, l->dynamic, l->dynamic + 1))) {
		m->bias = l->bias;
		m->placed = true;
	}
	if (!m)
		return;
	m->dynamic = l->dynamic;
	m->is_main |= l->program;
	if (!m->path && named)
		stk_module_rename(m, l->path);
}

bool stk_places_linked(struct stk_modules *ms)
{
	struct stk_link *v;
	uint64_t list = find_list(ms);
	unsigned n = list ? stk_links_read(ms->target, list, &v) : 0;

	for (unsigned i = 0; i < n; i++)
		take_link(ms, &v[i]);
	return n;
}

void stk_places_program(struct stk_modules *ms)
{
	uint64_t phdr;

	for (unsigned i = 0; i < ms->n; i++)
		if (ms->v[i]->is_main)
			return;
	if (!stk_auxv(ms->target, AT_PHDR_, &phdr))
		return;
	struct stk_module *m = module_over(ms, phdr);
	const struct stk_segment *s = stk_segment_at(ms->target, phdr);
	/* Neither mappings nor pages tell of it: it stands behind the ELF header. */
	if (!m && s)
		m = stk_places_add(ms, NULL, s->start, s->end);
	if (m)
		m->is_main = true;
}

void stk_places_name(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;

	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_module *m = ms->v[i];
		struct stk_headers h;
		const char *name = NULL;
		uint64_t at;
		if (m->path)
			continue;
		if (m->is_main && stk_auxv(t, AT_EXECFN_, &at))
			name = stk_memory_string(t, at);
		else if (!m->is_main && stk_headers_at(t, m->start, &h))
			name = stk_headers_soname(t, &h);
		if (name && !strncmp(name, "linux-vdso", 10))
			name = "[vdso]"; /* without AT_SYSINFO_EHDR, by what it calls itself */
		if (m->is_main && (!name || !*name))
			name = ms->opts.bin ? ms->opts.bin : t->psinfo.fname;
		if (!name || !*name)
			name = stk_pool_printf(&t->pool, "[0x%llx]", (unsigned long long)m->start);
		stk_module_rename(m, name ? name : "?");
	}
}

int stk_places_fixed(struct stk_modules *ms, const char *path, uint64_t start, uint64_t end)
{
	struct stk_module *m = module_over(ms, start) ? NULL : stk_places_add(ms, path, start, end);

	if (!m)
		return STK_ENOMEM;
	m->placed = m->is_main = true;
	return 0;
}
