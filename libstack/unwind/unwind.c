#include "unwind/unwind.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "base/vec.h"
#include "unwind/frames.h"
#include "unwind/stepper.h"

#define LARGE   (2UL << 20) /* bytes */
#define IN_PAGE (STK_PAGE - 1)

uint64_t stk_frame_lookup_pc(const struct stk_frame *f)
{
	/* A handler returns to the trampoline's first byte: no call stands before it. */
	return f->exact || f->signal || !f->pc ? f->pc : f->pc - 1;
}

/* A symbol without a size that begins before a signal's trampoline is another function's. */
static bool is_behind_symbol(const struct stk_frame *f)
{
	const struct stk_scopes *sc = f->scopes;

	return f->signal && !sc->dwarf && sc->end == sc->start && sc->start != f->pc;
}

const char *stk_frame_name(const struct stk_frame *f)
{
	return f->scopes && !is_behind_symbol(f) ? f->scopes->v[f->level].name : NULL;
}

/* Deep stacks: a few large faults instead of thousands. Whole pages, as malloc(3) maps large
 * blocks: a mapping in two parts could not be moved by realloc(3). */
static void want_large_pages(void *v, size_t size)
{
	uintptr_t from = (uintptr_t)v & ~IN_PAGE, to = ((uintptr_t)v + size + IN_PAGE) & ~IN_PAGE;

	if (size >= LARGE)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
}

static bool append(struct stk_stack *s, const struct stk_frame *f, struct stk_budget *b)
{
	size_t was = s->cap;
	bool added = stk_spend_bytes(b, sizeof(*f)) && STK_VEC_PUSH(s, *f);

	if (s->cap > was)
		want_large_pages(s->v, s->cap * sizeof(*s->v));
	return added;
}

/* Behind the breakpoint instruction that was its signal: the next one may be another function's. */
static bool is_behind_trap(const struct stk_target *t, const struct stk_thread *th, uint64_t pc)
{
	const struct stk_siginfo *si = &t->siginfo;
	uint8_t code[2];

	bool told =
	    th == t->threads && si->present && si->signo == SIGTRAP && si->code == SI_KERNEL;

	return (th->trapped || told) && pc > sizeof(code) &&
	       !stk_mem_read(t, pc - sizeof(code), code, sizeof(code), NULL) &&
	       t->arch->ends_with_trap(code, sizeof(code));
}

bool stk_first_frame(struct stk_modules *ms, const struct stk_thread *th, struct stk_frame *f)
{
	const struct stk_arch *a = ms->target->arch;

	*f = (struct stk_frame){.how = STK_HOW_REGS, .exact = true};
	for (unsigned i = 0; i < a->nregs; i++) {
		int n = a->regs[i].dwarf;
		uint64_t v;
		if (n >= 0 && stk_thread_reg(ms->target, th, i, &v))
			stk_reg_set(&f->regs, (unsigned)n, v);
	}
	f->pc = f->regs.r[a->pc];
	f->exact = !is_behind_trap(ms->target, th, f->pc);
	return stk_reg_known(&f->regs, a->pc) && stk_reg_known(&f->regs, a->sp);
}

/* A frame with the calls inlined into it. */
static bool append_levels(struct stk_modules *ms, struct stk_stack *s, struct stk_frame *f,
			  size_t max)
{
	if (!f->mod)
		f->mod = stk_module_at(ms, stk_frame_lookup_pc(f));
	f->scopes = f->mod ? stk_scopes_at(f->mod, stk_frame_lookup_pc(f)) : NULL;
	f->phys = s->n ? s->v[s->n - 1].phys + 1 : 0;
	unsigned levels = f->scopes ? f->scopes->n : 1;
	for (unsigned i = 0; i < levels && (!max || s->n < max); i++) {
		f->level = i;
		if (!append(s, f, stk_budget_of(ms->target)))
			return false;
	}
	return true;
}

/* The functions between the frame appended last and its caller. When they jumped, they had put back
 * what the caller keeps in registers, and what they had in them is lost; their stack is the
 * callee's now. */
