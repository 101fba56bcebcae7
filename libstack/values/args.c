/* Parameters → bytes with their bits known or not → argument words. */
#include "values/args.h"

#include <string.h>

#include "unwind/eval.h"
#include "values/base.h"
#include "values/cover.h"

#define BYTES_MAX   1024
#define ENTRY_DEPTH 6

struct context {
	struct stk_modules *ms;
	const struct stk_stack *stack;
	const struct stk_frame *frame;
	size_t index; /* of the frame in the stack */
	unsigned entry_depth;
};

static bool param_by_call_site(struct context *c, unsigned reg, uint64_t param, uint64_t *ret,
			       bool *guess);

static struct stk_eval evaluator(struct context *c);

/* One entry value more, one caller further out: each can rest on several of its own. */
static bool may_ask(struct context *c)
{
	return c->entry_depth++ < ENTRY_DEPTH && stk_spend(stk_budget_of(c->ms->target), 1);
}

/* A caller's locations are those at its call. Argument registers, lost since, held there what the
 * call site says of them (DWARF 5 §3.4), whichever function it entered. */
static bool reg_at_call(const struct context *c, unsigned n, uint64_t *ret)
{
	const struct stk_frame *f = c->frame;
	const struct stk_call_site *cs = f->tail;
	struct context at = *c;
	bool guess = false;

	if (!cs && !f->exact && f->mod)
		cs = stk_call_site_at(f->mod, f->pc);
	if (!cs || !may_ask(&at))
		return false;
	struct stk_eval ev = evaluator(&at);
	for (unsigned i = 0; i < cs->nvalues; i++)
		if (cs->values[i].reg == n)
			return stk_eval_value(&ev, cs->values[i].value, ret, &guess) && !guess;
	return false;
}

static bool get_reg(void *arg, unsigned n, uint64_t *ret)
{
	struct context *c = arg;

	if (n >= STK_REGS_MAX || !stk_base_allows(c->ms, c->frame, n))
		return false;
	if (!stk_reg_known(&c->frame->regs, n))
		return reg_at_call(c, n, ret);
	*ret = c->frame->regs.r[n];
	return true;
}

static bool get_cfa(void *arg, uint64_t *ret)
{
	struct context *c = arg;

	*ret = c->frame->cfa;
	return c->frame->cfa != 0;
}

static bool get_frame_base(void *arg, uint64_t *ret)
{
	struct context *c = arg;
	const struct stk_expr *e = c->frame->scopes->v[c->frame->level].frame_base;
	struct stk_eval ev = {.target = c->ms->target,
			      .budget = stk_budget_of(c->ms->target),
			      .reg = get_reg,
			      .cfa = get_cfa,
			      .arg = c};
	unsigned reg;
	uint64_t add;

	if (!stk_expr_is_base(e, &reg, &add))
		return stk_eval_value(&ev, e, ret, NULL);
	if (!stk_base_of_body(c->ms, c->frame, reg, ret))
		return false;
	*ret += add;
	return true;
}

/* DW_OP_entry_value of a register: what the caller passed (DWARF 5 §2.5.1.7). */
static bool get_entry(void *arg, const struct stk_expr *e, uint64_t *ret, bool *guess)
{
	unsigned reg;

	return stk_expr_is_register(e, &reg) && param_by_call_site(arg, reg, 0, ret, guess);
}

static bool get_param_ref(void *arg, uint64_t die, uint64_t *ret, bool *guess)
{
	return param_by_call_site(arg, 255, die, ret, guess);
}

/* A frame that is gone has no memory: its stack, and what else it pointed to, is its callee's. */
static bool has_memory(const struct context *c)
{
	return c->frame->how != STK_HOW_TAIL;
}

/* Where the frame's own stack begins: what is below a caller's stack pointer is its callees', and
 * the kernel writes its frame below the red zone of what a signal interrupts. At the end of a
 * function the frame may lie there. 0: nothing was written below. */
static uint64_t own_stack(const struct context *c)
{
	const struct stk_arch *a = c->ms->target->arch;
	const struct stk_frame *f = c->frame;
	size_t i = c->index;

	while (i && c->stack->v[i].phys == f->phys)
		i--;
	bool first = c->stack->v[i].phys == f->phys;
	bool by_signal =
	    first ? c->stack->thread && c->stack->thread->handled : c->stack->v[i].signal;
	if (!stk_reg_known(&f->regs, a->sp) || (first && !by_signal))
		return 0;
	return f->regs.r[a->sp] - (by_signal ? a->red_zone : 0);
}

