#include "unwind/second.h"

#include <elf.h>
#include <libunwind.h>
#include <string.h>

#include "symbols/image.h"
#include "unwind/frames.h"
#include "unwind/stepper.h"

/* Exported by libunwind-x86_64, declared in none of its public headers. */
#define SEARCH UNW_OBJ(dwarf_search_unwind_table)
extern int SEARCH(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di, unw_proc_info_t *pi,
		  int need_info, void *arg);

struct context {
	struct stk_modules *ms;
	const struct stk_frame *first;
};

/* The binary search table of .eh_frame_hdr (LSB, "Exception Frames"): version 1, and the encodings
 * that linkers write: frame pointer anything, count udata4, table datarel sdata4. */
static bool find_table(const struct stk_module *m, unw_dyn_info_t *di)
{
	size_t n = 0;
	GElf_Phdr ph;
	uint8_t head[12];
	uint32_t count;

	if (!m->image || elf_getphdrnum(m->image->elf, &n) || !n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(m->image->elf, (int)i, &ph) && ph.p_type == PT_GNU_EH_FRAME)
			break;
		else if (i + 1 == n)
			return false;
	uint64_t addr = m->bias + ph.p_vaddr;
	if (stk_mem_read(m->owner->target, addr, head, sizeof(head), NULL) || head[0] != 1 ||
	    head[2] != 0x03 || head[3] != 0x3b)
		return false;
	memcpy(&count, head + 8, 4);
	*di = (unw_dyn_info_t){
	    .format = UNW_INFO_FORMAT_REMOTE_TABLE, .start_ip = m->start, .end_ip = m->end};
	di->u.rti.segbase = addr;
	di->u.rti.table_data = addr + 12;
	di->u.rti.table_len = count * 8UL / sizeof(unw_word_t);
	return true;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need,
			  void *arg)
{
	struct context *c = arg;
	struct stk_module *m = stk_module_at(c->ms, ip);
	unw_dyn_info_t di;

	if (!m || !find_table(m, &di))
		return -UNW_ENOINFO;
	return SEARCH(as, ip, &di, pi, need, arg);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as;
	(void)pi;
	(void)arg;
}

static int get_list(unw_addr_space_t as, unw_word_t *ret, void *arg)
{
	(void)as;
	(void)ret;
	(void)arg;
	return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *v, int write, void *arg)
{
	struct context *c = arg;
	uint64_t word;

	(void)as;
	if (write || !stk_mem_word(c->ms->target, addr, &word))
		return -UNW_EINVAL;
	*v = word;
	return 0;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t n, unw_word_t *v, int write, void *arg)
{
	struct context *c = arg;

	(void)as;
	/* libunwind's x86-64 numbers are those of DWARF. */
	if (write || n < 0 || !stk_reg_known(&c->first->regs, (uint64_t)n))
		return -UNW_EBADREG;
	*v = c->first->regs.r[n];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t n, unw_fpreg_t *v, int write, void *arg)
{
	(void)as;
	(void)n;
	(void)v;
	(void)write;
	(void)arg;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cur, void *arg)
{
	(void)as;
	(void)cur;
	(void)arg;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t addr, char *buf, size_t len,
			 unw_word_t *off, void *arg)
{
	(void)as;
	(void)addr;
	(void)buf;
	(void)len;
	(void)off;
	(void)arg;
	return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = get_list,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = resume,
    .get_proc_name = get_proc_name,
};

static bool has_caller(struct stk_modules *ms, const struct stk_frame *f)
{
	struct stk_target_stepper ts;
	struct stk_step_frame next, at = {.regs = f->regs, .pc = f->pc, .exact = f->exact};

	stk_target_stepper(&ts, ms);
	return stk_step(&ts.s, &at, &next).end == STK_STEP_MORE;
}

/* Frame by frame until libunwind says that there is no more. */
static int walk(struct context *c, unw_cursor_t *cur, size_t max, struct stk_stack *ret)
{
	const struct stk_arch *a = c->ms->target->arch;
	bool below_signal = true; /* frame 0 stands where its pc says */
	uint64_t last_sp = 0;

	for (unsigned phys = 0;; phys++) {
		struct stk_frame f = {.how = phys ? STK_HOW_CFI : STK_HOW_REGS,
				      .exact = below_signal};
		unw_word_t v;
		for (int n = 0; n < a->tracked; n++)
			if (n != a->pc &&
			    (!phys || n == a->sp || stk_bit(&a->callee_saved, (unsigned)n)) &&
			    unw_get_reg(cur, n, &v) == 0)
				stk_reg_set(&f.regs, (unsigned)n, v);
		if (unw_get_reg(cur, UNW_REG_IP, &v) || (!v && phys))
			break;
		f.pc = v;
		stk_reg_set(&f.regs, a->pc, v);
		f.signal = unw_is_signal_frame(cur) > 0;
		below_signal = f.signal;
		if (phys && !f.exact && f.regs.r[a->sp] <= last_sp) {
			stk_end_stack(ret, STK_END_LOOP, last_sp);
			return 0;
		}
		last_sp = f.regs.r[a->sp];
		int more = unw_step(cur);
		if (more > 0 && unw_get_reg(cur, UNW_REG_SP, &v) == 0)
			f.cfa = v;
		if (!stk_append_frame(c->ms, ret, &f, max)) {
			bool full = stk_budget_of(c->ms->target)->full;
			stk_end_stack(ret, full ? STK_END_BUDGET : STK_END_MEMORY, 0);
			return full ? 0 : STK_ENOMEM;
		}
		if (max && ret->n >= max) {
			stk_end_stack(ret, STK_END_LIMIT, max);
			return 0;
		}
		if (stk_interrupted(c->ms->target)) {
			stk_end_stack(ret, STK_END_INTERRUPTED, 0);
			return 0;
		}
		if (more < 0) {
			stk_end_stack(ret, STK_END_NO_RULE, f.pc);
			return 0;
		}
		if (!more) {
			/* It also says 0 where it found no table: ask whether this is the base. */
			if (has_caller(c->ms, &f)) {
				stk_end_stack(ret, STK_END_NO_RULE, f.pc);
				return 0;
			}
			break;
		}
	}
	stk_end_stack(ret, STK_END_BASE, 0);
	return 0;
}

int stk_unwind_second(struct stk_modules *ms, const struct stk_thread *th, size_t max,
		      struct stk_stack *ret)
{
	struct stk_frame first;
	struct context c = {.ms = ms, .first = &first};
	unw_cursor_t cur;
	int r = 0;

	*ret = (struct stk_stack){.thread = th, .absent = ms->target->ops->absent};
	if (!stk_first_frame(ms, th, &first)) {
		stk_end_stack(ret, STK_END_NO_REGS, 0);
		return 0;
	}
	unw_addr_space_t as = unw_create_addr_space(&accessors, 0);
	if (!as)
		return STK_ENOMEM;
	unw_set_caching_policy(as, UNW_CACHE_GLOBAL);
	if (unw_init_remote(&cur, as, &c) == 0)
		r = walk(&c, &cur, max, ret);
	else
		stk_end_stack(ret, STK_END_NO_RULE, first.pc);
	unw_destroy_addr_space(as);
	return r;
}
