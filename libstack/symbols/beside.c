#include "symbols/beside.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <string.h>
#include <unistd.h>

#include "symbols/dirs.h"
#include "symbols/inflate.h"
#include "targets/foreign.h"

/* The folder of an open file, as libdw takes it: by the kernel, so behind links; "": not known. */
static const char *folder_of(struct stk_module *m, const struct stk_image *im)
{
	struct stk_pool *pool = &m->owner->target->pool;
	char path[4096];
	const char *self = im->fd >= 0 ? stk_pool_printf(pool, "/proc/self/fd/%d", im->fd) : NULL;
	ssize_t n = self ? readlink(self, path, sizeof(path) - 1) : -1;

	path[n > 0 ? n : 0] = 0;
	char *slash = strrchr(path, '/');
	return slash ? stk_pool_strndup(pool, path, (size_t)(slash - path)) : "";
}

/* An ELF file with nothing in it: a section of one byte makes libdw take it. */
static struct stk_image *empty_image(void)
{
	static const char names[] = "\0.debug_line\0.shstrtab";
	struct {
		Elf64_Ehdr eh;
		Elf64_Shdr sh[3];
		char names[sizeof(names)];
	} e = {.eh = {.e_type = ET_REL,
		      .e_machine = EM_NONE,
		      .e_version = EV_CURRENT,
		      .e_shoff = sizeof(Elf64_Ehdr),
		      .e_ehsize = sizeof(Elf64_Ehdr),
		      .e_shentsize = sizeof(Elf64_Shdr),
		      .e_shnum = 3,
		      .e_shstrndx = 2}};
	uint8_t *map = stk_image_map(sizeof(e));

	memcpy(e.eh.e_ident, ELFMAG, SELFMAG);
	e.eh.e_ident[EI_CLASS] = ELFCLASS64;
	e.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e.eh.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(e.names, names, sizeof(names));
	uint64_t at = (uint64_t)(e.names - (char *)&e);
	e.sh[1] =
	    (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = 1};
	e.sh[2] = (Elf64_Shdr){
	    .sh_name = 13, .sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = sizeof(names)};
	if (!map)
		return NULL;
	memcpy(map, &e, sizeof(e));
	return stk_image_from_map(map, sizeof(e));
}

/* What `dw` takes from an alternate file is not known: without this libdw would look for one. */
static void use_nothing(struct stk_beside *b, Dwarf *dw)
{
	const char *name;
	const void *id;

	if (dwelf_dwarf_gnu_debugaltlink(dw, &name, &id) == 0)
		return;
	if (!b->nothing && (b->empty = empty_image()))
		b->nothing = dwarf_begin_elf(b->empty->elf, DWARF_C_READ, NULL);
	if (b->nothing)
		dwarf_setalt(dw, b->nothing);
}

static struct stk_image *open_alternate(const char *path, const void *id, size_t len)
{
	struct stk_image *im = path ? stk_image_open(path) : NULL;
	uint8_t has[64];

	if (im && (stk_image_build_id(im, has) != len || memcmp(has, id, len) != 0 ||
		   stk_inflates_too_much(im))) {
		stk_image_free(im);
		im = NULL;
	}
	return im;
}

/* By the name that stands in the file, then by build-id. */
static struct stk_image *find_alternate(struct stk_module *m, const struct stk_image *im,
					const char *name, const void *id, size_t len)
{
	struct stk_pool *pool = &m->owner->target->pool;
	const char *sysroot = m->owner->opts.sysroot;
	struct stk_image *found = NULL;

	if (*name != '/')
		found =
		    open_alternate(stk_pool_printf(pool, "%s/%s", folder_of(m, im), name), id, len);
	if (*name == '/' && sysroot)
		found = open_alternate(stk_pool_printf(pool, "%s%s", sysroot, name), id, len);
	if (*name == '/' && !found)
		found = open_alternate(name, id, len);
	return found ? found : stk_debug_by_build_id(m, id, len);
}

void stk_beside_alternate(struct stk_module *m, struct stk_debug *d, const struct stk_image *im)
{
	struct stk_beside *b = &d->beside;
	const char *name;
	const void *id;
	ssize_t len = dwelf_dwarf_gnu_debugaltlink(d->dw, &name, &id);

	if (len > 0 && (b->image = find_alternate(m, im, name, id, (size_t)len))) {
		b->inflated = stk_image_inflate(b->image);
		b->dw = dwarf_begin_elf((b->inflated ? b->inflated : b->image)->elf, DWARF_C_READ,
					NULL);
	}
	if (b->dw) {
		use_nothing(b, b->dw);
		dwarf_setalt(d->dw, b->dw);
		return;
	}
	use_nothing(b, d->dw);
	if (len > 0)
		stk_remark(
		    m->owner->target, false,
		    "%s: its alternate debug file %s is not there or is another one: what it "
		    "tells is unknown",
		    m->name, name);
}

/* It says so, and is never read. */
static bool is_bomb(struct stk_module *m, const char *path)
{
	struct stk_image *im = stk_image_open(path);
	bool bomb = im && stk_inflates_too_much(im);

	stk_image_free(im);
	if (bomb)
		stk_remark(m->owner->target, true,
			   "%s is compressed to a size that no compiler's has: not used", path);
	return bomb;
}

/* Nothing there, or a regular file that is no bomb. */
static bool may_be_opened(struct stk_module *m, const char *path)
{
	struct stk_err err;
	int fd = path ? stk_foreign_open(path, STK_FOREIGN_ANY, NULL, &err) : -1;

	if (fd >= 0)
		close(fd);
	else if (path && err.code == STK_EUNSUPPORTED)
		stk_remark(m->owner->target, false, "%s: not used", err.msg);
	return fd >= 0 ? !is_bomb(m, path) : !path || err.code != STK_EUNSUPPORTED;
}

static const char *text_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;

	return dwarf_formstring(dwarf_attr(die, name, &a));
}

/* The paths that libdw tries (libdw/libdw_find_split_unit.c), and some more. */
static bool all_may_be_opened(struct stk_module *m, struct stk_debug *d, Dwarf_Die *die)
{
	struct stk_pool *pool = &m->owner->target->pool;
	const char *file = text_of(die, DW_AT_dwo_name), *dir = text_of(die, DW_AT_comp_dir);

	if (!file && !(file = text_of(die, DW_AT_GNU_dwo_name)))
		return true;
	if (*file == '/')
		return may_be_opened(m, file);
	const char *here = folder_of(m, d->image ? d->image : m->image);
	if (!dir)
		dir = ".";
	return may_be_opened(m, file) &&
	       may_be_opened(m, stk_pool_printf(pool, "%s/%s", here, file)) &&
	       may_be_opened(m, stk_pool_printf(pool, "%s/%s", dir, file)) &&
	       may_be_opened(m, stk_pool_printf(pool, "%s/%s/%s", here, dir, file));
}

bool stk_beside_split(struct stk_module *m, struct stk_debug *d, Dwarf_CU *cu, Dwarf_Die *die,
		      Dwarf_Die *ret)
{
	if (!all_may_be_opened(m, d, die) ||
	    dwarf_cu_info(cu, NULL, NULL, NULL, ret, NULL, NULL, NULL) || !ret->addr)
		return false;
	use_nothing(&d->beside, dwarf_cu_getdwarf(ret->cu));
	return true;
}

void stk_beside_done(struct stk_beside *b)
{
	if (b->dw)
		dwarf_end(b->dw);
	if (b->nothing)
		dwarf_end(b->nothing);
	stk_image_free(b->inflated);
	stk_image_free(b->image);
	stk_image_free(b->empty);
}
