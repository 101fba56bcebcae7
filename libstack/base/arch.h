/*
 * Architectures: everything that differs between them, as data. A port is one arch_X.c with one
 * const struct, one row in arch.c, and a fixture core; docs/PORTING.md goes through it.
 * Freestanding.
 */
#ifndef STK_BASE_ARCH_H
#define STK_BASE_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers that unwinding tracks, by DWARF number 0 … STK_REGS-1; the pc is among them. */
#define STK_REGS    17
#define STK_ARGREGS 6

/* One register of the general set (NT_PRSTATUS), in the order in which reports print them. */
struct stk_reg {
	const char *name;
	uint16_t note_off; /* byte offset inside pr_reg */
	int8_t dwarf;      /* DWARF number, -1: none that unwinding tracks */
	bool report;       /* printed in a trace (others: `regs` only) */
};

struct stk_arch {
	const char *name;   /* as in uname -m */
	uint16_t e_machine; /* ELF e_machine */
	uint8_t word;       /* bytes of a machine word */
	const struct stk_reg *regs;
	unsigned nregs;

	/* DWARF numbers: pc (the return address column), stack pointer, frame pointer. */
	uint8_t pc, sp, fp;
	uint32_t callee_saved;         /* bit per DWARF number; the ABI keeps it across calls */
	uint8_t arg_regs[STK_ARGREGS]; /* integer arguments, DWARF numbers, in order */

	/* Vector registers: DWARF numbers first … first+n-1, `vec_size` bytes each, kept in
	 * NT_FPREGSET from `vec_note_off`; none survives a call. */
	uint8_t vec_first, vec_n, vec_size;
	uint16_t vec_note_off;

	/* Layout of notes (linux/elfcore.h, include/linux/elfcore-compat.h): byte offsets. */
	uint16_t prstatus_size, prstatus_cursig, prstatus_pid, prstatus_reg;
	uint16_t prpsinfo_size, prpsinfo_pid, prpsinfo_uid, prpsinfo_fname, prpsinfo_args;

	/* true if the bytes that end at a return address are a call: `code` holds `len` bytes that
	 * stand directly before it (at most 7 are looked at). */
	bool (*ends_with_call)(const uint8_t *code, size_t len);
	/* true: a thread that stands behind these bytes, with `result` in the register of results,
	 * is a new one that has not called anything yet (clone(2), clone3(2)): its stack is empty.
	 */
	bool (*is_newborn)(const uint8_t *code, size_t len, uint64_t result);
	uint8_t result_reg; /* DWARF number */
	/* true: these bytes begin what makecontext(3) has its function return to: nobody called it.
	 */
	bool (*is_context_start)(const uint8_t *code, size_t len);
	/* true: these bytes, at an address that a handler returns to, ask the kernel to go back to
	 * what the signal interrupted. */
	bool (*is_sigreturn)(const uint8_t *code, size_t len);
	/* Bytes from the stack pointer there to the registers that the kernel has kept, by DWARF
	 * number. */
	const uint16_t *sigframe;
	/* true: these bytes end with a breakpoint instruction, which the pc of its trap is behind.
	 */
	bool (*ends_with_trap)(const uint8_t *code, size_t len);
	/* The target of a direct call that ends at `ret`; 0 if it is not a direct call. */
	uint64_t (*call_target)(const uint8_t *code, size_t len, uint64_t ret);
};

/* By ELF e_machine; NULL when not supported. */
const struct stk_arch *stk_arch_find(uint16_t e_machine);

/* The name of an e_machine for messages ("AArch64"); "unknown" otherwise. */
const char *stk_machine_name(uint16_t e_machine);

#endif
