/* What the ways of a step share. Inside step/ only. */
#ifndef STK_STEP_STRIDE_H
#define STK_STEP_STRIDE_H

#include "step/step.h"

#define CALL_BYTES 7
#define SIGRETURN  16 /* bytes of the instructions that a handler returns to */

/* All that a step needs. */
struct stk_stride {
	const struct stk_stepper *s;
	const struct stk_arch *arch;
	struct stk_step_frame *f, *next;
};

static inline bool stk_stride_word(const struct stk_stride *w, uint64_t addr, uint64_t *ret)
{
	return stk_read_word(w->s->mem, addr, ret);
}

static inline enum stk_code_kind stk_stride_code(const struct stk_stride *w, uint64_t addr)
{
	return w->s->code(w->s->arg, addr);
}

static inline const struct stk_cfi_row *stk_stride_row(const struct stk_stride *w, uint64_t pc)
{
	return w->s->row(w->s->arg, pc);
}

/* What a guess leads to is one. */
static inline enum stk_how stk_stride_how(const struct stk_step_frame *f, enum stk_how how)
{
	return f->how == STK_HOW_SCAN ? STK_HOW_SCAN : how;
}

/* Do the bytes before `ret` end with a call? `unknown`: what is said where they are not there. */
bool stk_after_call(const struct stk_stride *w, uint64_t ret, bool unknown);

/* The ways without call frame information (ways.c). They fill w->next. */
bool stk_by_call(const struct stk_stride *w);
bool stk_by_entry(const struct stk_stride *w);
bool stk_by_frame_pointer(const struct stk_stride *w);
bool stk_by_scan(const struct stk_stride *w);

#endif
