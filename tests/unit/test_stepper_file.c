/* Names from .symtab: as it was kept, from the file, from damaged files and from others. */
#include "stepping.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "signal/images/file.h"

static char path[64], name[256];
static uint8_t *file; /* a copy of this program */
static size_t size;

NOINLINE static int a_static_function(int a)
{
	__asm__ volatile("");
	return a + 1;
}

static struct stk_img own(void)
{
	return *stk_image_of(&images, (uintptr_t)a_static_function);
}

static bool is_named(const struct stk_img *img)
{
	uint64_t off = 99, at = (uintptr_t)a_static_function;

	memset(name, 'x', sizeof(name));
	return stk_image_symbol(img, at + 1, name, sizeof(name), &off) && off == 1 &&
	       !strcmp(name, "a_static_function");
}

static void write_file(const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static int prepare(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;

	(void)state;
	begin(state);
	snprintf(path, sizeof(path), "/tmp/libstack-unit-%d", (int)getpid());
	if (fd < 0 || fstat(fd, &st))
		return -1;
	size = (size_t)st.st_size;
	file = malloc(size);
	return read(fd, file, size) == (ssize_t)size ? close(fd) : -1;
}

static int clean_up(void **state)
{
	(void)state;
	unlink(path);
	free(file);
	return 0;
}

/* The image as one that was not kept, of the file at `path`. */
static struct stk_img by_path(void)
{
	struct stk_img img = own();

	img.main = false;
	img.path = (uintptr_t)path;
	img.kept.n = 0;
	return img;
}

static void kept_and_opened(void **state)
{
	begin(state);
	struct stk_img img = own();

	assert_true(img.kept.n > 0);
	stk_images_symbols(STK_SYMBOLS_MAPPED);
	assert_false(is_named(&img));
	stk_images_symbols(STK_SYMBOLS_KEPT);
	assert_true(is_named(&img));
	img.kept.n = 0;
	assert_false(is_named(&img));
	stk_images_symbols(STK_SYMBOLS_FILE);
	assert_true(is_named(&img));
	write_file(file, size);
	img = by_path();
	assert_true(is_named(&img));
}

/* A refresh reads libraries anew; what was kept of them stays, and so it does a second time. */
static void kept_of_the_program(void **state)
{
	begin(state);
	stk_images_refresh(&images);
	stk_images_symbols(STK_SYMBOLS_KEPT);
	struct stk_img img = own();
	assert_true(is_named(&img));
	stk_images_collect(&images);
	img = own();
	assert_true(is_named(&img));
	stk_images_symbols(STK_SYMBOLS_FILE);
}

/* Each function of the table has its name, or that of another at the same address. */
static void every_function(void **state)
{
	begin(state);
	struct stk_img img = own();
	const Elf64_Sym *sym = (void *)(uintptr_t)img.kept.sym;
	unsigned checked = 0;

	for (uint32_t i = 1; i < img.kept.n; i++) {
		const Elf64_Sym *s = &sym[i];
		uint64_t off = 99;
		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || !s->st_size || !s->st_shndx)
			continue;
		assert_true(stk_image_symbol(&img, img.bias + s->st_value + s->st_size - 1, name,
					     sizeof(name), &off));
		assert_true(off <= s->st_size - 1);
		if (off == s->st_size - 1)
			checked++;
	}
	assert_true(checked > 20);
}

/* What has no size ends with its section: a stub of the PLT is not in _init. */
static void between_sections(void **state)
{
	begin(state);
	struct stk_img img = own();
	const Elf64_Ehdr *eh = (void *)file;
	const Elf64_Shdr *sh = (void *)(file + eh->e_shoff);
	uint64_t off;

	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (!strcmp((char *)file + sh[eh->e_shstrndx].sh_offset + sh[i].sh_name, ".plt"))
			assert_false(stk_image_symbol(&img, img.bias + sh[i].sh_addr + 1, name,
						      sizeof(name), &off));
}

