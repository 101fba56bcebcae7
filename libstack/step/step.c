/* Which way is tried when: find_caller(). */
#include "step/stride.h"

#define START        40 /* bytes of what makecontext(3) has its function return to */
#define SWITCHES_MAX 1000
#define SWITCH_BYTES 16
#define GOEXIT       7
#define AUXV_MAX     64

enum { AT_NULL = 0, AT_PAGESZ = 6 };
#define ARGS_MAX (1U << 20)

static struct stk_step end(enum stk_step_end why, uint64_t addr)
{
	return (struct stk_step){why, addr};
}

static bool eval(const struct stk_stride *w, const struct stk_cfi_row *row, uint64_t block,
		 const uint64_t *first, uint64_t *ret)
{
	return stk_cfi_eval(row->from, block, w->s->mem, &w->f->regs, first, ret);
}

/* The stack pointer that a function which changed stacks before its call takes back behind it. */
static bool takes_back(const struct stk_stride *w, const struct stk_cfi_row *row, uint64_t *ret)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint8_t code[SWITCH_BYTES];
	struct stk_switch_back b;
	uint64_t sp = f->regs.r[a->sp], object, limit;

	if (f->exact || row->cfa_reg != a->sp || (row->looked && !row->switches) ||
	    !stk_read(w->s->mem, f->pc, code, sizeof(code)) ||
	    !a->switches_back(code, sizeof(code), &b) ||
	    !stk_stride_word(w, sp + (uint64_t)b.kept, ret))
		return false;
	if (b.limit < 0)
		return true;
	if (!stk_stride_word(w, sp + (uint64_t)b.object, &object) ||
	    !stk_stride_word(w, object + (uint64_t)b.limit, &limit))
		return false;
	*ret = limit - *ret;
	return true;
}

static bool find_cfa(const struct stk_stride *w, const struct stk_cfi_row *row, uint64_t *ret)
{
	const struct stk_regset *regs = &w->f->regs;

	if (row->cfa_kind == STK_CFI_VAL_EXPR)
		return eval(w, row, (uint64_t)row->cfa, 0, ret) && *ret;
	if (!stk_reg_known(regs, row->cfa_reg))
		return false;
	uint64_t base = regs->r[row->cfa_reg];
	(void)takes_back(w, row, &base);
	*ret = base + (uint64_t)row->cfa;
	return *ret != 0;
}

/* One register of the caller by its rule. false: memory at `*at` could not be read. */
static bool apply_rule(const struct stk_stride *w, const struct stk_cfi_row *row, unsigned n,
		       uint64_t *at)
{
	const struct stk_step_frame *f = w->f;
	uint64_t v = (uint64_t)row->v[n];

	switch (row->kind[n]) {
	case STK_CFI_OFFSET:
		*at = f->cfa + v;
		if (!stk_stride_word(w, *at, &v))
			return false;
		break;
	case STK_CFI_VAL_OFFSET:
		v += f->cfa;
		break;
	case STK_CFI_REG:
		if (!stk_reg_known(&f->regs, v))
			return true;
		v = f->regs.r[v];
		break;
	case STK_CFI_EXPR:
		if (!eval(w, row, v, &f->cfa, at))
			return true;
		if (!stk_stride_word(w, *at, &v))
			return false;
		break;
	case STK_CFI_VAL_EXPR:
		if (!eval(w, row, v, &f->cfa, &v))
			return true;
		break;
	default:
		return true;
	}
	stk_reg_set(&w->next->regs, n, v);
	return true;
}

static struct stk_step by_cfi(const struct stk_stride *w, const struct stk_cfi_row *row)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f, *next = w->next;
	struct stk_regbits left;
	uint64_t at = 0;
	unsigned n;

	f->signal = row->signal;
	if (!find_cfa(w, row, &f->cfa))
		return end(STK_STEP_NO_RULE, f->pc);
	if (row->kind[a->pc] == STK_CFI_UNDEF)
		return end(STK_STEP_BASE, 0);
	for (left = stk_bits_and(&row->kept, &f->regs.valid); stk_bits_take(&left, &n);)
		stk_reg_set(&next->regs, n, f->regs.r[n]);
	for (left = row->found; stk_bits_take(&left, &n);)
		if (!apply_rule(w, row, n, &at) && n == a->pc)
			return end(STK_STEP_UNREADABLE, at);
	if (!stk_reg_known(&next->regs, a->sp))
		stk_reg_set(&next->regs, a->sp, f->cfa);
	if (!stk_reg_known(&next->regs, a->pc))
		return end(STK_STEP_NO_RULE, f->pc);
	next->pc = next->regs.r[a->pc];
	next->how = stk_stride_how(f, STK_HOW_CFI);
	next->exact = f->signal;
	return next->pc || f->signal ? end(STK_STEP_MORE, 0) : end(STK_STEP_BASE, f->cfa);
}

/*
 * The kernel's own frame below a handler: hand-written trampolines have no call frame information,
 * and what stands before them is another function's.
 */
