/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first bytes of the file choose a row of `formats`. Then one loop: read a buffer, let the
 * row's function take a step, write what came of it with holes where it is zero. Where the input is
 * damaged or cut off, what was unpacked until then is kept: half a core still has stacks.
 *
 * A few bytes unpack to as many as one likes. So what comes out must begin as a core does, ends
 * where its headers say that it ends, and takes no more than half of what the disk has left.
 */
#include "unpack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cursor.h"
#include "say.h"
#include "targets/dump.h"
#include "targets/foreign.h"

#define BUFFER    (1U << 20)
#define ZSTD_ROOM ZSTD_BLOCKSIZE_MAX
#define PROGRESS  (64U << 20) /* bytes between two lines */
#define BEHIND                                                                                     \
	(1U << 20) /* bytes behind the end that the headers name: section headers, padding         \
		    */
#define WINDOW 29  /* the logarithm of what is kept in memory of what came out */

/* What goes in and comes out of one step. */
struct stream {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len; /* room */
	bool last;      /* nothing follows `in` */
};

/* How a step ended: more is to come, or it may end here, or it must. */
enum step { MORE, END, DAMAGED, CUT, LONGER, FULL, WIDE };
static const char *const reasons[] = {
    [DAMAGED] = "it is damaged: what is shown may be wrong",
    [CUT] = "it is cut off",
    [LONGER] = "it goes on behind the end of the core: that is left out",
    [FULL] = "it was unpacked in part, for it takes more than half of what is free in that folder",
    [WIDE] = "to unpack it takes too much memory"};

struct format {
	const char *magic;
	size_t len;
	const char *tool; /* what unpacks it where we do not */
	void *(*start)(void);
	enum step (*step)(void *state, struct stream *s);
	void (*done)(void *state);
};

/* --- Zstandard, RFC 8878: frames one after the other --- */

static void *zstd_start(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (z)
		ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW);
	return z;
}

static enum step zstd_step(void *state, struct stream *s)
{
	ZSTD_inBuffer in = {s->in, s->in_len, 0};
	/* Not in one go: of a frame that is damaged the blocks before that are wanted, too. */
	ZSTD_outBuffer out = {s->out, s->out_len < ZSTD_ROOM ? s->out_len : ZSTD_ROOM, 0};
	size_t r = ZSTD_decompressStream(state, &out, &in);

	s->in += in.pos;
	s->in_len -= in.pos;
	s->out_len -= out.pos;
	if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
		return WIDE;
	return ZSTD_isError(r) ? DAMAGED : r ? MORE : END;
}

static void zstd_done(void *state)
{
	ZSTD_freeDCtx(state);
}

/* --- gzip, RFC 1952: members one after the other --- */

static void *gzip_start(void)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z && inflateInit2(z, 16 + MAX_WBITS) != Z_OK) {
		free(z);
		z = NULL;
	}
	return z;
}

static enum step gzip_step(void *state, struct stream *s)
{
	z_stream *z = state;

	z->next_in = (Bytef *)(uintptr_t)s->in;
	z->avail_in = (uInt)s->in_len;
	z->next_out = s->out;
	z->avail_out = (uInt)s->out_len;
	int r = inflate(z, Z_NO_FLUSH);
	s->in = z->next_in;
	s->in_len = z->avail_in;
	s->out_len = z->avail_out;
	if (r == Z_STREAM_END)
		return inflateReset(z) == Z_OK ? END : DAMAGED;
	return r == Z_OK || r == Z_BUF_ERROR ? MORE : DAMAGED;
}

static void gzip_done(void *state)
{
	inflateEnd(state);
	free(state);
}

/* --- xz --- */

static void *xz_start(void)
{
	lzma_stream *z = calloc(1, sizeof(*z));

	if (z && lzma_stream_decoder(z, 1ULL << (WINDOW + 1), LZMA_CONCATENATED) != LZMA_OK) {
		free(z);
		z = NULL;
	}
	return z;
}

static enum step xz_step(void *state, struct stream *s)
{
	lzma_stream *z = state;

