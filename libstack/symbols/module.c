/* Which images are mapped where, and which files on this machine are really theirs. */
#include "symbols/module.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/search.h"
#include "base/text.h"
#include "base/vec.h"
#include "symbols/debug.h"
#include "symbols/image.h"

#define AT_PHDR_         3
#define AT_ENTRY_        9
#define AT_SYSINFO_EHDR_ 33
#define DELETED          " (deleted)"

const char *stk_module_state_name(enum stk_module_state s)
{
	static const char *const names[] = {"ok", "unverified", "from memory", "missing",
					    "wrong build"};

	return (unsigned)s < sizeof(names) / sizeof(*names) ? names[s] : "?";
}

static struct stk_module *module_add(struct stk_modules *ms, const char *path, uint64_t start,
				     uint64_t end)
{
	struct stk_pool *pool = &ms->target->pool;
	struct stk_module *m = stk_pool_alloc(pool, sizeof(*m));
	char *clean = stk_pool_strdup(pool, path);

	if (!m || !clean || !STK_VEC_PUSH(ms, m))
		return NULL;
	size_t len = strlen(clean);
	if (len > strlen(DELETED) && !strcmp(clean + len - strlen(DELETED), DELETED))
		clean[len - strlen(DELETED)] = 0;
	const char *slash = strrchr(clean, '/');
	*m = (struct stk_module){.path = clean,
				 .name = slash ? slash + 1 : clean,
				 .start = start,
				 .end = end,
				 .owner = ms};
	return m;
}

static bool has_code(const struct stk_target *t, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < t->nsegments; i++)
		if (t->segments[i].x && t->segments[i].start < end && t->segments[i].end > start)
			return true;
	return false;
}

static const char *hex_id(const uint8_t *id, unsigned len, char *buf, size_t cap)
{
	struct stk_text t;

	stk_text_init(&t, buf, cap);
	stk_put_bytes(&t, id, len < 8 ? len : 8);
	return buf;
}

