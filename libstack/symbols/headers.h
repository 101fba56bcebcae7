/* An image's program headers as the target's own memory shows them. Inside symbols/ only. */
#ifndef STK_SYMBOLS_HEADERS_H
#define STK_SYMBOLS_HEADERS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

#include "targets/target.h"

struct stk_headers {
	Elf64_Ehdr eh; /* all zero where the image's first page does not show it */
	Elf64_Phdr v[64];
	unsigned n;
	uint64_t bias;       /* address − p_vaddr */
	uint64_t start, end; /* the pages that they load */
};

/* true: `start` shows an ELF header (its magic number alone is looked at). */
bool stk_memory_is_elf(const struct stk_target *t, uint64_t start);

/* Of the image whose ELF header lies at `start`. false: they cannot be read, or make no sense. */
bool stk_headers_at(const struct stk_target *t, uint64_t start, struct stk_headers *ret);

/* Of the program that the kernel started, by AT_PHDR (a program that was started by an explicit
 * loader is not that one). */
bool stk_headers_started(const struct stk_target *t, struct stk_headers *ret);

/* Fill start and end by the bias. false: a range wraps, or nothing is loaded. */
bool stk_headers_span(struct stk_headers *h);

/* Where the pages end that come from the file. */
uint64_t stk_headers_file_end(const struct stk_headers *h);

/* The build-id note; its length, 0 if there is none. `ret` holds 64 bytes. */
unsigned stk_headers_build_id(const struct stk_target *t, const struct stk_headers *h,
			      uint8_t *ret);

/* NT_GNU_BUILD_ID among the notes in `len` bytes. As above. */
unsigned stk_note_build_id(const void *bytes, size_t len, uint8_t *ret);

/* true: where the headers load code, code is; `unless_missing`: or nothing is known of that memory
 * (gdb's cores leave out what files have). */
bool stk_headers_run(const struct stk_target *t, const struct stk_headers *h, bool unless_missing);

/* true: a mapping of the image's file, at `off` of the image, lies where the headers load it. */
bool stk_headers_hold(const struct stk_headers *h, uint64_t start, uint64_t off);

/* The value of an entry of the dynamic section (elf(5)); 0: none. */
uint64_t stk_headers_dynamic(const struct stk_target *t, const struct stk_headers *h, uint64_t tag);

/* DT_SONAME (a string of the target's pool), or NULL. */
const char *stk_headers_soname(struct stk_target *t, const struct stk_headers *h);

/* A string of the target, copied to its pool; NULL: not there, or 4096 bytes without an end. */
const char *stk_memory_string(struct stk_target *t, uint64_t addr);

#endif
