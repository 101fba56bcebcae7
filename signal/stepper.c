#include "stepper.h"

#include "cfi.h"
#include "guard.h"

#define SCAN_WORDS   512
#define SCAN_LOOKUPS 32 /* of CFI in one scan: each may go through all of a damaged .eh_frame */
#define CALL_BYTES   7
#define SWITCHES_MAX 16

/* All that a step needs. */
struct walk {
	const struct stk_images *im;
	const struct stk_arch *arch;
	struct stk_step_frame *f, *next;
};

static bool valid(const struct stk_step_frame *f, unsigned n)
{
	return n < STK_REGS && (f->valid >> n & 1);
}

static void set(struct stk_step_frame *f, unsigned n, uint64_t v)
{
	f->r[n] = v;
	f->valid |= 1U << n;
}

static bool is_code(const struct stk_img *img, uint64_t pc)
{
	return pc >= img->text_start && pc < img->text_end;
}

/* Does `f` stand in no code? Readable memory of no image may be that of a just-in-time compiler. */
static bool in_no_code(const struct walk *w)
{
	uint64_t pc = w->f->pc;
	const struct stk_img *img = stk_image_of(w->im, pc);
	uint8_t byte;

	if (img)
		return !is_code(img, pc);
	return w->f->nowhere || !stk_guard_read(pc, &byte, 1);
}

/* Do the bytes before `ret`, in code or in no image, end with a call? */
static bool after_call(const struct walk *w, uint64_t ret)
{
	const struct stk_img *img = stk_image_of(w->im, ret - 1);
	uint8_t code[CALL_BYTES];

	return (!img || is_code(img, ret - 1)) &&
	       stk_guard_read(ret - CALL_BYTES, code, CALL_BYTES) &&
	       w->arch->ends_with_call(code, CALL_BYTES);
}

static bool find_cfa(const struct stk_step_frame *f, const struct stk_cfi_row *row, uint64_t *ret)
{
	if (row->cfa_kind == STK_CFI_VAL_EXPR)
		return stk_cfi_eval((uint64_t)row->cfa, f->r, f->valid, NULL, ret) && *ret;
	if (!valid(f, row->cfa_reg))
		return false;
	*ret = f->r[row->cfa_reg] + (uint64_t)row->cfa;
	return *ret != 0;
}

/* One register of the caller by its rule. false only where memory could not be read. */
static bool apply_rule(const struct walk *w, const struct stk_cfi_row *row, unsigned n)
{
	const struct stk_step_frame *f = w->f;
	uint64_t v = (uint64_t)row->v[n];

	switch (row->kind[n]) {
	case STK_CFI_SAME:
		/* Only what the ABI preserves is still the caller's; a signal frame saves all. */
		if (!((w->arch->callee_saved >> n & 1) || row->signal) || !valid(f, n))
			return true;
		v = f->r[n];
		break;
	case STK_CFI_OFFSET:
		if (!stk_guard_word(f->cfa + v, &v))
			return false;
		break;
	case STK_CFI_VAL_OFFSET:
		v += f->cfa;
		break;
	case STK_CFI_REG:
		if (v >= STK_REGS || !valid(f, (unsigned)v))
			return true;
		v = f->r[v];
		break;
	case STK_CFI_EXPR:
		if (!stk_cfi_eval(v, f->r, f->valid, &f->cfa, &v))
			return true;
		if (!stk_guard_word(v, &v))
			return false;
		break;
	case STK_CFI_VAL_EXPR:
		if (!stk_cfi_eval(v, f->r, f->valid, &f->cfa, &v))
			return true;
		break;
	default:
		return true;
	}
	set(w->next, n, v);
	return true;
}

static enum stk_step_end by_cfi(const struct walk *w, const struct stk_cfi_row *row)
{
	const struct stk_arch *a = w->arch;

	w->f->signal = row->signal;
	if (!find_cfa(w->f, row, &w->f->cfa))
		return STK_STEP_NO_RULE;
	if (row->kind[a->pc] == STK_CFI_UNDEF)
		return STK_STEP_BASE;
	for (unsigned n = 0; n < STK_REGS; n++)
		if (!apply_rule(w, row, n) && n == a->pc)
			return STK_STEP_UNREADABLE;
	if (!valid(w->next, a->sp))
		set(w->next, a->sp, w->f->cfa);
	if (!valid(w->next, a->pc))
		return STK_STEP_NO_RULE;
	w->next->pc = w->next->r[a->pc];
	w->next->how = STK_HOW_CFI;
	w->next->exact = row->signal;
	return w->next->pc || row->signal ? STK_STEP_MORE : STK_STEP_BASE;
}

