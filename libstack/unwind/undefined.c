/*
 * Registers that a function's call frame information declares undefined.
 *
 * libdw's x86-64 defaults name rax where they mean rbx (DWARF 0 and 3), so that rbx, of which most
 * functions say nothing because they leave it alone, comes out as undefined. Whether it really is,
 * the bytes of the FDE tell: DW_CFA_undefined (DWARF 5 §6.4.2.3) and the number stand in them.
 * gcc writes it for functions that do not return and save nothing.
 */
#include <dwarf.h>
#include <string.h>

#include "base/cursor.h"
#include "symbols/image.h"
#include "unwind/row.h"

/* The bytes of the image from ELF address `addr` to the end of its segment in the file. */
static struct stk_cur at_addr(const struct stk_image *im, uint64_t addr)
{
	size_t n = 0, size = 0;
	const char *raw = elf_rawfile(im->elf, &size);
	struct stk_cur file = stk_cur_init(raw, raw ? size : 0);
	GElf_Phdr ph;

	if (elf_getphdrnum(im->elf, &n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(im->elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
		    addr >= ph.p_vaddr && addr - ph.p_vaddr < ph.p_filesz)
			return stk_cur_sub(&file, ph.p_offset + (addr - ph.p_vaddr),
					   ph.p_filesz - (addr - ph.p_vaddr));
	return stk_cur_init(NULL, 0);
}

/* The ELF address of the .eh_frame_hdr; 0: none. */
static uint64_t hdr_addr(const struct stk_image *im)
{
	size_t n = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(im->elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(im->elf, (int)i, &ph) && ph.p_type == PT_GNU_EH_FRAME)
			return ph.p_vaddr;
	return 0;
}

/* The FDE of `addr` by the sorted table of .eh_frame_hdr (LSB, "Exception Frames"): pairs (start,
 * FDE), each relative to the header. 0: none, or not in the form that linkers write. */
static uint64_t find_fde(const struct stk_image *im, uint64_t addr)
{
	uint64_t hdr = hdr_addr(im);
	struct stk_cur c = at_addr(im, hdr);
	uint8_t version = stk_cur_u8(&c), ptr = stk_cur_u8(&c);
	uint8_t count_enc = stk_cur_u8(&c), table = stk_cur_u8(&c);
	uint32_t lo = 0, hi;

	stk_cur_u32(&c);
	hi = stk_cur_u32(&c);
	if (c.bad || version != 1 || (ptr & 7) != DW_EH_PE_udata4 || count_enc != DW_EH_PE_udata4 ||
	    table != (DW_EH_PE_datarel | DW_EH_PE_sdata4) || hi > stk_cur_left(&c) / 8)
		return 0;
	uint64_t found = 0;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct stk_cur e = stk_cur_sub(&c, 8ULL * mid, 8);
		uint64_t start = hdr + (uint64_t)(int32_t)stk_cur_u32(&e);
		uint64_t fde = hdr + (uint64_t)(int32_t)stk_cur_u32(&e);
		if (e.bad)
			return 0;
		if (start <= addr) {
			found = fde;
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return found;
}

/* Could the entry at ELF address `at` hold DW_CFA_undefined of `reg`? Its bytes are searched, not
 * decoded: to be wrong is to say yes. The CIE that it names (0: it is one) goes to ret_cie. */
static bool entry_may(const struct stk_image *im, uint64_t at, unsigned reg, uint64_t *ret_cie)
{
	struct stk_cur c = at_addr(im, at);
	uint32_t len = stk_cur_u32(&c);
	struct stk_cur body = stk_cur_sub(&c, 0, len);
	uint32_t back = stk_cur_u32(&body);
	const uint8_t *p = body.p;

	if (body.bad || len == UINT32_MAX)
		return true;
	*ret_cie = back ? at + 4 - back : 0;
	for (size_t i = 0; i + 1 < stk_cur_left(&body); i++)
		if (p[i] == DW_CFA_undefined && p[i + 1] == reg)
			return true;
	return false;
}

bool stk_may_be_undefined(const struct stk_module *m, uint64_t addr, unsigned reg)
{
	uint64_t fde = m->image ? find_fde(m->image, addr) : 0, cie, none;

	return !fde || entry_may(m->image, fde, reg, &cie) || !cie ||
	       entry_may(m->image, cie, reg, &none);
}