/* How a file fits: OK, UNVERIFIED or MISMATCH; MISSING when it is no ELF file. */
static enum stk_module_state try_file(struct stk_module *m, const char *path,
				      const struct stk_mapping *map)
{
	struct stk_image *im = stk_image_open(path);
	uint8_t id[64];

	if (!im)
		return STK_MODULE_MISSING;
	unsigned n = stk_image_build_id(im, id);
	enum stk_module_state s = STK_MODULE_UNVERIFIED;
	if (n && m->build_id_len)
		s = n == m->build_id_len && !memcmp(id, m->build_id, n) ? STK_MODULE_OK
									: STK_MODULE_MISMATCH;
	else if (m->build_id_len)
		s = STK_MODULE_MISMATCH;
	if (s != STK_MODULE_MISMATCH && !stk_image_bias(im, map->start, map->file_off, &m->bias))
		s = STK_MODULE_MISMATCH;
	uint64_t entry;
	GElf_Ehdr eh;
	if (s == STK_MODULE_UNVERIFIED && m->is_main &&
	    stk_auxv(m->owner->target, AT_ENTRY_, &entry) && gelf_getehdr(im->elf, &eh) &&
	    entry != m->bias + eh.e_entry)
		s = STK_MODULE_MISMATCH;
	if (s == STK_MODULE_MISMATCH) {
		char a[32], b[32];
		const struct stk_target *t = m->owner->target;
		stk_remark(m->owner->target, true,
			   "%s is another build than the one that %s (build-id %s, the %s has "
			   "%s): not used",
			   path, t->ops->ran, n ? hex_id(id, n, a, sizeof(a)) : "none",
			   t->ops->kind,
			   m->build_id_len ? hex_id(m->build_id, m->build_id_len, b, sizeof(b))
					   : "another layout");
		stk_image_free(im);
		return s;
	}
	if (!m->build_id_len) {
		memcpy(m->build_id, id, n);
		m->build_id_len = n;
	}
	m->image = im;
	m->file = stk_pool_strdup(&m->owner->target->pool, path);
	return s;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The program that was given cannot be used: why. */
static void remark_unusable(struct stk_modules *ms)
{
	struct stk_err err;

	if (stk_elf_kind(ms->opts.bin, &err))
		stk_remark(ms->target, true, "%s is not an ELF file that can be read: not used",
			   ms->opts.bin);
	else
		stk_remark(ms->target, true, "%s: not used", err.msg);
}

static void find_file(struct stk_module *m, const struct stk_mapping *map)
{
	struct stk_modules *ms = m->owner;
	struct stk_pool *pool = &ms->target->pool;
	enum stk_module_state s = STK_MODULE_MISSING;

	if (m->is_main && ms->opts.bin)
		s = try_file(m, ms->opts.bin, map);
	if (m->is_main && ms->opts.bin && s == STK_MODULE_MISSING)
		remark_unusable(ms);
	if (!m->image && ms->opts.sysroot) {
		char *p = stk_pool_printf(pool, "%s%s", ms->opts.sysroot, m->path);
		enum stk_module_state r = p ? try_file(m, p, map) : STK_MODULE_MISSING;
		s = r == STK_MODULE_MISSING ? s : r;
	}
	const char *(*file)(struct stk_target *, const struct stk_mapping *, bool) =
	    ms->target->ops->file;
	const char *path = file ? file(ms->target, map, m->is_main) : NULL;
	if (!path)
		path = m->path;
	bool tried = m->is_main && ms->opts.bin && same_file(path, ms->opts.bin);
	if (!m->image && !tried) {
		enum stk_module_state r = try_file(m, path, map);
		s = r == STK_MODULE_MISSING ? s : r;
	}
	m->state = s;
}

static void use_memory(struct stk_module *m, uint64_t start)
{
	m->image = stk_image_from_memory(m->owner->target, start);
	if (!m->image)
		return;
	stk_image_bias(m->image, start, 0, &m->bias);
	m->state = STK_MODULE_MEMORY;
}

/* Serve code and read-only data that the core leaves out from the verified file. */
static void overlay(struct stk_module *m)
{
	size_t n = 0, size = 0;
	const char *raw = elf_rawfile(m->image->elf, &size);

	if (!raw || elf_getphdrnum(m->image->elf, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		if (!gelf_getphdr(m->image->elf, (int)i, &ph) || ph.p_type != PT_LOAD ||
		    (ph.p_flags & PF_W) || !ph.p_filesz || ph.p_offset >= size)
			continue;
		uint64_t len = ph.p_filesz < size - ph.p_offset ? ph.p_filesz : size - ph.p_offset;
		stk_target_overlay(m->owner->target, m->bias + ph.p_vaddr,
				   (const uint8_t *)raw + ph.p_offset, len);
	}
}

static void module_load(struct stk_module *m, const struct stk_mapping *map)
{
	struct stk_target *t = m->owner->target;

	m->build_id_len = map->file_off == 0 ? stk_memory_build_id(t, map->start, m->build_id) : 0;
	find_file(m, map);
	if (!m->image && map->file_off == 0) {
		enum stk_module_state was = m->state;
		use_memory(m, map->start);
		if (m->image && was == STK_MODULE_MISSING)
			stk_remark(t, true,
				   "%s is not on this machine: its image was taken from the %s",
				   m->path, t->ops->kind);
	}
	if (m->state == STK_MODULE_MISSING)
		stk_remark(t, true,
			   "%s is not on this machine and not whole in the %s: its frames have no "
			   "names%s",
			   m->path, t->ops->kind,
			   m->is_main ? " (give the program, or --sysroot)" : "");
	if (m->image && m->state != STK_MODULE_MEMORY)
		overlay(m);
}

static bool is_elf_mapping(const struct stk_target *t, const struct stk_mapping *map, uint64_t end)
{
	if (map->file_off == 0 && stk_mem_avail(t, map->start, 4) == 4)
		return stk_memory_is_elf(t, map->start);
	return has_code(t, map->start, end);
}

/* The end of what the image's program headers load; 0: unknown. */
static uint64_t image_end(const struct stk_module *m)
{
	size_t n = 0;
	uint64_t end = 0;
	GElf_Phdr ph;

	if (!m->image || elf_getphdrnum(m->image->elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(m->image->elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
		    m->bias + ph.p_vaddr + ph.p_memsz > end)
			end = m->bias + ph.p_vaddr + ph.p_memsz;
	return (end + 4095) & ~4095ULL;
}

static int from_mappings(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;
	uint64_t phdr = 0;

	stk_auxv(t, AT_PHDR_, &phdr);
	for (unsigned i = 0, j; i < t->nmappings; i = j) {
		const struct stk_mapping *a = &t->mappings[i];
		/* Offsets rise within an image; but lld maps a page of the file once for each
		 * segment that shares it. */
		uint64_t headers_end = a->file_off ? 0 : stk_memory_end(t, a->start);
		for (j = i + 1; j < t->nmappings; j++)
			if (strcmp(t->mappings[j].path, a->path) != 0 ||
			    (t->mappings[j].file_off <= t->mappings[j - 1].file_off &&
			     t->mappings[j].start >= headers_end))
				break;
		/* The loader may map a page of a file twice (RELRO at the same offset). */
		while (j < t->nmappings && !strcmp(t->mappings[j].path, a->path) &&
		       t->mappings[j].file_off != 0)
			j++;
		uint64_t end = t->mappings[j - 1].end;
		if (!is_elf_mapping(t, a, end))
			continue;
		struct stk_module *m = module_add(ms, a->path, a->start, end);
		if (!m)
			return STK_ENOMEM;
		m->is_main = phdr >= a->start && phdr < end;
		module_load(m, a);
		/* Programs map parts of their own file again, to read it: those are not loaded. */
		uint64_t loaded = image_end(m);
		if (loaded > m->start && loaded < m->end)
			m->end = loaded;
	}
	return 0;
}

/* A core without NT_FILE: the executable alone can be placed, by AT_PHDR. */
static int from_auxv(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;
	uint64_t phdr;

	stk_remark(t, true, "the %s does not list its mapped files: shared libraries are not known",
		   t->ops->kind);
	if (!ms->opts.bin || !stk_auxv(t, AT_PHDR_, &phdr))
		return 0;
	const struct stk_segment *s = stk_segment_at(t, phdr);
	struct stk_mapping map = {.start = s ? s->start : phdr & ~4095ULL, .path = ms->opts.bin};
	struct stk_module *m =
	    module_add(ms, map.path, map.start, s ? s->end : map.start + STK_PAGE);
	if (!m)
		return STK_ENOMEM;
	m->is_main = true;
	module_load(m, &map);
	uint64_t end = image_end(m);
	if (end > m->end)
		m->end = end;
	return 0;
}

static int add_vdso(struct stk_modules *ms)
{
	uint64_t addr;

	if (!stk_auxv(ms->target, AT_SYSINFO_EHDR_, &addr) || !stk_memory_is_elf(ms->target, addr))
		return 0;
	const struct stk_segment *s = stk_segment_at(ms->target, addr);
	struct stk_module *m = s ? module_add(ms, "[vdso]", addr, s->end) : NULL;
	if (!m)
		return s ? STK_ENOMEM : 0;
	m->build_id_len = stk_memory_build_id(ms->target, addr, m->build_id);
	use_memory(m, addr);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct stk_module *x = *(struct stk_module *const *)a,
				*y = *(struct stk_module *const *)b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool has_main(const struct stk_modules *ms)
{
	for (unsigned i = 0; i < ms->n; i++)
		if (ms->v[i]->is_main)
			return true;
	return false;
}

int stk_modules_open(struct stk_target *t, const struct stk_symbol_options *opts,
		     struct stk_modules **ret, struct stk_err *err)
{
	struct stk_modules *ms = calloc(1, sizeof(*ms));
	int r;

	if (!ms)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	ms->target = t;
	if (opts)
		ms->opts = *opts;
	unsigned unverified = 0;
	r = t->nmappings ? from_mappings(ms) : from_auxv(ms);
	if (!r)
		r = add_vdso(ms);
	if (r) {
		stk_modules_close(ms);
		return stk_fail(err, r, "out of memory");
	}
	if (ms->n)
		qsort(ms->v, ms->n, sizeof(*ms->v), by_start);
	for (unsigned i = 0; i < ms->n; i++)
		unverified += ms->v[i]->state == STK_MODULE_UNVERIFIED;
	if (unverified)
		stk_remark(t, false,
			   "%u of %u modules have no build-id in the %s: whether their files are "
			   "those that %s could not be checked",
			   unverified, ms->n, t->ops->kind, t->ops->ran);
	if (ms->opts.bin && t->nmappings && !has_main(ms))
		stk_remark(t, true, "the %s does not tell where its program is: %s is not used",
			   t->ops->kind, ms->opts.bin);
	*ret = ms;
	return 0;
}

void stk_modules_close(struct stk_modules *ms)
{
	if (!ms)
		return;
	for (unsigned i = 0; i < ms->n; i++) {
		if (ms->v[i]->unwind.free)
			ms->v[i]->unwind.free(ms->v[i]->unwind.p);
		stk_debug_free(ms->v[i]->debug);
		stk_image_free(ms->v[i]->mini);
		stk_image_free(ms->v[i]->image);
	}
	free(ms->v);
	free(ms);
}

struct stk_module *stk_module_at(const struct stk_modules *ms, uint64_t addr)
{
	unsigned k = STK_PARTITION_POINT(ms->n, i, ms->v[i]->start <= addr);

	return k && addr < ms->v[k - 1]->end ? ms->v[k - 1] : NULL;
}
