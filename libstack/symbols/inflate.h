/* Debug files with their compressed sections inflated: all at once, on two threads. */
#ifndef STK_SYMBOLS_INFLATE_H
#define STK_SYMBOLS_INFLATE_H

#include "symbols/image.h"

/*
 * A memory image of an ELF file with what DWARF look-ups need: zlib sections (gABI, SHF_COMPRESSED)
 * inflated, debug sections that are never read left out, other sections copied. NULL where there is
 * nothing to gain or this is not the right way (no compressed section, another compression, a
 * supplementary file, damage): libdw then reads the file itself.
 */
struct stk_image *stk_image_inflate(const struct stk_image *im);

#endif
