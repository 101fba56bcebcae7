/*
 * Call frame information: LSB Core 5 "DWARF Extensions" (.eh_frame_hdr, .eh_frame), DWARF 5 §6.4
 * (.debug_frame). It is read where it lies; nothing is kept between calls.
 */
#ifndef STK_STEP_CFI_H
#define STK_STEP_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "step/reader.h"
#include "step/regs.h"
#include "step/window.h"

/* Where that of an image lies. Addresses are those of `mem`; code is named as there. */
struct stk_cfi {
	const struct stk_reader *mem;
	uint64_t hdr, hdr_len;       /* .eh_frame_hdr; hdr 0: none */
	uint64_t frames, frames_len; /* .eh_frame where there is no header, or .debug_frame */
	bool debug;                  /* it is .debug_frame */
};

enum stk_cfi_kind {
	STK_CFI_SAME, /* no rule */
	STK_CFI_UNDEF,
	STK_CFI_OFFSET,     /* saved at CFA + v */
	STK_CFI_VAL_OFFSET, /* is CFA + v */
	STK_CFI_REG,        /* in register v */
	STK_CFI_EXPR,       /* saved at the address that the block at v gives */
	STK_CFI_VAL_EXPR,   /* is what the block at v gives */
};

/* The rules at one pc. A block is an expression with its ULEB128 length before it. */
struct stk_cfi_row {
	const struct stk_reader *from; /* of blocks */
	uint64_t off;                  /* of the pc, from where the code of its entry begins */
	int64_t v[STK_REGS_MAX];
	int64_t cfa;                /* offset from cfa_reg, or the address of a block */
	uint8_t kind[STK_REGS_MAX]; /* by DWARF number; the return address at arch->pc */
	uint8_t cfa_reg;
	uint8_t cfa_kind; /* STK_CFI_VAL_OFFSET, STK_CFI_VAL_EXPR; STK_CFI_UNDEF: no rule */
	bool signal;      /* 'S' augmentation: a signal trampoline */
	bool looked;      /* who keeps the row has looked at the code: the next two are known */
	bool called;      /* a call ends behind the look-up pc */
	bool switches; /* there the function takes the stack pointer back (arch->switches_back) */
	struct stk_regbits kept;  /* registers without a rule that are still the caller's */
	struct stk_regbits found; /* registers whose rule tells what the caller had */
};

/* The row at a look-up pc. false: there is none, or it cannot be understood. */
bool stk_cfi_find(const struct stk_cfi *cfi, const struct stk_arch *arch, uint64_t pc,
		  struct stk_cfi_row *ret);

/* true: a table leads to each entry; else stk_cfi_find() reads them all. */
bool stk_cfi_is_sorted(const struct stk_cfi *cfi);

/* The code that the entry at `at` is for; len 0: none (a CIE, or damaged). */
struct stk_cfi_entry {
	uint64_t at, start, len;
};

/* The entry at `*at`, which moves on to the next; the first is at cfi->frames. false: the end. */
bool stk_cfi_next(const struct stk_cfi *cfi, uint64_t *at, struct stk_cfi_entry *ret);

/* As stk_cfi_find(), where the entry is known. */
bool stk_cfi_row_of(const struct stk_cfi *cfi, const struct stk_arch *arch, uint64_t at,
		    uint64_t pc, struct stk_cfi_row *ret);

/* What a CIE says about the programs of its FDEs. */
struct stk_cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;         /* column of the return address */
	uint64_t insn, end;  /* addresses of its initial instructions */
	uint8_t pointer_enc; /* DW_EH_PE_… of addresses in its FDEs */
	bool sized;          /* 'z': FDEs have an augmentation length */
	bool signal;         /* 'S' */
};

/* Run the initial instructions of `cie`, then those of the FDE in [insn, end), whose code starts at
 * `start`, up to `pc`. false: they cannot be understood. (cfi_run.c) */
bool stk_cfi_run(struct stk_win *w, const struct stk_cfi_cie *cie, const struct stk_arch *arch,
		 uint64_t insn, uint64_t end, uint64_t start, uint64_t pc, struct stk_cfi_row *ret);

/*
 * The value of the block at `block` of `from`, over the registers `regs` and the memory `mem`, with
 * `*first` on the stack if it is not NULL (the CFA, for rules of registers). false: it asks for
 * what is not known or not readable. (cfi_eval.c)
 */
bool stk_cfi_eval(const struct stk_reader *from, uint64_t block, const struct stk_reader *mem,
		  const struct stk_regset *regs, const uint64_t *first, uint64_t *ret);

#endif
