/* Disassembly (capstone). */
#ifndef STK_SYMBOLS_DISASM_H
#define STK_SYMBOLS_DISASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arch.h"
#include "base/err.h"

struct stk_insn {
	uint64_t addr;
	unsigned size;   /* bytes */
	char text[192];  /* "mov    rax, qword ptr [rbp - 8]"; "(bad)" for one undecodable byte */
	uint64_t target; /* direct branch or call target, or rip-relative address; 0: none */
};

/*
 * Decode `len` bytes that stand at `addr`, calling `fn` for each instruction until it returns
 * false. Undecodable bytes become one-byte "(bad)" instructions. `att` selects AT&T syntax.
 * STK_EUNSUPPORTED for an architecture that capstone does not know.
 */
int stk_disasm(const struct stk_arch *arch, bool att, uint64_t addr, const uint8_t *bytes,
	       size_t len, bool (*fn)(void *arg, const struct stk_insn *in), void *arg,
	       struct stk_err *err);

#endif
