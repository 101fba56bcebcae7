/* What all kinds of target share: memory look-up, mappings, auxv, registers, remarks. */
#include "targets/target.h"

#include <string.h>

#include "base/cursor.h"
#include "base/search.h"
#include "base/text.h"

/* Last element of a sorted array of segments with start <= addr, or NULL. */
static const struct stk_segment *segment_below(const struct stk_segment *v, unsigned n,
					       uint64_t addr)
{
	unsigned k = STK_PARTITION_POINT(n, i, v[i].start <= addr);

	return k ? &v[k - 1] : NULL;
}

/* The same among the target's segments. A stack is read word by word: what was found for its page
 * is looked at first. */
static const struct stk_segment *target_segment_below(const struct stk_target *t, uint64_t addr)
{
	const uint64_t slot = addr / STK_PAGE % STK_RECENT;
	unsigned i = t->recent[slot];

	if (i < t->nsegments && t->segments[i].start <= addr &&
	    (i + 1 == t->nsegments || addr < t->segments[i + 1].start))
		return &t->segments[i];
	const struct stk_segment *s = segment_below(t->segments, t->nsegments, addr);
	/* Only remembered, what is read does not depend on it. */
	if (s)
		((struct stk_target *)(uintptr_t)t)->recent[slot] = (unsigned)(s - t->segments);
	return s;
}

const struct stk_segment *stk_segment_at(const struct stk_target *t, uint64_t addr)
{
	const struct stk_segment *s = target_segment_below(t, addr);

	return s && addr < s->end ? s : NULL;
}

/* The longest piece of contiguous bytes at `addr`; 0 where nothing is known. */
static size_t piece_at(const struct stk_target *t, uint64_t addr, const uint8_t **ret)
{
	const struct stk_segment *s;

	if (t->ops && t->ops->piece) {
		size_t n = t->ops->piece((struct stk_target *)t, addr, ret);
		if (n)
			return n;
	}
	s = target_segment_below(t, addr);
	if (s && addr - s->start < s->have) {
		*ret = s->bytes + (addr - s->start);
		return s->have - (addr - s->start);
	}
	s = segment_below(t->overlays, t->noverlays, addr);
	if (s && addr - s->start < s->have) {
		*ret = s->bytes + (addr - s->start);
		return s->have - (addr - s->start);
	}
	return 0;
}

const uint8_t *stk_mem_ptr(struct stk_target *t, uint64_t addr, size_t len)
{
	const uint8_t *p;
	uint8_t *copy;

	if (piece_at(t, addr, &p) >= len)
		return p;
	if (!t->ops || !t->ops->piece || stk_mem_avail(t, addr, len) < len ||
	    !(copy = stk_pool_alloc(&t->pool, len)) || stk_mem_read(t, addr, copy, len, NULL))
		return NULL;
	return copy;
}

size_t stk_mem_avail(const struct stk_target *t, uint64_t addr, size_t max)
{
	size_t have = 0;

	while (have < max) {
		const uint8_t *p;
		size_t n = piece_at(t, addr + have, &p);
		if (!n || addr + have + n < addr)
			break;
		have += n;
	}
	return have < max ? have : max;
}

int stk_mem_read(const struct stk_target *t, uint64_t addr, void *buf, size_t len,
		 struct stk_err *err)
{
	size_t done = 0;

	while (done < len) {
		const uint8_t *p;
		size_t n = piece_at(t, addr + done, &p);
		if (!n)
			return stk_fail_at(err, STK_EUNREADABLE, addr + done, "0x%llx %s",
					   (unsigned long long)(addr + done),
					   t->ops ? t->ops->absent : "is not there");
		if (n > len - done)
			n = len - done;
		memcpy((uint8_t *)buf + done, p, n);
		done += n;
	}
	return 0;
}

bool stk_mem_word(const struct stk_target *t, uint64_t addr, uint64_t *ret)
{
	const uint8_t *p;
	uint64_t v;

	if (piece_at(t, addr, &p) >= sizeof(v))
		memcpy(&v, p, sizeof(v));
	else if (stk_mem_read(t, addr, &v, sizeof(v), NULL))
		return false;
	*ret = v;
	return true;
}