static struct stk_eval evaluator(struct context *c)
{
	return (struct stk_eval){.target = has_memory(c) ? c->ms->target : NULL,
				 .budget = stk_budget_of(c->ms->target),
				 .stack = own_stack(c),
				 .reg = get_reg,
				 .cfa = get_cfa,
				 .frame_base = get_frame_base,
				 .entry = get_entry,
				 .param_ref = get_param_ref,
				 .arg = c};
}

/* Is the function that runs in `c` the one that this call entered? 1 yes, 0 not known, −1 no: a
 * tail call lies between, and its arguments are not those of the site. */
static int site_fits(struct context *c, struct context *caller, const struct stk_call_site *cs)
{
	const struct stk_scopes *sc = c->frame->scopes;
	const struct stk_arch *a = c->ms->target->arch;
	uint8_t code[8];
	uint64_t ret = caller->frame->pc, to;

	if (caller->frame->tail)
		return 1; /* that is why it stands there */
	if (ret > 8 && !stk_mem_read(c->ms->target, ret - 8, code, 8, NULL) &&
	    (to = a->call_target(code, 8, ret)) && sc->entry) {
		if (to == sc->entry)
			return 1;
		/* A direct call to somewhere else in the same module went through no PLT. */
		if (c->frame->mod == caller->frame->mod && cs->target)
			return -1;
	}
	if (cs->target && sc->entry)
		return cs->target == sc->entry ? 1 : -1;
	if (cs->target_origin && cs->target_origin == sc->origin)
		return 1;
	if (cs->target_name && sc->linkage)
		return !strcmp(cs->target_name, sc->linkage) ? 1 : -1;
	struct stk_eval ev = evaluator(caller);
	bool g = false;
	if (cs->target_expr && stk_eval_value(&ev, cs->target_expr, &to, &g) && !g && sc->entry)
		return to == sc->entry ? 1 : -1;
	return 0;
}

static bool param_by_call_site(struct context *c, unsigned reg, uint64_t param, uint64_t *ret,
			       bool *guess)
{
	struct context caller = *c;
	const struct stk_call_site *cs;

	if (!c->frame->scopes || !may_ask(&caller))
		return false;
	caller.frame = NULL;
	for (size_t i = c->index + 1; i < c->stack->n; i++)
		if (c->stack->v[i].phys != c->frame->phys) {
			caller.frame = &c->stack->v[i];
			caller.index = i;
			break;
		}
	if (!caller.frame || !caller.frame->mod || !caller.frame->scopes)
		return false;
	cs = caller.frame->tail;
	if (!cs && !caller.frame->exact)
		cs = stk_call_site_at(caller.frame->mod, caller.frame->pc);
	if (!cs)
		return false;
	int fits = site_fits(c, &caller, cs);
	int again = stk_frame_may_return(c->ms, c->frame);
	if (fits < 0 || again > 0)
		return false;
	for (unsigned i = 0; i < cs->nvalues; i++) {
		struct stk_eval ev = evaluator(&caller);
		if (reg != 255 ? cs->values[i].reg != reg : cs->values[i].param != param)
			continue;
		*guess |= fits == 0 || again == 0;
		return stk_eval_value(&ev, cs->values[i].value, ret, guess);
	}
	return false;
}

/* An object's bytes, little endian, with a mask of the bits that are known. */
struct object {
	uint8_t bytes[BYTES_MAX];
	uint8_t known[BYTES_MAX];
	size_t size;
	bool guess;
};

/* Vector registers are in the thread's note, and only frame 0's: no call preserves them. */
static size_t vector_reg(struct context *c, uint64_t n, uint8_t *out)
{
	const struct stk_arch *a = c->ms->target->arch;
	const struct stk_bytes *fp = &c->stack->thread->fpregs;
	size_t off;

	if (n < a->vec_first || n >= (uint64_t)a->vec_first + a->vec_n || c->frame->phys != 0)
		return 0;
	off = a->vec_note_off + (size_t)(n - a->vec_first) * a->vec_size;
	if (off + a->vec_size > fp->len)
		return 0;
	memcpy(out, fp->p + off, a->vec_size);
	return a->vec_size;
}

