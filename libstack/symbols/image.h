/* ELF images through libelf: of a file, or of the target's own memory. */
#ifndef STK_SYMBOLS_IMAGE_H
#define STK_SYMBOLS_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "targets/target.h"

struct stk_image {
	Elf *elf;
	int fd;       /* -1: from memory */
	uint8_t *map; /* the memory image, or NULL */
	size_t size;
};

/* Open a file. NULL: not there, or no ELF file of this class. */
struct stk_image *stk_image_open(const char *path);

/* Rebuild the file image of a module whose ELF header is mapped at `start`, from the target's
 * memory. NULL unless every read-only loadable segment is there in whole. */
struct stk_image *stk_image_from_memory(const struct stk_target *t, uint64_t start);

/* Zeroed memory for stk_image_from_map(); NULL when memory is exhausted. */
uint8_t *stk_image_map(size_t size);

/* An ELF image in memory; takes over the whole mapping. NULL: no ELF file; it is unmapped. */
struct stk_image *stk_image_from_map(uint8_t *map, size_t size);

void stk_image_free(struct stk_image *im);

/* The build-id note; its length, 0 if there is none. `ret` holds 64 bytes. */
unsigned stk_image_build_id(const struct stk_image *im, uint8_t *ret);

/* The build-id that the target's own page of an image mapped at `start` shows. As above. */
unsigned stk_memory_build_id(const struct stk_target *t, uint64_t start, uint8_t *ret);

/* true: an ELF header stands at `start` in the target. */
bool stk_memory_is_elf(const struct stk_target *t, uint64_t start);

/* Where the image mapped at `start` ends, by its program headers; 0: they cannot be read. */
uint64_t stk_memory_end(const struct stk_target *t, uint64_t start);

/* Load bias of an image, given one mapping of it; false: no loadable segment fits. */
bool stk_image_bias(const struct stk_image *im, uint64_t map_start, uint64_t file_off,
		    uint64_t *ret);

/* The ELF image inside .gnu_debugdata, with symbols only. NULL: none, or damaged. */
struct stk_image *stk_image_debugdata(const struct stk_image *im);

/* A section by name; NULL: none or no contents. */
Elf_Scn *stk_image_section(const struct stk_image *im, const char *name, GElf_Shdr *ret);

/* The bytes of a section of a file that libdw has opened, which has decompressed it
 * (dwarf_begin_elf). NULL: none. */
const Elf_Data *stk_dwarf_section(Elf *elf, const char *name);

/* The same of a module's debug information, which it opens. */
struct stk_module;
const Elf_Data *stk_module_dwarf_section(struct stk_module *m, const char *name);

#endif
