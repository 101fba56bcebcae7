#include "unwind/step.h"

#include <string.h>

#include "unwind/eval.h"
#include "unwind/row.h"

#define SCAN_WORDS 512
#define CALL_BYTES 7
#define START      40 /* bytes of what makecontext() has its function return to */

/* true: `pc` lies in memory that the target maps executable. */
static bool is_executable(const struct stk_modules *ms, uint64_t pc)
{
	const struct stk_segment *s = stk_segment_at(ms->target, pc);

	if (s)
		return s->x;
	return stk_module_at(ms, pc) != NULL;
}

static bool valid(const struct stk_regset *r, unsigned n)
{
	return n < STK_REGS && (r->valid & 1U << n);
}

/* What the expressions of a row may ask for. */
struct at {
	const struct stk_regset *regs;
	uint64_t cfa;
};

static bool get_reg(void *arg, unsigned n, uint64_t *ret)
{
	const struct at *at = arg;

	if (!valid(at->regs, n))
		return false;
	*ret = at->regs->r[n];
	return true;
}

static bool get_cfa(void *arg, uint64_t *ret)
{
	const struct at *at = arg;

	*ret = at->cfa;
	return true;
}

static unsigned lowest(uint32_t bits)
{
	return (unsigned)__builtin_ctz(bits);
}

static void set(struct stk_regset *r, unsigned n, uint64_t v)
{
	r->r[n] = v;
	r->valid |= 1U << n;
}

/* Do the bytes before `ret` end with a call? true where they cannot be read, if `unknown_ok`. */
static bool after_call(const struct stk_modules *ms, uint64_t ret, bool unknown_ok)
{
	uint8_t code[CALL_BYTES];

	if (ret < CALL_BYTES || !is_executable(ms, ret - 1))
		return false;
	if (stk_mem_read(ms->target, ret - CALL_BYTES, code, CALL_BYTES, NULL))
		return unknown_ok;
	return ms->target->arch->ends_with_call(code, CALL_BYTES);
}

static bool find_cfa(struct stk_modules *ms, const struct stk_frame *f, const struct stk_row *row,
		     uint64_t *ret)
{
	struct at at = {.regs = &f->regs};
	struct stk_eval ev = {.target = ms->target, .reg = get_reg, .arg = &at};

	if (row->cfa_expr)
		return stk_eval_value(&ev, row->cfa_expr, ret, NULL);
	if (!valid(&f->regs, row->cfa_reg))
		return false;
	*ret = f->regs.r[row->cfa_reg] + (uint64_t)row->cfa_off;
	return true;
}

/* One register of the caller by its rule. Returns false only where memory could not be read. */
static bool apply_rule(struct stk_modules *ms, const struct stk_frame *f, const struct stk_row *row,
		       unsigned n, struct stk_regset *out, uint64_t *bad)
{
	const struct stk_rule *rule = &row->rules[n];
	struct at at = {.regs = &f->regs, .cfa = f->cfa};
	/* libdw puts DW_OP_call_frame_cfa before a rule's expression (DWARF 5 §6.4.2.3). */
	struct stk_eval ev = {.target = ms->target, .reg = get_reg, .cfa = get_cfa, .arg = &at};
	uint64_t v;

	switch (rule->kind) {
	case STK_RULE_OFFSET:
		*bad = f->cfa + (uint64_t)rule->offset;
		if (!stk_mem_word(ms->target, *bad, &v))
			return false;
		break;
	case STK_RULE_VAL_OFFSET:
		v = f->cfa + (uint64_t)rule->offset;
		break;
	case STK_RULE_REG:
		if (!valid(&f->regs, rule->reg))
			return true;
		v = f->regs.r[rule->reg];
		break;
	case STK_RULE_EXPR:
		if (!stk_eval_value(&ev, rule->expr, &v, NULL))
			return true;
		*bad = v;
		if (!stk_mem_word(ms->target, v, &v))
			return false;
		break;
	case STK_RULE_VAL_EXPR:
		if (!stk_eval_value(&ev, rule->expr, &v, NULL))
			return true;
		break;
	default:
		return true;
	}
	set(out, n, v);
	return true;
}

