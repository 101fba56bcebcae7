/* CRASH context, all of it. */
#include "signal/images/file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "signal/images/images.h"
#include "signal/kernel/guard.h"
#include "signal/kernel/sys.h"

#define PHDRS_MAX    128
#define SECTIONS_MAX 4096
#define SECTIONS     32 /* headers read at once */
#define SYMBOLS_MAX  (1U << 20)
#define NOTES_MAX    1024 /* bytes of a segment of notes: a build-id stands among the first */

static bool fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

bool stk_file_read(const struct stk_file *f, uint64_t off, void *to, size_t len)
{
	if (!fits(off, len, f->n))
		return sys4(SYS_pread64, f->fd, to, len, off) == (long)len;
	memcpy(to, f->head + off, len);
	return true;
}

static bool read_header(const struct stk_file *f, Elf64_Ehdr *eh)
{
	return stk_file_read(f, 0, eh, sizeof(*eh)) && !memcmp(eh->e_ident, ELFMAG, SELFMAG) &&
	       eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_ident[EI_DATA] == ELFDATA2LSB;
}

/* gABI, note section; alignment as in images.c. */
static bool has_build_id(const uint8_t *notes, size_t len, uint64_t align, const struct stk_img *im)
{
	struct stk_cur c = stk_cur_init(notes, len);
	uint64_t pad = align == 8 ? 7 : 3;

	while (stk_cur_left(&c) >= sizeof(Elf64_Nhdr)) {
		uint32_t namesz = stk_cur_u32(&c), descsz = stk_cur_u32(&c), type = stk_cur_u32(&c);
		uint64_t before =
		    ((sizeof(Elf64_Nhdr) + (uint64_t)namesz + pad) & ~pad) - sizeof(Elf64_Nhdr);
		const uint8_t *name = stk_cur_bytes(&c, before);
		const uint8_t *desc = stk_cur_bytes(&c, descsz);
		if (!name || !desc)
			return false;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(name, "GNU", 4))
			return descsz == im->build_id_len && !memcmp(desc, im->build_id, descsz);
		stk_cur_skip(&c, ((descsz + pad) & ~pad) - descsz);
	}
	return false;
}

static bool same_build_id(const struct stk_file *f, const Elf64_Phdr *ph, const struct stk_img *im)
{
	uint8_t notes[NOTES_MAX];
	size_t len = ph->p_filesz < sizeof(notes) ? ph->p_filesz : sizeof(notes);

	return ph->p_type == PT_NOTE && stk_file_read(f, ph->p_offset, notes, len) &&
	       has_build_id(notes, len, ph->p_align, im);
}

/* The ELF header as it was mapped is that of the file: the section headers are at the same place.
 */
static bool same_header(const Elf64_Ehdr *eh, const Elf64_Phdr *first, const struct stk_img *im)
{
	Elf64_Ehdr mapped;

	return first->p_type == PT_LOAD && !first->p_offset &&
	       stk_guard_read(im->bias + first->p_vaddr, &mapped, sizeof(mapped)) &&
	       !memcmp(&mapped, eh, sizeof(mapped));
}

/* And so is a program header; `at` its address. */
static bool same_phdr(uint64_t at, const Elf64_Phdr *ph)
{
	Elf64_Phdr mapped;

	return stk_guard_read(at, &mapped, sizeof(mapped)) && !memcmp(&mapped, ph, sizeof(mapped));
}

/* Whether it is what the image was mapped from: by its build-id; without one, by all its headers.
 */
static bool is_same(const struct stk_file *f, const struct stk_img *im)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint64_t base = 0;
	bool found = false;

	if (!read_header(f, &eh) || eh.e_phentsize != sizeof(ph) || eh.e_phnum > PHDRS_MAX)
		return false;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (!stk_file_read(f, eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		if (im->build_id_len && same_build_id(f, &ph, im))
			return true;
		if (!found && same_header(&eh, &ph, im)) {
			found = true;
			base = im->bias + ph.p_vaddr;
		}
	}
	for (unsigned i = 0; found && i < eh.e_phnum; i++)
		found = stk_file_read(f, eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph)) &&
			same_phdr(base + eh.e_phoff + i * sizeof(ph), &ph);
	return found && !im->build_id_len;
}

void stk_file_close(struct stk_file *f)
{
	sys1(SYS_close, f->fd);
}

static bool open_path(struct stk_file *f, const char *path, const struct stk_img *im)
{
	struct stat st;

	/* What stands at the path now may be a FIFO, which would keep us here. */
	f->fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (f->fd < 0)
		return false;
	if (sys2(SYS_fstat, f->fd, &st) == 0 && S_ISREG(st.st_mode)) {
		f->size = (uint64_t)st.st_size;
		long n = sys4(SYS_pread64, f->fd, f->head, sizeof(f->head), 0);
		f->n = n > 0 ? (size_t)n : 0;
		if (is_same(f, im))
			return true;
	}
	stk_file_close(f);
	return false;
}

bool stk_file_open(struct stk_file *f, const struct stk_img *im)
{
	char path[1024];

	if (im->vdso)
		return false;
	/* The link leads to the file also where its path does not (any more). */
	return (im->main && open_path(f, "/proc/self/exe", im)) ||
	       (im->path && stk_guard_str(im->path, path, sizeof(path)) && path[0] &&
		open_path(f, path, im));
}

/* The first section of a type. */
static bool find_section(const struct stk_file *f, const Elf64_Ehdr *eh, uint32_t type,
			 Elf64_Shdr *ret)
{
	Elf64_Shdr sh[SECTIONS];

	for (unsigned i = 0, n; i < eh->e_shnum; i += n) {
		n = eh->e_shnum - i < SECTIONS ? eh->e_shnum - i : SECTIONS;
		if (!stk_file_read(f, eh->e_shoff + i * sizeof(*sh), sh, n * sizeof(*sh)))
			return false;
		for (unsigned j = 0; j < n; j++)
			if (sh[j].sh_type == type) {
				*ret = sh[j];
				return true;
			}
	}
	return false;
}

bool stk_file_syms(const struct stk_file *f, struct stk_syms *ret)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sym, str;
	uint64_t size = f->size;

	*ret = (struct stk_syms){0};
	if (!read_header(f, &eh) || !eh.e_shnum || eh.e_shentsize != sizeof(sym) ||
	    eh.e_shnum > SECTIONS_MAX || !fits(eh.e_shoff, eh.e_shnum * sizeof(sym), size) ||
	    !find_section(f, &eh, SHT_SYMTAB, &sym) || sym.sh_entsize != sizeof(Elf64_Sym) ||
	    sym.sh_link >= eh.e_shnum ||
	    !stk_file_read(f, eh.e_shoff + sym.sh_link * sizeof(str), &str, sizeof(str)) ||
	    str.sh_type != SHT_STRTAB || !fits(sym.sh_offset, sym.sh_size, size) ||
	    !fits(str.sh_offset, str.sh_size, size))
		return false;
	uint64_t n = sym.sh_size / sizeof(Elf64_Sym);
	*ret = (struct stk_syms){.sym = sym.sh_offset,
				 .str = str.sh_offset,
				 .strsz = str.sh_size,
				 .shdr = eh.e_shoff,
				 .n = n < SYMBOLS_MAX ? (uint32_t)n : SYMBOLS_MAX,
				 .shnum = eh.e_shnum};
	return ret->n > 0;
}
