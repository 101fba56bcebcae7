/* The file of an image, for the symbols that are not mapped with it. CRASH context. */
#ifndef SIGNAL_IMAGES_FILE_H
#define SIGNAL_IMAGES_FILE_H

#include "signal/images/images.h"

struct stk_file {
	long fd;
	uint64_t size;
	size_t n; /* bytes of its beginning: most headers are there */
	uint8_t head[2048];
};

/* Open the file that the image was mapped from. false: there is none, or it is another by now. */
bool stk_file_open(struct stk_file *f, const struct stk_img *im);

void stk_file_close(struct stk_file *f);

/* Where .symtab is in it, within the file's bounds. false: it has none. */
bool stk_file_syms(const struct stk_file *f, struct stk_syms *ret);

/* Read all of `len` bytes. */
bool stk_file_read(const struct stk_file *f, uint64_t off, void *to, size_t len);

#endif