int stk_target_overlay(struct stk_target *t, uint64_t start, const uint8_t *bytes, size_t len)
{
	unsigned at = t->noverlays;

	if (t->noverlays == t->overlays_cap) {
		unsigned cap = t->overlays_cap ? 2 * t->overlays_cap : 64;
		struct stk_segment *v = stk_pool_alloc(&t->pool, cap * sizeof(*v));
		if (!v)
			return STK_ENOMEM;
		if (t->noverlays)
			memcpy(v, t->overlays, t->noverlays * sizeof(*v));
		t->overlays = v;
		t->overlays_cap = cap;
	}
	/* Images come in the order of their addresses; a damaged one's parts need not. */
	while (at && t->overlays[at - 1].start > start && stk_spend(&t->pool.budget, 1))
		at--;
	if (t->pool.budget.over)
		return STK_ENOMEM;
	memmove(&t->overlays[at + 1], &t->overlays[at], (t->noverlays - at) * sizeof(*t->overlays));
	t->overlays[at] = (struct stk_segment){
	    .start = start, .end = start + len, .have = len, .bytes = bytes, .r = true};
	t->noverlays++;
	return 0;
}

const struct stk_mapping *stk_mapping_at(const struct stk_target *t, uint64_t addr)
{
	const struct stk_mapping *v = t->mappings;
	unsigned k = STK_PARTITION_POINT(t->nmappings, i, v[i].start <= addr);

	return k && addr < v[k - 1].end ? &v[k - 1] : NULL;
}

bool stk_auxv(const struct stk_target *t, uint64_t type, uint64_t *ret)
{
	struct stk_cur c = stk_cur_init(t->auxv.p, t->auxv.len);

	while (stk_cur_left(&c) >= 16) {
		uint64_t a = stk_cur_u64(&c), v = stk_cur_u64(&c);
		if (a == type) {
			*ret = v;
			return true;
		}
	}
	return false;
}

bool stk_thread_reg(const struct stk_target *t, const struct stk_thread *th, unsigned row,
		    uint64_t *ret)
{
	struct stk_cur c = stk_cur_init(th->gregs.p, th->gregs.len);

	if (row >= t->arch->nregs)
		return false;
	stk_cur_skip(&c, t->arch->regs[row].note_off);
	uint64_t v = stk_cur_u64(&c);
	if (c.bad)
		return false;
	*ret = v;
	return true;
}

bool stk_thread_sp(const struct stk_target *t, const struct stk_thread *th, uint64_t *ret)
{
	unsigned row = 0;

	while (row < t->arch->nregs && t->arch->regs[row].dwarf != t->arch->sp)
		row++;
	return stk_thread_reg(t, th, row, ret);
}

bool stk_thread_tp(const struct stk_target *t, const struct stk_thread *th, uint64_t *ret)
{
	unsigned row = 0;

	while (row < t->arch->nregs && strcmp(t->arch->regs[row].name, t->arch->thread) != 0)
		row++;
	return stk_thread_reg(t, th, row, ret);
}

struct stk_thread *stk_thread_by_tid(const struct stk_target *t, int tid)
{
	for (unsigned i = 0; i < t->nthreads; i++)
		if (t->threads[i].tid == tid)
			return &t->threads[i];
	return NULL;
}

#define REMARKS_MAX 1000

static void add_remark(struct stk_target *t, bool incomplete, const char *s)
{
	for (struct stk_remark *r = t->remarks; r; r = r->next)
		if (!strcmp(r->text, s))
			return;
	struct stk_remark *r = stk_pool_alloc(&t->pool, sizeof(*r));
	char *text = stk_pool_strdup(&t->pool, s);
	if (!r || !text)
		return;
	*r = (struct stk_remark){.incomplete = incomplete, .text = text};
	if (!t->remarks_tail)
		t->remarks_tail = &t->remarks;
	*t->remarks_tail = r;
	t->remarks_tail = &r->next;
	t->nremarks++;
}

void stk_remark(struct stk_target *t, bool incomplete, const char *fmt, ...)
{
	char buf[1024];
	struct stk_text out;
	va_list ap;

	/* Of a damaged target there can be one for each of its threads or files. */
	if (t->nremarks > REMARKS_MAX)
		return;
	stk_text_init(&out, buf, sizeof(buf));
	va_start(ap, fmt);
	stk_vprintf(&out, fmt, ap);
	va_end(ap);
	if (t->nremarks < REMARKS_MAX)
		add_remark(t, incomplete, buf);
	else
		add_remark(t, true, "there is more to say than these lines: it is left out");
}

void stk_target_check(struct stk_target *t)
{
	if (t->ops->changed && t->ops->changed(t))
		stk_remark(t, true,
			   "%s was written to while it was open: what is shown may be wrong",
			   t->path);
}

bool stk_interrupted(const struct stk_target *t)
{
	const struct stk_budget *b = &t->pool.budget;

	return b->interrupt && *b->interrupt;
}

void stk_target_close(struct stk_target *t)
{
	if (t)
		t->ops->close(t);
}
