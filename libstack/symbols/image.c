#include "symbols/image.h"

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

struct stk_image *stk_image_open(const char *path)
{
	struct stat st;
	int fd = stk_foreign_open(path, STK_FOREIGN_ANY, &st, NULL);

	if (fd < 0)
		return NULL;
	elf_version(EV_CURRENT);
	return image_new(elf_begin(fd, ELF_C_READ_MMAP, NULL), fd, NULL, (size_t)st.st_size);
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

bool stk_memory_is_elf(const struct stk_target *t, uint64_t start)
{
	uint8_t magic[4];

	return !stk_mem_read(t, start, magic, 4, NULL) && !memcmp(magic, ELFMAG, SELFMAG);
}

/* The program headers of the image mapped at `start`; their number, 0 if they are not there. */
static unsigned memory_phdrs(const struct stk_target *t, uint64_t start, Elf64_Ehdr *eh,
			     Elf64_Phdr *ret, unsigned max)
{
	if (stk_mem_read(t, start, eh, sizeof(*eh), NULL) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_phentsize != sizeof(Elf64_Phdr))
		return 0;
	unsigned n = eh->e_phnum < max ? eh->e_phnum : max;
	if (eh->e_phoff > 65536 ||
	    stk_mem_read(t, start + eh->e_phoff, ret, n * sizeof(*ret), NULL))
		return 0;
	return n;
}

static bool phdr_bias(const Elf64_Phdr *p, uint64_t map_start, uint64_t file_off, uint64_t *ret)
{
	uint64_t first = p->p_offset & ~4095ULL;

	if (p->p_type != PT_LOAD || file_off < first || file_off >= p->p_offset + p->p_filesz)
		return false;
	*ret = map_start - file_off - (p->p_vaddr - p->p_offset);
	return true;
}

uint64_t stk_memory_end(const struct stk_target *t, uint64_t start)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph[64];
	unsigned n = memory_phdrs(t, start, &eh, ph, 64);
	uint64_t bias, end = 0;
	bool placed = false;

	/* PT_LOAD stand in the order of their addresses: the first holds the headers. */
	for (unsigned i = 0; i < n; i++) {
		placed = placed || phdr_bias(&ph[i], start, 0, &bias);
		if (placed && ph[i].p_type == PT_LOAD)
			end = bias + ph[i].p_vaddr + ph[i].p_memsz;
	}
	return end;
}

/* Find NT_GNU_BUILD_ID among the notes in `c`. */
static unsigned note_build_id(struct stk_cur c, uint8_t *ret)
{
	while (stk_cur_left(&c) >= 12) {
		uint32_t namesz = stk_cur_u32(&c), descsz = stk_cur_u32(&c), type = stk_cur_u32(&c);
		const uint8_t *name = stk_cur_bytes(&c, ((uint64_t)namesz + 3) & ~3ULL);
		const uint8_t *desc = stk_cur_bytes(&c, ((uint64_t)descsz + 3) & ~3ULL);
		if (c.bad)
			return 0;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(name, "GNU", 4) && descsz &&
		    descsz <= 64) {
			memcpy(ret, desc, descsz);
			return descsz;
		}
	}
	return 0;
}

unsigned stk_memory_build_id(const struct stk_target *t, uint64_t start, uint8_t *ret)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph[64];
	unsigned n = memory_phdrs(t, start, &eh, ph, 64), len = 0;
	uint64_t bias = 0;

	for (unsigned i = 0; i < n; i++)
		if (phdr_bias(&ph[i], start, 0, &bias))
			break;
	for (unsigned i = 0; i < n && !len; i++) {
		uint8_t buf[4096];
		if (ph[i].p_type != PT_NOTE || ph[i].p_filesz > sizeof(buf) ||
		    stk_mem_read(t, bias + ph[i].p_vaddr, buf, ph[i].p_filesz, NULL))
			continue;
		len = note_build_id(stk_cur_init(buf, ph[i].p_filesz), ret);
	}
	return len;
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
		unsigned len = c.bad ? 0 : note_build_id(c, ret);
		if (len)
			return len;
	}
	/* A debug file's program headers may not point into it: use its section. */
	GElf_Shdr sh;
	if (stk_image_section(im, ".note.gnu.build-id", &sh)) {
		struct stk_cur c = stk_cur_sub(&file, sh.sh_offset, sh.sh_size);
		return c.bad ? 0 : note_build_id(c, ret);
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

struct stk_image *stk_image_from_memory(const struct stk_target *t, uint64_t start)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph[64];
	unsigned n = memory_phdrs(t, start, &eh, ph, 64);
	uint64_t bias = 0, size = sizeof(eh);

	for (unsigned i = n; i-- > 0;) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		phdr_bias(&ph[i], start, 0, &bias);
		if (ph[i].p_offset + ph[i].p_filesz > size)
			size = ph[i].p_offset + ph[i].p_filesz;
	}
	uint8_t *mem = n && size < IMAGE_MAX ? stk_image_map(size) : NULL;
	if (!mem)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_offset > size || ph[i].p_filesz > size - ph[i].p_offset ||
		    (stk_mem_read(t, bias + ph[i].p_vaddr, mem + ph[i].p_offset, ph[i].p_filesz,
				  NULL) &&
		     !(ph[i].p_flags & PF_W))) {
			munmap(mem, size);
			return NULL;
		}
	}
	/* The section headers of a file are not loaded (those of the vdso are). */
	if (eh.e_shoff == 0 || eh.e_shoff + (uint64_t)eh.e_shnum * eh.e_shentsize > size) {
		eh.e_shoff = 0;
		eh.e_shnum = eh.e_shstrndx = 0;
	}
	memcpy(mem, &eh, sizeof(eh));
	return stk_image_from_map(mem, size);
}
