/* `decode`: C layout over raw words. */
#include "values/decode.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MAX 512
#define ROWS_MAX  1024

struct decoder {
	struct stk_text *out;
	uint8_t bytes[BYTES_MAX];
	uint8_t shown[BYTES_MAX];
	size_t size;
	unsigned rows;
	struct stk_budget *budget; /* a step for each member of members, element of elements */
	bool cut;
	uint64_t text_bit, text_len; /* the row at this bit also shows so many bytes as text */
};

/* Types of one word each (System V ABI, figure 3.1). */
static const struct {
	const char *name;
	uint8_t size;
	enum stk_encoding enc;
} scalars[] = {
    {"bool", 1, STK_ENC_BOOL},         {"_Bool", 1, STK_ENC_BOOL},
    {"float", 4, STK_ENC_FLOAT},       {"double", 8, STK_ENC_FLOAT},
    {"size_t", 8, STK_ENC_UNSIGNED},   {"ssize_t", 8, STK_ENC_SIGNED},
    {"uintptr_t", 8, STK_ENC_POINTER}, {"intptr_t", 8, STK_ENC_SIGNED},
};

/* C's integer types: their words stand in any order (C11 6.7.2), as DWARF writes them too. */
static bool integer_name(const char *s, struct stk_type *t)
{
	enum { UNSIGNED, SIGNED, SHORT, LONG, INT, CHAR, WORDS };
	static const char *const words[WORDS] = {"unsigned", "signed", "short",
						 "long",     "int",    "char"};
	unsigned n[WORDS] = {0};

	for (size_t len; *s; s += len + (s[len] == ' ')) {
		unsigned w = 0;
		len = strcspn(s, " ");
		while (w < WORDS && (strlen(words[w]) != len || memcmp(s, words[w], len) != 0))
			w++;
		if (w == WORDS || ++n[w] > (w == LONG ? 2 : 1))
			return false;
	}
	if (n[UNSIGNED] + n[SIGNED] > 1 || (n[SHORT] && n[LONG]) ||
	    (n[CHAR] && n[SHORT] + n[LONG] + n[INT]))
		return false;
	t->size = n[CHAR] ? 1 : n[SHORT] ? 2 : n[LONG] ? 8 : 4;
	t->enc = n[UNSIGNED] ? STK_ENC_UNSIGNED : STK_ENC_SIGNED;
	if (n[CHAR] && !n[SIGNED])
		t->enc = n[UNSIGNED] ? STK_ENC_UCHAR : STK_ENC_CHAR;
	return true;
}

/* int8, int8_t, i8, uint8, uint8_t, u8 and so on to 64. */
static bool sized_name(const char *s, struct stk_type *t)
{
	static const char *const widths[] = {"8", "16", "32", "64"};
	static const struct {
		const char *prefix;
		bool is_signed;
	} prefixes[] = {{"uint", false}, {"int", true}, {"u", false}, {"i", true}};

	for (unsigned p = 0; p < 4; p++) {
		size_t n = strlen(prefixes[p].prefix);
		if (strncmp(s, prefixes[p].prefix, n) != 0)
			continue;
		for (unsigned w = 0; w < 4; w++) {
			size_t k = strlen(widths[w]);
			if (strncmp(s + n, widths[w], k) != 0 ||
			    (s[n + k] && (p > 1 || strcmp(s + n + k, "_t") != 0)))
				continue;
			t->size = 1U << w;
			t->enc = prefixes[p].is_signed ? STK_ENC_SIGNED : STK_ENC_UNSIGNED;
			return true;
		}
	}
	return false;
}

static bool scalar_name(const char *s, struct stk_type *t)
{
	*t = (struct stk_type){.kind = STK_TYPE_SCALAR};
	size_t n = strlen(s);
	if (n > 1 && s[n - 1] == '*') {
		t->size = 8;
		t->enc = STK_ENC_POINTER;
	} else if (!sized_name(s, t) && !integer_name(s, t)) {
		for (unsigned i = 0; i < sizeof(scalars) / sizeof(*scalars); i++)
			if (!strcmp(scalars[i].name, s)) {
				t->size = scalars[i].size;
				t->enc = scalars[i].enc;
			}
	}
	t->align = (uint32_t)t->size;
	return t->size != 0;
}

static uint64_t bits_at(const struct decoder *d, uint64_t bit, uint64_t bits)
{
	uint64_t v = 0;

	for (uint64_t i = 0; i < bits && i < 64; i++)
		v |= (uint64_t)(d->bytes[(bit + i) / 8] >> (bit + i) % 8 & 1) << i;
	return v;
}

static void put_char(struct stk_text *out, uint64_t v)
{
	if (v >= 0x20 && v < 0x7f)
		stk_printf(out, "'%c'", (char)v);
	else
		stk_printf(out, "'\\x%02lx'", (unsigned long)(v & 0xff));
}

