/* Call frame information made by hand: every instruction, augmentation and encoding; expressions.
 */
#include "stepping.h"

#include <sys/mman.h>

#include "step/cfi.h"

#define ROOM     (1UL << 18)
#define CODE_LEN 0x100
#define AT       0x10 /* the pc that is asked for, from the start of the code */

static uint8_t *room; /* what lies behind its end is not readable */

struct bytes {
	uint8_t v[ROOM / 2];
	uint64_t n, base; /* base: the address that v[0] will have */
};

static void put(struct bytes *b, uint64_t v, unsigned size)
{
	memcpy(b->v + b->n, &v, size);
	b->n += size;
}

/* A pointer to `to` in encoding `enc`. */
static void put_pointer(struct bytes *b, uint8_t enc, uint64_t to)
{
	unsigned form = enc & 0xf;

	if (enc == 0x50) {
		while ((b->base + b->n) % 8)
			put(b, 0, 1);
		form = 0;
	}
	if ((enc & 0x70) == 0x10)
		to -= b->base + b->n;
	put(b, to, form == 0x2 || form == 0xa ? 2 : form == 0x3 || form == 0xb ? 4 : 8);
}

struct spec {
	const char *letters;
	uint8_t enc;         /* of addresses in the FDE */
	uint8_t routine_enc; /* of 'P' */
	uint8_t table_enc;   /* of .eh_frame_hdr */
	const uint8_t *insn; /* of the FDE */
	uint64_t n;
	uint64_t filler; /* nops behind them */
};

/* Set the length field of the entry that begins at `from`; entries are padded with nops. */
static void end_entry(struct bytes *b, uint64_t from)
{
	while (b->n % 8 != 4)
		put(b, 0, 1);
	uint32_t len = (uint32_t)(b->n - from - 4);
	memcpy(b->v + from, &len, 4);
}

static void put_cie(struct bytes *b, const struct spec *s)
{
	uint64_t from = b->n, len_at;

	put(b, 0, 8);
	put(b, 1, 1);
	memcpy(b->v + b->n, s->letters, strlen(s->letters) + 1);
	b->n += strlen(s->letters) + 1;
	if (!strcmp(s->letters, "eh"))
		put(b, 0x1234, 8);
	put(b, 1, 1);    /* code alignment */
	put(b, 0x78, 1); /* data alignment -8 */
	put(b, 16, 1);   /* return address column */
	if (s->letters[0] == 'z') {
		len_at = b->n;
		put(b, 0, 1);
		for (const char *l = s->letters + 1; *l; l++) {
			if (*l == 'R')
				put(b, s->enc, 1);
			if (*l == 'L')
				put(b, 0x1b, 1);
			if (*l == 'P') {
				put(b, s->routine_enc, 1);
				put_pointer(b, s->routine_enc, 0x10);
			}
		}
		b->v[len_at] = (uint8_t)(b->n - len_at - 1);
	}
	/* def_cfa r7+8; r16 at cfa-8 */
	put(b, 0x019008070cULL, 5);
	end_entry(b, from);
}

static void put_fde(struct bytes *b, const struct spec *s, uint64_t cie, uint64_t code)
{
	uint64_t from = b->n;

	put(b, 0, 4);
	put(b, b->n - cie, 4);
	put_pointer(b, s->enc, code);
	put_pointer(b, s->enc & 0xf, CODE_LEN);
	if (s->letters[0] == 'z')
		put(b, 0, 1);
	memcpy(b->v + b->n, s->insn, s->n);
	b->n += s->n + s->filler;
	end_entry(b, from);
}

static struct bytes b;
static uint64_t code;

/* .eh_frame_hdr, a CIE, an FDE of other code, that of `code`: at the end of the room. */
static struct stk_cfi build(const struct spec *s)
{
	static const uint8_t nothing[1];
	struct spec other = *s;
	uint64_t cie = 28, fde[2];