/* The bytes of one piece; how many of them are known. */
static size_t piece_bytes(struct context *c, const struct stk_piece *p, uint8_t *out, size_t want)
{
	uint64_t v;
	size_t n;

	switch (p->kind) {
	case STK_PLACE_MEMORY:
		if (!has_memory(c))
			return 0;
		n = stk_mem_avail(c->ms->target, p->value, want);
		return stk_mem_read(c->ms->target, p->value, out, n, NULL) ? 0 : n;
	case STK_PLACE_REG:
		if (get_reg(c, (unsigned)p->value, &v)) {
			memcpy(out, &v, 8);
			return want < 8 ? want : 8;
		}
		n = vector_reg(c, p->value, out);
		return n < want ? n : want;
	case STK_PLACE_VALUE:
		memcpy(out, &p->value, 8);
		return want < 8 ? want : 8;
	case STK_PLACE_BYTES:
		n = p->len < want ? p->len : want;
		memcpy(out, p->bytes, n);
		return n;
	default:
		return 0;
	}
}

/* `bit`: of the object, where the piece begins. */
static void add_piece(struct context *c, const struct stk_piece *p, struct object *o, size_t *bit)
{
	uint8_t buf[BYTES_MAX + 16];
	size_t left = 8 * o->size - *bit, bits = p->bits && p->bits < left ? p->bits : left;

	/* Pieces of single bits are rare and are left unknown. */
	if (bits % 8 == 0 && *bit % 8 == 0 && !p->bit_off) {
		size_t n = piece_bytes(c, p, buf, bits / 8);
		memcpy(o->bytes + *bit / 8, buf, n);
		memset(o->known + *bit / 8, 0xff, n);
		o->guess |= n && p->guess;
	}
	*bit += bits;
}

static void read_object(struct context *c, const struct stk_param *p, struct object *o)
{
	struct stk_eval ev = evaluator(c);
	struct stk_place place;
	size_t bit = 0;

	o->guess = false;
	o->size = p->type->size < BYTES_MAX ? p->type->size : BYTES_MAX;
	memset(o->known, 0, o->size);
	if (p->has_const) {
		size_t n = p->konst_len < o->size ? p->konst_len : o->size;
		memcpy(o->bytes, p->konst, n);
		memset(o->known, 0xff, n);
		return;
	}
	/* Before the prologue has run, the frame's slots hold another call's values. */
	if (p->at_entry_only || !p->loc || !stk_eval_place(&ev, p->loc, &place))
		return;
	for (unsigned i = 0; i < place.n && bit < 8 * o->size; i++)
		add_piece(c, &place.v[i], o, &bit);
}

struct writer {
	struct stk_words *out;
	const struct object *o;
	uint8_t mask[BYTES_MAX];
	unsigned param, word;
};

/* One machine word at byte `off`: the bits of its members. Unknown if any of them is, or if it has
 * none. */
static void put_word(struct writer *w, size_t off, size_t end)
{
	uint64_t v = 0;
	bool known = true, described = false;

	for (size_t i = 0; i < w->word && off + i < end; i++) {
		uint8_t m = w->mask[off + i];
		described |= m != 0;
		known &= !(m & ~w->o->known[off + i]);
		v |= (uint64_t)(w->o->bytes[off + i] & m) << 8 * i;
	}
	stk_words_add(w->out,
		      !known || !described ? STK_WORD_UNKNOWN
		      : w->o->guess        ? STK_WORD_GUESS
					   : STK_WORD_VALUE,
		      v, w->param);
}

static void put_words(struct writer *w, size_t from, size_t to)
{
	for (size_t off = from; off < to && !w->out->full; off += w->word)
		put_word(w, off, to);
}

static bool is_aggregate(const struct stk_type *t)
{
	return t->kind == STK_TYPE_STRUCT || t->kind == STK_TYPE_UNION || t->kind == STK_TYPE_ARRAY;
}

static void put_aggregate(struct writer *w, const struct stk_type *t, size_t off, unsigned depth);

/* Where the member behind the `i`th begins; an empty base class stands where another one is. */
static size_t next_member(const struct stk_type *t, unsigned i, size_t off, size_t end)
{
	while (++i < t->nmembers)
		if (!t->members[i].type->empty)
			return off + t->members[i].bit_off / 8;
	return end;
}

/* Members in order; those that share a machine word are printed as that word. A nested aggregate
 * stands in braces of its own where it shares no word with a neighbour. */
