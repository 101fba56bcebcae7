/* What is mapped when the library is installed. NORMAL context, all of it. */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "images.h"

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
	/* A dynamic program that the kernel started has its loader beside it (ld.so(8), AT_BASE). */
	img.by_loader = img.main && img.dynamic && has_interpreter(info) && !getauxval(AT_BASE);
	if (img.main && !img.by_loader)
		complete_main(&img);
	img.vdso = vdso && img.start == vdso;
	if (!img.vdso)
		img.path = img.main ? getauxval(AT_EXECFN) : (uintptr_t)info->dlpi_name;
	else
		img.path = (uintptr_t) "[vdso]";
	stk_images_put(im, &img);
	return 0;
}

/* NORMAL context. */
void stk_images_collect(struct stk_images *im)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	struct stk_img img;

	im->n = im->dropped = 0;
	dl_iterate_phdr(add, im);
	if (vdso && !stk_image_of(im, vdso) && stk_image_read_elf(vdso, &img)) {
		img.vdso = true;
		img.path = (uintptr_t) "[vdso]";
		stk_images_put(im, &img);
	}
}