static void of_another_file(void **state)
{
	begin(state);
	struct stk_img img = by_path();
	uint8_t *copy = malloc(size);

	write_file(file, size);
	assert_true(is_named(&img));
	/* Another build; then one without a build-id, by its headers alone. */
	img.build_id[3] ^= 1;
	assert_false(is_named(&img));
	img.build_id_len = 0;
	assert_true(is_named(&img));
	memcpy(copy, file, size);
	((Elf64_Ehdr *)copy)->e_shoff -= 64;
	write_file(copy, size);
	assert_false(is_named(&img));
	memcpy(copy, file, size);
	((Elf64_Phdr *)(copy + ((Elf64_Ehdr *)copy)->e_phoff))[3].p_filesz++;
	write_file(copy, size);
	assert_false(is_named(&img));
	free(copy);
	/* Nobody writes to it: it is not waited for. */
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(20);
	assert_false(is_named(&img));
	alarm(0);
	unlink(path);
	assert_false(is_named(&img));
}

/* The file says it is the same, and its section headers lie. */
static void damaged(void **state)
{
	begin(state);
	static const uint64_t values[] = {0, 1, 8, 0x7fffffff, 1ULL << 40, ~0ULL - 64, ~0ULL};
	struct stk_img img = by_path();
	uint8_t *copy = malloc(size);
	Elf64_Ehdr *eh = (void *)copy;
	unsigned symtab = 0, strtab;

	memcpy(copy, file, size);
	uint64_t shoff = eh->e_shoff;
	Elf64_Shdr *sh = (void *)(copy + shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_SYMTAB)
			symtab = i;
	assert_true(symtab > 0);
	strtab = sh[symtab].sh_link;
	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		uint64_t v = values[i];
		Elf64_Xword *const fields[] = {&eh->e_shoff,          &sh[symtab].sh_offset,
					       &sh[symtab].sh_size,   &sh[symtab].sh_entsize,
					       &sh[strtab].sh_offset, &sh[strtab].sh_size};
		for (unsigned f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
			uint64_t was = *fields[f];
			*fields[f] = v;
			write_file(copy, size);
			assert_false(is_named(&img));
			*fields[f] = was;
		}
		sh[symtab].sh_link = (uint32_t)v;
		write_file(copy, size);
		assert_false(is_named(&img));
		sh[symtab].sh_link = strtab;
		eh->e_shnum = (uint16_t)v;
		write_file(copy, size);
		is_named(&img);
		eh->e_shnum = ((Elf64_Ehdr *)file)->e_shnum;
	}
	/* Cut at any place. */
	for (size_t len = 0; len < size; len += size / 50) {
		write_file(file, len);
		assert_false(is_named(&img));
	}
	write_file(copy, size);
	assert_true(is_named(&img));
	free(copy);
}

/* The mapped file is cut: a page that is gone is a fault, which the guarded read takes. */
static void cut_while_mapped(void **state)
{
	begin(state);
	struct stk_img img = own(), cut = img;
	struct stk_file f;

	write_file(file, size);
	img = by_path();
	assert_true(stk_file_open(&f, &img));
	assert_true(stk_file_syms(&f, &cut.kept));
	uint8_t *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, (int)f.fd, 0);
	assert_true(at != MAP_FAILED);
	stk_file_close(&f);
	cut.kept.sym += (uintptr_t)at;
	cut.kept.str += (uintptr_t)at;
	cut.kept.shdr += (uintptr_t)at;
	assert_true(is_named(&cut));
	assert_int_equal(truncate(path, 0), 0);
	assert_false(is_named(&cut));
	munmap(at, size);
	assert_false(is_named(&cut));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kept_and_opened),  cmocka_unit_test(kept_of_the_program),
	    cmocka_unit_test(every_function),   cmocka_unit_test(between_sections),
	    cmocka_unit_test(of_another_file),  cmocka_unit_test(damaged),
	    cmocka_unit_test(cut_while_mapped),
	};

	return a_static_function(-1) + cmocka_run_group_tests(tests, prepare, clean_up);
}
