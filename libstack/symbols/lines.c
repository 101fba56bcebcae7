/* The header says how long operations are; the program makes rows; each end of a sequence closes
 * one. Numbers of figures are those of DWARF 5. */
#include "symbols/lines.h"
#include "base/search.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

#define OPS_A_STEP 16

enum { /* figures 7.4 (§7.22) */
       LNS_copy = 1,
       LNS_advance_pc,
       LNS_advance_line,
       LNS_set_file,
       LNS_set_column,
       LNS_negate_stmt,
       LNS_set_basic_block,
       LNS_const_add_pc,
       LNS_fixed_advance_pc,
       LNS_set_prologue_end,
       LNS_set_epilogue_begin,
       LNS_set_isa,

       LNE_end_sequence = 1,
       LNE_set_address,
};

struct program {
	struct stk_cur c; /* its operations */
	uint8_t min_insn, max_ops, line_range, opcode_base;
	int8_t line_base;
	bool default_stmt;
	const uint8_t *lengths; /* of the standard operations, from 1 on */
	struct stk_line row;
	uint32_t op; /* inside a very long instruction */
	struct stk_lines *out;
	struct stk_budget *budget;
	bool failed;
};

static int by_addr(const void *a, const void *b)
{
	const struct stk_line *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Addresses only increase within a sequence (§6.2.5); not every assembler has kept to that. */
static void order(struct stk_line *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i].addr < v[i - 1].addr) {
			qsort(v, n, sizeof(*v), by_addr);
			return;
		}
}

bool stk_lines_add(struct stk_lines *ls, const struct stk_line *row, bool end, struct stk_budget *b)
{
	const struct stk_line_seq *last = ls->seqs.n ? &ls->seqs.v[ls->seqs.n - 1] : NULL;
	size_t first = last ? last->first + last->n : 0;

	if (!end) {
		if (!stk_spend_bytes(b, sizeof(*row)) || !STK_VEC_RESERVE(ls, 1))
			return false;
		ls->v[ls->n] = *row;
		ls->v[ls->n].number = (uint32_t)ls->n;
		ls->n++;
		return true;
	}
	if (first == ls->n)
		return true;
	order(&ls->v[first], ls->n - first);
	return STK_VEC_PUSH(
	    &ls->seqs, (struct stk_line_seq){ls->v[first].addr, row->addr, first, ls->n - first});
}

