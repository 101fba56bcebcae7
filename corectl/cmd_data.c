/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arguments, registers, memory, packed words. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "command.h"
#include "interrupt.h"
#include "symbols/disasm.h"
#include "values/args.h"
#include "values/decode.h"

#define GROUP "Data"

static void cmd_args(struct session *s, const char *args)
{
	const struct stk_frame *f = session_frame(s);
	const struct stk_scope *sc = session_scope(s);

	(void)args;
	if (!sc || !sc->known_params) {
		session_fail(
		    s, "the signature of frame %zu is not known: no debug information for it in %s",
		    s->frame, f->mod ? f->mod->name : "any module");
		return;
	}
	if (!sc->nparams)
		STK_EMIT(stk_rows_text(&s->out), argless);
	for (unsigned i = 0; i < sc->nparams; i++) {
		struct stk_words w;
		stk_frame_arg(s->modules, &s->stack, s->frame, i, &w);
		STK_EMIT(stk_rows_text(&s->out), arg,
			 &(struct stk_row_arg){sc->params[i].name, &w, i});
	}
}

/* Is `name` among the words of `args`, with or without a dollar sign? */
static bool in_names(const char *args, const char *name)
{
	size_t n;

	for (args += strspn(args, " \t"); *args; args += n + strspn(args + n, " \t")) {
		args += *args == '$';
		n = strcspn(args, " \t");
		if (n == strlen(name) && !memcmp(args, name, n))
			return true;
	}
	return false;
}

/* The vector registers that the core keeps. Calls keep none, so they are those of frame 0. */
static void list_vectors(struct session *s, unsigned column)
{
	const struct stk_arch *a = s->target->arch;
	const struct stk_thread *t = s->stack.thread;

	for (unsigned i = 0; i < a->vec_n; i++) {
		struct stk_cur all = stk_cur_init(t->fpregs.p, t->fpregs.len);
		char name[16];
		struct stk_text n;
		stk_text_init(&n, name, sizeof(name));
		stk_printf(&n, "xmm%u", i);
		stk_cur_skip(&all, a->vec_note_off + i * a->vec_size);
		struct stk_row_reg row = {.name = name,
					  .column = column,
					  .known = true,
					  .bytes = stk_cur_bytes(&all, a->vec_size),
					  .size = a->vec_size};
		if (!row.bytes)
			return;
		STK_EMIT(stk_rows_text(&s->out), reg, &row);
	}
}

static void cmd_regs(struct session *s, const char *args)
{
	const struct stk_arch *a = s->target->arch;
	const struct stk_frame *f = session_frame(s);
	bool all = !strcmp(args, "-a"), any = false;
	bool named = *args && !all;
	unsigned column = all ? 9 : 7;

	for (unsigned i = 0; i < a->nregs; i++) {
		int d = a->regs[i].dwarf;
		struct stk_row_reg row = {.name = a->regs[i].name, .column = column};
		if (named ? !in_names(args, a->regs[i].name) : !a->regs[i].report && !all)
			continue;
		any = true;
		if (d >= 0) {
			row.known = stk_reg_known(&f->regs, (unsigned)d);
			row.value = f->regs.r[d];
		} else {
			row.known =
			    !f->phys && stk_thread_reg(s->target, s->stack.thread, i, &row.value);
		}
		STK_EMIT(stk_rows_text(&s->out), reg, &row);
	}
	if (named && !any)
		session_fail(s, "no register '%s'; `regs -a' shows all", args);
	if (all && !f->phys)
		list_vectors(s, column);
}

/* The words of the parameter called name[0 … len) of the selected frame. false: no such one, or not
 * all of it is known, and the user is told. */
static bool words_of_param(struct session *s, const char *name, size_t len, uint64_t *ret,
			   unsigned *ret_n)
{
	const struct stk_scope *sc = session_scope(s);
	struct stk_words w;
	unsigned i = 0, n = 0;

	while (sc && i < sc->nparams &&
	       (!sc->params[i].name || strlen(sc->params[i].name) != len ||
		memcmp(sc->params[i].name, name, len) != 0))
		i++;
	if (!sc || i == sc->nparams) {
		session_fail(s, "decode takes a number or a parameter of the frame, not '%.*s'",
			     (int)len, name);
		return false;
	}
	stk_frame_arg(s->modules, &s->stack, s->frame, i, &w);
	for (unsigned k = 0; k < w.n; k++) {
		if (w.v[k].kind == STK_WORD_OPEN || w.v[k].kind == STK_WORD_CLOSE)
			continue;
		if (w.v[k].kind != STK_WORD_VALUE) {
			session_fail(s, "not all of '%.*s' is known: see `args'", (int)len, name);
			return false;
		}
		ret[n++] = w.v[k].value;
	}
	*ret_n = n;
	return n > 0;
}

/* VALUE[,VALUE…] at *p, which is moved behind them. Returns their number; 0: not that form. */
static unsigned parse_values(const char **p, uint64_t *ret, unsigned max)
{
	unsigned n = 0;

	for (;;) {
		char *end;
		errno = 0;
		uint64_t v = strtoull(*p, &end, 0);
		if (end == *p || errno || n == max)
			return 0;
		ret[n++] = v;
		*p = end;
		if (*end != ',')
			return n;
		++*p;
	}
}

