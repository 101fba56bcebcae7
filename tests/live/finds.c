/*
 * A program whose images are hard to find. It logs its calls and dies, or sleeps if FINDS_WAIT is
 * set.
 *
 * finds                      nothing special
 * finds moved text|all|writable
 *                            its code is moved to memory of no file, at the same place; from the
 *                            first page on; and may be written to,
 *                            in one with a page before it
 * finds within FILE OFFSET   the library that lies at OFFSET of FILE calls back
 * finds namespace LIBRARY    the library is in a namespace of its own, and calls back
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"

typedef int outer_fn(int (*back)(int), int a);

NOINLINE int step(int a, long b)
{
	LOG("step 0x%x, 0x%lx\n", a, b);
	if (getenv("FINDS_WAIT"))
		pause();
	raise(SIGSEGV);
	return a + (int)b;
}

NOINLINE int walk(int a)
{
	LOG("walk 0x%x\n", a);
	return step(a + 1, 9) + 1;
}

static int first_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(struct dl_phdr_info *)arg = *info;
	return 1; /* the program comes first */
}

static void move(int whole, int writable)
{
	struct dl_phdr_info info;
	uintptr_t from = 0, to = 0;

	dl_iterate_phdr(first_image, &info);
	for (int i = 0; i < info.dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info.dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !((p->p_flags & PF_X) || (whole && !to && !from)))
			continue;
		if (!from)
			from = (info.dlpi_addr + p->p_vaddr) & ~4095UL;
		if (p->p_flags & PF_X)
			to = (info.dlpi_addr + p->p_vaddr + p->p_memsz + 4095) & ~4095UL;
	}
	size_t before = writable ? 4096 : 0, len = to - from + before;
	char *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(copy + before, (void *)from, to - from);
	mprotect(copy, len, PROT_READ | PROT_EXEC | (writable ? PROT_WRITE : 0));
	if (mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(from - before)) ==
	    MAP_FAILED)
		exit(3);
}

/* An own loader, for a library that needs no relocation. */
static outer_fn *load_within(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY);
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph[16];

	if (pread(fd, &eh, sizeof(eh), at) != sizeof(eh) || eh.e_phnum > 16 ||
	    pread(fd, ph, eh.e_phnum * sizeof(*ph), at + (off_t)eh.e_phoff) < 0)
		exit(4);
	char *base = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < eh.e_phnum; i++) {
		ElfW(Phdr) *p = &ph[i];
		uintptr_t low = p->p_vaddr & ~4095UL;
		int prot = (p->p_flags & PF_R ? PROT_READ : 0) |
			   (p->p_flags & PF_W ? PROT_WRITE : 0) |
			   (p->p_flags & PF_X ? PROT_EXEC : 0);
		if (p->p_type == PT_LOAD &&
		    mmap(base + low, p->p_vaddr + p->p_filesz - low, prot, MAP_PRIVATE | MAP_FIXED,
			 fd, at + (off_t)(p->p_offset & ~4095UL)) == MAP_FAILED)
			exit(5);
	}
	close(fd);
	return (outer_fn *)(base + eh.e_entry); /* the library is linked with -e outer */
}

int main(int argc, char **argv)
{
	outer_fn *fn = NULL;

	fixture_start(120);
	LOG("main 0x%x, 0x%lx\n", argc, ADDR(argv));
	if (argc > 2 && !strcmp(argv[1], "moved"))
		move(strcmp(argv[2], "text") != 0, !strcmp(argv[2], "writable"));
	if (argc > 3 && !strcmp(argv[1], "within"))
		fn = load_within(argv[2], strtol(argv[3], NULL, 0));
	if (argc > 2 && !strcmp(argv[1], "namespace")) {
		void *h = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
		fn = h ? (outer_fn *)dlsym(h, "outer") : NULL;
	}
	if (fn)
		return fn(walk, 2) + 1;
	return walk(4) + 1;
}
