/* Text writer over a caller's buffer. Freestanding: no malloc, no stdio, no locks. */
#ifndef STK_BASE_TEXT_H
#define STK_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A writer. With `flush` NULL the buffer is a bounded string, kept NUL-terminated, and `cut` tells
 * that something did not fit. With `flush` set the buffer is handed over whenever it fills; a
 * negative return of `flush` sets `cut` and everything later is dropped.
 */
struct stk_text {
	char *buf;
	size_t cap;
	size_t len;
	int (*flush)(void *arg, const char *bytes, size_t len);
	void *arg;
	bool cut;
};

/* A bounded string in `buf` of `cap` bytes (cap >= 1). */
void stk_text_init(struct stk_text *t, char *buf, size_t cap);

/* A stream: `flush` gets full buffers, and the rest at stk_text_flush(). */
void stk_text_init_stream(struct stk_text *t, char *buf, size_t cap,
			  int (*flush)(void *, const char *, size_t), void *arg);

/* Hand over what the buffer holds. 0, or negative when any write failed. */
int stk_text_flush(struct stk_text *t);

void stk_putc(struct stk_text *t, char c);
void stk_puts(struct stk_text *t, const char *s);
void stk_putn(struct stk_text *t, const char *s, size_t n);

/*
 * How many bytes the character at `s` has, if it may reach a terminal as it stands; 0: it may not;
 * -1: `left` bytes cut it short. What may not: bytes that are not UTF-8, controls (C0, DEL, C1),
 * and what turns the direction of writing or separates lines. A NUL ends what is looked at.
 */
int stk_text_passes(const char *s, size_t left);

/* A text from outside that will be read back: what may not pass, backslashes and the bytes of
 * `special` (14 at most) as \xNN. */
void stk_put_escaped(struct stk_text *t, const char *s, const char *special);

/* A text from outside on one line: what may not pass as \xNN, but tabs. */
void stk_put_line(struct stk_text *t, const char *s, size_t n);

/* ` "NAME"`, escaped, or nothing where it is NULL. */
void stk_put_name(struct stk_text *t, const char *name);

/* Bytes as two hexadecimal digits each. */
void stk_put_bytes(struct stk_text *t, const uint8_t *p, size_t n);

/*
 * printf for the subset that reports need: %s %c %d %u %x %X %p %% with the length modifiers
 * l, ll, z, the flags '-' and '0', width and precision (also '*', precision for %s only).
 * %p writes 0x and hexadecimal digits. Anything else is written as it stands. What %s stands for
 * may come from outside: into a stream it goes by stk_put_line(); into a bounded string, which may
 * become a path, as it is.
 */
void stk_printf(struct stk_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void stk_vprintf(struct stk_text *t, const char *fmt, va_list ap);

#endif
