#include "base/text.h"

#include "base/mem.h"

void stk_text_init(struct stk_text *t, char *buf, size_t cap)
{
	*t = (struct stk_text){.buf = buf, .cap = cap};
	buf[0] = 0;
}

void stk_text_init_stream(struct stk_text *t, char *buf, size_t cap,
			  int (*flush)(void *, const char *, size_t), void *arg)
{
	*t = (struct stk_text){.buf = buf, .cap = cap, .flush = flush, .arg = arg};
}

int stk_text_flush(struct stk_text *t)
{
	if (t->flush && t->len) {
		if (!t->cut && t->flush(t->arg, t->buf, t->len) < 0)
			t->cut = true;
		t->len = 0;
	}
	return t->cut ? -1 : 0;
}

void stk_putn(struct stk_text *t, const char *s, size_t n)
{
	size_t keep = t->flush ? 0 : 1; /* room for the NUL of a bounded string */

	if (n < t->cap - t->len) { /* the usual case */
		memcpy(t->buf + t->len, s, n);
		t->len += n;
		if (keep)
			t->buf[t->len] = 0;
		return;
	}
	while (n) {
		size_t room = t->cap - keep - t->len;
		if (!room) {
			if (!t->flush) {
				t->cut = true;
				return;
			}
			stk_text_flush(t);
			continue;
		}
		size_t k = n < room ? n : room;
		memcpy(t->buf + t->len, s, k);
		t->len += k;
		s += k;
		n -= k;
		if (keep)
			t->buf[t->len] = 0;
	}
}

/* Invisible characters that move what is written, or let one line look like two (Unicode 15: C1
 * controls; Bidi_Control; line and paragraph separator). */