	z->next_in = s->in;
	z->avail_in = s->in_len;
	z->next_out = s->out;
	z->avail_out = s->out_len;
	lzma_ret r = lzma_code(z, s->last ? LZMA_FINISH : LZMA_RUN);
	s->in = z->next_in;
	s->in_len = z->avail_in;
	s->out_len = z->avail_out;
	if (r == LZMA_MEMLIMIT_ERROR)
		return WIDE;
	return r == LZMA_STREAM_END ? END : r == LZMA_OK || r == LZMA_BUF_ERROR ? MORE : DAMAGED;
}

static void xz_done(void *state)
{
	lzma_end(state);
	free(state);
}

static const struct format formats[] = {
    {"\x28\xb5\x2f\xfd", 4, "zstd -d", zstd_start, zstd_step, zstd_done},
    {"\x1f\x8b", 2, "gzip -d", gzip_start, gzip_step, gzip_done},
    {"\xfd"
     "7zXZ",
     6, "xz -d", xz_start, xz_step, xz_done},
    {"\x04\x22\x4d\x18", 4, "lz4 -d", NULL, NULL, NULL},
    {"BZh", 3, "bzip2 -d", NULL, NULL, NULL},
};

static const struct format *format_of(int fd)
{
	char first[8] = {0};

	if (fd < 0 || pread(fd, first, sizeof(first), 0) < 4)
		return NULL;
	for (unsigned i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!memcmp(first, formats[i].magic, formats[i].len))
			return &formats[i];
	return NULL;
}

bool unpack_is_packed(const char *path)
{
	int fd = stk_foreign_open(path, STK_FOREIGN_ANY, NULL, NULL);
	bool packed = format_of(fd) != NULL;

	if (fd >= 0)
		close(fd);
	return packed;
}

