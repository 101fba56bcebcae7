/*
 * The caller of code without call frame information. In the order in which they are tried: a return
 * address that a call has just pushed; one whose call led to this very function; the frame pointer
 * chain; a scan.
 */
#include "step/stride.h"

#define SCAN_WORDS   512
#define SCAN_LOOKUPS 32 /* of CFI in one scan: each may go through all of a damaged section */
#define LEAF         64 /* bytes of code that may move no stack pointer */
#define PUSHES_BYTES 16
#define TABLE_BYTES  16 /* of an entry of a linkage table */

/* Do the bytes before `ret` end with a call? `unknown`: what is said where they are not there. */
bool stk_after_call(const struct stk_stride *w, uint64_t ret, bool unknown)
{
	uint8_t code[CALL_BYTES];

	if (ret < CALL_BYTES || stk_stride_code(w, ret - 1) == STK_CODE_NO)
		return false;
	if (!stk_read(w->s->mem, ret - CALL_BYTES, code, CALL_BYTES))
		return unknown;
	return w->arch->ends_with_call(code, CALL_BYTES);
}

/* The caller stands behind the call at `ret`. */
static void caller(const struct stk_stride *w, uint64_t ret, uint64_t sp, enum stk_how how)
{
	stk_reg_set(&w->next->regs, w->arch->pc, ret);
	stk_reg_set(&w->next->regs, w->arch->sp, sp);
	w->next->pc = ret;
	w->next->how = stk_stride_how(w->f, how);
}

/*
 * Where the call before `ret` leads: by its instruction, or through the word that it, or the
 * linkage table that it calls, goes through. 0: not known.
 */
static uint64_t leads_to(const struct stk_stride *w, uint64_t ret)
{
	const struct stk_arch *a = w->arch;
	uint8_t code[CALL_BYTES], table[TABLE_BYTES];
	uint64_t to, word;

	if (ret <= CALL_BYTES || !stk_read(w->s->mem, ret - CALL_BYTES, code, CALL_BYTES))
		return 0;
	to = a->call_target(code, CALL_BYTES, ret);
	if (!to)
		word = a->call_through(code, CALL_BYTES, ret);
	else if (stk_read(w->s->mem, to, table, sizeof(table)))
		word = a->jump_through(table, sizeof(table), to);
	else
		word = 0;
	return word && !stk_stride_word(w, word, &to) ? 0 : to;
}

/*
 * Has the code from `to` to the pc left the stack pointer alone? All of its instructions are known,
 * and of one function: no symbol stands between. (Of clone3 the first have call frame information.)
 */
static bool unmoved(const struct stk_stride *w, uint64_t to)
{
	uint64_t pc = w->f->pc, len = pc - to;
	uint8_t code[LEAF];
	size_t n;

	if (!len)
		return true;
	if (len > sizeof(code) || !stk_read(w->s->mem, to, code, len) ||
	    stk_stride_row(w, pc - 1) || (w->s->entry && w->s->entry(w->s->arg, pc) > to))
		return false;
	for (size_t at = 0; at < len; at += n) {
		n = w->arch->keeps_sp(code + at, len - at);
		if (!n)
			return false;
	}
	return true;
}

/* Is what stands at the stack pointer still where a call has put it? The function begins at a
 * symbol, or where the call before `ret` leads. The pc may be in the linkage table that the call
 * goes through. */
static bool is_unmoved(const struct stk_stride *w, uint64_t ret)
{
	uint64_t begin = w->s->entry ? w->s->entry(w->s->arg, w->f->pc) : 0, to = 0;
	uint8_t code[CALL_BYTES];

	if (begin && unmoved(w, begin))
		return true;
	if (ret > CALL_BYTES && stk_read(w->s->mem, ret - CALL_BYTES, code, CALL_BYTES))
		to = w->arch->call_target(code, CALL_BYTES, ret);
	if (to && unmoved(w, to))
		return true;
	to = leads_to(w, ret);
	return to && unmoved(w, to);
}

/* A call pushed the return address, and what it came to has done nothing else yet: a bad address;
 * or code without call frame information, as procedure linkage tables and hand-written leaves are.
 */
bool stk_by_call(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t sp = f->regs.r[a->sp], ret;

	if (!f->exact || !stk_reg_known(&f->regs, a->sp) || !stk_stride_word(w, sp, &ret) ||
	    !stk_after_call(w, ret, false))
		return false;
	if (!f->nowhere && stk_stride_code(w, f->pc) != STK_CODE_NO && !is_unmoved(w, ret))
		return false;
	f->cfa = sp + a->word;
	w->next->regs = f->regs;
	stk_regs_keep(&w->next->regs, &a->callee_saved);
	caller(w, ret, f->cfa, STK_HOW_CALL);
	return true;
}