	other.insn = nothing;
	other.n = 1;
	other.filler = 0;
	for (int pass = 0; pass < 2; pass++) {
		b.base = (uintptr_t)room + ROOM - b.n;
		code = (uintptr_t)room - 0x10000;
		memset(b.v, 0, sizeof(b.v));
		b.n = cie;
		put_cie(&b, s);
		fde[0] = b.n;
		put_fde(&b, &other, cie, code - CODE_LEN);
		fde[1] = b.n;
		put_fde(&b, s, cie, code);
		uint64_t end = b.n;
		b.n = 0;
		put(&b, 1, 1);
		put(&b, 0x1b, 1);
		put(&b, 0x03, 1);
		put(&b, s->table_enc, 1);
		put_pointer(&b, 0x1b, b.base + cie);
		put(&b, 2, 4);
		for (int i = 0; i < 2; i++) {
			put(&b, code - (i ? 0 : CODE_LEN) - b.base, 4);
			put(&b, fde[i], 4);
		}
		b.n = end;
	}
	memcpy(room + ROOM - b.n, b.v, b.n);
	return (struct stk_cfi){.mem = &stk_guarded, .hdr = b.base, .hdr_len = cie};
}

static bool row_of(const struct spec *s, struct stk_cfi_row *ret)
{
	struct stk_cfi cfi = build(s);

	return stk_cfi_find(&cfi, stk_arch_host, code + AT, ret);
}

static bool value(uint64_t block, const struct stk_regset *regs, const uint64_t *first,
		  uint64_t *ret)
{
	return stk_cfi_eval(&stk_guarded, block, &stk_guarded, regs, first, ret);
}

static void rooms(void **state)
{
	begin(state);
	if (room)
		return;
	room = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(room != MAP_FAILED);
	assert_int_equal(mprotect(room + ROOM, 4096, PROT_NONE), 0);
}

