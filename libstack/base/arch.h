/*
 * Architectures: everything that differs between them, as data. A port is arch_NAME.c with one
 * const struct, its row here, for libstack the folder signal/NAME/, and a fixture core.
 * Freestanding.
 */
#ifndef STK_BASE_ARCH_H
#define STK_BASE_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row each: NAME of stk_arch_NAME; how many registers unwinding tracks, by DWARF number 0 … n−1,
 * the pc among them; words of the general set of NT_PRSTATUS. */
#define STK_ARCHES(X) X(x86_64, 17, 27)

/* As many as the architecture with the most has. */
#define STK_X(name, tracked, gregs)                                                                \
	struct {                                                                                   \
		char regs[tracked];                                                                \
	} name;
union stk_arch_regs {
	STK_ARCHES(STK_X)
};
#undef STK_X
#define STK_X(name, tracked, gregs)                                                                \
	struct {                                                                                   \
		char words[gregs];                                                                 \
	} name;
union stk_arch_gregs {
	STK_ARCHES(STK_X)
};
#undef STK_X
#define STK_REGS_MAX  sizeof(union stk_arch_regs)
#define STK_GREGS_MAX sizeof(union stk_arch_gregs)

#define STK_REGBITS_WORDS ((STK_REGS_MAX + 63) / 64)

/* A set of registers by their DWARF numbers (base/bits.h). */
struct stk_regbits {
	uint64_t w[STK_REGBITS_WORDS];
};

/* The smallest page that any of them has: what is mapped, or not, in one piece. */
#define STK_PAGE 4096ULL

/* One register of the general set (NT_PRSTATUS), in the order in which reports print them. */
struct stk_reg {
	const char *name;
	uint16_t note_off; /* byte offset inside pr_reg */
	int8_t dwarf;      /* DWARF number, -1: none that unwinding tracks */
	bool report;       /* printed in a trace (others: `regs` only) */
};

/* Where a function that changed stacks finds its own stack pointer again: `limit` −1: it lies at
 * `kept` from the stack pointer; else `kept` is the distance from the end of the stack, which is
 * `limit` behind what the pointer at `object` from the stack pointer points to. */
struct stk_switch_back {
	int16_t object, limit, kept;
};

struct stk_arch {
	const char *name;   /* as in uname -m */
	uint16_t e_machine; /* ELF e_machine */
	uint8_t word;       /* bytes of a machine word */
	const struct stk_reg *regs;
	unsigned nregs;
	uint8_t tracked;     /* registers that unwinding tracks */
	uint8_t gregs;       /* words of the general set */
	const char *thread;  /* the register that points to the thread's own memory */
	uint8_t red_zone;    /* bytes below the stack pointer that are in use */
	const char *loader;  /* of libc's dynamic linker, the name */
	const char *printed; /* the name for messages */

	/* DWARF numbers: pc (the return address column), stack pointer, frame pointer. */
	uint8_t pc, sp, fp;
	struct stk_regbits callee_saved; /* the ABI keeps them across calls */

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
	/* true: these bytes, behind a call, take the stack pointer back from where `ret` says; call
	 * frame information does not tell (Go's runtime.asmcgocall). */
	bool (*switches_back)(const uint8_t *code, size_t len, struct stk_switch_back *ret);
	/* true: these bytes end with a breakpoint instruction, which the pc of its trap is behind.
	 */
	bool (*ends_with_trap)(const uint8_t *code, size_t len);
	/* The target of a direct call that ends at `ret`; 0 if it is not a direct call. */
	uint64_t (*call_target)(const uint8_t *code, size_t len, uint64_t ret);
	/* Where the word lies that holds the target of the indirect call that ends at `ret`, or of
	 * the jump that an entry of a linkage table at `at` is; 0: it is no such one. */
	uint64_t (*call_through)(const uint8_t *code, size_t len, uint64_t ret);
	uint64_t (*jump_through)(const uint8_t *code, size_t len, uint64_t at);
	/* The registers (DWARF numbers) that a function pushes before it does anything else, in
	 * their order, at most `max`; how many. `code`: from its beginning. */
	unsigned (*pushes)(const uint8_t *code, size_t len, uint8_t *regs, unsigned max);
	/* Bytes of an instruction that is known, leaves the stack pointer alone and goes on behind
	 * itself; 0: it is no such one, or is cut off. */
	size_t (*keeps_sp)(const uint8_t *code, size_t len);
	/* true: these bytes begin with a function of Go's that a new goroutine returns to, behind
	 * its first instruction, which has one byte. */
	bool (*is_goexit)(const uint8_t *code, size_t len);

	/* The general set of a thread that stopped behind a system call which ended with −error:
	 * the number of the call; −1: it did not. And another result in its place. */
	long (*failed_call)(const void *gregs, int error);
	void (*set_result)(void *gregs, long result);

	/* The note of the extended registers (owner "LINUX"); below this many bytes they are none.
	 * Further sets that a core holds, up to 0. */
	uint32_t extended_note, extended_min;
	const uint32_t *more_notes;
	/* What a signal frame holds of them, made what the note holds. */
	void (*frame_to_note)(void *extended);
	/* The note that tells where the parts of `extended_note` lie, made of one of those for
	 * this machine: bytes put into `buf`; 0: there is none. */
	uint32_t layout_note;
	size_t (*layout)(const void *extended, size_t len, void *buf, size_t cap);
};

/* That of the machine that this is built for. */
extern const struct stk_arch *const stk_arch_host;

/* A register of the general set, by DWARF number; 0 where it has none. */
uint64_t stk_arch_greg(const struct stk_arch *a, const void *gregs, unsigned dwarf);

/* By ELF e_machine; NULL when not supported. */
const struct stk_arch *stk_arch_find(uint16_t e_machine);

/* The name of an e_machine for messages ("AArch64"), or NULL. */
const char *stk_machine_name(uint16_t e_machine);

#endif
