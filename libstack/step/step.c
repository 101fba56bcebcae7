/* Which way is tried when: find_caller(). */
#include "step/step.h"

#define SCAN_WORDS   512
#define SCAN_LOOKUPS 32 /* of CFI in one scan: each may go through all of a damaged section */
#define CALL_BYTES   7
#define LEAF         64 /* bytes of code that moves no stack pointer */
#define START        40 /* bytes of what makecontext(3) has its function return to */
#define SWITCHES_MAX 1000
#define SIGRETURN    9 /* bytes of the instructions that a handler returns to */
#define ARGS_MAX     (1U << 20)

/* All that a step needs. */
struct walk {
	const struct stk_stepper *s;
	const struct stk_arch *arch;
	struct stk_step_frame *f, *next;
};

static struct stk_step end(enum stk_step_end why, uint64_t addr)
{
	return (struct stk_step){why, addr};
}

static bool word_at(const struct walk *w, uint64_t addr, uint64_t *ret)
{
	return stk_read_word(w->s->mem, addr, ret);
}

static enum stk_code_kind code_at(const struct walk *w, uint64_t addr)
{
	return w->s->code(w->s->arg, addr);
}

static const struct stk_cfi_row *row_at(const struct walk *w, uint64_t pc)
{
	return w->s->row(w->s->arg, pc);
}

/* Do the bytes before `ret` end with a call? `unknown`: what is said where they are not there. */
static bool after_call(const struct walk *w, uint64_t ret, bool unknown)
{
	uint8_t code[CALL_BYTES];

	if (ret < CALL_BYTES || code_at(w, ret - 1) == STK_CODE_NO)
		return false;
	if (!stk_read(w->s->mem, ret - CALL_BYTES, code, CALL_BYTES))
		return unknown;
	return w->arch->ends_with_call(code, CALL_BYTES);
}

static bool eval(const struct walk *w, const struct stk_cfi_row *row, uint64_t block,
		 const uint64_t *first, uint64_t *ret)
{
	return stk_cfi_eval(row->from, block, w->s->mem, &w->f->regs, first, ret);
}

static bool find_cfa(const struct walk *w, const struct stk_cfi_row *row, uint64_t *ret)
{
	const struct stk_regset *regs = &w->f->regs;

	if (row->cfa_kind == STK_CFI_VAL_EXPR)
		return eval(w, row, (uint64_t)row->cfa, 0, ret) && *ret;
	if (!stk_reg_known(regs, row->cfa_reg))
		return false;
	*ret = regs->r[row->cfa_reg] + (uint64_t)row->cfa;
	return *ret != 0;
}