#define NONE      STK_REGS_MAX /* only the CFA is compared */
#define INSN(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static void instructions(void **state)
{
	static const struct {
		uint8_t insn[24];
		uint64_t n;
		bool ok;
		unsigned reg, kind;
		int64_t v;
		unsigned cfa_reg;
		int64_t cfa;
	} t[] = {
	    {INSN(0x00), true, 16, STK_CFI_OFFSET, -8, 7, 8},
	    {INSN(0x83, 2), true, 3, STK_CFI_OFFSET, -16, 7, 8},
	    {INSN(0x05, 12, 3), true, 12, STK_CFI_OFFSET, -24, 7, 8},
	    {INSN(0x11, 16, 0x7e), true, 16, STK_CFI_OFFSET, 16, 7, 8},
	    {INSN(0x2f, 3, 2), true, 3, STK_CFI_OFFSET, 16, 7, 8},
	    {INSN(0x90, 5), true, 16, STK_CFI_OFFSET, -40, 7, 8},
	    {INSN(0x90, 5, 0xd0), true, 16, STK_CFI_OFFSET, -8, 7, 8},
	    {INSN(0x83, 5, 0x06, 3), true, 3, STK_CFI_SAME, 0, 7, 8},
	    {INSN(0x07, 16), true, 16, STK_CFI_UNDEF, 0, 7, 8},
	    {INSN(0x83, 2, 0x08, 3), true, 3, STK_CFI_SAME, 0, 7, 8},
	    {INSN(0x09, 16, 3), true, 16, STK_CFI_REG, 3, 7, 8},
	    {INSN(0x0a, 0x83, 2, 0x0c, 6, 16), true, 3, STK_CFI_OFFSET, -16, 6, 16},
	    {INSN(0x0a, 0x83, 2, 0x0c, 6, 16, 0x0b), true, 3, STK_CFI_SAME, 0, 7, 8},
	    {INSN(0x0b), false, 0, 0, 0, 0, 0},
	    {INSN(10, 10, 10, 10, 10, 10, 10, 10), true, NONE, 0, 0, 7, 8},
	    {INSN(10, 10, 10, 10, 10, 10, 10, 10, 10), false, 0, 0, 0, 0, 0},
	    {INSN(0x12, 6, 0x7e), true, NONE, 0, 0, 6, 16},
	    {INSN(0x0d, 6), true, NONE, 0, 0, 6, 8},
	    {INSN(0x0e, 0xa0, 0x01), true, NONE, 0, 0, 7, 160},
	    {INSN(0x13, 0x7c), true, NONE, 0, 0, 7, 32},
	    {INSN(0x0c, 17, 8), false, 0, 0, 0, 0, 0},
	    {INSN(0x0f, 2, 0x77, 8, 0x0e, 8), false, 0, 0, 0, 0, 0},
	    {INSN(0x0f, 2, 0x77, 8, 0x0c, 7, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x14, 3, 2), true, 3, STK_CFI_VAL_OFFSET, -16, 7, 8},
	    {INSN(0x15, 3, 0x7e), true, 3, STK_CFI_VAL_OFFSET, 16, 7, 8},
	    {INSN(0x2e, 16, 0x83, 2), true, 3, STK_CFI_OFFSET, -16, 7, 8},
	    {INSN(0x80 | 17, 4), true, 16, STK_CFI_OFFSET, -8, 7, 8},
	    /* What stands behind an advance holds from its address on. */
	    {INSN(0x40 | AT, 0x0e, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x41 | AT, 0x0e, 24), true, NONE, 0, 0, 7, 8},
	    {INSN(0x02, AT, 0x0e, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x02, AT + 1, 0x0e, 24), true, NONE, 0, 0, 7, 8},
	    {INSN(0x03, AT, 0, 0x0e, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x03, 0, 1, 0x0e, 24), true, NONE, 0, 0, 7, 8},
	    {INSN(0x04, AT, 0, 0, 0, 0x0e, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x04, 0, 0, 0, 1, 0x0e, 24), true, NONE, 0, 0, 7, 8},
	    {INSN(0x1d, AT, 0, 0, 0, 0, 0, 0, 0, 0x0e, 24), true, NONE, 0, 0, 7, 24},
	    {INSN(0x1d, 0, 0, 0, 0, 0, 0, 0, 1, 0x0e, 24), true, NONE, 0, 0, 7, 8},
	    /* Not an instruction of x86-64; an operand that is missing; one that never ends. */
	    {INSN(0x2d), false, 0, 0, 0, 0, 0},
	    {INSN(0x04, 0, 0, 0, 0, 0x00, 0x0f, 0x90), false, 0, 0, 0, 0, 0},
	    {INSN(0x0e, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1), false, 0, 0, 0, 0, 0},
	};

	rooms(state);
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct spec s = {"zR", 0x1b, 0, 0x3b, t[i].insn, t[i].n, 0};
		struct stk_cfi_row row;
		bool ok = row_of(&s, &row);
		if (ok != t[i].ok)
			fail_msg("case %u: %d", i, ok);
		if (!ok)
			continue;
		bool same = row.cfa_kind == STK_CFI_VAL_OFFSET && row.cfa_reg == t[i].cfa_reg &&
			    row.cfa == t[i].cfa;
		if (!same || (t[i].reg != NONE &&
			      (row.kind[t[i].reg] != t[i].kind || row.v[t[i].reg] != t[i].v)))
			fail_msg("case %u: cfa r%u%+ld, r%u %u %ld", i, row.cfa_reg, (long)row.cfa,
				 t[i].reg, row.kind[t[i].reg % STK_REGS_MAX],
				 (long)row.v[t[i].reg % STK_REGS_MAX]);
	}
}

/* Where there is no rule, the caller's is what the ABI has a function keep (System V ABI, AMD64
 * supplement §3.2.1: rbx, rbp, r12 to r15); a signal's frame keeps all that it does not tell. */