static struct stk_step stop(enum stk_stop why, uint64_t addr)
{
	return (struct stk_step){.stop = why, .addr = addr};
}

static const struct stk_step go_on = {.more = true};

static struct stk_step by_cfi(struct stk_modules *ms, struct stk_frame *f,
			      const struct stk_row *row, struct stk_frame *next)
{
	const struct stk_arch *a = ms->target->arch;
	uint64_t bad = 0;

	f->signal = row->signal;
	if (!find_cfa(ms, f, row, &f->cfa))
		return stop(STK_STOP_NO_RULE, f->pc);
	if (row->rules[a->pc].kind == STK_RULE_UNDEF)
		return stop(STK_STOP_BASE, 0);
	for (uint32_t left = row->kept & f->regs.valid; left; left &= left - 1)
		set(&next->regs, lowest(left), f->regs.r[lowest(left)]);
	for (uint32_t left = row->found; left; left &= left - 1)
		if (!apply_rule(ms, f, row, lowest(left), &next->regs, &bad) &&
		    lowest(left) == a->pc)
			return stop(STK_STOP_UNREADABLE, bad);
	if (!valid(&next->regs, a->sp))
		set(&next->regs, a->sp, f->cfa);
	if (!valid(&next->regs, a->pc))
		return stop(STK_STOP_NO_RULE, f->pc);
	next->pc = next->regs.r[a->pc];
	next->how = STK_HOW_CFI;
	next->exact = row->signal;
	if (!next->pc && !row->signal)
		return stop(STK_STOP_BASE, 0);
	return go_on;
}

/* A call to a bad address pushed the return address and did nothing else. */
static bool by_bad_call(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next)
{
	const struct stk_arch *a = ms->target->arch;
	uint64_t ret;

	if (!f->exact || is_executable(ms, f->pc) || !valid(&f->regs, a->sp) ||
	    !stk_mem_word(ms->target, f->regs.r[a->sp], &ret) || !after_call(ms, ret, false))
		return false;
	f->cfa = f->regs.r[a->sp] + a->word;
	next->regs = f->regs;
	next->regs.valid &= a->callee_saved;
	set(&next->regs, a->pc, ret);
	set(&next->regs, a->sp, f->cfa);
	next->pc = ret;
	next->how = STK_HOW_CALL;
	return true;
}

/* Code made at run time pushes return addresses that no call put there (HotSpot's interpreter). */
static bool within_jit(const struct stk_modules *ms, const struct stk_frame *f, uint64_t ret)
{
	const struct stk_segment *s = f->mod ? NULL : stk_segment_at(ms->target, ret);

	return s && s->x && !stk_module_at(ms, ret);
}

static bool by_frame_pointer(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next)
{
	const struct stk_arch *a = ms->target->arch;
	uint64_t fp = f->regs.r[a->fp], old, ret;

	if (!valid(&f->regs, a->fp) || !valid(&f->regs, a->sp) || fp < f->regs.r[a->sp] ||
	    fp % a->word || !stk_mem_word(ms->target, fp, &old) ||
	    !stk_mem_word(ms->target, fp + a->word, &ret) ||
	    (!after_call(ms, ret, true) && !within_jit(ms, f, ret)) || (old && old <= fp))
		return false;
	f->cfa = fp + 2 * a->word;
	set(&next->regs, a->fp, old);
	set(&next->regs, a->pc, ret);
	set(&next->regs, a->sp, f->cfa);
	next->pc = ret;
	next->how = STK_HOW_FP;
	return true;
}

