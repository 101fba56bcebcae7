/*
 * The file of a module, in this order: the program that was given; below --sysroot; where the
 * target itself would open it; by build-id in the debug folders. The first that fits is used: the
 * build-id of the target's own page, else the shape of its mappings. What no file fits is taken
 * from the target's memory.
 */
#include "symbols/find.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "symbols/dirs.h"
#include "symbols/folders.h"
#include "symbols/image.h"
#include "symbols/layout.h"
#include "symbols/places.h"

#define AT_PHDR_  3
#define AT_ENTRY_ 9
#define DELETED   " (deleted)"

static bool headers(const struct stk_module *m, struct stk_headers *ret)
{
	const struct stk_target *t = m->owner->target;

	if (m->maps && m->maps->file_off != m->image_off && !m->placed)
		return false;
	if (stk_headers_at(t, m->start, ret))
		return true;
	return stk_headers_started(t, ret) && ret->start == m->start;
}

void stk_module_identify(struct stk_module *m)
{
	struct stk_headers h;

	m->build_id_len =
	    headers(m, &h) ? stk_headers_build_id(m->owner->target, &h, m->build_id) : 0;
}

static const char *hex_id(const uint8_t *id, unsigned len, char *buf, size_t cap)
{
	struct stk_text t;

	stk_text_init(&t, buf, cap);
	stk_put_bytes(&t, id, len < 8 ? len : 8);
	return buf;
}

/* Where the image is loaded, if it is this one. What no mapping and no header tells of begins with
 * the first page of its file. */
static bool bias_of(const struct stk_module *m, const struct stk_image *im, uint64_t *ret)
{
	*ret = m->bias;
	if (m->placed)
		return true;
	return m->maps ? stk_image_bias(im, m->maps->start, m->maps->file_off - m->image_off, ret)
		       : stk_image_bias(im, m->start, 0, ret);
}

static bool enters(const struct stk_module *m, const struct stk_image *im, uint64_t bias)
{
	const struct stk_target *t = m->owner->target;
	uint64_t entry, phdr;
	GElf_Ehdr eh;

	/* Both are of the image that the kernel has started: the loader, where it was called. */
	return !stk_auxv(t, AT_PHDR_, &phdr) || phdr < m->start || phdr >= m->end ||
	       !stk_auxv(t, AT_ENTRY_, &entry) || !gelf_getehdr(im->elf, &eh) ||
	       entry == bias + eh.e_entry;
}

/* OK, UNVERIFIED or MISMATCH. */
static enum stk_module_state judge(const struct stk_module *m, const struct stk_image *im,
				   const uint8_t *id, unsigned n, uint64_t *bias)
{
	struct stk_headers h;

	if (m->build_id_len && (n != m->build_id_len || memcmp(id, m->build_id, n) != 0))
		return STK_MODULE_MISMATCH;
	if (!bias_of(m, im, bias))
		return STK_MODULE_MISMATCH;
	if (m->build_id_len)
		return STK_MODULE_OK;
	if (!stk_image_headers(im, *bias, &h) || !stk_layout_fits(m, &h) || !enters(m, im, *bias))
		return STK_MODULE_MISMATCH;
	return STK_MODULE_UNVERIFIED;
}

static void remark_mismatch(struct stk_module *m, const char *path, const uint8_t *id, unsigned n)
{
	struct stk_target *t = m->owner->target;
	char a[32], b[32];

	stk_remark(
	    t, true,
	    "%s is another build than the one that %s (build-id %s, the %s has %s): not used", path,
	    t->ops->ran, n ? hex_id(id, n, a, sizeof(a)) : "none", t->ops->kind,
	    m->build_id_len ? hex_id(m->build_id, m->build_id_len, b, sizeof(b))
			    : "another layout");
}