static void kept_registers(void **state)
{
	static const struct {
		const char *letters;
		uint8_t insn[8];
		uint64_t n;
		uint64_t kept, found;
	} t[] = {
	    {"zR", INSN(0x00), 0xf048, 0x10000},
	    {"zR", INSN(0x83, 2), 0xf040, 0x10008},  /* rbx is saved */
	    {"zR", INSN(0x81, 2), 0xf048, 0x10002},  /* rdx is, too */
	    {"zR", INSN(0x07, 12), 0xe048, 0x10000}, /* r12 is undefined */
	    {"zR", INSN(0x08, 0), 0xf048, 0x10000},  /* rax has no rule, and is not kept */
	    {"zRS", INSN(0x00), 0xff7f, 0x10000},    /* all but rsp, and rip by its rule */
	    {"zRS", INSN(0x80, 2), 0xff7e, 0x10001}, /* rax is saved */
	};

	rooms(state);
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct spec s = {t[i].letters, 0x1b, 0, 0x3b, t[i].insn, t[i].n, 0};
		struct stk_cfi_row row;
		assert_true(row_of(&s, &row));
		assert_int_equal(row.kept.w[0], t[i].kept);
		assert_int_equal(row.found.w[0], t[i].found);
	}
}

/* A block is stepped over, however long, and its address kept. */
static void blocks(void **state)
{
	uint8_t insn[400] = {0x16, 3, 0xac, 0x02, 0x77, 8}; /* r3: 300 bytes */
	struct spec s = {"zR", 0x1b, 0, 0x3b, insn, 306, 0};
	struct stk_cfi_row row;
	struct stk_regset r = {.r = {[7] = 0x1000}, .valid = {{1 << 7}}},
			  none = {.valid = {{1 << 6}}};
	uint64_t v;

	rooms(state);
	memset(insn + 6, 0x96, 298);
	insn[304] = 0x0e;
	insn[305] = 24;
	assert_true(row_of(&s, &row));
	assert_int_equal(row.cfa, 24);
	assert_int_equal(row.kind[3], STK_CFI_VAL_EXPR);
	assert_true(value((uint64_t)row.v[3], &r, NULL, &v));
	assert_int_equal(v, 0x1008);
	assert_false(value((uint64_t)row.v[3], &none, NULL, &v));
	insn[3] = 0x7f; /* longer than the entry */
	assert_false(row_of(&s, &row));
}

static void bounded(void **state)
{
	static const uint8_t insn[] = {0x83, 2};
	struct spec s = {"zR", 0x1b, 0, 0x3b, insn, 2, 65000};
	struct stk_cfi_row row;

	rooms(state);
	assert_true(row_of(&s, &row));
	s.filler = 66000;
	assert_false(row_of(&s, &row));
}

static void forms(void **state)
{
	static const uint8_t insn[] = {0x83, 2};
	static const struct {
		const char *letters;
		uint8_t enc, routine_enc;
		bool ok, signal;
	} t[] = {
	    {"zR", 0x1b, 0, true, false},      {"zR", 0x1c, 0, true, false},
	    {"zR", 0x10, 0, true, false},      {"zR", 0x00, 0, true, false},
	    {"zR", 0x04, 0, true, false},      {"zR", 0x0c, 0, true, false},
	    {"zR", 0x50, 0, true, false},      {"", 0x00, 0, true, false},
	    {"eh", 0x00, 0, true, false},      {"zRS", 0x1b, 0, true, true},
	    {"zPLR", 0x1b, 0x9b, true, false}, {"zPLR", 0x1b, 0x00, true, false},
	    {"zPLR", 0x1b, 0x50, true, false}, {"zPR", 0x1b, 0x80, true, false},
	    {"zRB", 0x1b, 0, true, false},     {"zRG", 0x1b, 0, true, false},
	    {"zRX", 0x1b, 0, false, false},    {"R", 0x1b, 0, false, false},
	    {"zR", 0x2b, 0, false, false}, /* textrel */
	    {"zR", 0x0f, 0, false, false}, /* no such format */
	};
	static const uint8_t tables[] = {0x3b, 0xff, 0x1b};
	struct stk_cfi_row row;

	rooms(state);
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		for (unsigned j = 0; j < 3; j++) {
			struct spec s = {
			    t[i].letters, t[i].enc, t[i].routine_enc, tables[j], insn, 2, 0};
			if (row_of(&s, &row) != t[i].ok)
				fail_msg("'%s' 0x%x 0x%x, table 0x%x", t[i].letters, t[i].enc,
					 t[i].routine_enc, tables[j]);
			if (!t[i].ok)
				continue;
			assert_int_equal(row.signal, t[i].signal);
			assert_int_equal(row.kind[3], STK_CFI_OFFSET);
			/* Of the code before, and of none. */
			struct stk_cfi cfi = build(&s);
			assert_true(stk_cfi_find(&cfi, stk_arch_host, code - 1, &row));
			assert_int_equal(row.kind[3], STK_CFI_SAME);
			assert_false(stk_cfi_find(&cfi, stk_arch_host, code + CODE_LEN, &row));
			assert_false(stk_cfi_find(&cfi, stk_arch_host, code - CODE_LEN - 1, &row));
		}
	}
}