static bool misleads(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* RFC 3629, section 4: no longer form than needed, no surrogates, nothing above U+10FFFF. */
int stk_text_passes(const char *s, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;

	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7f;
	unsigned n = *p >= 0xf0 && *p <= 0xf4   ? 4
		     : *p >= 0xe0 && *p <= 0xef ? 3
		     : *p >= 0xc2 && *p <= 0xdf ? 2
						: 0;
	uint32_t c = *p & (0xffU >> (n + 1));
	for (unsigned i = 1; i < n; i++) {
		if (i >= left)
			return -1;
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return !n || c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || misleads(c)
		   ? 0
		   : (int)n;
}

/* As much of `n` bytes as may pass; those of `special` do, those of `but` do not. */
static void put_passing(struct stk_text *t, const char *s, size_t n, const char *special,
			const char *but)
{
	while (n) {
		int k = stk_text_passes(s, n);
		for (const char *p = special; *p; p++)
			k = *s == *p ? 1 : k;
		for (const char *p = but; *p; p++)
			k = *s == *p ? 0 : k;
		if (k > 0)
			stk_putn(t, s, (size_t)k);
		else
			stk_printf(t, "\\x%02x", (unsigned char)*s);
		k = k > 0 ? k : 1;
		s += k;
		n -= (size_t)k;
	}
}

void stk_put_escaped(struct stk_text *t, const char *s, const char *special)
{
	char but[16] = "\\";

	for (unsigned i = 1; *special && i + 1 < sizeof(but); i++)
		but[i] = *special++;
	put_passing(t, s, stk_len(s), "", but);
}

void stk_put_line(struct stk_text *t, const char *s, size_t n)
{
	put_passing(t, s, n, "\t", "");
}

void stk_put_name(struct stk_text *t, const char *name)
{
	if (!name)
		return;
	stk_puts(t, " \"");
	stk_put_escaped(t, name, "\"");
	stk_putc(t, '"');
}

void stk_put_bytes(struct stk_text *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stk_printf(t, "%02x", p[i]);
}

void stk_putc(struct stk_text *t, char c)
{
	if (t->flush && t->len < t->cap)
		t->buf[t->len++] = c;
	else
		stk_putn(t, &c, 1);
}

void stk_puts(struct stk_text *t, const char *s)
{
	stk_putn(t, s ? s : "(null)", stk_len(s ? s : "(null)"));
}

struct spec {
	bool left, zero, has_prec;
	int width, prec, longs;
};

static void pad(struct stk_text *t, char c, int n)
{
	while (n-- > 0)
		stk_putc(t, c);
}

static void put_field(struct stk_text *t, const struct spec *s, const char *body, size_t n)
{
	int fill = s->width > (int)n ? s->width - (int)n : 0;

	if (!s->left)
		pad(t, ' ', fill);
	stk_putn(t, body, n);
	if (s->left)
		pad(t, ' ', fill);
}

static void put_number(struct stk_text *t, const struct spec *s, const char *sign, uint64_t v,
		       unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[72];
	char *p = buf + sizeof(buf);
	size_t nsign = stk_len(sign);

	/* Reports are mostly hexadecimal: no division there. */
	if (base == 16)
		do
			*--p = digits[v & 15];
		while (v >>= 4);
	else
		do
			*--p = digits[v % 10];
		while (v /= 10);
	if (s->zero && !s->left)
		while (buf + sizeof(buf) - p + (ptrdiff_t)nsign < s->width && p > buf + 4)
			*--p = '0';
	for (size_t i = nsign; i--;)
		*--p = sign[i];
	put_field(t, s, p, (size_t)(buf + sizeof(buf) - p));
}

static void put_string(struct stk_text *t, const struct spec *s, const char *str)
{
	size_t n = 0, max = s->has_prec && s->prec >= 0 ? (size_t)s->prec : (size_t)-1;

	if (!str)
		str = "(null)";
	bool passes = true;
	for (; n < max && str[n]; n++)
		passes &= (unsigned char)str[n] >= 0x20 && (unsigned char)str[n] < 0x7f;
	if (passes || !t->flush)
		put_field(t, s, str, n);
	else
		stk_put_line(t, str, n);
}

static int number(const char **f)
{
	int v = 0;

	while (**f >= '0' && **f <= '9' && v < 100000)
		v = 10 * v + *(*f)++ - '0';
	return v;
}

/* The arguments of one printf call, advanced by the functions below. */
struct args {
	va_list ap;
};

static struct spec parse_spec(const char **f, struct args *a)
{
	struct spec s = {0};

	for (; **f == '-' || **f == '0'; (*f)++) {
		s.left |= **f == '-';
		s.zero |= **f == '0';
	}
	if (**f == '*') {
		(*f)++;
		s.width = va_arg(a->ap, int);
	} else {
		s.width = number(f);
	}
	if (**f == '.') {
		(*f)++;
		s.has_prec = true;
		if (**f == '*') {
			(*f)++;
			s.prec = va_arg(a->ap, int);
		} else {
			s.prec = number(f);
		}
	}
	for (; **f == 'l' || **f == 'z'; (*f)++)
		s.longs++;
	return s;
}

static uint64_t unsigned_arg(struct args *a, const struct spec *s)
{
	return s->longs ? va_arg(a->ap, unsigned long) : va_arg(a->ap, unsigned);
}

static void put_signed(struct stk_text *t, const struct spec *s, int64_t v)
{
	put_number(t, s, v < 0 ? "-" : "", v < 0 ? -(uint64_t)v : (uint64_t)v, 10, false);
}

static void put_conversion(struct stk_text *t, const struct spec *s, char conv, struct args *a)
{
	char c;

	switch (conv) {
	case 's':
		put_string(t, s, va_arg(a->ap, const char *));
		break;
	case 'c':
		c = (char)va_arg(a->ap, int);
		put_field(t, s, &c, 1);
		break;
	case 'd':
		put_signed(t, s, s->longs ? va_arg(a->ap, long) : va_arg(a->ap, int));
		break;
	case 'u':
		put_number(t, s, "", unsigned_arg(a, s), 10, false);
		break;
	case 'x':
	case 'X':
		put_number(t, s, "", unsigned_arg(a, s), 16, conv == 'X');
		break;
	case 'p':
		put_number(t, s, "0x", (uintptr_t)va_arg(a->ap, void *), 16, false);
		break;
	default:
		stk_putc(t, conv);
		break;
	}
}

void stk_vprintf(struct stk_text *t, const char *fmt, va_list ap)
{
	struct args a;

	va_copy(a.ap, ap);
	while (*fmt) {
		size_t n = 0;
		while (fmt[n] && fmt[n] != '%')
			n++;
		stk_putn(t, fmt, n);
		fmt += n;
		if (!*fmt)
			break;
		fmt++;
		struct spec s = parse_spec(&fmt, &a);
		if (!*fmt)
			break;
		put_conversion(t, &s, *fmt++, &a);
	}
	va_end(a.ap);
}

void stk_printf(struct stk_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stk_vprintf(t, fmt, ap);
	va_end(ap);
}