static bool append_tails(struct stk_modules *ms, struct stk_stack *s,
			 const struct stk_frame *caller, size_t max)
{
	const struct stk_arch *a = ms->target->arch;
	const struct stk_tail_chain *c = stk_tail_chain(ms, s, caller);

	for (unsigned i = c ? c->n : 0; i-- > 0;) {
		struct stk_frame f = {.regs = caller->regs,
				      .pc = c->v[i]->ret_pc,
				      .how = STK_HOW_TAIL,
				      .exact = c->v[i]->at_jump,
				      .tail = c->v[i]};
		f.regs.valid = (struct stk_regbits){{0}};
		stk_reg_set(&f.regs, a->pc, f.pc);
		if (!append_levels(ms, s, &f, max))
			return false;
	}
	return true;
}

bool stk_append_frame(struct stk_modules *ms, struct stk_stack *s, struct stk_frame *f, size_t max)
{
	if (!f->mod)
		f->mod = stk_module_at(ms, stk_frame_lookup_pc(f));
	if (s->n && !append_tails(ms, s, f, max))
		return false;
	return append_levels(ms, s, f, max);
}

void stk_end_stack(struct stk_stack *s, enum stk_stack_end why, uint64_t number)
{
	static const char *const texts[] = {
	    [STK_END_BASE] = "",
	    [STK_END_KERNEL] = "it is a thread of the kernel",
	    [STK_END_NO_REGS] = "the registers of this thread are not known",
	    [STK_END_UNREADABLE] = "stack memory at 0x%lx %s",
	    [STK_END_NO_RULE] = ("no unwind information at 0x%lx, and no caller found on "
				 "the stack"),
	    [STK_END_GUESS] = "what is marked as scanned is a guess",
	    [STK_END_NO_CODE] = "the return address 0x%lx is in no code",
	    [STK_END_NO_CALL] = "no call stands before the return address 0x%lx",
	    [STK_END_ZERO] = "a return address is 0, and this is not where the stack begins",
	    [STK_END_LOOP] = "the stack does not go on above 0x%lx: it is damaged",
	    [STK_END_LIMIT] = "%lu frames were asked for",
	    [STK_END_INTERRUPTED] = "interrupted",
	    [STK_END_MEMORY] = "out of memory",
	    [STK_END_BUDGET] = "the answer takes more work than one may",
	};
	struct stk_text t;

	s->end = why;
	stk_text_init(&t, s->reason, sizeof(s->reason));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	stk_printf(&t, texts[why], (unsigned long)number, s->absent);
#pragma GCC diagnostic pop
}

static const enum stk_stack_end ends[] = {
    [STK_STEP_BASE] = STK_END_BASE,       [STK_STEP_UNREADABLE] = STK_END_UNREADABLE,
    [STK_STEP_NO_RULE] = STK_END_NO_RULE, [STK_STEP_NO_CODE] = STK_END_NO_CODE,
    [STK_STEP_NO_CALL] = STK_END_NO_CALL, [STK_STEP_LOOP] = STK_END_LOOP,
};

/* What lies above all frames: of the main thread the random bytes of the program's start, of
 * another the thread's own memory. 0: not known. */
static uint64_t end_of_stack(const struct stk_target *t, const struct stk_thread *th)
{
	uint64_t end = 0;

	if (!t->psinfo.present)
		return 0;
	if (th->tid == t->psinfo.pid)
		return stk_auxv(t, AT_RANDOM, &end) ? end : 0;
	return stk_thread_tp(t, th, &end) ? end : 0;
}

/* Does the stack go on above a frame whose return address is 0? One that a program made by itself
 * may begin so; those that the kernel and libc make do not. */
static bool goes_on(const struct stk_target *t, const struct stk_thread *th, uint64_t cfa)
{
	uint64_t end = end_of_stack(t, th);
	const struct stk_segment *s = stk_segment_at(t, cfa);

	return s && end > cfa && stk_segment_at(t, end) == s;
}

static enum stk_stack_end why_ended(struct stk_modules *ms, const struct stk_stack *st,
				    const struct stk_step *s, const struct stk_step_frame *at)
{
	if (s->end == STK_STEP_BASE && at->how == STK_HOW_SCAN)
		return STK_END_GUESS;
	if (s->end == STK_STEP_BASE && s->addr && goes_on(ms->target, st->thread, s->addr))
		return STK_END_ZERO;
	return ends[s->end];
}