static void put_struct(struct writer *w, const struct stk_type *t, size_t off, unsigned depth)
{
	size_t end = off + t->size, at = off;

	if (end > w->o->size)
		end = w->o->size;
	for (unsigned i = 0; i < t->nmembers && !w->out->full; i++) {
		const struct stk_member *m = &t->members[i];
		size_t start = off + m->bit_off / 8;
		size_t next = next_member(t, i, off, end);
		bool alone = start % w->word == 0 && start <= end && next >= start &&
			     m->type->size <= next - start &&
			     (next % w->word == 0 || next == end ||
			      next / w->word > (start + m->type->size - 1) / w->word);
		if (!is_aggregate(m->type) || m->bitfield || !alone || start < at ||
		    !m->type->size || m->type->empty)
			continue;
		put_words(w, at, start);
		put_aggregate(w, m->type, start, depth + 1);
		at = start + (m->type->size + w->word - 1) / w->word * w->word;
	}
	put_words(w, at, end);
}

static void put_array(struct writer *w, const struct stk_type *t, size_t off, unsigned depth)
{
	size_t size = t->elem->size;

	if (!is_aggregate(t->elem) || !size || size % w->word) {
		put_words(w, off, off + t->size < w->o->size ? off + t->size : w->o->size);
		return;
	}
	for (uint64_t i = 0; i < t->count && !w->out->full && off < w->o->size; i++, off += size)
		put_aggregate(w, t->elem, off, depth + 1);
}

static void put_aggregate(struct writer *w, const struct stk_type *t, size_t off, unsigned depth)
{
	stk_words_add(w->out, STK_WORD_OPEN, 0, w->param);
	if (depth < 16 && t->kind == STK_TYPE_STRUCT)
		put_struct(w, t, off, depth);
	else if (depth < 16 && t->kind == STK_TYPE_ARRAY)
		put_array(w, t, off, depth);
	else
		put_words(w, off, off + t->size < w->o->size ? off + t->size : w->o->size);
	stk_words_add(w->out, STK_WORD_CLOSE, 0, w->param);
}

static void put_param(struct context *c, const struct stk_param *p, unsigned param,
		      struct stk_words *out)
{
	struct object o;
	struct writer w; /* the mask is written as far as it is used */
	struct stk_budget *b = stk_budget_of(c->ms->target);
	uint64_t saved = stk_share_begin(b, STK_VALUE_STEPS);

	w.out = out;
	w.o = &o;
	w.param = param;
	w.word = c->ms->target->arch->word;
	read_object(c, p, &o);
	stk_cover(p->type, w.mask, o.known, o.size, b);
	/* What was found before the end may be no more than a part of it. */
	if (!stk_share_end(b, saved))
		memset(o.known, 0, o.size);
	if (is_aggregate(p->type)) {
		put_aggregate(&w, p->type, 0, 0);
	} else if (p->type->size > w.word) {
		/* A scalar of two words: long double, __int128. */
		stk_words_add(out, STK_WORD_OPEN, 0, param);
		put_words(&w, 0, o.size);
		stk_words_add(out, STK_WORD_CLOSE, 0, param);
	} else if (p->type->kind == STK_TYPE_UNKNOWN || !o.size) {
		stk_words_add(out, STK_WORD_UNKNOWN, 0, param);
	} else {
		put_word(&w, 0, o.size);
	}
}

static bool context_init(struct context *c, struct stk_modules *ms, const struct stk_stack *s,
			 size_t i)
{
	*c = (struct context){.ms = ms, .stack = s, .frame = &s->v[i], .index = i};
	return s->v[i].scopes && s->v[i].scopes->v[s->v[i].level].known_params;
}

void stk_frame_args(struct stk_modules *ms, const struct stk_stack *s, size_t i,
		    struct stk_words *ret)
{
	struct context c;
	bool known = context_init(&c, ms, s, i);

	stk_words_init(ret, known);
	if (!known)
		return;
	const struct stk_scope *sc = &c.frame->scopes->v[c.frame->level];
	for (unsigned p = 0; p < sc->nparams && !ret->full; p++)
		put_param(&c, &sc->params[p], p, ret);
	if (sc->variadic)
		stk_words_add(ret, STK_WORD_MORE, 0, 255);
}

void stk_frame_arg(struct stk_modules *ms, const struct stk_stack *s, size_t i, unsigned param,
		   struct stk_words *ret)
{
	struct context c;
	bool known = context_init(&c, ms, s, i);

	stk_words_init(ret, known);
	if (known && param < c.frame->scopes->v[c.frame->level].nparams)
		put_param(&c, &c.frame->scopes->v[c.frame->level].params[param], param, ret);
}
