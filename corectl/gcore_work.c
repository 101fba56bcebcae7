/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The workers of `corectl gcore`: each takes the next range of the file until none is left, and the
 * first failure ends all. The calling thread is one of them, and shows the progress.
 */
#include <stdio.h>
#include <time.h>

#include "gcore.h"
#include "say.h"

#define PROGRESS 200 /* milliseconds between two progress lines */

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void show_progress(const struct gcore_job *j, double *shown)
{
	double now = now_ms();

	if (!j->name || now - *shown < PROGRESS)
		return;
	*shown = now;
	say_progress("%s: %llu of %llu MB", j->name,
		     (unsigned long long)(atomic_load(&j->d->done) >> 20),
		     (unsigned long long)((j->d->size - j->d->data) >> 20));
}

static void fail(struct gcore_job *j, const struct stk_err *err)
{
	pthread_mutex_lock(&j->lock);
	if (!j->failed)
		j->err = *err;
	j->failed = true;
	pthread_cond_broadcast(&j->turn_came);
	pthread_mutex_unlock(&j->lock);
}

static void work(struct gcore_job *j, unsigned n)
{
	double shown = now_ms();

	while (!j->failed) {
		struct stk_err err;
		uint64_t off = atomic_fetch_add(&j->next, j->step);
		uint64_t end = off + j->step < j->d->size ? off + j->step : j->d->size;
		if (off >= j->d->size)
			return;
		if (j->range(j, n, off, end, &err))
			fail(j, &err);
		if (!n)
			show_progress(j, &shown);
	}
}

struct start {
	struct gcore_job *j;
	unsigned n;
};

static void *work_thread(void *arg)
{
	struct start *s = arg;

	work(s->j, s->n);
	return NULL;
}

int gcore_run(struct gcore_job *j)
{
	pthread_t threads[GCORE_WORKERS];
	struct start starts[GCORE_WORKERS];
	unsigned started = 1;

	j->next = j->d->data;
	for (; started < j->nworkers; started++) {
		starts[started] = (struct start){j, started};
		if (pthread_create(&threads[started], NULL, work_thread, &starts[started]))
			break;
	}
	work(j, 0);
	while (started-- > 1)
		pthread_join(threads[started], NULL);
	if (j->name)
		say_progress(NULL);
	return j->failed ? j->err.code : 0;
}
