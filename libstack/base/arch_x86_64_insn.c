/*
 * Instructions that leave the stack pointer alone, as far as leaves written by hand need them: by a
 * table of opcodes (Intel SDM 2, appendix A; §2.1 for the bytes behind the opcode). An instruction
 * that is not in it is not known.
 */
#include "base/arch_x86_64.h"

#include "base/mem.h"

enum form {
	UNKNOWN,
	PLAIN,   /* the opcode alone */
	TO_RM,   /* ModRM; what is written is r/m */
	TO_REG,  /* ModRM; what is written is reg */
	TO_NONE, /* ModRM; no general register is written */
	GROUP1,  /* ModRM, an operation by reg: cmp (7) writes nothing */
	GROUP3,  /* ModRM: test with an immediate (0, 1), not, neg; then mul, div of rax and rdx */
	GROUP11, /* ModRM: mov with an immediate (0) */
	LOAD,    /* the register is in the opcode: mov $imm,%reg */
	RAX,     /* rax and an immediate */
	JUMP,    /* a condition; forward, for what jumps back may come from where sp has moved */
};

struct opcode {
	uint8_t first, last, form, imm; /* bytes of the immediate */
};

enum { SP = 4, REX_B = 1, REX_R = 4, REX_W = 8 };

static const struct opcode one[] = {
    {0x70, 0x7f, JUMP, 1},    {0x63, 0x63, TO_REG, 0}, /* movslq */
    {0x80, 0x80, GROUP1, 1},  {0x81, 0x81, GROUP1, 4},  {0x83, 0x83, GROUP1, 1},
    {0x84, 0x85, TO_NONE, 0},                                                    /* test */
    {0x88, 0x89, TO_RM, 0},   {0x8a, 0x8b, TO_REG, 0},  {0x8d, 0x8d, TO_REG, 0}, /* mov, lea */
    {0x90, 0x90, PLAIN, 0},   {0x98, 0x99, PLAIN, 0}, /* nop, cltq, cqto */
    {0xa8, 0xa8, RAX, 1},     {0xa9, 0xa9, RAX, 4},   /* test */
    {0xb0, 0xb7, LOAD, 1},    {0xb8, 0xbf, LOAD, 4},    {0xc0, 0xc1, TO_RM, 1},
    {0xd0, 0xd3, TO_RM, 0},                             /* shifts */
    {0xc6, 0xc6, GROUP11, 1}, {0xc7, 0xc7, GROUP11, 4}, /* mov $imm */
    {0xf6, 0xf6, GROUP3, 1},  {0xf7, 0xf7, GROUP3, 4},
};

/* Behind 0f. */
static const struct opcode two[] = {
    {0x05, 0x05, PLAIN, 0}, /* syscall: the kernel gives the stack pointer back */
    {0x10, 0x11, TO_NONE, 0}, {0x28, 0x29, TO_NONE, 0}, /* movups, movss, movaps, … */
    {0x1f, 0x1f, TO_NONE, 0},                           /* nop */
    {0x40, 0x4f, TO_REG, 0},                            /* cmov */
    {0x80, 0x8f, JUMP, 4},    {0x57, 0x57, TO_NONE, 0}, /* xorps */
    {0x6f, 0x6f, TO_NONE, 0}, {0x7f, 0x7f, TO_NONE, 0}, /* movdqa, movdqu */
    {0xa2, 0xa2, PLAIN, 0},                             /* cpuid */
    {0xaf, 0xaf, TO_REG, 0},                            /* imul */
    {0xb6, 0xb7, TO_REG, 0},  {0xbe, 0xbf, TO_REG, 0},  /* movzx, movsx */
    {0xef, 0xef, TO_NONE, 0},                           /* pxor */
};

static const struct opcode *find(const struct opcode *v, size_t n, uint8_t byte)
{
	for (size_t i = 0; i < n; i++)
		if (byte >= v[i].first && byte <= v[i].last)
			return &v[i];
	return 0;
}

