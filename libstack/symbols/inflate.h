/* Debug files with their compressed sections inflated: all at once, on two threads. */
#ifndef STK_SYMBOLS_INFLATE_H
#define STK_SYMBOLS_INFLATE_H

#include "symbols/image.h"

/* Does so much come out of so little as no compiler writes? Symbols and debug information become
 * two to six times as large; a bomb becomes a thousand times. */
static inline bool stk_is_bomb(uint64_t in, uint64_t out)
{
	return out > (64ULL << 20) && out / 16 > in;
}

/* true: the compressed sections of debug information are a bomb, whoever inflates them. */
bool stk_inflates_too_much(const struct stk_image *im);

/*
 * A memory image of an ELF file with what DWARF look-ups need: zlib sections (gABI, SHF_COMPRESSED)
 * inflated, debug sections that are never read left out, other sections copied. NULL where there is
 * nothing to gain or this is not the right way (no compressed section, another compression, a
 * supplementary file, damage): libdw then reads the file itself.
 */
struct stk_image *stk_image_inflate(const struct stk_image *im);

#endif
