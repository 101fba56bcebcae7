#include "targets/budget.h"

#include <time.h>

#define RESERVE (16ULL << 20)
#define STRIDE  256 /* steps between two looks: the system call for the clock takes about one */

static uint64_t cpu_now(void)
{
	struct timespec t;

	/* The thread's own time: a loaded machine makes no answer smaller. */
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void stk_budget_begin(struct stk_budget *b)
{
	*b = (struct stk_budget){.interrupt = b->interrupt,
				 .opened = b->opened,
				 .rest = STK_ANSWER_STEPS + b->opened,
				 .bytes = STK_ANSWER_BYTES,
				 .cpu = cpu_now(),
				 .begun = true};
}

void stk_budget_opened(struct stk_budget *b, uint64_t bytes)
{
	b->opened += bytes / 8;
	if (b->begun)
		b->rest += bytes / 8;
}

static bool end(struct stk_budget *b, bool interrupted)
{
	b->over = b->cut = true;
	b->interrupted = interrupted;
	b->left = 0;
	return false;
}

bool stk_budget_look(struct stk_budget *b, uint64_t steps)
{
	if (!b->begun)
		stk_budget_begin(b);
	if (b->over)
		return false;
	if (b->interrupt && *b->interrupt)
		return end(b, true);
	uint64_t now = cpu_now(), took = now > b->cpu ? (now - b->cpu) / STK_STEP_NS : 0;
	uint64_t all = b->rest + b->left, used = steps;

	/* The steps since the last look are paid; the time that they did not pay is. */
	if (took > STRIDE)
		used += took - STRIDE;
	b->cpu = now;
	if (used > all)
		return end(b, false);
	all -= used;
	b->left = all < STRIDE ? all : STRIDE;
	b->rest = all - b->left;
	return true;
}

bool stk_spend_bytes(struct stk_budget *b, uint64_t bytes)
{
	if (!b->begun)
		stk_budget_begin(b);
	if (bytes <= b->bytes) {
		b->bytes -= bytes;
		return true;
	}
	if (!b->full)
		b->bytes = RESERVE;
	b->full = true;
	return end(b, false);
}

uint64_t stk_share_begin(struct stk_budget *b, uint64_t steps)
{
	if (!b->begun)
		stk_budget_begin(b);
	uint64_t all = b->left + b->rest, share = b->over || all < steps ? all : steps;

	b->left = share < STRIDE ? share : STRIDE;
	b->rest = share - b->left;
	if (b->over)
		b->left = 0;
	return all - share;
}

bool stk_share_end(struct stk_budget *b, uint64_t saved)
{
	bool spent = b->over;

	/* Not of the whole answer: others go on. */
	if (spent && saved && !b->interrupted && !b->full) {
		b->over = false;
		b->scant = true;
	}
	b->rest += saved;
	return !spent;
}

const char *stk_budget_text(const struct stk_budget *b)
{
	if (!b->cut || b->interrupted)
		return NULL;
	return b->over ? "the answer takes more work than one may: what is missing is not known"
		       : "some values take more work than one may: they are not known";
}