/* What a function that preserves no registers leaves its caller. */
static void forget(const struct stk_arch *a, struct stk_regset *regs)
{
	struct stk_regbits kept = {{0}};

	stk_bit_set(&kept, a->pc);
	stk_bit_set(&kept, a->sp);
	stk_bit_set(&kept, a->fp);
	stk_regs_keep(regs, &kept);
}

/* Own steps until the stack ends. */
static void walk(struct stk_modules *ms, struct stk_step_frame *at, size_t max,
		 struct stk_stack *ret)
{
	struct stk_target_stepper ts;
	struct stk_step_frame next;

	for (stk_target_stepper(&ts, ms);; *at = next) {
		struct stk_step s = stk_step(&ts.s, at, &next);
		struct stk_frame f = {.regs = at->regs,
				      .pc = at->pc,
				      .cfa = at->cfa,
				      .how = at->how,
				      .exact = at->exact,
				      .signal = at->signal};
		if (stk_step_is_frame(s.end) && !stk_append_frame(ms, ret, &f, max)) {
			bool full = stk_budget_of(ms->target)->full;
			stk_end_stack(ret, full ? STK_END_BUDGET : STK_END_MEMORY, 0);
			return;
		}
		if (f.scopes && f.scopes->keeps_none && !f.signal)
			forget(ms->target->arch, &next.regs);
		if (s.end != STK_STEP_MORE) {
			stk_end_stack(ret, why_ended(ms, ret, &s, at), s.addr);
			return;
		}
		if (max && ret->n >= max) {
			stk_end_stack(ret, STK_END_LIMIT, max);
			return;
		}
		if (stk_interrupted(ms->target)) {
			stk_end_stack(ret, STK_END_INTERRUPTED, 0);
			return;
		}
	}
}

int stk_unwind(struct stk_modules *ms, const struct stk_thread *th, size_t max,
	       struct stk_stack *ret)
{
	struct stk_frame f;

	*ret = (struct stk_stack){.thread = th, .absent = ms->target->ops->absent};
	if (!stk_first_frame(ms, th, &f)) {
		stk_end_stack(ret, STK_END_NO_REGS, 0);
		return 0;
	}
	/* One that works for the process (io_uring) has registers, and nothing in them. */
	if (!f.pc && !f.regs.r[ms->target->arch->sp]) {
		stk_end_stack(ret, STK_END_KERNEL, 0);
		return 0;
	}
	struct stk_step_frame at = {.regs = f.regs, .pc = f.pc, .how = f.how, .exact = f.exact};
	walk(ms, &at, max, ret);
	return ret->end == STK_END_MEMORY ? STK_ENOMEM : 0;
}

void stk_stack_done(struct stk_stack *s)
{
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

bool stk_stack_complete(const struct stk_stack *s)
{
	return s->end == STK_END_BASE || s->end == STK_END_KERNEL;
}

/* The start of a program or thread: a name of libc's (glibc csu, nptl; sysdeps clone), or a frame
 * of libc that has none because its symbols are not here. */
static bool is_start(const struct stk_frame *f)
{
	static const char *const names[] = {"_start", "__libc_start_main", "__libc_start_main_impl",
					    "__libc_start_call_main", "start_thread", "clone",
					    "clone3", "__clone", "__clone3",
					    /* signal/program/altstack.c */
					    "stk_thread_start", "stk_thrd_start"};
	const char *const libs[] = {"libc.so.6", "libpthread.so.0", stk_arch_host->loader};
	const char *name = stk_frame_name(f);

	for (unsigned i = 0; name && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	for (unsigned i = 0; !name && f->mod && i < sizeof(libs) / sizeof(*libs); i++)
		if (!strcmp(f->mod->name, libs[i]))
			return true;
	return false;
}

bool stk_frame_is_runtime(const struct stk_stack *s, size_t i)
{
	if (s->end != STK_END_BASE && s->end != STK_END_GUESS)
		return false;
	for (size_t j = i; j < s->n; j++)
		if (!is_start(&s->v[j]) && !(j > i && j == s->n - 1))
			return false;
	return true;
}