static const char *folder(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

static int prepared; /* 0: nothing; a descriptor plus 1; a negative errno: there is none */

/* A file that ends with us, however we end. */
static int make_nameless(void)
{
	char name[4096];
	int fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	if ((size_t)snprintf(name, sizeof(name), "%s/corectl.XXXXXX", folder()) >= sizeof(name))
		return errno = ENAMETOOLONG, -1;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

void unpack_prepare(const char *path)
{
	if (!unpack_is_packed(path))
		return;
	int fd = make_nameless();
	prepared = fd < 0 ? -errno : fd + 1;
}

static int nameless(void)
{
	int was = prepared;

	prepared = 0;
	if (was < 0)
		errno = -was;
	return was ? (was < 0 ? -1 : was - 1) : make_nameless();
}

struct work {
	const struct format *f;
	void *state;
	int in, out;
	uint8_t *buf;           /* two buffers: what was read, what came of it */
	uint64_t done, written; /* bytes; without those of holes */
	uint64_t end;           /* by the headers of the core */
	uint64_t room;          /* on the disk */
	const char *name;       /* for the progress; NULL: none */
};

static void tell(const struct work *w)
{
	if (w->name && w->done % PROGRESS < BUFFER && w->done >= PROGRESS) {
		say_progress("unpacking %s: %llu MB", w->name, (unsigned long long)(w->done >> 20));
	}
}

/* Bytes read; negative: errno tells why. */
static ssize_t refill(struct work *w, struct stream *s)
{
	ssize_t n;

	while ((n = read(w->in, w->buf, BUFFER)) < 0 && errno == EINTR)
		;
	s->in = w->buf;
	s->in_len = n > 0 ? (size_t)n : 0;
	s->last = n == 0;
	return n;
}

/* Where the core ends by its program headers, as many as are in its first bytes. 0: it is none. */
static uint64_t end_of_core(const uint8_t *bytes, size_t len)
{
	struct stk_cur file = stk_cur_init(bytes, len), c = file;
	const uint8_t *id = stk_cur_bytes(&c, EI_NIDENT);
	uint64_t end = 0;

	if (!id || memcmp(id, ELFMAG, SELFMAG) != 0)
		return 0;
	/* Of another machine: what it is, the reader of cores says. */
	if (id[EI_CLASS] != ELFCLASS64 || id[EI_DATA] != ELFDATA2LSB)
		return BUFFER;
	stk_cur_skip(&c, 16);
	uint64_t phoff = stk_cur_u64(&c);
	stk_cur_skip(&c, 16);
	uint16_t n = stk_cur_u16(&c);
	if (c.bad || phoff >= len)
		return BUFFER;
	if (n == PN_XNUM)
		return UINT64_MAX - BEHIND;
	c = stk_cur_sub(&file, phoff, len - phoff);
	for (unsigned i = 0; i < n; i++) {
		Elf64_Phdr ph;
		const uint8_t *p = stk_cur_bytes(&c, sizeof(ph));
		if (!p)
			return i ? UINT64_MAX - BEHIND : BUFFER;
		memcpy(&ph, p, sizeof(ph));
		if (ph.p_offset + ph.p_filesz > end && ph.p_offset + ph.p_filesz >= ph.p_offset)
			end = ph.p_offset + ph.p_filesz;
	}
	return end > BUFFER ? end : BUFFER;
}

/* Half of what is free: other programs write there, too. */
static uint64_t room_for(int fd)
{
	struct statvfs st;

	return fstatvfs(fd, &st) ? UINT64_MAX : st.f_bavail * st.f_frsize / 2;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* May what came out of this step go on? */
static void limit(struct work *w, size_t got, enum step *how)
{
	if (!is_zero(w->buf + BUFFER, got))
		w->written += got;
	if (*how <= END && w->done > w->end && w->done - w->end > BEHIND)
		*how = LONGER;
	if (*how <= END && w->written > w->room)
		*how = FULL;
}

/* One buffer of output at most. */
static int step(struct work *w, struct stream *s, enum step *how, struct stk_err *err)
{
	s->out = w->buf + BUFFER;
	s->out_len = BUFFER;
	*how = w->f->step(w->state, s);
	size_t got = BUFFER - s->out_len;
	if (*how == MORE && s->last && !got)
		*how = CUT;
	if (!w->done && got && !(w->end = end_of_core(w->buf + BUFFER, got)))
		return stk_fail(err, STK_ENOTELF, "what it unpacks to is not an ELF file");
	int r = stk_dump_put_sparse(w->out, w->buf + BUFFER, got, w->done, err);
	w->done += got;
	limit(w, got, how);
	return r;
}

/* All of it; *ret_why as unpack() tells. */
static int run(struct work *w, const char **ret_why, struct stk_err *err)
{
	struct stream s = {0};
	enum step how = END;
	int r = 0;

	while (!r && how <= END) {
		if (!s.in_len && !s.last && refill(w, &s) < 0)
			return stk_fail_sys(err, errno, "reading");
		if (s.last && how == END)
			break;
		r = step(w, &s, &how, err);
		tell(w);
	}
	*ret_why = reasons[how];
	if (!r && !w->done)
		return stk_fail(err, STK_EFORMAT, "nothing could be unpacked from it: %s",
				how == DAMAGED ? "it is damaged" : reasons[how]);
	if (!r && ftruncate(w->out, (off_t)w->done))
		return stk_fail_sys(err, errno, "unpacking");
	return r;
}

static int unpack_to(struct work *w, const char **ret_why, struct stk_err *err)
{
	int r;

	w->room = room_for(w->out);
	w->buf = malloc(2UL * BUFFER);
	w->state = w->f->start();
	r = w->buf && w->state ? run(w, ret_why, err) : stk_fail(err, STK_ENOMEM, "out of memory");
	if (w->state)
		w->f->done(w->state);
	free(w->buf);
	if (w->name)
		say_progress(NULL);
	return r;
}

int unpack(const char *path, bool progress, const char **ret_why, struct stk_err *err)
{
	struct work w = {.in = stk_foreign_open(path, STK_FOREIGN_ANY, NULL, err),
			 .name = progress ? path : NULL};
	struct stk_err why;
	int r;

	*ret_why = NULL;
	if (w.in < 0)
		return w.in;
	w.f = format_of(w.in);
	w.out = w.f && w.f->start ? nameless() : -1;
	if (!w.f || !w.f->start)
		r = stk_fail(err, STK_ENOTELF, "%s: compressed; `%s' unpacks it", path,
			     w.f ? w.f->tool : "file");
	else if (w.out < 0)
		r = stk_fail_sys(err, errno, "%s: to unpack it into %s (TMPDIR)", path, folder());
	else if ((r = unpack_to(&w, ret_why, &why)) == STK_ESYS)
		stk_fail(err, r, "%s: to unpack it into %s (TMPDIR): %s", path, folder(), why.msg);
	else if (r)
		stk_fail(err, r, "%s: %s", path, why.msg);
	close(w.in);
	if (!r)
		return w.out;
	if (w.out >= 0)
		close(w.out);
	return r;
}
