/*
 * A bounds-checked cursor over bytes that may not be there: a short copy of them, taken from a
 * reader and moved along.
 */
#ifndef STK_STEP_WINDOW_H
#define STK_STEP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "step/reader.h"

#define STK_WIN_BYTES  128
#define STK_WIN_RECORD 32 /* bytes that may be read after each stk_win_more() */

struct stk_win {
	const struct stk_reader *mem; /* set before it is opened */
	struct stk_cur c;             /* read from this; bad: the record is not there */
	uint64_t base;                /* address of buf[0] */
	uint64_t end;                 /* address behind the last byte that belongs to it */
	uint8_t buf[STK_WIN_BYTES];
};

/* Stand at `addr`; nothing at or behind `end` will be read. */
void stk_win_open(struct stk_win *w, uint64_t addr, uint64_t end);

/* The address of the byte that is read next. */
uint64_t stk_win_pos(const struct stk_win *w);

/* Make the next record present. false: the end is reached, or something could not be read. */
bool stk_win_more(struct stk_win *w);

/* Step over `n` bytes, however many. */
void stk_win_skip(struct stk_win *w, uint64_t n);

#endif
