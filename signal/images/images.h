/*
 * The ELF images mapped in this process, as a fixed table: filled in NORMAL context, brought up to
 * date in CRASH context from the loader's link maps through guarded reads.
 */
#ifndef SIGNAL_IMAGES_H
#define SIGNAL_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STK_IMAGES_MAX 512

/* Where the symbols of a file are: offsets in it, or addresses where it is mapped. n is 0: none. */
struct stk_syms {
	uint64_t sym, str, strsz;
	uint64_t shdr; /* section headers: they bound what has no size */
	uint32_t n, shnum;
};

struct stk_img {
	uint64_t start, end;           /* of its loadable segments, page-rounded */
	uint64_t text_start, text_end; /* of the executable ones among them */
	uint64_t bias;                 /* address − p_vaddr */
	uint64_t eh_hdr;               /* .eh_frame_hdr in memory (PT_GNU_EH_FRAME); 0: none */
	uint64_t eh_hdr_len;
	uint64_t eh_frame; /* where there is no .eh_frame_hdr (gcc -static): .eh_frame by the file's
			      section headers; 0: not known */
	uint64_t eh_frame_len;
	uint64_t dynamic; /* PT_DYNAMIC in memory; 0: none */
	uint64_t path; /* address of a NUL-terminated path, perhaps unmapped since; 0: none. Of the
			  main program: as it was given to execve */
	uint8_t build_id[32];
	uint8_t build_id_len; /* 0: none */
	struct stk_syms kept; /* .symtab, mapped when the library was installed */
	bool main;
	bool by_loader; /* `ld.so ./program`: to the kernel the loader is the program */
	bool vdso;
	bool seen; /* by the refresh in progress */
};

struct stk_images {
	unsigned n;
	unsigned
	    dropped; /* images that the table has no room for, or whose headers are not readable */
	struct stk_img v[STK_IMAGES_MAX]; /* sorted by start, disjoint */
};

/* NORMAL context: collect what is mapped now (dl_iterate_phdr). */
void stk_images_collect(struct stk_images *im);

/* CRASH context: make the table what the loader's link maps list, every namespace of them. What
 * they do not list any more is removed, if they could be read to their end. */
void stk_images_refresh(struct stk_images *im);

/* CRASH context: the image that maps `addr`, or NULL. */
const struct stk_img *stk_image_of(const struct stk_images *im, uint64_t addr);

/* CRASH context: the path into `buf`: the main program's by readlink of /proc/self/exe where that
 * is there, "[vdso]", else what the loader opened; "" if it is not readable any more. Returns
 * `buf`. */
const char *stk_image_path(const struct stk_img *im, char *buf, size_t cap);

/* Where .symtab may be looked for, which programs do not map and has the static functions, too. */
enum stk_symbols_of {
	STK_SYMBOLS_MAPPED, /* nowhere: .dynsym alone */
	STK_SYMBOLS_KEPT,   /* where it was mapped when the library was installed */
	STK_SYMBOLS_FILE,   /* else in the file, if that is still what the image was mapped from */
};

/* CRASH context: from now on. At first in the file. */
void stk_images_symbols(enum stk_symbols_of where);

/*
 * CRASH context: the function symbol of .symtab or .dynsym that holds `addr`, else the nearest
 * unsized one below it if no other function lies between. Its raw name goes into `buf`; `ret_off`
 * is addr − its start. false: none. Reads are guarded; a damaged table ends the search, bounded in
 * time.
 */
bool stk_image_symbol(const struct stk_img *im, uint64_t addr, char *buf, size_t cap,
		      uint64_t *ret_off);

/* CRASH context: read an image from its `n` program headers at `phdr`. false: there is nothing. */
bool stk_image_read(uint64_t phdr, unsigned n, uint64_t bias, struct stk_img *ret);

/* CRASH context: the same from its ELF header at `ehdr`, which its first segment maps. */
bool stk_image_read_elf(uint64_t ehdr, struct stk_img *ret);

/* CRASH context: put an image into the table, in the place of those that it overlaps. */
void stk_images_put(struct stk_images *im, const struct stk_img *img);

#endif