static void expressions(void **state)
{
	static const uint64_t memory[] = {0x1122334455667788ULL, 42};
	static const struct {
		uint8_t ops[24];
		uint64_t n;
		bool ok;
		uint64_t v;
	} t[] = {
	    {INSN(0x30), true, 0},
	    {INSN(0x4f), true, 31},
	    {INSN(0x77, 0x78), true, 0x7000 - 8},
	    {INSN(0x92, 7, 16), true, 0x7010},
	    {INSN(0x92, 17, 16), false, 0},
	    {INSN(0x75, 0), false, 0}, /* rdi is not known */
	    {INSN(0x03, 1, 2, 3, 4, 5, 6, 7, 8), true, 0x0807060504030201ULL},
	    {INSN(0x08, 0xff), true, 0xff},
	    {INSN(0x09, 0xff), true, UINT64_MAX},
	    {INSN(0x0a, 0xfe, 0xff), true, 0xfffe},
	    {INSN(0x0b, 0xfe, 0xff), true, UINT64_MAX - 1},
	    {INSN(0x0c, 0xfe, 0xff, 0xff, 0xff), true, 0xfffffffe},
	    {INSN(0x0d, 0xfe, 0xff, 0xff, 0xff), true, UINT64_MAX - 1},
	    {INSN(0x0e, 1, 0, 0, 0, 0, 0, 0, 0x80), true, 0x8000000000000001ULL},
	    {INSN(0x0f, 1, 0, 0, 0, 0, 0, 0, 0x80), true, 0x8000000000000001ULL},
	    {INSN(0x10, 0xe5, 0x8e, 0x26), true, 624485},
	    {INSN(0x11, 0x7f), true, UINT64_MAX},
	    {INSN(0x76, 0, 0x06), true, 0x1122334455667788ULL},
	    {INSN(0x76, 8, 0x06), true, 42},
	    {INSN(0x76, 0, 0x94, 2), true, 0x7788},
	    {INSN(0x76, 0, 0x94, 9), false, 0},
	    {INSN(0x31, 0x06), false, 0}, /* not readable */
	    {INSN(0x33, 0x12, 0x1e), true, 9},
	    {INSN(0x33, 0x34, 0x13), true, 3},
	    {INSN(0x33, 0x34, 0x14), true, 3},
	    {INSN(0x33, 0x34, 0x35, 0x15, 2), true, 3},
	    {INSN(0x33, 0x34, 0x16, 0x1c), true, 1},
	    {INSN(0x33, 0x34, 0x35, 0x17), true, 4},
	    {INSN(0x33, 0x34, 0x35, 0x17, 0x13), true, 3},
	    {INSN(0x09, 0xfb, 0x19), true, 5},
	    {INSN(0x36, 0x33, 0x1a), true, 2},
	    {INSN(0x09, 0xf9, 0x32, 0x1b), true, (uint64_t)-3},
	    {INSN(0x33, 0x30, 0x1b), false, 0},
	    {INSN(0x0f, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b), false, 0},
	    {INSN(0x37, 0x33, 0x1d), true, 1},
	    {INSN(0x37, 0x30, 0x1d), false, 0},
	    {INSN(0x35, 0x1f), true, (uint64_t)-5},
	    {INSN(0x35, 0x20), true, ~5ULL},
	    {INSN(0x34, 0x31, 0x21), true, 5},
	    {INSN(0x34, 0x31, 0x22), true, 5},
	    {INSN(0x34, 0x23, 0x80, 0x01), true, 132},
	    {INSN(0x34, 0x33, 0x24), true, 32},
	    {INSN(0x34, 0x08, 64, 0x24), true, 0},
	    {INSN(0x09, 0xff, 0x08, 60, 0x25), true, 15},
	    {INSN(0x09, 0xf0, 0x32, 0x26), true, (uint64_t)-4},
	    {INSN(0x36, 0x33, 0x27), true, 5},
	    {INSN(0x31, 0x31, 0x29), true, 1},
	    {INSN(0x31, 0x31, 0x2a), true, 1},
	    {INSN(0x31, 0x31, 0x2b), true, 0},
	    {INSN(0x31, 0x31, 0x2c), true, 1},
	    {INSN(0x31, 0x31, 0x2d), true, 0},
	    {INSN(0x31, 0x31, 0x2e), true, 0},
	    {INSN(0x09, 0xff, 0x31, 0x2d), true, 1}, /* comparisons are signed */
	    {INSN(0x31, 0x2f, 1, 0, 0x32, 0x96), true, 1},
	    {INSN(0x35, 0x31, 0x28, 1, 0, 0x36), true, 5},
	    {INSN(0x35, 0x30, 0x28, 1, 0, 0x36), true, 6},
	    {INSN(0x2f, 0xfd, 0xff), false, 0}, /* for ever */
	    {INSN(0x31, 0x2f, 0xf0, 0xff), false, 0},
	    {INSN(0x31, 0x2f, 5, 0), false, 0},
	    {INSN(0x22), false, 0},
	    {INSN(0x96), false, 0},
	    {INSN(0x50), false, 0}, /* a register is no value */
	    {INSN(0x12, 0x2f, 0xfc, 0xff), false, 0},
	    {INSN(0x31, 0x12, 0x2f, 0xfc, 0xff), false, 0}, /* the stack is full */
	    /* glibc's and ld's procedure linkage tables: breg7 8 breg16 0 lit15 and lit11 ge lit3
	     * shl plus */
	    {INSN(0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), true, 0x7010},
	};
	struct stk_regset r = {.r = {[6] = (uintptr_t)memory, [7] = 0x7000, [16] = 0x40b},
			       .valid = {{1 << 6 | 1 << 7 | 1 << 16}}};
	uint64_t v, first = 77;

	rooms(state);
	for (unsigned i = 0; i < sizeof(t) / sizeof(*t); i++) {
		/* What follows the block cannot be read. */
		uint8_t *at = room + ROOM - t[i].n - 1;
		at[0] = (uint8_t)t[i].n;
		memcpy(at + 1, t[i].ops, t[i].n);
		v = 12345;
		bool ok = value((uintptr_t)at, &r, NULL, &v);
		if (ok != t[i].ok || v != (ok ? t[i].v : 12345))
			fail_msg("case %u: %d 0x%lx", i, ok, (unsigned long)v);
	}
	room[ROOM - 3] = 2;
	room[ROOM - 2] = 0x23;
	room[ROOM - 1] = 3;
	assert_true(value((uintptr_t)room + ROOM - 3, &r, &first, &v));
	assert_int_equal(v, 80);
	assert_false(value((uintptr_t)room + ROOM, &r, &first, &v));
	assert_false(value(UINT64_MAX, &r, &first, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(instructions), cmocka_unit_test(kept_registers),
	    cmocka_unit_test(blocks),       cmocka_unit_test(bounded),
	    cmocka_unit_test(forms),        cmocka_unit_test(expressions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
