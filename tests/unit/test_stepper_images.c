/* The table of images against the loader's, the files' build-ids, and dladdr(3). */
#include "stepping.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>

/* A library of libc6 that nothing links. */
#define OTHER "libBrokenLocale.so.1"

static char path[4096];

static const struct stk_img *by_path(const char *end)
{
	size_t n = strlen(end);

	for (unsigned i = 0; i < images.n; i++) {
		size_t len = strlen(stk_image_path(&images.v[i], path, sizeof(path)));
		if (len >= n && !strcmp(path + len - n, end))
			return &images.v[i];
	}
	return NULL;
}

static int same_build_id(const struct stk_img *img)
{
	const void *id = NULL;
	int fd = open(stk_image_path(img, path, sizeof(path)), O_RDONLY);

	assert_true(fd >= 0);
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
	if (n < 0)
		n = 0;
	assert_int_equal(img->build_id_len, n);
	if (n)
		assert_memory_equal(img->build_id, id, (size_t)n);
	elf_end(elf);
	close(fd);
	return n > 0;
}

static int in_table(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct stk_img *img = NULL;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type != PT_LOAD)
			continue;
		img = stk_image_of(&images, at);
		assert_non_null(img);
		assert_ptr_equal(stk_image_of(&images, at + ph->p_memsz - 1), img);
		assert_int_equal(img->bias, info->dlpi_addr);
		if (ph->p_flags & PF_X)
			assert_int_equal(img->text_start, at);
	}
	++*(unsigned *)arg;
	return 0;
}

static void check_table(void)
{
	unsigned n = 0;

	dl_iterate_phdr(in_table, &n);
	assert_int_equal(images.n, n);
	assert_int_equal(images.dropped, 0);
	for (unsigned i = 1; i < images.n; i++)
		assert_true(images.v[i - 1].end <= images.v[i].start);
}

static void collected(void **state)
{
	unsigned ids = 0, mains = 0, vdsos = 0;

	begin(state);
	check_table();
	for (unsigned i = 0; i < images.n; i++) {
		mains += images.v[i].main;
		vdsos += images.v[i].vdso;
		if (!images.v[i].vdso)
			ids += (unsigned)same_build_id(&images.v[i]);
	}
	assert_int_equal(mains, 1);
	assert_int_equal(vdsos, getauxval(AT_SYSINFO_EHDR) != 0);
	assert_true(ids >= 2);
	assert_true(stk_image_of(&images, (uintptr_t)in_table)->main);
	if (vdsos)
		assert_int_equal(by_path("[vdso]")->start, getauxval(AT_SYSINFO_EHDR));
	assert_null(stk_image_of(&images, 0));
	assert_null(stk_image_of(&images, UINT64_MAX));
	assert_null(stk_image_of(&images, (uintptr_t)&ids));
}

static void main_path(void **state)
{
	char link[4096];
	struct stk_img img;

	begin(state);
	ssize_t n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = 0;
	img = *stk_image_of(&images, (uintptr_t)in_table);
	assert_string_equal(stk_image_path(&img, path, sizeof(path)), link);
	assert_string_equal(stk_image_path(&img, path, 5), (link[4] = 0, link));
	/* Unmapped since. */
	img.main = false;
	img.path = 1;
	assert_string_equal(stk_image_path(&img, path, sizeof(path)), "");
}

static void refreshed(void **state)
{
	begin(state);
	assert_null(by_path(OTHER));
	unsigned n = images.n;
	void *h = dlopen(OTHER, RTLD_NOW);
	if (!h)
		skip();
	stk_images_refresh(&images);
	assert_int_equal(images.n, n + 1);
	const struct stk_img *img = by_path(OTHER);
	assert_non_null(img);
	assert_true(same_build_id(img));
	check_table();
	dlclose(h);
	stk_images_refresh(&images);
	assert_int_equal(images.n, n);
	assert_null(by_path(OTHER));
	check_table();
}

