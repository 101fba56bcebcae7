/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A core as zstd frames, one after the other: RFC 8878 lets them be read as one file. So each
 * worker compresses ranges of its own, and waits for its turn to write. The head stands first in
 * the core but is known last: room is left for it, and a skippable frame fills what the head does
 * not need.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "gcore.h"

#define RANGE     (4U << 20)
#define LEVEL     1 /* a core is written once and mostly never read: speed first */
#define SKIPPABLE 0x184d2a50U

struct gcore_zst {
	uint64_t pos, turn; /* where the next frame goes, and whose range it is */
	uint8_t *in[GCORE_WORKERS], *out[GCORE_WORKERS];
	ZSTD_CCtx *ctx[GCORE_WORKERS];
	uint8_t *zeros; /* the frame of a whole range of zeros */
	size_t zeros_len, cap;
};

/* The bytes of [off, end); *ret_some: there were any. */
static int fill(struct gcore_job *j, unsigned n, uint64_t off, uint64_t end, bool *ret_some,
		struct stk_err *err)
{
	uint8_t *in = j->zst->in[n];
	struct stk_dump_run run;
	uint64_t at = off;
	int r = 0;

	*ret_some = j->d->o.stacks_first;
	while (!r && stk_dump_next(j->d, &j->workers[n], at, end, RANGE, &run)) {
		memset(in + (at - off), 0, run.off - at);
		r = stk_dump_fetch(j->d, &j->workers[n], &run, in + (run.off - off), err);
		at = run.off + run.len;
		*ret_some = true;
	}
	memset(in + (at - off), 0, end - at);
	stk_dump_lay_first(j->d, off, in, end - off);
	return r;
}

/* Frames stand in the order of their ranges: wait, then take the place. */
static int take_place(struct gcore_job *j, uint64_t off, size_t len, uint64_t *ret,
		      struct stk_err *err)
{
	uint64_t mine = (off - j->d->data) / RANGE;

	pthread_mutex_lock(&j->lock);
	while (j->zst->turn != mine && !j->failed)
		pthread_cond_wait(&j->turn_came, &j->lock);
	*ret = j->zst->pos;
	j->zst->pos += len;
	j->zst->turn++;
	pthread_cond_broadcast(&j->turn_came);
	pthread_mutex_unlock(&j->lock);
	return j->failed ? stk_fail(err, STK_EINTR, "interrupted") : 0;
}

static int range(struct gcore_job *j, unsigned n, uint64_t off, uint64_t end, struct stk_err *err)
{
	struct gcore_zst *z = j->zst;
	uint64_t pos;
	bool some;
	int r;

	if (!z->in[n]) {
		z->in[n] = malloc(RANGE);
		z->out[n] = malloc(z->cap);
		z->ctx[n] = ZSTD_createCCtx();
		if (!z->in[n] || !z->out[n] || !z->ctx[n])
			return stk_fail(err, STK_ENOMEM, "out of memory");
		ZSTD_CCtx_setParameter(z->ctx[n], ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setParameter(z->ctx[n], ZSTD_c_compressionLevel, LEVEL);
	}
	if (stk_interrupted(j->d->t))
		return stk_fail(err, STK_EINTR, "interrupted");
	r = fill(j, n, off, end, &some, err);
	if (r)
		return r;
	atomic_fetch_add(&j->d->done, end - off);
	const uint8_t *frame = z->zeros;
	size_t len = z->zeros_len;
	if (some || end - off != RANGE) {
		len = ZSTD_compress2(z->ctx[n], z->out[n], z->cap, z->in[n], end - off);
		if (ZSTD_isError(len))
			return stk_fail(err, STK_ENOMEM, "zstd: %s", ZSTD_getErrorName(len));
		frame = z->out[n];
	}
	r = take_place(j, off, len, &pos, err);
	return r ? r : stk_dump_put(j->file->fd, frame, len, pos, err);
}

/* The frame of the head and the one that fills what is left of `room`. */
static int put_head(struct gcore_job *j, size_t room, struct stk_err *err)
{
	const uint8_t *head = stk_dump_head(j->d, j->workers, j->nworkers);
	uint8_t *out = malloc(room);
	int r = STK_ENOMEM;

	if (head && out) {
		size_t len = ZSTD_compress(out, room - 8, head, j->d->data, LEVEL);
		uint32_t skip[2] = {SKIPPABLE, (uint32_t)(room - len - 8)};
		r = ZSTD_isError(len)
			? stk_fail(err, STK_ENOMEM, "zstd: %s", ZSTD_getErrorName(len))
			: stk_dump_put(j->file->fd, out, len, 0, err);
		if (!r)
			r = stk_dump_put(j->file->fd, skip, sizeof(skip), len, err);
	} else {
		stk_fail(err, STK_ENOMEM, "out of memory");
	}
	free(out);
	return r;
}

int gcore_zst(struct gcore_job *j, uint64_t *ret_size, struct stk_err *err)
{
	size_t room = ZSTD_compressBound(j->d->data) + 8;
	struct gcore_zst z = {.pos = room, .cap = ZSTD_compressBound(RANGE)};
	int r;

	z.zeros = malloc(z.cap);
	uint8_t *zeros = calloc(1, RANGE);
	if (z.zeros && zeros)
		z.zeros_len = ZSTD_compress(z.zeros, z.cap, zeros, RANGE, LEVEL);
	free(zeros);
	j->zst = &z;
	j->step = RANGE;
	j->range = range;
	r = z.zeros_len ? gcore_run(j) : stk_fail(&j->err, STK_ENOMEM, "out of memory");
	if (r)
		*err = j->err;
	else
		r = put_head(j, room, err);
	*ret_size = z.pos;
	for (unsigned i = 0; i < GCORE_WORKERS; i++) {
		free(z.in[i]);
		free(z.out[i]);
		ZSTD_freeCCtx(z.ctx[i]);
	}
	free(z.zeros);
	return r;
}
