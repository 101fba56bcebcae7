/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where answers go: the one place that bytes leave by. Control bytes and what is no UTF-8 are
 * written as \xNN, because names and strings of a core must not drive the terminal; only newline
 * and tab pass. Longer answers than the screen go to a pager.
 */
#ifndef CORECTL_SCREEN_H
#define CORECTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* ECMA-48 SGR sequences, for screen_color(). */
#define SGR_MARK "\033[1m"
#define SGR_WARN "\033[33m"
#define SGR_OFF  "\033[0m"

struct screen {
	bool color;      /* write SGR sequences */
	bool pagination; /* a setting: use a pager where it makes sense */
	int error;       /* errno of the write that failed, 0: none; later output is dropped */

	int fd;      /* standard output, or the pager's pipe */
	int pager;   /* 0: none runs */
	size_t room; /* once more than this was written, the pager has read something */
	bool left;   /* the pager has ended: the rest of the answer is dropped */
	bool keeping;
	struct {
		char *v;
		size_t n, cap;
	} held; /* the answer so far, until it is certain who shows it */
	unsigned lines, column, rows, columns;
	unsigned char carry[4]; /* the start of a UTF-8 sequence that the next bytes end */
	unsigned ncarry;
};

void screen_init(struct screen *sc);
void screen_done(struct screen *sc);

/* COLOR_AUTO: a terminal, `may` is set, NO_COLOR is not (https://no-color.org). */
void screen_set_color(struct screen *sc, enum color_when when, bool may);

/* "auto", "always", "never"; false: none of these. */
bool screen_parse_color(const char *text, enum color_when *ret);

/* Around one command. `may_page`: it was typed at the prompt. screen_end() waits for the pager. */
void screen_begin(struct screen *sc, bool may_page);
void screen_end(struct screen *sc);

/* Flush functions for struct stk_text, `screen` is a struct screen: answers; diagnostics. */
int screen_write(void *screen, const char *bytes, size_t len);
int screen_write_error(void *screen, const char *bytes, size_t len);

/* An SGR sequence, where there are colours. Flush the text before it first. */
void screen_color(struct screen *sc, const char *sgr);

#endif