/* VALUE[,VALUE…] or a parameter's name, then TYPES. */
static void cmd_decode(struct session *s, const char *args)
{
	uint64_t words[64];
	unsigned n = 0;
	const char *p = args;
	struct stk_err err;

	if (isalpha((unsigned char)*p) || *p == '_') {
		size_t len = strcspn(p, " \t");
		if (!words_of_param(s, p, len, words, &n))
			return;
		p += len;
	} else {
		n = parse_values(&p, words, sizeof(words) / sizeof(*words));
	}
	size_t blank = strspn(p, " \t");
	if (!n || !blank || !p[blank]) {
		session_fail(s, "usage: decode VALUE[,VALUE...] TYPES, as in decode 0x19010001 "
				"bool,bool,bool,uint8");
		return;
	}
	if (stk_decode(&s->out, words, n, p + blank, s->modules, &err))
		session_fail(s, "%s", err.msg);
}

struct format {
	unsigned long count;
	char letter;
	unsigned size;
};

static bool parse_format(const char *p, size_t len, struct format *f)
{
	char *end;

	*f = (struct format){.count = 1, .letter = 'x', .size = 8};
	if (len && isdigit((unsigned char)*p)) {
		f->count = strtoul(p, &end, 10);
		len -= (size_t)(end - p);
		p = end;
	}
	for (; len; p++, len--) {
		const char *sizes = "b h w   g", *at = strchr(sizes, *p);
		if (*p != ' ' && at)
			f->size = (unsigned)(at - sizes) == 0   ? 1
				  : (unsigned)(at - sizes) == 2 ? 2
				  : (unsigned)(at - sizes) == 4 ? 4
								: 8;
		else if (*p && strchr("xduotacsi", *p))
			f->letter = *p;
		else
			return false;
	}
	if (f->letter == 'a')
		f->size = 8;
	if (f->letter == 'c')
		f->size = 1;
	return f->count > 0 && f->count <= 1000000;
}

static void put_byte(struct stk_text *out, int c)
{
	if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
		stk_putc(out, (char)c);
	else
		stk_printf(out, "\\x%02x", (unsigned)c);
}

static void put_binary(struct stk_text *out, uint64_t v, unsigned bits)
{
	while (bits--)
		stk_putc(out, v >> bits & 1 ? '1' : '0');
}

static void put_value(struct session *s, const struct format *f, uint64_t v)
{
	char sym[256];
	int64_t sv = (int64_t)(v << (64 - 8 * f->size)) >> (64 - 8 * f->size);

	switch (f->letter) {
	case 'd':
		stk_printf(&s->out, "%ld", (long)sv);
		break;
	case 'u':
		stk_printf(&s->out, "%lu", (unsigned long)v);
		break;
	case 'o': {
		char buf[24], *p = buf + sizeof(buf);
		*--p = 0;
		do
			*--p = (char)('0' + (v & 7));
		while (v >>= 3);
		stk_printf(&s->out, "0%s", p);
		break;
	}
	case 't':
		put_binary(&s->out, v, 8 * f->size);
		break;
	case 'c':
		stk_printf(&s->out, "%ld '", (long)sv);
		put_byte(&s->out, (int)v);
		stk_putc(&s->out, '\'');
		break;
	case 'a':
		stk_printf(&s->out, "0x%lx", (unsigned long)v);
		if (session_symbol(s, v, sym, sizeof(sym)))
			stk_printf(&s->out, " %s", sym);
		break;
	default:
		stk_printf(&s->out, "0x%0*lx", (int)(2 * f->size), (unsigned long)v);
		break;
	}
}

static void put_address(struct session *s, uint64_t addr)
{
	char sym[256];

	stk_printf(&s->out, "0x%lx", (unsigned long)addr);
	if (session_symbol(s, addr, sym, sizeof(sym)))
		stk_printf(&s->out, " %s", sym);
	stk_puts(&s->out, ":\t");
}

static uint64_t examine_strings(struct session *s, const struct format *f, uint64_t addr)
{
	for (unsigned long i = 0; i < f->count && !interrupt_pending; i++) {
		uint8_t c;
		unsigned n = 0;
		struct stk_err err;
		if (stk_mem_read(s->target, addr, &c, 1, &err)) {
			session_fail(s, "cannot read 0x%lx: not in the %s", (unsigned long)err.addr,
				     s->target->ops->kind);
			return addr;
		}
		put_address(s, addr);
		stk_putc(&s->out, '"');
		int r = 0;
		for (; n < 200 && !(r = stk_mem_read(s->target, addr + n, &c, 1, &err)) && c; n++)
			put_byte(&s->out, c);
		stk_puts(&s->out, n == 200 || r ? "\"...\n" : "\"\n");
		addr += n;
		if (r) {
			session_fail(s, "cannot read 0x%lx: not in the %s", (unsigned long)err.addr,
				     s->target->ops->kind);
			return addr;
		}
		addr += n < 200;
	}
	return addr;
}

