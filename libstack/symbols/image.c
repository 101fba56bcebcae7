#include "symbols/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cursor.h"
#include "targets/foreign.h"

#define IMAGE_MAX (1ULL << 30) /* a memory image above 1 GB is damage */

static struct stk_image *image_new(Elf *elf, int fd, uint8_t *map, size_t size)
{
	struct stk_image *im = elf && elf_kind(elf) == ELF_K_ELF ? malloc(sizeof(*im)) : NULL;

	if (!im) {
		if (elf)
			elf_end(elf);
		if (fd >= 0)
			close(fd);
		if (map)
			munmap(map, size);
		return NULL;
	}
	*im = (struct stk_image){.elf = elf, .fd = fd, .map = map, .size = size};
	return im;
}

static int open_regular(const char *path, struct stat *st)
{
	struct stk_err err;
	int fd = stk_foreign_open(path, STK_FOREIGN_ANY, st, &err);

	if (fd < 0)
		errno = err.code == STK_ESYS ? err.sys : ENOEXEC;
	return fd;
}

/* What libdw opens beside a file it finds by the file's descriptor: split units and dwz's. */
static bool has_files_beside(const struct stk_image *im)
{
	GElf_Shdr sh;

	return stk_image_section(im, ".gnu_debugaltlink", &sh) ||
	       stk_image_section(im, ".debug_addr", &sh);
}

struct stk_image *stk_image_open(const char *path)
{
	struct stat st;
	int fd = open_regular(path, &st);

	if (fd < 0)
		return NULL;
	elf_version(EV_CURRENT);
	struct stk_image *im =
	    image_new(elf_begin(fd, ELF_C_READ_MMAP, NULL), fd, NULL, (size_t)st.st_size);
	if (!im) {
		errno = ENOEXEC;
		return NULL;
	}
	im->st = st;
	/* A program may have thousands of modules: each costs a descriptor only while it must. */
	if (!has_files_beside(im) && !elf_cntl(im->elf, ELF_C_FDREAD)) {
		close(im->fd);
		im->fd = -1;
	}
	return im;
}

struct stk_image *stk_image_open_at(const char *path, uint64_t off)
{
	struct stat st;
	int fd = off ? open_regular(path, &st) : -1;

	if (!off)
		return stk_image_open(path);
	if (fd < 0)
		return NULL;
	size_t size = off < (uint64_t)st.st_size ? (size_t)st.st_size - off : 0;
	/* Private and writable: libelf may want to work in it. */
	void *map = size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)off)
			 : MAP_FAILED;
	close(fd);
	struct stk_image *im = map == MAP_FAILED ? NULL : stk_image_from_map(map, size);
	if (!im)
		errno = ENOEXEC;
	return im;
}

bool stk_file_is_elf(const char *path, uint64_t off)
{
	uint8_t magic[SELFMAG];
	struct stat st;
	int fd = open_regular(path, &st);

	if (fd < 0)
		return false;
	bool is = pread(fd, magic, sizeof(magic), (off_t)off) == sizeof(magic) &&
		  !memcmp(magic, ELFMAG, SELFMAG);
	close(fd);
	return is;
}

uint8_t *stk_image_map(size_t size)
{
	uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	/* It is filled at once: a few large faults instead of thousands. */
	madvise(map, size, MADV_HUGEPAGE);
	return map;
}

struct stk_image *stk_image_from_map(uint8_t *map, size_t size)
{
	elf_version(EV_CURRENT);
	return image_new(elf_memory((char *)map, size), -1, map, size);
}

void stk_image_free(struct stk_image *im)
{
	if (!im)
		return;
	elf_end(im->elf);
	if (im->fd >= 0)
		close(im->fd);
	if (im->map)
		munmap(im->map, im->size);
	free(im);
}

static bool phdr_bias(const Elf64_Phdr *p, uint64_t map_start, uint64_t file_off, uint64_t *ret)
{
	uint64_t first = p->p_offset & ~4095ULL;

	/* No end is computed: it might wrap. */
	if (p->p_type != PT_LOAD || file_off < first ||
	    (file_off > p->p_offset && file_off - p->p_offset >= p->p_filesz))
		return false;
	*ret = map_start - file_off - (p->p_vaddr - p->p_offset);
	return true;
}

