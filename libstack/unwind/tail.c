/*
 * Tail calls: a call entered one function, and another runs, because the first left by a jump and
 * its frame is gone. Which way was taken, the call sites tell (DWARF 5 §3.4, DW_AT_call_tail_call),
 * if there is only one. The search gives up where it cannot see every way.
 */
#include <string.h>

#include "symbols/symtab.h"
#include "unwind/eval.h"
#include "unwind/frames.h"

struct search {
	struct stk_modules *ms;
	uint64_t goal;
	uint64_t entries[STK_TAIL_DEPTH];
	const struct stk_call_site *path[STK_TAIL_DEPTH];
	unsigned found;
	bool unknown;  /* a way that could lead anywhere, or round and round */
	bool indirect; /* one of those is a jump through a pointer */
	bool any;      /* is there any way? else: what is the only way? */
	struct stk_tail_chain *ret;
};

static struct stk_tail_calls *tails_at(struct stk_modules *ms, uint64_t entry)
{
	struct stk_module *m = stk_module_at(ms, entry);

	return m ? stk_tail_calls_of(m, entry) : NULL;
}

/* Nothing more can change the answer. */
static bool is_settled(const struct search *s)
{
	return s->any ? s->found : s->found > 1 || s->unknown;
}

static void visit(struct search *s, uint64_t entry, unsigned depth)
{
	const struct stk_tail_calls *t = NULL;
	bool round = false;

	for (unsigned i = 0; i < depth; i++)
		round |= s->entries[i] == entry;
	if (!round && depth < STK_TAIL_DEPTH && stk_spend(stk_budget_of(s->ms->target), 1))
		t = tails_at(s->ms, entry);
	s->unknown |= !t || !t->complete;
	if (!t)
		return;
	s->entries[depth] = entry;
	for (unsigned i = 0; i < t->n && !is_settled(s); i++) {
		s->path[depth] = &t->v[i];
		if (!t->v[i].target) {
			s->unknown = s->indirect = true;
		} else if (t->v[i].target != s->goal) {
			visit(s, t->v[i].target, depth + 1);
		} else if (!s->found++) {
			s->ret->n = depth + 1;
			memcpy(s->ret->v, s->path, (depth + 1) * sizeof(*s->path));
		}
	}
}

/* The only way from `entry` to `goal`, or any way back to it; n 0: none. Searched once. */
static const struct stk_tail_chain *chain_to(struct stk_modules *ms, uint64_t entry, uint64_t goal)
{
	struct stk_tail_calls *t = tails_at(ms, entry);
	struct stk_tail_chain *c;

	if (!t || !t->n)
		return NULL;
	for (c = t->chains; c; c = c->next)
		if (c->goal == goal)
			return c;
	c = stk_pool_alloc(&ms->target->pool, sizeof(*c));
	if (!c)
		return NULL;
	struct search s = {.ms = ms, .goal = goal, .any = entry == goal, .ret = c};
	visit(&s, entry, 0);
	if (!s.any && (s.unknown || s.found != 1))
		c->n = 0;
	c->indirect = s.indirect;
	c->goal = goal;
	c->next = t->chains;
	t->chains = c;
	return c;
}

static bool get_reg(void *arg, unsigned n, uint64_t *ret)
{
	const struct stk_frame *f = arg;

	if (!stk_reg_known(&f->regs, n))
		return false;
	*ret = f->regs.r[n];
	return true;
}

/* The target of a direct call as its instruction says it; 0: not direct. */
static uint64_t instruction_target(struct stk_modules *ms, uint64_t ret_pc)
{
	uint8_t code[8];

	if (ret_pc <= sizeof(code) ||
	    stk_mem_read(ms->target, ret_pc - sizeof(code), code, sizeof(code), NULL))
		return 0;
	return ms->target->arch->call_target(code, sizeof(code), ret_pc);
}

/* The entry of the function that a call site names or points to; 0: not known. */
static uint64_t site_target(struct stk_modules *ms, const struct stk_frame *caller,
			    const struct stk_call_site *cs)
{
	struct stk_frame f = *caller;
	struct stk_eval ev = {
	    .target = ms->target, .budget = stk_budget_of(ms->target), .reg = get_reg, .arg = &f};
	struct stk_symbol sym;
	uint64_t to;

	if (cs->target)
		return cs->target;
	if (cs->target_name)
		return stk_symbol_linked(caller->mod, cs->target_name, &sym) && sym.func ? sym.addr
											 : 0;
	return cs->target_expr && stk_eval_value(&ev, cs->target_expr, &to, NULL) ? to : 0;
}

const struct stk_tail_chain *stk_tail_chain(struct stk_modules *ms, struct stk_stack *s,
					    const struct stk_frame *caller)
{
	const struct stk_frame *callee = &s->v[s->n - 1];
	uint64_t goal = callee->scopes && callee->scopes->dwarf ? callee->scopes->entry : 0;

	if (!goal || callee->signal || caller->exact || !caller->mod ||
	    (s->direct_callee == callee->scopes && s->direct_pc == caller->pc))
		return NULL;
	uint64_t to = instruction_target(ms, caller->pc);
	if (to == goal) {
		s->direct_callee = callee->scopes;
		s->direct_pc = caller->pc;
		return NULL;
	}
	if (!to || !tails_at(ms, to)) { /* indirect, or through the PLT */
		const struct stk_call_site *cs = stk_call_site_at(caller->mod, caller->pc);
		to = cs ? site_target(ms, caller, cs) : 0;
	}
	const struct stk_tail_chain *c = to && to != goal ? chain_to(ms, to, goal) : NULL;
	/* Where the goal leads back to itself the way may have gone on from there. */
	return c && c->n && stk_frame_may_return(ms, callee) <= 0 ? c : NULL;
}

int stk_frame_may_return(struct stk_modules *ms, const struct stk_frame *f)
{
	uint64_t entry = f->scopes && f->scopes->dwarf ? f->scopes->entry : 0;
	const struct stk_tail_chain *c = entry ? chain_to(ms, entry, entry) : NULL;

	if (!c)
		return -1;
	return c->n ? 1 : c->indirect ? 0 : -1;
}