/* ` of "text"`: what a char array holds, up to its first NUL. */
static void put_char_array(struct decoder *d)
{
	const uint8_t *p = d->bytes + d->text_bit / 8;

	stk_puts(d->out, " of \"");
	for (uint64_t i = 0; i < d->text_len && p[i]; i++)
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
			stk_putc(d->out, (char)p[i]);
		else
			stk_printf(d->out, "\\x%02x", p[i]);
	stk_putc(d->out, '"');
	d->text_len = 0;
}

static void put_float(struct stk_text *out, uint64_t v, uint64_t size)
{
	char buf[64];
	float f;
	double d;

	memcpy(&f, &v, 4);
	memcpy(&d, &v, 8);
	snprintf(buf, sizeof(buf), size == 4 ? "%.9g" : "%.17g", size == 4 ? (double)f : d);
	stk_puts(out, buf);
}

static void put_value(struct stk_text *out, const struct stk_type *t, uint64_t v, uint64_t bits)
{
	int64_t sv = bits < 64 ? (int64_t)(v << (64 - bits)) >> (64 - bits) : (int64_t)v;

	switch (t->enc) {
	case STK_ENC_BOOL:
		if (v <= 1)
			stk_puts(out, v ? "true" : "false");
		else
			stk_printf(out, "0x%lx (not a bool)", (unsigned long)v);
		break;
	case STK_ENC_SIGNED:
		stk_printf(out, "%ld", (long)sv);
		break;
	case STK_ENC_CHAR:
	case STK_ENC_UCHAR:
		put_char(out, v);
		break;
	case STK_ENC_FLOAT:
		put_float(out, v, t->size);
		break;
	case STK_ENC_POINTER:
		stk_printf(out, "0x%lx", (unsigned long)v);
		break;
	case STK_ENC_ENUM:
		for (unsigned i = 0; i < t->nenums; i++)
			if (t->enums[i].name &&
			    (t->enums[i].value == sv || (uint64_t)t->enums[i].value == v)) {
				stk_printf(out, "%s", t->enums[i].name);
				return;
			}
		stk_printf(out, "%ld", (long)sv);
		break;
	default:
		stk_printf(out, "%lu", (unsigned long)v);
		break;
	}
}

/* One row: `Bits    Binary      Hex   Value`, columns at 0, 8, 20 and 26. */
static void put_row(struct decoder *d, uint64_t bit, uint64_t bits, const char *name,
		    const struct stk_type *t)
{
	char cell[96];
	struct stk_text c;
	uint64_t v = bits_at(d, bit, bits);

	if (d->rows++ >= ROWS_MAX)
		return;
	stk_text_init(&c, cell, sizeof(cell));
	stk_printf(&c, "%02lu-%02lu", (unsigned long)bit, (unsigned long)(bit + bits - 1));
	stk_printf(d->out, "%-8s", cell);
	stk_text_init(&c, cell, sizeof(cell));
	for (uint64_t i = bits; i--;) {
		stk_putc(&c, v >> i & 1 ? '1' : '0');
		if (i && i % 4 == 0)
			stk_putc(&c, ' ');
	}
	stk_printf(d->out, "%-10s  ", cell);
	stk_text_init(&c, cell, sizeof(cell));
	stk_printf(&c, "%0*lx", (int)((bits + 3) / 4), (unsigned long)v);
	stk_printf(d->out, "%-4s  ", cell);
	if (name)
		stk_printf(d->out, "%s = ", name);
	if (t)
		put_value(d->out, t, v, bits);
	else
		stk_putc(d->out, '-');
	if (d->text_len && d->text_bit == bit)
		put_char_array(d);
	stk_putc(d->out, '\n');
	for (uint64_t b = bit / 8; b <= (bit + bits - 1) / 8; b++)
		d->shown[b] = 1;
}

static void put_type(struct decoder *d, const struct stk_type *t, uint64_t bit, uint64_t bits,
		     const char *name, unsigned depth);

static void put_array(struct decoder *d, const struct stk_type *elem, uint64_t count, uint64_t bit,
		      const char *name, unsigned depth)
{
	uint64_t size = elem->size;

	/* A damaged count must neither overflow nor take for ever. */
	if (!size || bit / 8 >= d->size || count > (d->size - bit / 8) / size)
		return;
	if (size == 1 && count > 1 && (elem->enc == STK_ENC_CHAR || elem->enc == STK_ENC_UCHAR)) {
		d->text_bit = bit;
		d->text_len = count;
	}
	for (uint64_t i = 0; i < count; i++)
		put_type(d, elem, bit + 8 * i * size, 8 * size, name, depth + 1);
}