struct printing {
	struct session *s;
	unsigned long left;
	uint64_t next;
};

static bool print_insn(void *arg, const struct stk_insn *in)
{
	struct printing *p = arg;
	const struct stk_frame *f = session_frame(p->s);

	session_put_insn(p->s, in, 0, f && in->addr == f->pc);
	p->next = in->addr + in->size;
	return --p->left > 0 && !interrupt_pending;
}

static uint64_t examine_code(struct session *s, const struct format *f, uint64_t addr)
{
	struct printing p = {s, f->count, addr};
	size_t len = stk_mem_avail(s->target, addr, f->count * 16);
	uint8_t *bytes = len ? malloc(len) : NULL;
	struct stk_err err = {0};

	if (!bytes || stk_mem_read(s->target, addr, bytes, len, &err) ||
	    stk_disasm(s->target->arch, false, addr, bytes, len, print_insn, &p, &err))
		session_fail(s, "cannot read 0x%lx: not in the %s", (unsigned long)addr,
			     s->target->ops->kind);
	else if (p.left && !interrupt_pending)
		session_fail(s, "cannot read 0x%lx: not in the %s", (unsigned long)addr + len,
			     s->target->ops->kind);
	free(bytes);
	return p.next;
}

static uint64_t examine_words(struct session *s, const struct format *f, uint64_t addr)
{
	unsigned row = f->letter == 'a' || f->size == 8 ? 2 : f->size == 1 ? 8 : 4;

	for (unsigned long i = 0; i < f->count && !interrupt_pending; i++, addr += f->size) {
		uint64_t v = 0;
		struct stk_err err;
		if (stk_mem_read(s->target, addr, &v, f->size, &err)) {
			if (i % row)
				stk_putc(&s->out, '\n');
			session_fail(s, "cannot read 0x%lx: not in the %s", (unsigned long)err.addr,
				     s->target->ops->kind);
			return addr;
		}
		if (i % row == 0)
			put_address(s, addr);
		put_value(s, f, v);
		stk_putc(&s->out, (i + 1) % row && i + 1 < f->count ? '\t' : '\n');
	}
	return addr;
}

static void cmd_x(struct session *s, const char *args)
{
	struct format f;
	size_t len = *args == '/' ? strcspn(args, " \t") : 0;
	uint64_t addr = s->x_next;
	const char *place = args + len + strspn(args + len, " \t");

	if (!parse_format(args + (len ? 1 : 0), len ? len - 1 : 0, &f)) {
		session_fail(s, "x/FMT: a count, one of x d u o t a c s i, one of b h w g");
		return;
	}
	bool on = !*place && s->x_next; /* without an address it goes on, as with Enter */
	if (!*place && !on) {
		session_fail(s, "x needs an address: a number, $register or symbol");
		return;
	}
	bool again = s->repeated && s->x_next;
	if (!again && !on && !session_address(s, place, &addr)) {
		s->x_next = 0;
		return;
	}
	s->x_next = f.letter == 's'   ? examine_strings(s, &f, addr)
		    : f.letter == 'i' ? examine_code(s, &f, addr)
				      : examine_words(s, &f, addr);
}

static void cmd_siginfo(struct session *s, const char *args)
{
	(void)args;
	STK_EMIT(stk_rows_text(&s->out), siginfo, &s->target->siginfo);
}

const struct command data_commands[] = {
    {"args", GROUP, "", "Show the arguments of the selected frame as machine words",
     "`_` is a value that could not be recovered, `0x7?` a guess that evidence supports.",
     COMPLETE_NONE, NEEDS_FRAME, cmd_args},
    {"regs registers", GROUP, "[-a | NAME...]", "Show the registers of the selected frame",
     "In outer frames `_` marks a register that the calls in between did not preserve. -a adds the "
     "segment registers and bases and, in frame 0, the vector registers.",
     COMPLETE_NONE, NEEDS_FRAME, cmd_regs},
    {"decode", GROUP, "VALUE[,VALUE...]|ARG TYPES", "Show the values that are packed into a word",
     "TYPES are separated by commas and aligned as in C: C types, forms like u8 or uint8, arrays, "
     "and types that the debug information knows. ARG is a parameter of the selected frame. "
     "Example: "
     "`decode 0xc419010001 bool,bool,bool,uint8`.",
     COMPLETE_NONE, NEEDS_NOTHING, cmd_decode},
    {"x", GROUP, "/FMT [ADDR]", "Examine memory",
     "FMT is a count, a letter of x d u o t a c s i, and a size b h w g. ADDR is a number, "
     "$register or symbol, with +N or -N; without it, and on Enter, x goes on where it ended.",
     COMPLETE_FUNCTION, NEEDS_NOTHING, cmd_x},
    {"siginfo", GROUP, "", "Show the signal that ended the program", NULL, COMPLETE_NONE,
     NEEDS_SIGNAL, cmd_siginfo},
    {0}};
