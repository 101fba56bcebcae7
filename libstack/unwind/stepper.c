#include "unwind/stepper.h"

#include <string.h>

#include "symbols/symtab.h"
#include "unwind/row.h"

static bool read_target(void *arg, uint64_t addr, void *to, size_t len)
{
	const struct stk_target *t = arg;

	if (len == sizeof(uint64_t))
		return stk_mem_word(t, addr, to);
	return !stk_mem_read(t, addr, to, len, NULL);
}

static const struct stk_cfi_row *row(void *arg, uint64_t pc)
{
	struct stk_target_stepper *ts = arg;
	struct stk_module *m = stk_module_at(ts->ms, pc);

	return m ? stk_row_at(m, pc) : NULL;
}

/* Of what a core does not describe, the modules tell. */
static enum stk_code_kind code(void *arg, uint64_t addr)
{
	const struct stk_target_stepper *ts = arg;
	const struct stk_segment *s = stk_segment_at(ts->ms->target, addr);

	if (s && !s->x)
		return STK_CODE_NO;
	if (stk_module_at(ts->ms, addr))
		return STK_CODE_IMAGE;
	return s ? STK_CODE_OTHER : STK_CODE_NO;
}

static uint64_t entry(void *arg, uint64_t pc)
{
	const struct stk_target_stepper *ts = arg;
	struct stk_module *m = stk_module_at(ts->ms, pc);
	struct stk_symbol s;

	return m && stk_symbol_at(m, pc, &s) && s.func ? s.addr : 0;
}

/* Go's runtime.gosave_systemstack_switch keeps that address for the stack that it leaves. */
static bool put(void *arg, uint64_t pc)
{
	static const char name[] = "runtime.systemstack_switch";
	const struct stk_target_stepper *ts = arg;
	struct stk_module *m = stk_module_at(ts->ms, pc);
	struct stk_symbol s;

	if (!m || !stk_symbol_at(m, pc, &s) || s.addr != pc ||
	    strncmp(s.name, name, sizeof(name) - 1))
		return false;
	const char *abi = s.name + sizeof(name) - 1;
	return !*abi || !strcmp(abi, ".abi0");
}

void stk_target_stepper(struct stk_target_stepper *ts, struct stk_modules *ms)
{
	ts->ms = ms;
	ts->mem = (struct stk_reader){read_target, ms->target};
	ts->s = (struct stk_stepper){.arch = ms->target->arch,
				     .mem = &ts->mem,
				     .row = row,
				     .code = code,
				     .entry = entry,
				     .put = put,
				     .arg = ts};
}
