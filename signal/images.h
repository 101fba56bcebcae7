/*
 * The ELF images mapped in this process, as a fixed table: filled in NORMAL context, completed in
 * CRASH context from the loader's link map through guarded reads (what dlopen brought meanwhile).
 */
#ifndef SIGNAL_IMAGES_H
#define SIGNAL_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STK_IMAGES_MAX 512

struct stk_img {
	uint64_t start, end; /* of its loadable segments, page-rounded */
	uint64_t bias;       /* address − p_vaddr */
	uint64_t eh_hdr;     /* .eh_frame_hdr in memory (PT_GNU_EH_FRAME); 0: none */
	uint64_t eh_hdr_len;
	uint64_t dynamic; /* PT_DYNAMIC in memory; 0: none */
	uint64_t path;    /* address of a NUL-terminated path; 0: the main program */
	uint8_t build_id[32];
	uint8_t build_id_len; /* 0: none */
	bool main;
};

struct stk_images {
	struct stk_img v[STK_IMAGES_MAX]; /* sorted by start */
	unsigned n;
	unsigned dropped; /* images beyond the table */
};

/* NORMAL context: collect what is mapped now (dl_iterate_phdr). */
void stk_images_collect(struct stk_images *im);

/* CRASH context: add what the loader's link map lists and the table does not have. */
void stk_images_refresh(struct stk_images *im);

/* CRASH context: the image that maps `addr`, or NULL. */
const struct stk_img *stk_image_of(const struct stk_images *im, uint64_t addr);

/* CRASH context: the path ("/proc/self/exe" read by readlink for the main program), into `buf`. */
const char *stk_image_path(const struct stk_img *im, char *buf, size_t cap);

/*
 * CRASH context: the function symbol of .dynsym that holds `addr` (else, where no sized one does,
 * the nearest below in the image). Its raw name goes into `buf`; `ret_off` is addr − its start.
 * false: none. Reads are guarded; a damaged table ends the search, bounded in time.
 */
bool stk_image_symbol(const struct stk_img *im, uint64_t addr, char *buf, size_t cap,
		      uint64_t *ret_off);

#endif