static bool by_sigframe(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t sp = f->regs.r[a->sp], v;
	uint8_t code[SIGRETURN];

	if (f->how == STK_HOW_REGS || !stk_reg_known(&f->regs, a->sp) ||
	    !stk_read(w->s->mem, f->pc, code, sizeof(code)) || !a->is_sigreturn(code, sizeof(code)))
		return false;
	for (unsigned n = 0; n < a->tracked; n++)
		if (stk_stride_word(w, sp + a->sigframe[n], &v))
			stk_reg_set(&w->next->regs, n, v);
	if (!stk_reg_known(&w->next->regs, a->pc) || !stk_reg_known(&w->next->regs, a->sp)) {
		*w->next = (struct stk_step_frame){0};
		return false;
	}
	f->signal = true;
	f->cfa = w->next->regs.r[a->sp];
	w->next->pc = w->next->regs.r[a->pc];
	w->next->how = stk_stride_how(f, STK_HOW_CFI);
	w->next->exact = true;
	return true;
}

/* The words from `*at` on up to a zero, each `lowest` or above; `*at` moves behind the zero. */
static bool list(const struct stk_stride *w, uint64_t *at, uint64_t lowest, uint64_t max)
{
	uint64_t v;

	for (uint64_t i = 0; i <= max; i++) {
		if (!stk_stride_word(w, *at, &v))
			return false;
		*at += w->arch->word;
		if (!v)
			return true;
		if (v < lowest)
			return false;
	}
	return false;
}

/* Pairs of a type and a value up to the type AT_NULL. That of AT_PAGESZ tells that it is one. */
static bool is_auxv(const struct stk_stride *w, uint64_t at)
{
	uint64_t type, v;
	bool page = false;

	for (unsigned i = 0; i < AUXV_MAX; i++, at += 2 * w->arch->word) {
		if (!stk_stride_word(w, at, &type) || !stk_stride_word(w, at + w->arch->word, &v))
			return false;
		if (type == AT_NULL)
			return page;
		if (type == AT_PAGESZ)
			page = v >= STK_PAGE && !(v & (v - 1));
	}
	return false;
}

/*
 * Does the stack end here? The kernel starts a program with the number of its arguments at the
 * stack pointer, then the arguments and the environment, each up to a zero, and the auxiliary
 * vector (System V ABI, AMD64 supplement §3.4.1, figure 3.9). The strings of the arguments lie
 * above; what the program has put into its environment may lie anywhere. The loader's own start and
 * hand-written ones have no call frame information.
 */
static bool is_process_start(const struct stk_stride *w, uint64_t sp)
{
	uint64_t word = w->arch->word, at = sp + word, argc;

	return stk_stride_word(w, sp, &argc) && argc < ARGS_MAX && list(w, &at, sp, argc) &&
	       at == sp + (argc + 2) * word && list(w, &at, 1, ARGS_MAX) && is_auxv(w, at);
}

/* libc leaves the instruction behind clone's system call without CFI: the stacks differ there. */
static bool is_newborn(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	const struct stk_step_frame *f = w->f;
	uint8_t code[2 * CALL_BYTES];

	return f->exact && stk_reg_known(&f->regs, a->result_reg) && f->pc > sizeof(code) &&
	       stk_read(w->s->mem, f->pc - sizeof(code), code, sizeof(code)) &&
	       a->is_newborn(code, sizeof(code), f->regs.r[a->result_reg]);
}

/* Within what makecontext(3) has its function return to, at most `back` bytes from its start? Its
 * CFI takes the next context, which lies on its stack, for a return address. */
static bool starts_context(const struct stk_stride *w, uint64_t pc, unsigned back)
{
	uint8_t code[2 * START];

	if (pc < back || !stk_read(w->s->mem, pc - back, code, back + START))
		return false;
	for (unsigned i = 0; i <= back; i++)
		if (w->arch->is_context_start(code + i, back + START - i))
			return true;
	return false;
}

/* Does a new goroutine return to this pc? It stands behind the first instruction of a function: by
 * `row`, that of the look-up pc, or by the symbols, as far as somebody knows them. */
static bool is_goexit(const struct stk_stride *w, const struct stk_cfi_row *row)
{
	uint64_t begin = w->f->pc - 1;
	uint8_t code[GOEXIT];

	if (!stk_read(w->s->mem, begin, code, sizeof(code)) ||
	    !w->arch->is_goexit(code, sizeof(code)))
		return false;
	return row ? !row->off : !w->s->entry || w->s->entry(w->s->arg, begin) == begin;
}

/*
 * Was this return address put there by a call? One that a program writes over may be the address of
 * anything. Code that is made at run time is not asked. Where Go lets a goroutine begin, no call
 * stands before it; nor where Go changes stacks: that pc is exact.
 */
static bool is_returned_to(const struct stk_stride *w, const struct stk_cfi_row *row)
{
	struct stk_step_frame *f = w->f;

	if (f->exact || f->how == STK_HOW_REGS ||
	    (row && ((row->looked && row->called) || row->signal)) ||
	    stk_stride_code(w, f->pc - 1) != STK_CODE_IMAGE || stk_after_call(w, f->pc, true) ||
	    is_goexit(w, row))
		return true;
	f->exact = w->s->put && w->s->put(w->s->arg, f->pc);
	return f->exact;
}