/* The caller stands behind the call at `ret`, its stack pointer at f->cfa. */
static void caller(const struct walk *w, uint64_t ret, enum stk_how how)
{
	set(w->next, w->arch->pc, ret);
	set(w->next, w->arch->sp, w->f->cfa);
	w->next->pc = ret;
	w->next->how = how;
}

/* A call to a bad address pushed the return address and did nothing else. */
static bool by_bad_call(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t ret;

	if (!f->exact || !valid(f, a->sp) || !in_no_code(w) || !stk_guard_word(f->r[a->sp], &ret) ||
	    !after_call(w, ret))
		return false;
	f->cfa = f->r[a->sp] + a->word;
	for (unsigned n = 0; n < STK_REGS; n++)
		if ((a->callee_saved >> n & 1) && valid(f, n))
			set(w->next, n, f->r[n]);
	caller(w, ret, STK_HOW_CALL);
	return true;
}

static bool by_frame_pointer(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t fp = f->r[a->fp], v[2]; /* the caller's frame pointer, the return address */

	if (!valid(f, a->fp) || !valid(f, a->sp) || fp < f->r[a->sp] || fp % a->word ||
	    !stk_guard_read(fp, v, sizeof(v)) || (v[0] && v[0] <= fp) || !after_call(w, v[1]))
		return false;
	f->cfa = fp + sizeof(v);
	set(w->next, a->fp, v[0]);
	caller(w, v[1], STK_HOW_FP);
	return true;
}

/* Is `v` a return address into an image that has CFI there? Counts the look-ups down. */
static bool is_scanned_return(const struct walk *w, uint64_t v, unsigned *lookups)
{
	const struct stk_img *img = stk_image_of(w->im, v);
	struct stk_cfi_row row;

	return img && after_call(w, v) && (*lookups)-- && stk_cfi_find(img, w->arch, v - 1, &row);
}

static bool by_scan(const struct walk *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t sp = f->r[a->sp], v;
	unsigned lookups = SCAN_LOOKUPS;

	if (!valid(f, a->sp))
		return false;
	sp = (sp + a->word - 1) & ~(uint64_t)(a->word - 1);
	for (unsigned i = 0; i < SCAN_WORDS && lookups; i++, sp += a->word) {
		if (!stk_guard_word(sp, &v))
			return false;
		if (!is_scanned_return(w, v, &lookups))
			continue;
		f->cfa = sp + a->word;
		caller(w, v, STK_HOW_SCAN);
		return true;
	}
	return false;
}

static enum stk_step_end find_caller(const struct walk *w)
{
	uint64_t pc = stk_step_lookup_pc(w->f), word;
	const struct stk_img *img = stk_image_of(w->im, pc);
	struct stk_cfi_row row;

	if (img && stk_cfi_find(img, w->arch, pc, &row)) {
		enum stk_step_end end = by_cfi(w, &row);
		if (end != STK_STEP_NO_RULE)
			return end;
		*w->next = (struct stk_step_frame){0};
	}
	if (by_bad_call(w) || by_frame_pointer(w) || by_scan(w))
		return STK_STEP_MORE;
	if (valid(w->f, w->arch->sp) && !stk_guard_word(w->f->r[w->arch->sp], &word))
		return STK_STEP_UNREADABLE;
	return STK_STEP_NO_RULE;
}

/* Stacks grow down: a caller's CFA is above. A signal may have switched stacks, but not without
 * end: a damaged signal frame can name itself as the interrupted one. */
static bool moved_on(struct stk_step_frame *f)
{
	if (!f->below || !f->cfa || f->cfa > f->below)
		return true;
	return (f->exact || f->signal) && ++f->switches <= SWITCHES_MAX;
}

/* CRASH context. */
enum stk_step_end stk_stepper_step(const struct stk_images *im, const struct stk_arch *arch,
				   struct stk_step_frame *f, struct stk_step_frame *next)
{
	struct walk w = {.im = im, .arch = arch, .f = f, .next = next};

	f->cfa = 0;
	f->signal = false;
	*next = (struct stk_step_frame){0};
	enum stk_step_end end = find_caller(&w);
	if (!moved_on(f))
		return STK_STEP_LOOP;
	next->below = f->cfa;
	next->switches = f->switches;
	return end;
}
