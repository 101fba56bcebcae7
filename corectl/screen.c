/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way of a byte: screen_write() escapes what must not reach a terminal, emit() holds the answer
 * back until it is longer than the screen, and put_out() writes. A longer answer goes to the pager,
 * and what the pager got is kept until it has certainly read something: a pager that cannot be run
 * has shown nothing, and the answer goes to standard output after all.
 */
#include "screen.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "cut.h"
#include "interrupt.h"
#include "pager.h"

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR && !interrupt_pending)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* To standard output or the pager. A pager that was left early and Ctrl-C are no errors. */
static int put_out(struct screen *sc, const char *bytes, size_t len)
{
	if (sc->left || cut_file())
		return -EPIPE;
	int r = write_all(sc->fd, bytes, len);

	if (r && r != -EINTR && !sc->pager)
		sc->error = -r;
	return r;
}

static void forget(struct screen *sc)
{
	sc->keeping = false;
	sc->held.n = 0;
}

/* What is held so far goes out; from here on nothing is held. */
static int release(struct screen *sc)
{
	int r = put_out(sc, sc->held.v, sc->held.n);

	forget(sc);
	return r;
}

/* Wait until the pager ends. One that could not be run has shown nothing: what it was to show goes
 * to standard output, and so does the rest. */
static int end_pager(struct screen *sc)
{
	sc->left = pager_wait(sc->pager, sc->fd);
	sc->pager = 0;
	sc->fd = STDOUT_FILENO;
	if (!sc->left && sc->keeping)
		return release(sc);
	forget(sc);
	return sc->left ? -EPIPE : 0;
}

/* To the pager, and remembered until it has read something. */
static int feed(struct screen *sc, const char *bytes, size_t len)
{
	int r = put_out(sc, bytes, len);

	if (r == -EPIPE)
		return end_pager(sc);
	if (sc->held.n > sc->room)
		forget(sc);
	return r;
}

static void count_lines(struct screen *sc, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\t')
			sc->column |= 7;
		if (bytes[i] == '\n' || ++sc->column > sc->columns) {
			sc->lines++;
			sc->column = 0;
		}
	}
}

static bool hold(struct screen *sc, const char *bytes, size_t len)
{
	if (!STK_VEC_RESERVE(&sc->held, len))
		return false;
	memcpy(sc->held.v + sc->held.n, bytes, len);
	sc->held.n += len;
	count_lines(sc, bytes, len);
	return true;
}

static int emit(struct screen *sc, const char *bytes, size_t len)
{
	if (!len)
		return 0;
	if (!sc->keeping)
		return put_out(sc, bytes, len);
	if (!hold(sc, bytes, len)) {
		int r = sc->pager ? 0 : release(sc);
		forget(sc);
		return r ? r : put_out(sc, bytes, len);
	}
	if (sc->pager)
		return feed(sc, bytes, len);
	if (sc->lines < sc->rows)
		return 0;
	sc->pager = pager_start(&sc->fd, &sc->room);
	return sc->pager ? feed(sc, sc->held.v, sc->held.n) : release(sc);
}

/* As stk_text_passes(), and what lays an answer out. */
static int printable(const unsigned char *p, size_t left)
{
	return *p == '\n' || *p == '\t' ? 1 : stk_text_passes((const char *)p, left);
}

static int emit_escaped(struct screen *sc, unsigned char c)
{
	char text[8];

	return emit(sc, text, (size_t)snprintf(text, sizeof(text), "\\x%02x", c));
}

/* How many bytes from `p` are plain ASCII, eight at a time. */
static size_t plain(const unsigned char *p, size_t len)
{
	const uint64_t ones = 0x0101010101010101ULL;
	size_t i = 0;
	uint64_t w;

	for (; len - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		/* The lowest byte outside 0x20 … 0x7e sets its bit 7 in one of the two. */
		if (((w + ones) | (w - 0x20 * ones)) & (0x80 * ones))
			break;
	}
	return i;
}

/* `last`: nothing follows, a sequence cut short is not completed. */
static int filter(struct screen *sc, const unsigned char *p, size_t len, bool last)
{
	size_t from = 0, i = 0;
	int r = 0;

	while ((i += plain(p + i, len - i)) < len && !r) {
		int n = printable(p + i, len - i);
		if (n > 0) {
			i += (size_t)n;
			continue;
		}
		r = emit(sc, (const char *)p + from, i - from);
		if (n < 0 && !last) {
			sc->ncarry = (unsigned)(len - i);
			memcpy(sc->carry, p + i, sc->ncarry);
			return r;
		}
		if (!r)
			r = emit_escaped(sc, p[i]);
		from = ++i;
	}
	return r ? r : emit(sc, (const char *)p + from, len - from);
}

static int flush_carry(struct screen *sc)
{
	unsigned n = sc->ncarry;

	sc->ncarry = 0;
	return n ? filter(sc, sc->carry, n, true) : 0;
}

int screen_write(void *screen, const char *bytes, size_t len)
{
	struct screen *sc = screen;
	unsigned char joined[4];

	if (sc->error)
		return -sc->error;
	/* Complete the sequence that the last call cut, byte by byte. */
	while (sc->ncarry && len) {
		unsigned n = sc->ncarry;
		memcpy(joined, sc->carry, n);
		joined[n++] = (unsigned char)*bytes;
		sc->ncarry = 0;
		bytes++;
		len--;
		int r = filter(sc, joined, n, n == sizeof(joined));
		if (r)
			return r;
	}
	return len ? filter(sc, (const unsigned char *)bytes, len, false) : 0;
}

int screen_write_error(void *screen, const char *bytes, size_t len)
{
	struct screen *sc = screen, err = {.fd = STDERR_FILENO};

	/* On one terminal with an answer that is held or paged it keeps its place. */
	if ((sc->keeping || sc->pager) && isatty(STDERR_FILENO))
		return screen_write(screen, bytes, len);
	return filter(&err, (const unsigned char *)bytes, len, true);
}

void screen_color(struct screen *sc, const char *sgr)
{
	if (sc->color && !sc->error && !flush_carry(sc))
		emit(sc, sgr, strlen(sgr));
}

void screen_init(struct screen *sc)
{
	sc->fd = STDOUT_FILENO;
	sc->pagination = true;
}

void screen_done(struct screen *sc)
{
	screen_end(sc);
	free(sc->held.v);
	sc->held.v = NULL;
	sc->held.cap = 0;
}

void screen_set_color(struct screen *sc, enum color_when when, bool may)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	sc->color = when == COLOR_ALWAYS || (when == COLOR_AUTO && may && isatty(STDOUT_FILENO) &&
					     !(no && *no) && term && strcmp(term, "dumb") != 0);
}

bool screen_parse_color(const char *text, enum color_when *ret)
{
	static const char *const names[] = {"auto", "always", "never"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum color_when)i;
			return true;
		}
	return false;
}

void screen_begin(struct screen *sc, bool may_page)
{
	sc->lines = sc->column = 0;
	sc->left = false;
	sc->keeping =
	    may_page && sc->pagination && !sc->error && pager_screen(&sc->rows, &sc->columns);
}

void screen_end(struct screen *sc)
{
	flush_carry(sc);
	if (sc->pager)
		end_pager(sc);
	if (sc->keeping)
		release(sc);
	sc->left = false;
}
