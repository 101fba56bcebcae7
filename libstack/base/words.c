#include "base/words.h"

#include "base/mem.h"

void stk_words_init(struct stk_words *w, bool known)
{
	/* Not the tokens: those up to n are written before they are read. */
	w->n = w->words = w->depth = 0;
	w->full = false;
	w->known = known;
	w->names = (struct stk_word_names){0};
}

static void push(struct stk_words *w, unsigned kind, uint64_t value, unsigned param)
{
	w->v[w->n++] =
	    (struct stk_word){.value = value, .kind = (uint8_t)kind, .param = (uint16_t)param};
}

static bool is_word(unsigned kind)
{
	return kind == STK_WORD_VALUE || kind == STK_WORD_UNKNOWN || kind == STK_WORD_GUESS ||
	       kind == STK_WORD_DIFFERS;
}

/* The list ends here: one `...`, and every open brace is closed. */
static void cut(struct stk_words *w, unsigned param)
{
	push(w, STK_WORD_MORE, 0, param);
	while (w->depth) {
		push(w, STK_WORD_CLOSE, 0, param);
		w->depth--;
	}
	w->full = true;
}

void stk_words_add(struct stk_words *w, enum stk_word_kind kind, uint64_t value, unsigned param)
{
	/* Room for `...` and the closing braces is always kept. */
	bool crowded = w->n + STK_WORDS_DEPTH + 3 >= STK_WORDS_TOKENS;

	if (w->full)
		return;
	if ((is_word(kind) && w->words == STK_WORDS_MAX) || crowded ||
	    (kind == STK_WORD_OPEN && w->depth == STK_WORDS_DEPTH)) {
		cut(w, param);
		return;
	}
	if (kind == STK_WORD_CLOSE) {
		if (!w->depth)
			return;
		w->depth--;
	}
	if (kind == STK_WORD_OPEN)
		w->depth++;
	w->words += is_word(kind);
	push(w, kind, value, param);
}

static void write_token(struct stk_text *out, const struct stk_word *t)
{
	switch (t->kind) {
	case STK_WORD_VALUE:
		stk_printf(out, "0x%lx", (unsigned long)t->value);
		break;
	case STK_WORD_GUESS:
		stk_printf(out, "0x%lx?", (unsigned long)t->value);
		break;
	case STK_WORD_UNKNOWN:
		stk_putc(out, '_');
		break;
	case STK_WORD_DIFFERS:
		stk_putc(out, '~');
		break;
	case STK_WORD_OPEN:
		stk_putc(out, '{');
		break;
	case STK_WORD_CLOSE:
		stk_putc(out, '}');
		break;
	default:
		stk_puts(out, "...");
		break;
	}
}

/* What a parameter is called in C and its kin; other bytes of a name would break the line. */
static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80 || (!first && c >= '0' && c <= '9');
}

/* The length of the name at `s`, `cap` bytes at most. */
static unsigned name_length(const char *s, unsigned cap)
{
	unsigned n = 0;

	while (n < cap && is_name_char(s[n], !n))
		n++;
	return n;
}

/* `...` at the end belongs to no parameter. A name that is read back ends at its `=`. */
const char *stk_words_name(const struct stk_words *w, unsigned i, unsigned *ret_len)
{
	const char *name = NULL;

	if (w->names.get && w->v[i].kind != STK_WORD_MORE &&
	    (!i || w->v[i].param != w->v[i - 1].param))
		name = w->names.get(w->names.arg, w->v[i].param);
	*ret_len = name ? name_length(name, UINT32_MAX) : 0;
	return *ret_len && (!name[*ret_len] || name[*ret_len] == '=') ? name : NULL;
}

static void write_some(struct stk_text *out, const struct stk_words *w, int param)
{
	bool comma = false;
	unsigned len;

	for (unsigned i = 0; i < w->n; i++) {
		const char *name = stk_words_name(w, i, &len);
		if (param >= 0 && w->v[i].param != param)
			continue;
		if (comma && w->v[i].kind != STK_WORD_CLOSE)
			stk_puts(out, ", ");
		if (name)
			stk_printf(out, "%.*s=", (int)len, name);
		write_token(out, &w->v[i]);
		comma = w->v[i].kind != STK_WORD_OPEN;
	}
}