/* One register of the caller by its rule. false: memory at `*at` could not be read. */
static bool apply_rule(const struct walk *w, const struct stk_cfi_row *row, unsigned n,
		       uint64_t *at)
{
	const struct stk_step_frame *f = w->f;
	uint64_t v = (uint64_t)row->v[n];

	switch (row->kind[n]) {
	case STK_CFI_OFFSET:
		*at = f->cfa + v;
		if (!word_at(w, *at, &v))
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
		if (!word_at(w, *at, &v))
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

/* What a guess leads to is one. */
static enum stk_how led_by(const struct stk_step_frame *f, enum stk_how how)
{
	return f->how == STK_HOW_SCAN ? STK_HOW_SCAN : how;
}

static struct stk_step by_cfi(const struct walk *w, const struct stk_cfi_row *row)
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
	next->how = led_by(f, STK_HOW_CFI);
	next->exact = f->signal;
	return end(next->pc || f->signal ? STK_STEP_MORE : STK_STEP_BASE, 0);
}

/* The caller stands behind the call at `ret`. */
static void caller(const struct walk *w, uint64_t ret, uint64_t sp, enum stk_how how)
{
	stk_reg_set(&w->next->regs, w->arch->pc, ret);
	stk_reg_set(&w->next->regs, w->arch->sp, sp);
	w->next->pc = ret;
	w->next->how = led_by(w->f, how);
}

/* Does the call before `ret` name an address that is a few instructions before the pc? */
static bool calls_here(const struct walk *w, uint64_t ret)
{
	uint8_t code[CALL_BYTES];
	uint64_t to = 0;

	if (ret > CALL_BYTES && stk_read(w->s->mem, ret - CALL_BYTES, code, CALL_BYTES))
		to = w->arch->call_target(code, CALL_BYTES, ret);
	return to && w->f->pc - to < LEAF;
}

/* A call pushed the return address, and what it came to has done nothing else yet: a bad address;
 * or code without call frame information, as procedure linkage tables and hand-written leaves are.
 */
static bool by_call(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t sp = f->regs.r[a->sp], ret;

	if (!f->exact || !stk_reg_known(&f->regs, a->sp) || !word_at(w, sp, &ret) ||
	    !after_call(w, ret, false))
		return false;
	if (!f->nowhere && code_at(w, f->pc) != STK_CODE_NO && !calls_here(w, ret))
		return false;
	f->cfa = sp + a->word;
	w->next->regs = f->regs;
	stk_regs_keep(&w->next->regs, &a->callee_saved);
	caller(w, ret, f->cfa, STK_HOW_CALL);
	return true;
}

/* Code made at run time pushes return addresses that no call put there (HotSpot's interpreter). */
static bool within_jit(const struct walk *w, uint64_t ret)
{
	return code_at(w, ret) == STK_CODE_OTHER && code_at(w, w->f->pc) != STK_CODE_IMAGE;
}

static bool by_frame_pointer(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t fp = f->regs.r[a->fp], v[2]; /* the caller's frame pointer, the return address */

	if (!stk_reg_known(&f->regs, a->fp) || !stk_reg_known(&f->regs, a->sp) ||
	    fp < f->regs.r[a->sp] || fp % a->word || !stk_read(w->s->mem, fp, v, sizeof(v)) ||
	    (v[0] && v[0] <= fp) || (!after_call(w, v[1], true) && !within_jit(w, v[1])))
		return false;
	f->cfa = fp + sizeof(v);
	stk_reg_set(&w->next->regs, a->fp, v[0]);
	caller(w, v[1], f->cfa, STK_HOW_FP);
	return true;
}

/* Is `v` a return address into an image that has CFI there? Counts the look-ups down. */
static bool is_scanned_return(const struct walk *w, uint64_t v, unsigned *lookups)
{
	return v && code_at(w, v - 1) == STK_CODE_IMAGE && after_call(w, v, false) &&
	       (*lookups)-- && row_at(w, v - 1);
}

/* Frames may lie between the two: f->cfa is not known. */
static bool by_scan(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	uint64_t sp = w->f->regs.r[a->sp], v;
	unsigned lookups = SCAN_LOOKUPS;

	if (!stk_reg_known(&w->f->regs, a->sp))
		return false;
	sp = (sp + a->word - 1) & ~(uint64_t)(a->word - 1);
	for (unsigned i = 0; i < SCAN_WORDS && lookups; i++, sp += a->word) {
		if (!word_at(w, sp, &v))
			return false;
		if (!is_scanned_return(w, v, &lookups))
			continue;
		caller(w, v, sp + a->word, STK_HOW_SCAN);
		return true;
	}
	return false;
}

/*
 * The kernel's own frame below a handler: hand-written trampolines have no call frame information,
 * and what stands before them is another function's.
 */
static bool by_sigframe(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t sp = f->regs.r[a->sp], v;
	uint8_t code[SIGRETURN];

	if (f->how == STK_HOW_REGS || !stk_reg_known(&f->regs, a->sp) ||
	    !stk_read(w->s->mem, f->pc, code, sizeof(code)) || !a->is_sigreturn(code, sizeof(code)))
		return false;
	for (unsigned n = 0; n < a->tracked; n++)
		if (word_at(w, sp + a->sigframe[n], &v))
			stk_reg_set(&w->next->regs, n, v);
	if (!stk_reg_known(&w->next->regs, a->pc) || !stk_reg_known(&w->next->regs, a->sp)) {
		*w->next = (struct stk_step_frame){0};
		return false;
	}
	f->signal = true;
	f->cfa = w->next->regs.r[a->sp];
	w->next->pc = w->next->regs.r[a->pc];
	w->next->how = led_by(f, STK_HOW_CFI);
	w->next->exact = true;
	return true;
}

/*
 * Does the stack end here? The kernel starts a program with the number of its arguments at the
 * stack pointer, their addresses behind it, and a zero (System V ABI, AMD64 supplement §3.4.1); the
 * strings lie above. The loader's own start and hand-written ones have no call frame information.
 */
static bool is_process_start(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	uint64_t sp = w->f->regs.r[a->sp], argc, first, last, zero;

	return stk_reg_known(&w->f->regs, a->sp) && word_at(w, sp, &argc) && argc &&
	       argc < ARGS_MAX && word_at(w, sp + a->word, &first) && first > sp &&
	       word_at(w, sp + argc * a->word, &last) && last >= first &&
	       word_at(w, sp + (argc + 1) * a->word, &zero) && !zero;
}

/* libc leaves the instruction behind clone's system call without CFI: the stacks differ there. */
static bool is_newborn(const struct walk *w)
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
static bool starts_context(const struct walk *w, uint64_t pc, unsigned back)
{
	uint8_t code[2 * START];

	if (pc < back || !stk_read(w->s->mem, pc - back, code, back + START))
		return false;
	for (unsigned i = 0; i <= back; i++)
		if (w->arch->is_context_start(code + i, back + START - i))
			return true;
	return false;
}

static struct stk_step find_caller(const struct walk *w)
{
	struct stk_step_frame *f = w->f;
	const struct stk_cfi_row *row;
	uint64_t word;

	if (f->exact && code_at(w, f->pc) == STK_CODE_IMAGE && starts_context(w, f->pc, 0))
		return end(STK_STEP_BASE, 0);
	if (by_sigframe(w))
		return end(STK_STEP_MORE, 0);
	row = row_at(w, stk_step_lookup_pc(f));
	if (row) {
		struct stk_step s = by_cfi(w, row);
		bool more = s.end == STK_STEP_MORE;
		if (more && !f->signal && code_at(w, w->next->pc) == STK_CODE_NO &&
		    starts_context(w, f->pc, START))
			return end(STK_STEP_BASE, 0);
		if (s.end != STK_STEP_NO_RULE)
			return s;
		*w->next = (struct stk_step_frame){0};
	}
	if (is_newborn(w) || is_process_start(w))
		return end(STK_STEP_BASE, 0);
	if (!f->exact && code_at(w, f->pc) == STK_CODE_NO)
		return end(STK_STEP_NO_CODE, f->pc);
	if (by_call(w) || by_frame_pointer(w) || by_scan(w))
		return end(STK_STEP_MORE, 0);
	uint64_t sp = f->regs.r[w->arch->sp];
	if (stk_reg_known(&f->regs, w->arch->sp) && !word_at(w, sp, &word))
		return end(STK_STEP_UNREADABLE, sp);
	return end(STK_STEP_NO_RULE, f->pc);
}

/* How far up its stack a frame is: its CFA, or where that is not known (a scan led on from there),
 * its stack pointer. */
static uint64_t height(const struct walk *w)
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
static bool moved_on(const struct walk *w, bool exactly)
{
	struct stk_step_frame *f = w->f;
	uint64_t up = height(w);

	if (!f->below)
		f->lowest = stk_reg_known(&f->regs, w->arch->sp) ? f->regs.r[w->arch->sp] : up;
	if (!f->below || !up || up > f->below || (!f->cfa && up == f->below))
		return true;
	bool by_signal = f->exact || f->signal;
	if (!by_signal && !(exactly && up < f->lowest && after_call(w, w->next->pc, false)))
		return false;
	f->lowest = up;
	return ++f->switches <= SWITCHES_MAX && !comes_again(f, up);
}

struct stk_step stk_step(const struct stk_stepper *s, struct stk_step_frame *f,
			 struct stk_step_frame *next)
{
	struct walk w = {.s = s, .arch = s->arch, .f = f, .next = next};

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
	if (r.end == STK_STEP_MORE && !next->exact && !row_at(&w, next->pc - 1) &&
	    code_at(&w, next->pc) == STK_CODE_IMAGE)
		next->exact = starts_context(&w, next->pc, 0);
	return r;
}