static struct stk_step find_caller(const struct stk_stride *w)
{
	struct stk_step_frame *f = w->f;
	const struct stk_cfi_row *row;
	uint64_t word;
	bool exact = f->exact;

	if (f->exact && stk_stride_code(w, f->pc) == STK_CODE_IMAGE && starts_context(w, f->pc, 0))
		return end(STK_STEP_BASE, 0);
	if (by_sigframe(w))
		return end(STK_STEP_MORE, 0);
	row = stk_stride_row(w, stk_step_lookup_pc(f));
	if (!is_returned_to(w, row))
		return end(STK_STEP_NO_CALL, f->pc);
	if (f->exact && !exact)
		row = stk_stride_row(w, f->pc);
	if (row) {
		struct stk_step s = by_cfi(w, row);
		bool more = s.end == STK_STEP_MORE;
		if (more && !f->signal && stk_stride_code(w, w->next->pc) == STK_CODE_NO &&
		    (starts_context(w, f->pc, START) ||
		     is_process_start(w, f->cfa - w->arch->word)))
			return end(STK_STEP_BASE, 0);
		if (s.end != STK_STEP_NO_RULE)
			return s;
		*w->next = (struct stk_step_frame){0};
	}
	uint64_t sp = f->regs.r[w->arch->sp];
	bool stack = stk_reg_known(&f->regs, w->arch->sp);
	if (is_newborn(w) || (stack && is_process_start(w, sp)))
		return end(STK_STEP_BASE, 0);
	if (!f->exact && stk_stride_code(w, f->pc) == STK_CODE_NO)
		return end(STK_STEP_NO_CODE, f->pc);
	if (stk_by_call(w) || stk_by_entry(w) || stk_by_frame_pointer(w) || stk_by_scan(w))
		return end(STK_STEP_MORE, 0);
	if (stack && !stk_stride_word(w, sp, &word))
		return end(STK_STEP_UNREADABLE, sp);
	return end(STK_STEP_NO_RULE, f->pc);
}

/* How far up its stack a frame is: its CFA, or where that is not known (a scan led on from there),
 * its stack pointer. */
static uint64_t height(const struct stk_stride *w)
{
	const struct stk_step_frame *f = w->f;

	return f->cfa || !stk_reg_known(&f->regs, w->arch->sp) ? f->cfa : f->regs.r[w->arch->sp];
}

/* Has this frame come before? (Brent's algorithm: one frame gone by is kept, and replaced after
 * twice as many steps each time.) */
static bool comes_again(struct stk_step_frame *f, uint64_t up)
{
	if (f->seen.until && f->seen.pc == f->pc && f->seen.height == up)
		return true;
	if (f->seen.steps++ == f->seen.until) {
		f->seen.until = 2 * f->seen.until + 1;
		f->seen.steps = 0;
		f->seen.pc = f->pc;
		f->seen.height = up;
	}
	return false;
}

/* Stacks grow down: a caller's CFA is above. Another stack that was left for this one is not where
 * frames have gone by: there a damaged frame pointer leads to what was left behind by calls that
 * are over. A signal's frame may be anywhere: its CFA is the stack pointer of what it interrupted.
 */
static bool moved_on(const struct stk_stride *w, bool exactly)
{
	struct stk_step_frame *f = w->f;
	uint64_t up = height(w);

	if (!f->below)
		f->lowest = stk_reg_known(&f->regs, w->arch->sp) ? f->regs.r[w->arch->sp] : up;
	if (!f->below || !up || up > f->below || (!f->cfa && up == f->below))
		return true;
	bool by_signal = f->exact || f->signal;
	if (!by_signal && !(exactly && up < f->lowest && stk_after_call(w, w->next->pc, false)))
		return false;
	f->lowest = up;
	return ++f->switches <= SWITCHES_MAX && !comes_again(f, up);
}

struct stk_step stk_step(const struct stk_stepper *s, struct stk_step_frame *f,
			 struct stk_step_frame *next)
{
	struct stk_stride w = {.s = s, .arch = s->arch, .f = f, .next = next};

	f->cfa = 0;
	f->signal = false;
	*next = (struct stk_step_frame){0};
	struct stk_step r = find_caller(&w);
	if (!moved_on(&w, next->how == STK_HOW_CFI && r.end == STK_STEP_MORE))
		return end(STK_STEP_LOOP, f->below);
	next->below = height(&w);
	next->lowest = f->lowest;
	next->switches = f->switches;
	next->seen = f->seen;
	/* What a context was made to return to is not called: no call stands before it. */
	if (r.end == STK_STEP_MORE && !next->exact && !stk_stride_row(&w, next->pc - 1) &&
	    stk_stride_code(&w, next->pc) == STK_CODE_IMAGE)
		next->exact = starts_context(&w, next->pc, 0);
	return r;
}
