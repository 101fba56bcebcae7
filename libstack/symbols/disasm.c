#include "symbols/disasm.h"

#include <capstone/capstone.h>

#include "base/text.h"

/* The address that an instruction names: a direct branch target, or rip-relative memory. */
static uint64_t named_address(const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;
	bool branch = false;

	for (unsigned i = 0; i < in->detail->groups_count; i++)
		branch |=
		    in->detail->groups[i] == CS_GRP_JUMP || in->detail->groups[i] == CS_GRP_CALL;
	for (unsigned i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];
		if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP)
			return in->address + in->size + (uint64_t)op->mem.disp;
		if (op->type == X86_OP_IMM && branch)
			return (uint64_t)op->imm;
	}
	return 0;
}

static void fill(const cs_insn *in, struct stk_insn *ret)
{
	struct stk_text t;

	*ret =
	    (struct stk_insn){.addr = in->address, .size = in->size, .target = named_address(in)};
	stk_text_init(&t, ret->text, sizeof(ret->text));
	if (in->op_str[0])
		stk_printf(&t, "%-7s%s", in->mnemonic, in->op_str);
	else
		stk_puts(&t, in->mnemonic);
}

int stk_disasm(const struct stk_arch *arch, bool att, uint64_t addr, const uint8_t *bytes,
	       size_t len, bool (*fn)(void *arg, const struct stk_insn *in), void *arg,
	       struct stk_err *err)
{
	csh h;
	bool more = true;

	if (arch->e_machine != 62 || cs_open(CS_ARCH_X86, CS_MODE_64, &h) != CS_ERR_OK)
		return stk_fail(err, STK_EUNSUPPORTED, "no disassembler for %s", arch->name);
	cs_option(h, CS_OPT_DETAIL, CS_OPT_ON);
	if (att)
		cs_option(h, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs_insn *in = cs_malloc(h);
	while (in && len && more) {
		struct stk_insn out;
		if (cs_disasm_iter(h, &bytes, &len, &addr, in)) {
			fill(in, &out);
		} else {
			out = (struct stk_insn){.addr = addr, .size = 1, .text = "(bad)"};
			bytes++;
			len--;
			addr++;
		}
		more = fn(arg, &out);
	}
	if (in)
		cs_free(in, 1);
	cs_close(&h);
	return 0;
}
