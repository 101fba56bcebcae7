/*
 * Argument words: the flat form in which an argument list is kept, printed and parsed (the trace
 * form's text between the last pair of parentheses). Freestanding.
 */
#ifndef STK_BASE_WORDS_H
#define STK_BASE_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define STK_WORDS_MAX    10 /* words printed in one argument list */
#define STK_WORDS_DEPTH  5  /* levels of braces */
#define STK_WORDS_TOKENS 96

enum stk_word_kind {
	STK_WORD_VALUE,   /* known */
	STK_WORD_UNKNOWN, /* `_`: could not be recovered, or would be stale */
	STK_WORD_GUESS,   /* `0x7?`: evidence supports it, nothing proves it */
	STK_WORD_DIFFERS, /* `~`: differs among the threads shown together */
	STK_WORD_OPEN,    /* `{` */
	STK_WORD_CLOSE,   /* `}` */
	STK_WORD_MORE,    /* `...`: more than is shown */
};

struct stk_word {
	uint64_t value; /* VALUE and GUESS only */
	uint8_t kind;   /* enum stk_word_kind */
	uint16_t param; /* index of the parameter it belongs to */
};

/* The name of a parameter by its index, up to a NUL or `=`; NULL: none. One that holds other bytes
 * than names in C do is not written. */
struct stk_word_names {
	const char *(*get)(void *arg, unsigned param);
	void *arg;
};

/* An argument list. `known` false: the signature is unknown, printed `(...)`. */
struct stk_words {
	struct stk_word v[STK_WORDS_TOKENS];
	uint8_t n;     /* tokens used */
	uint8_t words; /* VALUE, UNKNOWN, GUESS tokens among them */
	uint8_t depth; /* of open braces */
	bool known;
	bool full;                   /* `...` stands at the end: later tokens are dropped */
	struct stk_word_names names; /* get NULL: words alone; else `name=` before each */
};

void stk_words_init(struct stk_words *w, bool known);

/*
 * Append. The limits are kept here: the word after the tenth and the brace below the fifth level
 * become one `...`, and open braces are closed.
 */
void stk_words_add(struct stk_words *w, enum stk_word_kind kind, uint64_t value, unsigned param);

/* The name that stands before token `i`, the first of a parameter, and its length; NULL: none. */
const char *stk_words_name(const struct stk_words *w, unsigned i, unsigned *ret_len);

/* Write `(0x1, {0x2, 0x3}, _)` with the parentheses; `()` when empty; `(...)` when not known. */
void stk_words_write(struct stk_text *out, const struct stk_words *w);

/* Write only the tokens of one parameter, without parentheses: `{0x2, 0x3}`. */
void stk_words_write_param(struct stk_text *out, const struct stk_words *w, unsigned param);

/* Parse what stk_words_write() wrote, from '(' to the end of `s`, which must outlive `ret`: its
 * names stand there. false: not that form. */
bool stk_words_parse(const char *s, unsigned len, struct stk_words *ret);

/* Make `into` show `~` for each word in which `other` differs; false if their shapes differ. */
bool stk_words_merge(struct stk_words *into, const struct stk_words *other);

#endif
