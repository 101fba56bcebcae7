/* ELF images through libelf: of a file, or of the target's own memory. */
#ifndef STK_SYMBOLS_IMAGE_H
#define STK_SYMBOLS_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "symbols/headers.h"
#include "targets/target.h"

struct stk_image {
	Elf *elf;
	int fd;         /* -1: none is needed */
	struct stat st; /* of its file; all zero: from memory */
	uint8_t *map;   /* the memory image, or NULL */
	size_t size;
};

/* Open a file. NULL: errno says why; ENOEXEC: it is no ELF file. */
struct stk_image *stk_image_open(const char *path);

/* The same of an image that begins at `off` of a file, which is the beginning of a page. */
struct stk_image *stk_image_open_at(const char *path, uint64_t off);

/* true: the file can be read, and an ELF header stands at `off`. */
bool stk_file_is_elf(const char *path, uint64_t off);

/* Rebuild the file image of what `h` says from the target's memory. NULL unless its ELF header and
 * every read-only loadable segment are there in whole. */
struct stk_image *stk_image_from_memory(const struct stk_target *t, const struct stk_headers *h);

/* Its program headers, placed. false: they cannot be read, or a range wraps. */
bool stk_image_headers(const struct stk_image *im, uint64_t bias, struct stk_headers *ret);

/* true: it has debug information. */
bool stk_image_has_debug(const struct stk_image *im);

/* true: a separate debug file, whose code has no bytes (SHT_NOBITS). */
bool stk_image_names_only(const struct stk_image *im);

/* Zeroed memory for stk_image_from_map(); NULL when memory is exhausted. */
uint8_t *stk_image_map(size_t size);

/* An ELF image in memory; takes over the whole mapping. NULL: no ELF file; it is unmapped. */
struct stk_image *stk_image_from_map(uint8_t *map, size_t size);

void stk_image_free(struct stk_image *im);

/* The build-id note; its length, 0 if there is none. `ret` holds 64 bytes. */
unsigned stk_image_build_id(const struct stk_image *im, uint8_t *ret);

/* Load bias of an image, given one mapping of it; false: no loadable segment fits. */
bool stk_image_bias(const struct stk_image *im, uint64_t map_start, uint64_t file_off,
		    uint64_t *ret);

/* The ELF image inside .gnu_debugdata, with symbols only. NULL: none, or damaged. */
struct stk_image *stk_image_debugdata(const struct stk_image *im, struct stk_budget *b);

/* A section by name; NULL: none or no contents. */
Elf_Scn *stk_image_section(const struct stk_image *im, const char *name, GElf_Shdr *ret);

/* The bytes of a section of a file that libdw has opened, which has decompressed it
 * (dwarf_begin_elf). NULL: none. */
const Elf_Data *stk_dwarf_section(Elf *elf, const char *name);

/* The same of a module's debug information, which it opens. */
struct stk_module;
const Elf_Data *stk_module_dwarf_section(struct stk_module *m, const char *name);

#endif
