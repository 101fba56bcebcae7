/*
 * The encoded pointers of .eh_frame and .eh_frame_hdr: a byte says how wide the number is and what
 * it is relative to (LSB Core 5, "DWARF Exception Header Encoding").
 */
#ifndef STK_STEP_POINTER_H
#define STK_STEP_POINTER_H

#include <stdint.h>

#include "step/window.h"

enum {
	PE_absptr = 0x00,
	PE_uleb128 = 0x01,
	PE_udata2 = 0x02,
	PE_udata4 = 0x03,
	PE_udata8 = 0x04,
	PE_signed = 0x08,
	PE_sleb128 = 0x09,
	PE_sdata2 = 0x0a,
	PE_sdata4 = 0x0b,
	PE_sdata8 = 0x0c,
	PE_format = 0x0f,
	PE_pcrel = 0x10,
	PE_datarel = 0x30,
	PE_aligned = 0x50,
	PE_base = 0x70,
	PE_indirect = 0x80,
	PE_omit = 0xff,
};

/* A pointer in encoding `enc`; `data` is the base of DW_EH_PE_datarel. Sets w->c.bad. */
uint64_t stk_cfi_pointer(struct stk_win *w, uint8_t enc, uint64_t data);

#endif
