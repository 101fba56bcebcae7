/*
 * MiniDebugInfo: the section .gnu_debugdata of a stripped file is an xz stream of an ELF file with
 * the symbols that .dynsym lacks (gdb's manual, "Debugging information in a special section").
 */
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "symbols/image.h"
#include "symbols/inflate.h"

#define MEMORY_MAX (128UL << 20) /* of the decoder; xz -9 takes 65 MB */

/* The whole of an xz stream; NULL: damaged, or too large. */
static uint8_t *unpack(const uint8_t *in, size_t len, struct stk_budget *b, size_t *ret_len)
{
	lzma_stream s = LZMA_STREAM_INIT;
	struct {
		uint8_t *v;
		size_t n, cap;
	} out = {0};
	lzma_ret r = lzma_stream_decoder(&s, MEMORY_MAX, 0);

	s.next_in = in;
	s.avail_in = len;
	while (r == LZMA_OK && !stk_is_bomb(len, out.n) && stk_spend(b, 1) &&
	       STK_VEC_RESERVE(&out, out.n ? 1 : 2 * len + 4096)) {
		s.next_out = out.v + out.n;
		s.avail_out = out.cap - out.n;
		r = lzma_code(&s, LZMA_FINISH);
		out.n = s.total_out;
	}
	*ret_len = out.n;
	lzma_end(&s);
	if (r == LZMA_STREAM_END && stk_spend_bytes(b, out.n))
		return out.v;
	free(out.v);
	return NULL;
}

struct stk_image *stk_image_debugdata(const struct stk_image *im, struct stk_budget *b)
{
	GElf_Shdr sh;
	Elf_Scn *scn = stk_image_section(im, ".gnu_debugdata", &sh);
	Elf_Data *data = scn ? elf_rawdata(scn, NULL) : NULL;
	size_t len = 0;
	uint8_t *bytes = data && data->d_buf ? unpack(data->d_buf, data->d_size, b, &len) : NULL;
	uint8_t *map = bytes && len ? stk_image_map(len) : NULL;

	if (map)
		memcpy(map, bytes, len);
	free(bytes);
	return map ? stk_image_from_map(map, len) : NULL;
}
