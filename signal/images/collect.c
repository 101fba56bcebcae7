/* What is mapped when the library is installed. NORMAL context, all of it. */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "signal/images/file.h"
#include "signal/images/images.h"

#define SECTIONS_MAX 256

static bool read_at(int fd, uint64_t off, void *to, size_t len)
{
	return pread(fd, to, len, (off_t)off) == (ssize_t)len;
}

/* NORMAL context. gcc links a static program without .eh_frame_hdr, and sections are not mapped. */
static void find_eh_frame(int fd, struct stk_img *img)
{
	static const char wanted[] = ".eh_frame";
	char name[sizeof(wanted)];
	ElfW(Ehdr) eh;
	ElfW(Shdr) sh, names;

	if (!read_at(fd, 0, &eh, sizeof(eh)) || eh.e_shentsize != sizeof(sh) ||
	    !read_at(fd, eh.e_shoff + (uint64_t)eh.e_shstrndx * sizeof(sh), &names, sizeof(names)))
		return;
	for (unsigned i = 0; i < eh.e_shnum && i < SECTIONS_MAX; i++) {
		if (!read_at(fd, eh.e_shoff + i * sizeof(sh), &sh, sizeof(sh)))
			return;
		uint64_t at = img->bias + sh.sh_addr;
		if (!(sh.sh_flags & SHF_ALLOC) || at < img->start || at >= img->end ||
		    !read_at(fd, names.sh_offset + sh.sh_name, name, sizeof(name)) ||
		    memcmp(name, wanted, sizeof(wanted)) != 0)
			continue;
		img->eh_frame = at;
		img->eh_frame_len = sh.sh_size;
	}
}

/* NORMAL context. */
static void complete_main(struct stk_img *img)
{
	int fd = img->eh_hdr ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	find_eh_frame(fd, img);
	close(fd);
}

/* The symbol tables that are kept: of the program and of the libraries that came with it. Those of
 * the system have none in their files. */
#define KEPT_MAX       6
#define KEPT_BYTES_MAX (8UL << 20)

static struct {
	void *at;
	size_t len;
} kept[KEPT_MAX];
static unsigned nkept, tried;

/* NORMAL context. */
static void forget_kept(void)
{
	tried = 0;
	while (nkept) {
		nkept--;
		munmap(kept[nkept].at, kept[nkept].len);
	}
}

/* NORMAL context. One mapping for tables, names and section headers: linkers put them side by side
 * at the end of the file. */
static void map_syms(int fd, const struct stk_syms *file, struct stk_img *img)
{
	uint64_t page = getauxval(AT_PAGESZ), from = file->sym, to = file->sym;
	const uint64_t begins[] = {file->sym, file->str, file->shdr};
	const uint64_t ends[] = {file->sym + file->n * sizeof(ElfW(Sym)), file->str + file->strsz,
				 file->shdr + file->shnum * sizeof(ElfW(Shdr))};

	for (unsigned i = 0; i < 3; i++) {
		from = begins[i] < from ? begins[i] : from;
		to = ends[i] > to ? ends[i] : to;
	}
	from &= -page;
	if (to - from > KEPT_BYTES_MAX)
		return;
	void *at = mmap(NULL, to - from, PROT_READ, MAP_PRIVATE, fd, (off_t)from);
	if (at == MAP_FAILED)
		return;
	kept[nkept].at = at;
	kept[nkept++].len = to - from;
	img->kept = *file;
	img->kept.sym += (uintptr_t)at - from;
	img->kept.str += (uintptr_t)at - from;
	img->kept.shdr += (uintptr_t)at - from;
}

/* NORMAL context. */
static bool of_system(const char *path)
{
	return !strncmp(path, "/lib", 4) || !strncmp(path, "/usr/lib", 8);
}

/* NORMAL context. A filter, a new root or a limit of descriptors may stand before the file by the
 * time of a crash. What is loaded later and has no build-id could be taken for this. */
static void keep_syms(struct stk_img *img)
{
	uint64_t here = (uintptr_t)keep_syms;
	struct stk_file file;
	struct stk_syms at;

	if (tried == KEPT_MAX ||
	    (!img->main && (here - img->start < img->end - img->start || !img->build_id_len ||
			    !img->path || of_system((const char *)(uintptr_t)img->path))))
		return;
	tried++;
	if (!stk_file_open(&file, img))
		return;
	if (stk_file_syms(&file, &at))
		map_syms((int)file.fd, &at, img);
	stk_file_close(&file);
}

/* NORMAL context. */
static bool has_interpreter(const struct dl_phdr_info *info)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			return true;
	return false;
}

/* NORMAL context. */
static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct stk_images *im = arg;
	struct stk_img img;
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);

	(void)size;
	if (!stk_image_read((uintptr_t)info->dlpi_phdr, info->dlpi_phnum, info->dlpi_addr, &img))
		return 0;
	img.main = !im->n && !im->dropped; /* dl_iterate_phdr(3): the first */
	/* A dynamic program that the kernel started has its loader beside it (ld.so(8), AT_BASE).
	 */
	img.by_loader = img.main && img.dynamic && has_interpreter(info) && !getauxval(AT_BASE);
	if (img.main && !img.by_loader)
		complete_main(&img);
	img.vdso = vdso && img.start == vdso;
	if (!img.vdso)
		img.path = img.main ? getauxval(AT_EXECFN) : (uintptr_t)info->dlpi_name;
	else
		img.path = (uintptr_t) "[vdso]";
	if (!img.vdso)
		keep_syms(&img);
	stk_images_put(im, &img);
	return 0;
}

/* NORMAL context. */
void stk_images_collect(struct stk_images *im)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	struct stk_img img;

	im->n = im->dropped = 0;
	forget_kept();
	dl_iterate_phdr(add, im);
	if (vdso && !stk_image_of(im, vdso) && stk_image_read_elf(vdso, &img)) {
		img.vdso = true;
		img.path = (uintptr_t) "[vdso]";
		stk_images_put(im, &img);
	}
}
