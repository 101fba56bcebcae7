/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing the core of a live process: `corectl gcore`. */
#ifndef CORECTL_GCORE_H
#define CORECTL_GCORE_H

#include <pthread.h>

#include "options.h"
#include "targets/dump.h"
#include "targets/dump_file.h"

#define GCORE_WORKERS 8

/* The copying, shared by the workers; `range` deals with one range of the file. */
struct gcore_job {
	struct stk_dump *d;
	struct stk_dump_file *file;
	int (*range)(struct gcore_job *j, unsigned worker, uint64_t off, uint64_t end,
		     struct stk_err *err);
	uint64_t step;    /* bytes of a range */
	const char *name; /* for the progress line; NULL: none is shown */
	struct stk_dump_worker workers[GCORE_WORKERS];
	unsigned nworkers;
	_Atomic uint64_t next;
	_Atomic bool failed;
	pthread_mutex_t lock;
	pthread_cond_t turn_came;
	struct stk_err err;
	struct gcore_zst *zst;
};

/* `corectl gcore …`: the exit status. */
int gcore_main(struct options *o);

/* Do every range. 0, or the first failure in j->err. */
int gcore_run(struct gcore_job *j);

/* The whole core as it is; *ret_size: of the file. */
int gcore_plain(struct gcore_job *j, uint64_t *ret_size, struct stk_err *err);

/* The same into zstd frames (RFC 8878), one for each range, and the head before them. */
int gcore_zst(struct gcore_job *j, uint64_t *ret_size, struct stk_err *err);

#endif
