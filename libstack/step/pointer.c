#include "step/pointer.h"

/* The number alone. */
static uint64_t number(struct stk_win *w, uint8_t enc)
{
	switch (enc & PE_format) {
	case PE_absptr:
	case PE_signed:
	case PE_udata8:
	case PE_sdata8:
		return stk_cur_u64(&w->c);
	case PE_uleb128:
		return stk_cur_uleb(&w->c);
	case PE_sleb128:
		return (uint64_t)stk_cur_sleb(&w->c);
	case PE_udata2:
		return stk_cur_u16(&w->c);
	case PE_udata4:
		return stk_cur_u32(&w->c);
	case PE_sdata2:
		return (uint64_t)(int64_t)(int16_t)stk_cur_u16(&w->c);
	case PE_sdata4:
		return (uint64_t)(int64_t)(int32_t)stk_cur_u32(&w->c);
	default:
		w->c.bad = true;
		return 0;
	}
}

uint64_t stk_cfi_pointer(struct stk_win *w, uint8_t enc, uint64_t data)
{
	uint64_t at, v;

	stk_win_more(w);
	at = stk_win_pos(w);
	if (enc == PE_omit)
		return 0;
	if (enc == PE_aligned) {
		stk_win_skip(w, -at & 7);
		stk_win_more(w);
		return stk_cur_u64(&w->c);
	}
	v = number(w, enc);
	if (!v)
		return 0;
	switch (enc & PE_base) {
	case 0:
		break;
	case PE_pcrel:
		v += at;
		break;
	case PE_datarel:
		v += data;
		break;
	default: /* relative to what only an older system knows */
		w->c.bad = true;
	}
	if ((enc & PE_indirect) && !stk_read_word(w->mem, v, &v))
		w->c.bad = true;
	return v;
}
