/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses: what the user names them by, and the symbols and instructions that are shown there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "symbols/demangle.h"
#include "symbols/scope.h"
#include "symbols/symtab.h"

bool session_symbol(struct session *s, uint64_t addr, char *buf, size_t cap)
{
	struct stk_module *m = stk_module_at(s->modules, addr);
	const struct stk_scopes *sc;
	struct stk_symbol sym;
	struct stk_text t;

	if (!m)
		return false;
	if (!stk_symbol_at(m, addr, &sym)) {
		sc = stk_scopes_at(m, addr);
		if (!sc || !sc->start || !sc->v[sc->n - 1].name)
			return false;
		sym = (struct stk_symbol){.name = sc->v[sc->n - 1].name, .addr = sc->start};
	}
	stk_text_init(&t, buf, cap);
	const char *name = stk_demangle(&s->target->pool, sym.name, false);
	stk_printf(&t, "<%s", name ? name : sym.name);
	if (addr != sym.addr)
		stk_printf(&t, "+0x%lx", (unsigned long)(addr - sym.addr));
	stk_putc(&t, '>');
	return true;
}

void session_put_insn(struct session *s, const struct stk_insn *in, uint64_t start, bool here)
{
	char sym[256];

	stk_printf(&s->out, "%s 0x%016lx", here ? "=>" : "  ", (unsigned long)in->addr);
	if (start)
		stk_printf(&s->out, " <+0x%lx>", (unsigned long)(in->addr - start));
	else if (session_symbol(s, in->addr, sym, sizeof(sym)))
		stk_printf(&s->out, " %s", sym);
	stk_printf(&s->out, ":\t%s", in->text);
	if (in->target) {
		char hex[24];
		struct stk_text t;
		stk_text_init(&t, hex, sizeof(hex));
		stk_printf(&t, "0x%lx", (unsigned long)in->target);
		if (!strstr(in->text, hex))
			stk_printf(&s->out, "  # %s", hex);
		if (session_symbol(s, in->target, sym, sizeof(sym)))
			stk_printf(&s->out, "  %s", sym);
	}
	stk_putc(&s->out, '\n');
}

/* `ret_unknown`: there is such a register, but not its value in this frame. */
static bool register_value(struct session *s, const char *name, size_t len, uint64_t *ret,
			   bool *ret_unknown)
{
	const struct stk_arch *a = s->target->arch;
	const struct stk_frame *f = session_frame(s);

	for (unsigned i = 0; f && i < a->nregs; i++) {
		const char *n = a->regs[i].name;
		int d = a->regs[i].dwarf;
		bool alias = (len == 2 && d >= 0 &&
			      ((!memcmp(name, "pc", 2) && d == a->pc) ||
			       (!memcmp(name, "sp", 2) && d == a->sp) ||
			       (!memcmp(name, "fp", 2) && d == a->fp)));
		if (!alias && (strlen(n) != len || memcmp(n, name, len) != 0))
			continue;
		if (d >= 0)
			*ret = f->regs.r[d];
		bool known = d >= 0
				 ? stk_reg_known(&f->regs, (unsigned)d)
				 : !f->phys && stk_thread_reg(s->target, s->stack.thread, i, ret);
		*ret_unknown = !known;
		return known;
	}
	return false;
}

static bool base_address(struct session *s, const char *text, size_t len, uint64_t *ret,
			 bool *ret_unknown)
{
	char name[512], *end;
	const char *file;
	unsigned line;
	struct stk_symbol sym;

	if (!len || len >= sizeof(name))
		return false;
	memcpy(name, text, len);
	name[len] = 0;
	if (name[0] == '$')
		return register_value(s, name + 1, len - 1, ret, ret_unknown);
	errno = 0;
	*ret = strtoull(name, &end, 0);
	if (!*end && !errno && name[0] != '-')
		return true;
	const char *fn = name[0] == '&' ? name + 1 : name;
	if (stk_function_find(s->modules, fn, &file, &line, ret) && *ret)
		return true;
	if (stk_symbol_find(s->modules, fn, &sym, NULL)) {
		*ret = sym.addr;
		return true;
	}
	return false;
}

static bool parse_address(struct session *s, const char *text, uint64_t *ret, bool *ret_unknown)
{
	size_t len = strlen(text);
	uint64_t off = 0;
	const char *op = NULL;
	char *end;

	while (len && text[len - 1] == ' ')
		len--;
	if (base_address(s, text, len, ret, ret_unknown))
		return true;
	for (const char *p = text + 1; *text && *p; p++)
		if (*p == '+' || *p == '-')
			op = p;
	if (!op)
		return false;
	off = strtoull(op + 1, &end, 0);
	size_t n = (size_t)(op - text);
	while (n && text[n - 1] == ' ')
		n--;
	if (*end || end == op + 1 || !base_address(s, text, n, ret, ret_unknown))
		return false;
	*ret = *op == '+' ? *ret + off : *ret - off;
	return true;
}

bool session_address(struct session *s, const char *text, uint64_t *ret)
{
	bool unknown = false;

	if (parse_address(s, text, ret, &unknown))
		return true;
	if (unknown)
		session_fail(s, "%s is not known in frame %zu", text, s->frame);
	else
		session_fail(s, "'%s' is not a number, $register, function or symbol", text);
	return false;
}
