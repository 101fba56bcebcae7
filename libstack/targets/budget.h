/*
 * What one answer may cost. Sizes and counts that stand in a file say nothing of how much work they
 * make: a few bytes can describe 10^16 members. So each loop over what comes from outside takes a
 * step from the one budget of the answer, and each piece of memory its bytes. When it is spent, the
 * loops end, what they were to find stays unknown, and the answer says so. Normal context only.
 *
 * A step stands for STK_STEP_NS of the processor's time: what libdw, libelf and others do between
 * two steps counts, too.
 */
#ifndef STK_TARGET_BUDGET_H
#define STK_TARGET_BUDGET_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STK_STEP_NS      400
#define STK_ANSWER_STEPS (1ULL << 22) /* 2 s; and one for each 8 bytes that are opened */
#define STK_ANSWER_BYTES (640ULL << 20)
#define STK_VALUE_STEPS  (1ULL << 16) /* of them for one value */

struct stk_budget {
	/* Set from a signal handler to end long work (may be NULL). */
	const volatile sig_atomic_t *interrupt;
	uint64_t left;    /* steps until the next look at the clock and the interrupt */
	uint64_t rest;    /* steps behind those */
	uint64_t bytes;   /* that may still be allocated */
	uint64_t cpu;     /* the processor's time at the last look, ns */
	uint64_t opened;  /* steps for the files that were opened */
	bool begun;       /* an answer has begun: before that all is zero */
	bool over;        /* spent, or interrupted: what is found from here on is not all */
	bool interrupted; /* it is over for that reason */
	bool full;        /* there are no bytes left but some for what is said of it */
	bool scant;       /* the share of some part was spent */
	bool cut;         /* `over` or `scant`, at some time in this answer */
};

/* Another answer begins. Where the last one was cut, what it left in caches may not be whole. */
void stk_budget_begin(struct stk_budget *b);

/* A file of so many bytes is looked at: an honest one is as much work as it is large. */
void stk_budget_opened(struct stk_budget *b, uint64_t bytes);

bool stk_budget_look(struct stk_budget *b, uint64_t steps);

/* Take `steps`. false: the budget is over, and the caller's loop is, too. */
static inline bool stk_spend(struct stk_budget *b, uint64_t steps)
{
	if (steps > b->left)
		return stk_budget_look(b, steps);
	b->left -= steps;
	return true;
}

/* Take `bytes`. false: they may not be allocated, and the budget is over. */
bool stk_spend_bytes(struct stk_budget *b, uint64_t bytes);

/*
 * A part of the answer, such as a value, gets a share of the steps: what is wrong with it must not
 * leave the others without any. stk_share_end() gives back what was not used; false: the share was
 * spent, and the part is not all there.
 */
uint64_t stk_share_begin(struct stk_budget *b, uint64_t steps);
bool stk_share_end(struct stk_budget *b, uint64_t saved);

/* What is said of an answer that was cut; NULL: it was not, or by Ctrl-C. */
const char *stk_budget_text(const struct stk_budget *b);

#endif