static int by_start(const void *a, const void *b)
{
	const struct stk_line_seq *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

void stk_lines_sort(struct stk_lines *ls)
{
	if (ls->seqs.n)
		qsort(ls->seqs.v, ls->seqs.n, sizeof(*ls->seqs.v), by_start);
}

static void begin_sequence(struct program *p)
{
	p->row = (struct stk_line){.file = 1, .line = 1, .stmt = p->default_stmt};
	p->op = 0;
}

static void emit(struct program *p, bool end)
{
	p->failed |= !stk_lines_add(p->out, &p->row, end, p->budget);
	p->row.prologue_end = false;
	if (end)
		begin_sequence(p);
}

/* §6.2.5.1 */
static void advance(struct program *p, uint64_t ops)
{
	uint64_t n = p->op + ops;

	p->row.addr += p->min_insn * (n / p->max_ops);
	p->op = (uint32_t)(n % p->max_ops);
}

static void special(struct program *p, uint8_t op)
{
	unsigned n = op - p->opcode_base;

	advance(p, n / p->line_range);
	p->row.line += (uint32_t)(p->line_base + (int)(n % p->line_range));
	emit(p, false);
}

static void extended(struct program *p)
{
	uint64_t len = stk_cur_uleb(&p->c);
	struct stk_cur c = stk_cur_sub(&p->c, 0, len);
	uint8_t op = stk_cur_u8(&c);

	stk_cur_skip(&p->c, len);
	if (op == LNE_end_sequence) {
		emit(p, true);
	} else if (op == LNE_set_address) {
		p->row.addr = stk_cur_left(&c) == 4 ? stk_cur_u32(&c) : stk_cur_u64(&c);
		p->op = 0;
	}
	p->failed |= c.bad;
}

static void standard(struct program *p, uint8_t op)
{
	switch (op) {
	case LNS_copy:
		emit(p, false);
		break;
	case LNS_advance_pc:
		advance(p, stk_cur_uleb(&p->c));
		break;
	case LNS_advance_line:
		p->row.line += (uint32_t)stk_cur_sleb(&p->c);
		break;
	case LNS_set_file:
		p->row.file = (uint32_t)stk_cur_uleb(&p->c);
		break;
	case LNS_set_column:
		p->row.column = (uint16_t)stk_cur_uleb(&p->c);
		break;
	case LNS_negate_stmt:
		p->row.stmt = !p->row.stmt;
		break;
	case LNS_const_add_pc:
		advance(p, (255U - p->opcode_base) / p->line_range);
		break;
	case LNS_fixed_advance_pc:
		p->row.addr += stk_cur_u16(&p->c);
		p->op = 0;
		break;
	case LNS_set_prologue_end:
		p->row.prologue_end = true;
		break;
	default: /* its operands are counted by the header */
		for (unsigned i = 0; i < p->lengths[op - 1]; i++)
			stk_cur_uleb(&p->c);
	}
}

static bool read_header(const struct stk_cur *section, uint64_t off, struct program *p)
{
	struct stk_cur c = stk_cur_sub(
	    section, off, stk_cur_left(section) < off ? 0 : stk_cur_left(section) - off);
	uint64_t len = stk_cur_u32(&c);
	bool wide = len == UINT32_MAX;

	if (wide)
		len = stk_cur_u64(&c);
	c = stk_cur_sub(&c, 0, len);
	uint16_t version = stk_cur_u16(&c);
	if (c.bad || version < 2 || version > 5)
		return false;
	if (version == 5)
		stk_cur_skip(&c, 2); /* sizes of an address and a segment selector */
	uint64_t header = wide ? stk_cur_u64(&c) : stk_cur_u32(&c);
	p->c = c;
	stk_cur_skip(&p->c, header);
	p->min_insn = stk_cur_u8(&c);
	p->max_ops = version >= 4 ? stk_cur_u8(&c) : 1;
	p->default_stmt = stk_cur_u8(&c);
	p->line_base = (int8_t)stk_cur_u8(&c);
	p->line_range = stk_cur_u8(&c);
	p->opcode_base = stk_cur_u8(&c);
	p->lengths = p->opcode_base ? stk_cur_bytes(&c, p->opcode_base - 1) : NULL;
	return !c.bad && !p->c.bad && p->max_ops && p->line_range && p->lengths;
}

bool stk_lines_read(const struct stk_cur *section, uint64_t off, struct stk_budget *b,
		    struct stk_lines *ret)
{
	struct program p = {.out = ret, .budget = b};
	unsigned ops = 0;

	if (!read_header(section, off, &p))
		return false;
	begin_sequence(&p);
	while (stk_cur_left(&p.c) && !p.c.bad && !p.failed) {
		p.failed = ++ops % OPS_A_STEP == 0 && !stk_spend(b, 1);
		uint8_t op = stk_cur_u8(&p.c);
		if (op >= p.opcode_base)
			special(&p, op);
		else if (op)
			standard(&p, op);
		else
			extended(&p);
	}
	stk_lines_sort(ret);
	return ret->seqs.n > 0 && !b->over;
}

const struct stk_line *stk_lines_row(const struct stk_lines *ls, const struct stk_line_seq *seq,
				     uint64_t addr)
{
	const struct stk_line *v = &ls->v[seq->first];
	size_t k = STK_PARTITION_POINT(seq->n, i, v[i].addr <= addr);

	return &v[k ? k - 1 : 0];
}

const struct stk_line_seq *stk_lines_seq(const struct stk_lines *ls, uint64_t addr, uint64_t func)
{
	const struct stk_line_seq *any = NULL, *with_row = NULL;

	for (size_t i = 0; i < ls->seqs.n && ls->seqs.v[i].start <= addr; i++) {
		const struct stk_line_seq *s = &ls->seqs.v[i];
		if (addr >= s->end)
			continue;
		if (func && s->start == func)
			return s;
		if (func > s->start && stk_lines_row(ls, s, func)->addr == func)
			with_row = s;
		any = s;
	}
	/* What was thrown away lies at 0 or thereabouts: the last is the likely one. */
	return with_row ? with_row : any;
}

void stk_lines_done(struct stk_lines *ls)
{
	free(ls->v);
	free(ls->seqs.v);
	*ls = (struct stk_lines){0};
}
