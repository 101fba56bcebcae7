/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A core as it is. The workers copy the ranges; then the memory that was copied while the process
 * stood is written over them; last comes the head at the beginning of the file, because it counts
 * what could not be read.
 */
#include "gcore.h"

#define RANGE (16U << 20)

static int plain_range(struct gcore_job *j, unsigned n, uint64_t off, uint64_t end,
		       struct stk_err *err)
{
	return stk_dump_copy(j->d, &j->workers[n], j->file->fd, off, end, err);
}

int gcore_plain(struct gcore_job *j, uint64_t *ret_size, struct stk_err *err)
{
	j->step = RANGE;
	j->range = plain_range;
	int r = gcore_run(j);
	if (r) {
		*err = j->err;
		return r;
	}
	r = stk_dump_copy_first(j->d, j->file->fd, err);
	const uint8_t *head = r ? NULL : stk_dump_head(j->d, j->workers, j->nworkers);
	if (!r && !head)
		r = stk_fail(err, STK_ENOMEM, "out of memory");
	*ret_size = j->d->size;
	return r ? r : stk_dump_put(j->file->fd, head, j->d->data, 0, err);
}