/* dl_iterate_phdr shows the caller's namespace only. */
static void other_namespace(void **state)
{
	begin(state);
	unsigned n = images.n;
	void *h = dlmopen(LM_ID_NEWLM, OTHER, RTLD_NOW);
	if (!h)
		skip();
	stk_images_refresh(&images);
	assert_int_equal(images.dropped, 0);
	assert_true(images.n >= n + 2); /* it has a libc of its own */
	assert_non_null(by_path(OTHER));
	dlclose(h);
	stk_images_refresh(&images);
	assert_int_equal(images.n, n);
}

static void put(void **state)
{
	static struct stk_images t;
	struct stk_img img = {.start = 0x1000, .end = 0x2000};

	(void)state;
	for (unsigned i = 0; i < STK_IMAGES_MAX + 3; i++) {
		/* From both ends inwards. */
		img.start = 0x10000UL * (1 + (i % 2 ? 4096 - i : i));
		img.end = img.start + 0x1000;
		stk_images_put(&t, &img);
	}
	assert_int_equal(t.n, STK_IMAGES_MAX);
	assert_int_equal(t.dropped, 3);
	for (unsigned i = 1; i < t.n; i++)
		assert_true(t.v[i - 1].end <= t.v[i].start);
	/* One in the place of three. */
	img.start = 0x10800;
	img.end = 0x50800;
	stk_images_put(&t, &img);
	assert_int_equal(t.v[0].start, 0x10800);
	assert_int_equal(t.n, STK_IMAGES_MAX - 2);
	assert_int_equal(t.v[1].start, 0x70000);
}

/* Every function that dladdr finds, at its first byte and inside; nothing where it finds none. */
static void symbols(void **state)
{
	const struct stk_img *img;
	unsigned found = 0, none = 0;

	begin(state);
	img = stk_image_of(&images, (uintptr_t)getauxval);
	for (uint64_t at = img->text_start; at < img->text_end; at += 499) {
		Dl_info info;
		char name[256];
		uint64_t off;
		assert_int_not_equal(dladdr((void *)(uintptr_t)at, &info), 0);
		bool has = stk_image_symbol(img, at, name, sizeof(name), &off);
		assert_int_equal(has, info.dli_sname != NULL);
		if (has) {
			assert_int_equal(at - off, (uintptr_t)info.dli_saddr);
		}
		*(has ? &found : &none) += 1;
	}
	print_message("%u in a symbol, %u in none\n", found, none);
	assert_true(found > 500 && none > 100);
}

static void names(void **state)
{
	char name[64], small[4];
	uint64_t off, at = (uintptr_t)l64a;
	const struct stk_img *img;

	begin(state);
	img = stk_image_of(&images, at);
	assert_true(stk_image_symbol(img, at + 3, name, sizeof(name), &off));
	assert_string_equal(name, "l64a");
	assert_int_equal(off, 3);
	assert_true(stk_image_symbol(img, at, small, sizeof(small), &off));
	assert_string_equal(small, "l64");
	/* Only a GNU hash table. */
	at = (uintptr_t)elf_begin;
	assert_true(stk_image_symbol(stk_image_of(&images, at), at + 1, name, sizeof(name), &off));
	assert_string_equal(name, "elf_begin");
	assert_int_equal(off, 1);
	/* One that the loader did not relocate. */
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	at = vdso ? (uintptr_t)dlsym(vdso, "__vdso_getcpu") : 0;
	if (at) {
		img = stk_image_of(&images, at);
		assert_true(stk_image_symbol(img, at, name, sizeof(name), &off));
		assert_true(!strcmp(name, "__vdso_getcpu") || !strcmp(name, "getcpu"));
		assert_int_equal(off, 0);
	}
	/* Damaged tables. */
	struct stk_img bad = *stk_image_of(&images, (uintptr_t)l64a);
	bad.dynamic = 8;
	assert_false(stk_image_symbol(&bad, (uintptr_t)l64a, name, sizeof(name), &off));
	bad.dynamic = bad.start;
	assert_false(stk_image_symbol(&bad, (uintptr_t)l64a, name, sizeof(name), &off));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(collected), cmocka_unit_test(main_path),
	    cmocka_unit_test(refreshed), cmocka_unit_test(other_namespace),
	    cmocka_unit_test(put),       cmocka_unit_test(symbols),
	    cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
