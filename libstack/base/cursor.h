/*
 * The bounds-checked cursor: the only way bytes from outside are parsed. Freestanding.
 *
 * A read past the end sets `bad`, yields zero, and every later read yields zero too: a parser reads
 * a whole record and asks once. Little endian (every supported architecture is).
 */
#ifndef STK_BASE_CURSOR_H
#define STK_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stk_cur {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

struct stk_cur stk_cur_init(const void *bytes, size_t len);

/* A cursor over [off, off+len) of `c` from its present position; bad when that is outside. */
struct stk_cur stk_cur_sub(const struct stk_cur *c, uint64_t off, uint64_t len);

size_t stk_cur_left(const struct stk_cur *c);
uint8_t stk_cur_u8(struct stk_cur *c);
uint16_t stk_cur_u16(struct stk_cur *c);
uint32_t stk_cur_u32(struct stk_cur *c);
uint64_t stk_cur_u64(struct stk_cur *c);
void stk_cur_skip(struct stk_cur *c, uint64_t n);

/* `n` bytes at the present position, then step over them; NULL and bad when they are not there. */
const uint8_t *stk_cur_bytes(struct stk_cur *c, uint64_t n);

/* A NUL-terminated string inside the bounds, then step over it; NULL and bad when there is none. */
const char *stk_cur_str(struct stk_cur *c);

/* DWARF 5 §7.6. At most 10 bytes; more is bad. */
uint64_t stk_cur_uleb(struct stk_cur *c);
int64_t stk_cur_sleb(struct stk_cur *c);

#endif
