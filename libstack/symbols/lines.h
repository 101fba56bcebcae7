/* The rows of one unit's line number program (DWARF 5 §6.2), sequence by sequence. */
#ifndef STK_SYMBOLS_LINES_H
#define STK_SYMBOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "targets/budget.h"

struct stk_line {
	uint64_t addr; /* an ELF address */
	uint32_t file, line;
	uint16_t column;
	bool stmt, prologue_end;
	uint32_t number;  /* of the row, as they came */
	const char *name; /* of the file, where it has no number */
};

/* Rows first … first+n-1 are of [start, end). */
struct stk_line_seq {
	uint64_t start, end;
	size_t first, n;
};

struct stk_lines {
	struct stk_line *v;
	size_t n, cap;
	struct {
		struct stk_line_seq *v;
		size_t n, cap;
	} seqs; /* by start */
};

/* The program at `off` of .debug_line. false: a form that is not known, or damage before its first
 * sequence; what could be read is kept. */
bool stk_lines_read(const struct stk_cur *section, uint64_t off, struct stk_budget *b,
		    struct stk_lines *ret);

/* One row more of the sequence that is being built; `end`: it ends at row->addr, and its rows are
 * put in the order of their addresses. false: memory is exhausted. */
bool stk_lines_add(struct stk_lines *ls, const struct stk_line *row, bool end,
		   struct stk_budget *b);

/* After the last row. */
void stk_lines_sort(struct stk_lines *ls);

/*
 * The sequence that holds `addr`, of a function whose code begins at `func` (0: not known). What
 * the linker has thrown away keeps its rows, at addresses that others have: the sequence is the one
 * in which the function begins. NULL: none.
 */
const struct stk_line_seq *stk_lines_seq(const struct stk_lines *ls, uint64_t addr, uint64_t func);

/* The last row of a sequence at or below `addr`, which is in it. */
const struct stk_line *stk_lines_row(const struct stk_lines *ls, const struct stk_line_seq *seq,
				     uint64_t addr);

void stk_lines_done(struct stk_lines *ls);

#endif