static bool is_frame_pointer(const struct stk_stride *w, uint64_t fp)
{
	uint64_t v[2]; /* the caller's frame pointer, the return address */
	uint8_t code[SIGRETURN];

	return fp % w->arch->word == 0 && stk_read(w->s->mem, fp, v, sizeof(v)) &&
	       (!v[0] || v[0] > fp) &&
	       (stk_after_call(w, v[1], false) || (stk_read(w->s->mem, v[1], code, sizeof(code)) &&
						   w->arch->is_sigreturn(code, sizeof(code))));
}

/* What the function that begins at `begin` has pushed first, below the return address at `at`. The
 * frame pointer that it has not pushed is the caller's where it points to a frame. */
static void take_pushed(const struct stk_stride *w, uint64_t begin, uint64_t at)
{
	const struct stk_arch *a = w->arch;
	const struct stk_regset *regs = &w->f->regs;
	uint8_t code[PUSHES_BYTES], pushed[PUSHES_BYTES];
	size_t len = w->f->pc - begin < sizeof(code) ? w->f->pc - begin : sizeof(code);
	unsigned n =
	    stk_read(w->s->mem, begin, code, len) ? a->pushes(code, len, pushed, PUSHES_BYTES) : 0;
	uint64_t fp = regs->r[a->fp], v;

	if (stk_reg_known(regs, a->fp) && fp > at && is_frame_pointer(w, fp))
		stk_reg_set(&w->next->regs, a->fp, fp);
	for (unsigned i = 0; i < n; i++)
		if (stk_bit(&a->callee_saved, pushed[i]) &&
		    stk_stride_word(w, at - (i + 1) * a->word, &v))
			stk_reg_set(&w->next->regs, pushed[i], v);
}

/*
 * The first return address up the stack whose call leads to the beginning of the function that has
 * the pc: code without call frame information that keeps no frame pointer, as musl is. A call that
 * is over may have left it: a guess. Where the frame pointer points to the frame of this very
 * function, its chain is better.
 */
bool stk_by_entry(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	const struct stk_regset *regs = &w->f->regs;
	uint64_t begin = w->s->entry ? w->s->entry(w->s->arg, stk_step_lookup_pc(w->f)) : 0;
	uint64_t at = (regs->r[a->sp] + a->word - 1) & ~(uint64_t)(a->word - 1), v;

	if (!begin || !stk_reg_known(regs, a->sp))
		return false;
	for (unsigned i = 0; i < SCAN_WORDS; i++, at += a->word) {
		if (!stk_stride_word(w, at, &v))
			return false;
		if (stk_stride_code(w, v - 1) != STK_CODE_IMAGE || leads_to(w, v) != begin)
			continue;
		if (stk_reg_known(regs, a->fp) && at == regs->r[a->fp] + a->word)
			return false;
		take_pushed(w, begin, at);
		caller(w, v, at + a->word, STK_HOW_SCAN);
		return true;
	}
	return false;
}

/* Code made at run time pushes return addresses that no call put there (HotSpot's interpreter). */
static bool within_jit(const struct stk_stride *w, uint64_t ret)
{
	return stk_stride_code(w, ret) == STK_CODE_OTHER &&
	       stk_stride_code(w, w->f->pc) != STK_CODE_IMAGE;
}

bool stk_by_frame_pointer(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	struct stk_step_frame *f = w->f;
	uint64_t fp = f->regs.r[a->fp], v[2]; /* the caller's frame pointer, the return address */

	if (!stk_reg_known(&f->regs, a->fp) || !stk_reg_known(&f->regs, a->sp) ||
	    fp < f->regs.r[a->sp] || fp % a->word || !stk_read(w->s->mem, fp, v, sizeof(v)) ||
	    (v[0] && v[0] <= fp) || (!stk_after_call(w, v[1], true) && !within_jit(w, v[1])))
		return false;
	f->cfa = fp + sizeof(v);
	stk_reg_set(&w->next->regs, a->fp, v[0]);
	caller(w, v[1], f->cfa, STK_HOW_FP);
	return true;
}

/* Is `v` a return address into an image that has CFI there? Counts the look-ups down. */
static bool is_scanned_return(const struct stk_stride *w, uint64_t v, unsigned *lookups)
{
	return v && stk_stride_code(w, v - 1) == STK_CODE_IMAGE && stk_after_call(w, v, false) &&
	       (*lookups)-- && stk_stride_row(w, v - 1);
}

/* Frames may lie between the two: f->cfa is not known. */
bool stk_by_scan(const struct stk_stride *w)
{
	const struct stk_arch *a = w->arch;
	uint64_t sp = w->f->regs.r[a->sp], v;
	unsigned lookups = SCAN_LOOKUPS;

	if (!stk_reg_known(&w->f->regs, a->sp))
		return false;
	sp = (sp + a->word - 1) & ~(uint64_t)(a->word - 1);
	for (unsigned i = 0; i < SCAN_WORDS && lookups; i++, sp += a->word) {
		if (!stk_stride_word(w, sp, &v))
			return false;
		if (!is_scanned_return(w, v, &lookups))
			continue;
		caller(w, v, sp + a->word, STK_HOW_SCAN);
		return true;
	}
	return false;
}
