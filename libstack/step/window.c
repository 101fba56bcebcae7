#include "step/window.h"

#include "base/arch.h"

void stk_win_open(struct stk_win *w, uint64_t addr, uint64_t end)
{
	uint64_t n = end > addr ? end - addr : 0;
	uint64_t page = STK_PAGE - addr % STK_PAGE;

	if (n > STK_WIN_BYTES)
		n = STK_WIN_BYTES;
	/* A length taken from damaged bytes may reach into a page that is not mapped. */
	bool ok = stk_read(w->mem, addr, w->buf, n);
	if (!ok && n > page) {
		n = page;
		ok = stk_read(w->mem, addr, w->buf, n);
	}
	w->c = stk_cur_init(w->buf, ok ? n : 0);
	w->c.bad = !ok;
	w->base = addr;
	w->end = end;
}

uint64_t stk_win_pos(const struct stk_win *w)
{
	return w->base + (uint64_t)(w->c.p - w->buf);
}

bool stk_win_more(struct stk_win *w)
{
	uint64_t at = stk_win_pos(w), have = stk_cur_left(&w->c);

	if (w->c.bad || at >= w->end)
		return false;
	if (have < STK_WIN_RECORD && at + have < w->end)
		stk_win_open(w, at, w->end);
	return !w->c.bad;
}

void stk_win_skip(struct stk_win *w, uint64_t n)
{
	uint64_t at = stk_win_pos(w);

	if (n <= stk_cur_left(&w->c))
		stk_cur_skip(&w->c, n);
	else if (w->c.bad || n > w->end - at)
		w->c.bad = true;
	else
		stk_win_open(w, at + n, w->end);
}