/* A separate debug file in the place of the program: it has names, and no bytes. */
static enum stk_module_state take_names(struct stk_module *m, struct stk_image *im,
					const char *path, const uint8_t *id, unsigned n)
{
	bool other = m->build_id_len && (n != m->build_id_len || memcmp(id, m->build_id, n) != 0);

	stk_image_free(im);
	if (other) {
		remark_mismatch(m, path, id, n);
		return STK_MODULE_MISMATCH;
	}
	m->given_debug = stk_pool_strdup(&m->owner->target->pool, path);
	return STK_MODULE_MISSING;
}

/* MISSING: it cannot be opened (m->sys), or is no ELF file. */
static enum stk_module_state try_file(struct stk_module *m, const char *path)
{
	struct stk_image *im = path ? stk_image_open_at(path, m->image_off) : NULL;
	uint8_t id[64];
	uint64_t bias = 0;

	if (!im) {
		if (path && errno != ENOENT && errno != ENOTDIR && errno != ENOEXEC && !m->sys)
			m->sys = errno;
		return STK_MODULE_MISSING;
	}
	unsigned n = stk_image_build_id(im, id);
	if (stk_image_names_only(im))
		return take_names(m, im, path, id, n);
	enum stk_module_state s = judge(m, im, id, n, &bias);
	if (s == STK_MODULE_MISMATCH) {
		remark_mismatch(m, path, id, n);
		stk_image_free(im);
		return s;
	}
	if (!m->build_id_len) {
		memcpy(m->build_id, id, n);
		m->build_id_len = n;
	}
	m->bias = bias;
	m->image = im;
	m->file = stk_pool_strdup(&m->owner->target->pool, path);
	return s;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The program that was given cannot be used: why. */
static void remark_unusable(struct stk_module *m)
{
	const char *bin = m->owner->opts.bin;
	struct stk_err err;

	if (stk_elf_kind(bin, &err))
		stk_remark(m->owner->target, true,
			   "%s is not an ELF file that can be read: not used", bin);
	else
		stk_remark(m->owner->target, true, "%s: not used", err.msg);
}

/* The next candidate, as long as there is no image; what is worse than "not there" is kept. */
static void next_file(struct stk_module *m, const char *path)
{
	if (m->image || !path)
		return;
	enum stk_module_state s = try_file(m, path);
	if (s != STK_MODULE_MISSING)
		m->state = s;
}

/* The name without what the kernel writes behind that of a file which is gone; NULL: it has none.
 */
static char *without_deleted(struct stk_module *m)
{
	size_t len = strlen(m->path), k = strlen(DELETED);

	if (len <= k || strcmp(m->path + len - k, DELETED) != 0)
		return NULL;
	return stk_pool_strndup(&m->owner->target->pool, m->path, len - k);
}

/* The kernel's name of the program, at most 15 bytes, says that the file was really called so. */
static bool is_called(const struct stk_module *m)
{
	const char *comm = m->is_main ? m->owner->target->psinfo.fname : NULL;

	return comm && strlen(comm) < 15 && !strcmp(comm, m->name);
}

static void try_bin(struct stk_module *m)
{
	const char *bin = m->owner->opts.bin;

	next_file(m, bin);
	if (!m->image && m->state == STK_MODULE_MISSING && !m->given_debug)
		remark_unusable(m);
}

static void try_own(struct stk_module *m, bool bin)
{
	struct stk_modules *ms = m->owner;
	struct stk_target *t = ms->target;
	const char *path = NULL, *plain = without_deleted(m);

	if (!strchr(m->path, '/'))
		return; /* no path, but what it calls itself */
	if (ms->opts.sysroot)
		next_file(m, stk_pool_printf(&t->pool, "%s%s", ms->opts.sysroot,
					     plain ? plain : m->path));
	if (m->maps && t->ops->file)
		path = t->ops->file(t, m->maps, m->is_main);
	path = path ? path : m->path;
	/* A file may really be called so. */
	if (!(bin && is_same_file(path, ms->opts.bin)))
		next_file(m, path);
	if (plain && !(m->file && !strcmp(m->file, m->path)) && !is_called(m)) {
		stk_module_rename(m, plain);
		if (!(bin && is_same_file(plain, ms->opts.bin)))
			next_file(m, plain);
	}
}

static void try_build_id(struct stk_module *m)
{
	char *save = NULL, *dirs = m->image ? NULL : stk_debug_dirs(m);

	for (char *d = dirs ? strtok_r(dirs, ":", &save) : NULL; d;
	     d = strtok_r(NULL, ":", &save)) {
		const char *path = stk_debug_path(m, d, m->build_id, m->build_id_len);
		/* Beside ID.debug some distributions have a link to what was stripped, ID. */
		if (path)
			next_file(m, stk_pool_strndup(&m->owner->target->pool, path,
						      strlen(path) - strlen(".debug")));
	}
	next_file(m, m->image ? NULL : stk_folders_find(m, false));
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

static bool all_zero(const uint8_t *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* Writers that save space leave zeros for pages that are in files: where the first page of an image
 * is zero, other read-only ones may be, too. They are not what was there. */
static void drop_holes(struct stk_module *m)
{
	struct stk_target *t = m->owner->target;
	uint8_t magic[SELFMAG];

	if (t->ops->piece || !m->maps || m->maps->file_off != m->image_off ||
	    stk_mem_read(t, m->start, magic, sizeof(magic), NULL) || !all_zero(magic, SELFMAG))
		return;
	for (unsigned i = 0; i < t->nsegments; i++) {
		struct stk_segment *s = &t->segments[i];
		if (s->start >= m->start && s->start < m->end && !s->w &&
		    all_zero(s->bytes, s->have))
			s->have = 0;
	}
}

static void use_memory(struct stk_module *m)
{
	struct stk_headers h;

	m->image = headers(m, &h) ? stk_image_from_memory(m->owner->target, &h) : NULL;
	if (!m->image)
		return;
	m->bias = h.bias;
	m->state = STK_MODULE_MEMORY;
}

/* Why there is no file. */
static const char *reason(const struct stk_module *m)
{
	const char *text = m->sys ? stk_errno_text(m->sys) : NULL;

	if (!m->sys)
		return "is not on this machine";
	return stk_pool_printf(&m->owner->target->pool, "cannot be opened (%s)",
			       text ? text : "the system refuses it");
}

static void remark_missing(struct stk_module *m, enum stk_module_state was)
{
	struct stk_target *t = m->owner->target;

	if (!strcmp(m->path, "[vdso]"))
		return;
	if (m->state == STK_MODULE_MEMORY && was == STK_MODULE_MISSING)
		stk_remark(t, true, "%s %s: its image was taken from the %s", m->path, reason(m),
			   t->ops->kind);
	if (m->state != STK_MODULE_MISSING)
		return;
	if (m->given_debug)
		stk_remark(
		    t, true,
		    "%s is a separate debug file: its names are used; the program, whose code "
		    "is needed too, %s",
		    m->given_debug, reason(m));
	else
		stk_remark(t, true, "%s %s and not whole in the %s: its frames have no names%s",
			   m->path, reason(m), t->ops->kind,
			   m->is_main ? " (give the program, or --sysroot)" : "");
}

/* Programs map parts of their own file again, to read it: those are not loaded. What was mapped and
 * is no file's now (large pages) is. */
static void set_range(struct stk_module *m)
{
	struct stk_headers h;

	if (!m->image || !stk_image_headers(m->image, m->bias, &h))
		return;
	uint64_t file_end = stk_headers_file_end(&h);
	if (!m->maps)
		m->start = h.start;
	if (!m->maps || file_end > m->end)
		m->end = file_end;
	if (m->end > h.end && h.end > m->start)
		m->end = h.end;
}

void stk_module_load(struct stk_module *m, bool bin)
{
	m->state = STK_MODULE_MISSING;
	if (bin)
		try_bin(m);
	try_own(m, bin);
	try_build_id(m);
	enum stk_module_state was = m->state;
	if (!m->image)
		use_memory(m);
	remark_missing(m, was);
	set_range(m);
	if (m->image && m->state != STK_MODULE_MEMORY) {
		drop_holes(m);
		overlay(m);
	}
}