void stk_words_write(struct stk_text *out, const struct stk_words *w)
{
	stk_putc(out, '(');
	if (w->known)
		write_some(out, w, -1);
	else
		stk_puts(out, "...");
	stk_putc(out, ')');
}

void stk_words_write_param(struct stk_text *out, const struct stk_words *w, unsigned param)
{
	write_some(out, w, (int)param);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The names of a list that was parsed: `param` is 1 + where the name stands in the text, 0 none. */
static const char *name_in_text(void *arg, unsigned param)
{
	return param ? (const char *)arg + param - 1 : NULL;
}

/* Past `name=`, where one stands; else ret_param becomes 0. */
static unsigned take_name(const char *s, unsigned len, unsigned at, unsigned *ret_param)
{
	unsigned n = name_length(s + at, len - at);
	bool named = n && at + n < len && s[at + n] == '=' && at < UINT16_MAX;

	*ret_param = named ? at + 1 : 0;
	return named ? at + n + 1 : at;
}

/* One token at s[*at]; false: none. */
static bool parse_token(const char *s, unsigned len, unsigned *at, struct stk_word *ret)
{
	unsigned i = *at, digits = 0;

	*ret = (struct stk_word){0};
	if (i >= len)
		return false;
	switch (s[i]) {
	case '_':
		ret->kind = STK_WORD_UNKNOWN;
		break;
	case '~':
		ret->kind = STK_WORD_DIFFERS;
		break;
	case '{':
		ret->kind = STK_WORD_OPEN;
		break;
	case '}':
		ret->kind = STK_WORD_CLOSE;
		break;
	case '.':
		if (len - i < 3 || s[i + 1] != '.' || s[i + 2] != '.')
			return false;
		ret->kind = STK_WORD_MORE;
		i += 2;
		break;
	case '0':
		if (len - i < 3 || s[i + 1] != 'x')
			return false;
		for (i += 2; i < len && hex_digit(s[i]) >= 0 && digits < 17; i++, digits++)
			ret->value = ret->value << 4 | (unsigned)hex_digit(s[i]);
		if (!digits || digits > 16)
			return false;
		ret->kind = i < len && s[i] == '?' ? STK_WORD_GUESS : STK_WORD_VALUE;
		i -= ret->kind == STK_WORD_VALUE;
		break;
	default:
		return false;
	}
	*at = i + 1;
	return true;
}

bool stk_words_parse(const char *s, unsigned len, struct stk_words *ret)
{
	unsigned at = 1, depth = 0, param = 0;
	bool comma = false;

	stk_words_init(ret, true);
	ret->names = (struct stk_word_names){name_in_text, (void *)(uintptr_t)s};
	if (len < 2 || s[0] != '(' || s[len - 1] != ')')
		return false;
	if (len == 5 && !memcmp(s, "(...)", 5)) {
		ret->known = false;
		return true;
	}
	for (len--; at < len;) {
		struct stk_word t;
		bool separated = comma && s[at] != '}';
		if (separated) {
			if (len - at < 3 || s[at] != ',' || s[at + 1] != ' ')
				return false;
			at += 2;
		}
		if (!depth)
			at = take_name(s, len, at, &param);
		if (ret->n == STK_WORDS_TOKENS || !parse_token(s, len, &at, &t) ||
		    (separated && t.kind == STK_WORD_CLOSE) ||
		    (!depth && param && t.kind == STK_WORD_MORE))
			return false;
		if (t.kind == STK_WORD_CLOSE && !depth--)
			return false;
		depth += t.kind == STK_WORD_OPEN;
		ret->words += is_word(t.kind);
		t.param = (uint16_t)param;
		ret->v[ret->n++] = t;
		comma = t.kind != STK_WORD_OPEN;
	}
	return depth == 0;
}

bool stk_words_merge(struct stk_words *into, const struct stk_words *other)
{
	if (into->known != other->known || into->n != other->n)
		return false;
	for (unsigned i = 0; i < into->n; i++)
		if (is_word(into->v[i].kind) != is_word(other->v[i].kind) ||
		    (!is_word(into->v[i].kind) && into->v[i].kind != other->v[i].kind))
			return false;
	for (unsigned i = 0; i < into->n; i++)
		if (into->v[i].kind != other->v[i].kind || into->v[i].value != other->v[i].value)
			into->v[i] =
			    (struct stk_word){.kind = STK_WORD_DIFFERS, .param = into->v[i].param};
	return true;
}