static bool by_scan(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next)
{
	const struct stk_arch *a = ms->target->arch;
	uint64_t sp = f->regs.r[a->sp], v;

	if (!valid(&f->regs, a->sp))
		return false;
	sp = (sp + a->word - 1) & ~(uint64_t)(a->word - 1);
	for (unsigned i = 0; i < SCAN_WORDS; i++, sp += a->word) {
		if (!stk_mem_word(ms->target, sp, &v))
			return false;
		struct stk_module *m = stk_module_at(ms, v);
		if (!m || !after_call(ms, v, false))
			continue;
		const struct stk_row *row = stk_row_at(m, v - 1);
		if (!row || !row->present)
			continue;
		/* Frames may lie between the two: this is not the CFA of `f`, and arguments must
		 * not be read by it. */
		set(&next->regs, a->pc, v);
		set(&next->regs, a->sp, sp + a->word);
		next->pc = v;
		next->how = STK_HOW_SCAN;
		return true;
	}
	return false;
}

/* libc leaves the instruction behind clone's system call without CFI: the stacks differ there. */
static bool is_newborn(const struct stk_modules *ms, const struct stk_frame *f)
{
	const struct stk_arch *a = ms->target->arch;
	uint8_t code[2 * CALL_BYTES];

	return f->exact && valid(&f->regs, a->result_reg) && f->pc > sizeof(code) &&
	       !stk_mem_read(ms->target, f->pc - sizeof(code), code, sizeof(code), NULL) &&
	       a->is_newborn(code, sizeof(code), f->regs.r[a->result_reg]);
}

/* Within what makecontext(3) has its function return to, at most `back` bytes from its start? Its
 * CFI takes the next context, which lies on its stack, for a return address. */
static bool starts_context(const struct stk_modules *ms, uint64_t pc, unsigned back)
{
	uint8_t code[2 * START];
	const struct stk_arch *a = ms->target->arch;

	if (pc < back || stk_mem_read(ms->target, pc - back, code, back + START, NULL))
		return false;
	for (unsigned i = 0; i <= back; i++)
		if (a->is_context_start(code + i, back + START - i))
			return true;
	return false;
}

static struct stk_step step(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next)
{
	uint64_t pc = stk_frame_lookup_pc(f);
	const struct stk_row *row = f->mod ? stk_row_at(f->mod, pc) : NULL;

	*next = (struct stk_frame){.how = STK_HOW_CFI};
	if (f->exact && f->mod && starts_context(ms, f->pc, 0))
		return stop(STK_STOP_BASE, 0);
	if (row && row->present) {
		struct stk_step s = by_cfi(ms, f, row, next);
		if (s.more && !row->signal && !is_executable(ms, next->pc) &&
		    starts_context(ms, f->pc, START))
			return stop(STK_STOP_BASE, 0);
		if (s.more || s.stop == STK_STOP_BASE || s.stop == STK_STOP_UNREADABLE)
			return s;
		*next = (struct stk_frame){0};
	}
	if (is_newborn(ms, f))
		return stop(STK_STOP_BASE, 0);
	if (by_bad_call(ms, f, next) || by_frame_pointer(ms, f, next) || by_scan(ms, f, next))
		return go_on;
	uint64_t word;
	const struct stk_arch *a = ms->target->arch;
	if (valid(&f->regs, a->sp) && !stk_mem_word(ms->target, f->regs.r[a->sp], &word))
		return stop(STK_STOP_UNREADABLE, f->regs.r[a->sp]);
	return stop(STK_STOP_NO_RULE, f->pc);
}

struct stk_step stk_step(struct stk_modules *ms, struct stk_frame *f, struct stk_frame *next)
{
	struct stk_step s = step(ms, f, next);
	struct stk_module *m = s.more && !next->exact ? stk_module_at(ms, next->pc) : NULL;
	const struct stk_row *row = m ? stk_row_at(m, next->pc - 1) : NULL;

	if (m && (!row || !row->present))
		next->exact = starts_context(ms, next->pc, 0);
	return s;
}
