#include <link.h>
#include <sys/auxv.h>

#include "images.h"

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