static void put_type(struct decoder *d, const struct stk_type *t, uint64_t bit, uint64_t bits,
		     const char *name, unsigned depth)
{
	d->cut |= depth > 16 || d->rows > ROWS_MAX || !stk_spend(d->budget, 1);
	if (d->cut || bit > 8 * d->size || bits > 8 * d->size - bit)
		return;
	if (t->kind == STK_TYPE_STRUCT || t->kind == STK_TYPE_UNION) {
		for (unsigned i = 0; i < t->nmembers; i++)
			put_type(d, t->members[i].type, bit + t->members[i].bit_off,
				 t->members[i].bit_size, t->members[i].name, depth + 1);
	} else if (t->kind == STK_TYPE_ARRAY) {
		put_array(d, t->elem, t->count, bit, name, depth);
	} else if (bits && bits <= 64) {
		put_row(d, bit, bits, name, t);
	} else {
		/* A part of a wider value (long double, __int128) has no value of its own. */
		for (uint64_t b = 0; b < bits; b += 64)
			put_row(d, bit + b, bits - b < 64 ? bits - b : 64, name, NULL);
	}
}

/* Trim blanks and join runs of them. */
static void clean(const char *p, size_t n, char *out, size_t cap)
{
	size_t k = 0;

	for (size_t i = 0; i < n && k + 1 < cap; i++) {
		bool blank = p[i] == ' ' || p[i] == '\t';
		if (!blank)
			out[k++] = p[i];
		else if (k && out[k - 1] != ' ')
			out[k++] = ' ';
	}
	while (k && out[k - 1] == ' ')
		k--;
	out[k] = 0;
}

/* "TYPE[N]" → TYPE and N; 1 where there is no bracket; 0: not readable. */
static uint64_t split_count(char *name)
{
	char *open = strchr(name, '[');
	uint64_t n = 0;

	if (!open)
		return 1;
	char *p = open + 1;
	while (*p >= '0' && *p <= '9' && n < 100000)
		n = 10 * n + (uint64_t)(*p++ - '0');
	if (p == open + 1 || strcmp(p, "]") != 0)
		return 0;
	while (open > name && open[-1] == ' ')
		open--;
	*open = 0;
	return n;
}

/* Lay one type of the list at `*bit`, aligned; print it unless `measure`. */
static int lay(struct decoder *d, const char *item, size_t len, uint64_t *bit, bool measure,
	       struct stk_modules *ms, struct stk_err *err)
{
	char name[256];
	struct stk_type scalar;
	const struct stk_type *t = &scalar;

	clean(item, len, name, sizeof(name));
	uint64_t count = split_count(name);
	if (!*name || !count)
		return stk_fail(err, STK_EARG, "'%.*s' is not a type", (int)len, item);
	if (!scalar_name(name, &scalar)) {
		t = ms ? stk_type_find(ms, name) : NULL;
		if (!t || !t->size)
			return stk_fail(err, STK_EARG,
					"'%s' is neither a C type nor one of the debug information",
					name);
	}
	uint64_t align = 8 * (uint64_t)(t->align ? t->align : 1);
	*bit = (*bit + align - 1) / align * align;
	if (t->size > BYTES_MAX)
		return stk_fail(err, STK_EARG, "'%.*s' has %lu bytes, the value has %lu", (int)len,
				item, (unsigned long)t->size, (unsigned long)d->size);
	if (*bit + 8 * t->size * count > 8 * d->size)
		return stk_fail(err, STK_EARG, "'%.*s' ends at bit %lu, the value has %lu",
				(int)len, item, (unsigned long)(*bit + 8 * t->size * count),
				(unsigned long)(8 * d->size));
	if (!measure && count > 1)
		put_array(d, t, count, *bit, NULL, 0);
	else if (!measure)
		put_type(d, t, *bit, 8 * t->size, NULL, 0);
	*bit += 8 * t->size * count;
	return 0;
}

static int lay_all(struct decoder *d, const char *spec, bool measure, struct stk_modules *ms,
		   struct stk_err *err)
{
	uint64_t bit = 0;
	int r = 0;

	for (const char *p = spec; !r; p++) {
		size_t n = strcspn(p, ",");
		r = lay(d, p, n, &bit, measure, ms, err);
		p += n;
		if (!*p)
			break;
	}
	return r;
}

int stk_decode(struct stk_text *out, const uint64_t *words, unsigned nwords, const char *spec,
	       struct stk_modules *ms, struct stk_err *err)
{
	struct stk_budget own = {0}; /* types of C alone: no answer has begun */
	struct decoder d = {.out = out,
			    .size = 8 * (size_t)nwords,
			    .budget = ms ? stk_budget_of(ms->target) : &own};
	int r;

	if (!nwords || d.size > BYTES_MAX)
		return stk_fail(err, STK_EARG, "1 to %d words can be decoded", BYTES_MAX / 8);
	memcpy(d.bytes, words, d.size);
	r = lay_all(&d, spec, true, ms, err);
	if (r)
		return r;
	stk_puts(out, "Bits    Binary      Hex   Value\n");
	lay_all(&d, spec, false, ms, err);
	for (size_t i = 0; i < d.size; i++)
		if (!d.shown[i] && d.bytes[i])
			put_row(&d, 8 * i, 8, NULL, NULL);
	if (d.cut || d.rows > ROWS_MAX)
		stk_puts(out, "...\n");
	return 0;
}