/* add, or, adc, sbb, and, sub, xor, cmp: 8 opcodes each, of which 6 are these forms. */
static struct opcode alu(uint8_t byte)
{
	static const uint8_t forms[] = {TO_RM, TO_RM, TO_REG, TO_REG, RAX, RAX};
	struct opcode op = {byte, byte, UNKNOWN, 0};

	if (byte >= 0x40 || (byte & 7) >= sizeof(forms))
		return op;
	op.form = forms[byte & 7];
	op.imm = op.form != RAX ? 0 : byte & 1 ? 4 : 1;
	if (byte >= 0x38 && op.form != RAX)
		op.form = TO_NONE;
	return op;
}

/* Bytes of ModRM, SIB and displacement; 0: cut off. */
static size_t operand_len(const uint8_t *p, size_t len)
{
	size_t n = 1;

	if (!len)
		return 0;
	unsigned mod = p[0] >> 6, rm = p[0] & 7;
	if (mod == 3)
		return n;
	if (rm == 4) {
		if (len < 2)
			return 0;
		n++;
		if (mod == 0 && (p[1] & 7) == 5)
			n += 4;
	} else if (mod == 0 && rm == 5) {
		n += 4;
	}
	return n + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* May it write the stack pointer, or is it another instruction? */
static bool writes_sp(const struct opcode *op, uint8_t modrm, uint8_t rex)
{
	bool rm = modrm >> 6 == 3 && (modrm & 7) == SP && !(rex & REX_B);
	unsigned reg = modrm >> 3 & 7;

	switch (op->form) {
	case TO_REG:
		return reg == SP && !(rex & REX_R);
	case GROUP1:
		return rm && reg != 7;
	case GROUP11:
		return rm || reg != 0;
	case GROUP3:
		return rm && (reg == 2 || reg == 3);
	default:
		return op->form == TO_RM && rm;
	}
}

static size_t whole(const struct opcode *op, const uint8_t *code, size_t len, size_t at,
		    uint8_t rex)
{
	size_t imm = op->imm;

	if (op->form == UNKNOWN)
		return 0;
	if (op->form == LOAD) {
		if ((code[at - 1] & 7) == SP && !(rex & REX_B))
			return 0;
		imm = imm == 4 && rex & REX_W ? 8 : imm;
	} else if (op->form == JUMP) {
		if (at + imm > len || code[at + imm - 1] & 0x80)
			return 0;
	} else if (op->form != PLAIN && op->form != RAX) {
		size_t n = operand_len(code + at, len - at);
		if (!n || writes_sp(op, code[at], rex))
			return 0;
		if (op->form == GROUP3 && (code[at] >> 3 & 7) > 1)
			imm = 0;
		at += n;
	}
	return at + imm <= len ? at + imm : 0;
}

enum { CS = 0x2e, FS = 0x64, GS = 0x65 };

static bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == CS || byte == FS ||
	       byte == GS;
}

size_t stk_x86_64_keeps_sp(const uint8_t *code, size_t len)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
	static const uint8_t xgetbv[] = {0x0f, 0x01, 0xd0};
	const struct opcode *op;
	size_t at = 0;
	uint8_t rex = 0;
	bool prefix = false;

	if (len >= sizeof(endbr) && !memcmp(code, endbr, sizeof(endbr)))
		return sizeof(endbr);
	if (len >= sizeof(xgetbv) && !memcmp(code, xgetbv, sizeof(xgetbv)))
		return sizeof(xgetbv);
	for (; at < len && is_prefix(code[at]); at++)
		prefix |= code[at] != CS && code[at] != FS && code[at] != GS;
	if (at < len && (code[at] & 0xf0) == 0x40)
		rex = code[at++];
	if (at >= len)
		return 0;
	uint8_t byte = code[at++];
	if (byte == 0x0f) {
		if (at >= len)
			return 0;
		op = find(two, sizeof(two) / sizeof(*two), code[at++]);
		return op ? whole(op, code, len, at, rex) : 0;
	}
	struct opcode a = alu(byte);
	op = a.form != UNKNOWN ? &a : find(one, sizeof(one) / sizeof(*one), byte);
	/* 66 changes the size of an immediate. */
	if (!op || (prefix && op->imm))
		return 0;
	return whole(op, code, len, at, rex);
}