unsigned stk_image_build_id(const struct stk_image *im, uint8_t *ret)
{
	size_t n = 0, size = 0;
	const char *raw = elf_rawfile(im->elf, &size);
	struct stk_cur file = stk_cur_init(raw, raw ? size : 0);

	if (elf_getphdrnum(im->elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		if (!gelf_getphdr(im->elf, (int)i, &ph) || ph.p_type != PT_NOTE)
			continue;
		struct stk_cur c = stk_cur_sub(&file, ph.p_offset, ph.p_filesz);
		unsigned len = c.bad ? 0 : stk_note_build_id(c.p, stk_cur_left(&c), ret);
		if (len)
			return len;
	}
	/* A debug file's program headers may not point into it: use its section. */
	GElf_Shdr sh;
	if (stk_image_section(im, ".note.gnu.build-id", &sh)) {
		struct stk_cur c = stk_cur_sub(&file, sh.sh_offset, sh.sh_size);
		return c.bad ? 0 : stk_note_build_id(c.p, stk_cur_left(&c), ret);
	}
	return 0;
}

bool stk_image_bias(const struct stk_image *im, uint64_t map_start, uint64_t file_off,
		    uint64_t *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(im->elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		if (gelf_getphdr(im->elf, (int)i, &ph) && phdr_bias(&ph, map_start, file_off, ret))
			return true;
	}
	return false;
}

Elf_Scn *stk_image_section(const struct stk_image *im, const char *name, GElf_Shdr *ret)
{
	size_t shstr;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(im->elf, &shstr))
		return NULL;
	while ((scn = elf_nextscn(im->elf, scn))) {
		const char *s;
		if (gelf_getshdr(scn, ret) && ret->sh_type != SHT_NOBITS &&
		    (s = elf_strptr(im->elf, shstr, ret->sh_name)) && !strcmp(s, name))
			return scn;
	}
	return NULL;
}

const Elf_Data *stk_dwarf_section(Elf *elf, const char *name)
{
	struct stk_image im = {.elf = elf};
	GElf_Shdr sh;
	Elf_Scn *scn = stk_image_section(&im, name, &sh);
	const Elf_Data *d = scn && !(sh.sh_flags & SHF_COMPRESSED) ? elf_getdata(scn, NULL) : NULL;

	return d && d->d_buf ? d : NULL;
}

static bool copy_segment(const struct stk_target *t, const struct stk_headers *h,
			 const Elf64_Phdr *p, uint8_t *mem, size_t size)
{
	if (p->p_type != PT_LOAD)
		return true;
	if (p->p_offset > size || p->p_filesz > size - p->p_offset)
		return false;
	return !stk_mem_read(t, h->bias + p->p_vaddr, mem + p->p_offset, p->p_filesz, NULL) ||
	       (p->p_flags & PF_W);
}

struct stk_image *stk_image_from_memory(const struct stk_target *t, const struct stk_headers *h)
{
	Elf64_Ehdr eh = h->eh;
	uint64_t size = sizeof(eh);

	for (unsigned i = 0; i < h->n; i++)
		if (h->v[i].p_type == PT_LOAD && h->v[i].p_offset + h->v[i].p_filesz > size)
			size = h->v[i].p_offset + h->v[i].p_filesz;
	uint8_t *mem = eh.e_phnum && size < IMAGE_MAX ? stk_image_map(size) : NULL;
	if (!mem)
		return NULL;
	for (unsigned i = 0; i < h->n; i++)
		if (!copy_segment(t, h, &h->v[i], mem, size)) {
			munmap(mem, size);
			return NULL;
		}
	/* The section headers of a file are not loaded (those of the vdso are). */
	if (eh.e_shoff == 0 || eh.e_shoff > size ||
	    (uint64_t)eh.e_shnum * eh.e_shentsize > size - eh.e_shoff) {
		eh.e_shoff = 0;
		eh.e_shnum = eh.e_shstrndx = 0;
	}
	memcpy(mem, &eh, sizeof(eh));
	return stk_image_from_map(mem, size);
}

bool stk_image_headers(const struct stk_image *im, uint64_t bias, struct stk_headers *ret)
{
	size_t n = 0;

	memset(&ret->eh, 0, sizeof(ret->eh));
	ret->bias = bias;
	ret->n = 0;
	if (elf_getphdrnum(im->elf, &n) || n > sizeof(ret->v) / sizeof(*ret->v))
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;
		if (!gelf_getphdr(im->elf, (int)i, &p))
			return false;
		ret->v[ret->n++] = p;
	}
	return stk_headers_span(ret);
}

bool stk_image_names_only(const struct stk_image *im)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	bool code = false, bytes = false;

	while ((scn = elf_nextscn(im->elf, scn)))
		if (gelf_getshdr(scn, &sh) && (sh.sh_flags & SHF_ALLOC) &&
		    (sh.sh_flags & SHF_EXECINSTR)) {
			code = true;
			bytes |= sh.sh_type != SHT_NOBITS;
		}
	return code && !bytes;
}

bool stk_image_has_debug(const struct stk_image *im)
{
	GElf_Shdr sh;

	return stk_image_section(im, ".debug_info", &sh) ||
	       stk_image_section(im, ".zdebug_info", &sh);
}
