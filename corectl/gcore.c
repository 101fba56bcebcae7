/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `corectl gcore`, in this order: the file is made under a temporary name, the process is stopped,
 * what its core will hold is planned, memory is copied, the process goes on, and the file gets its
 * name. With --stacks-only and --short-pause the process goes on before the copying: its stacks,
 * and what they point to, were copied while it stood.
 */
#include "gcore.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "operands.h"
#include "say.h"
#include "targets/live.h"

#define TRIES 10 /* where the process executes another program meanwhile */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

static int write_core(struct gcore_job *j, const struct options *a, struct stk_err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t size = 0;

	j->nworkers = cpus < 1 ? 1 : cpus > GCORE_WORKERS ? GCORE_WORKERS : (unsigned)cpus;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->turn_came, NULL);
	int r = ends_with(a->out, ".zst") ? gcore_zst(j, &size, err) : gcore_plain(j, &size, err);
	for (unsigned i = 0; i < j->nworkers; i++)
		stk_dump_worker_done(&j->workers[i]);
	if (!r && !a->stacks_only)
		r = stk_dump_same(j->d, err);
	return r ? r : stk_dump_file_commit(j->file, size, err);
}

struct outcome {
	int pid;
	double paused; /* milliseconds */
	unsigned threads, missing;
	char missing_reason[160];
	uint64_t unread;
	bool newer, cut;
};

/* Ctrl-Z would stop us, and the process that we hold would stay stopped as long: Ctrl-Z waits until
 * the process goes on. */
static void hold_ctrl_z(int how)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigaddset(&stop, SIGTTOU); /* the progress, in the background under stty tostop */
	pthread_sigmask(how, &stop, NULL);
}

static void let_run(struct stk_target *t, struct outcome *o)
{
	const struct stk_live_info *i = stk_live_info(t);

	stk_live_resume(t);
	o->paused = (double)(i->slept_ns > i->still_ns ? i->slept_ns : i->still_ns) / 1e6;
	hold_ctrl_z(SIG_UNBLOCK);
}

/* Stop the process and plan what its core will hold. */
static int open_and_plan(int pid, struct stk_dump_options *wanted, struct stk_target **ret,
			 struct stk_dump **ret_plan, struct stk_err *err)
{
	const struct stk_live_options how = {.interrupt = &interrupted};
	bool early = wanted->stacks_only || wanted->stacks_first;
	struct stk_dump_survey *survey = early ? stk_dump_survey_new(pid) : NULL;
	struct stk_target *t = NULL;
	int r = stk_live_open(pid, &how, &t, err);

	if (!r) {
		wanted->pid = stk_live_info(t)->pid;
		wanted->survey = survey;
		r = stk_dump_plan(t, wanted, ret_plan, err);
	}
	wanted->survey = NULL;
	stk_dump_survey_free(survey);
	if (r)
		stk_target_close(t);
	else
		*ret = t;
	return r;
}

/* A process that executes another program meanwhile is stopped once more: while it does, its memory
 * cannot be read. */
static int plan(int pid, struct stk_dump_options *wanted, struct stk_target **ret,
		struct stk_dump **ret_plan, struct stk_err *err)
{
	const struct timespec nap = {.tv_nsec = 2000000};

	for (unsigned tries = 1;; tries++) {
		int r = open_and_plan(pid, wanted, ret, ret_plan, err);
		if (r != STK_EUNREADABLE || tries == TRIES)
			return r;
		nanosleep(&nap, NULL);
	}
}

/* Everything between the first stop and the file under its name. */
static int dump(const struct options *a, struct stk_dump_file *file, struct outcome *o,
		struct stk_err *err)
{
	struct stk_dump_options wanted = {.full = a->full,
					  .stacks_only = a->stacks_only,
					  .stacks_first = a->short_pause && !a->stacks_only};
	struct gcore_job j = {.file = file, .name = isatty(2) ? a->out : NULL};
	bool early = wanted.stacks_only || wanted.stacks_first;
	struct stk_target *t = NULL;

	hold_ctrl_z(SIG_BLOCK);
	int r = plan(a->pid, &wanted, &t, &j.d, err);
	if (r)
		return r;
	if (early)
		let_run(t, o);
	if (wanted.stacks_first)
		stk_dump_remark(j.d, "memory outside the stacks may be newer than the registers "
				     "(gcore --short-pause)");
	r = write_core(&j, a, err);
	if (!early)
		let_run(t, o);
	*o = (struct outcome){.pid = wanted.pid,
			      .paused = o->paused,
			      .threads = t->nthreads,
			      .missing = t->missing,
			      .unread = j.d->unread,
			      .newer = wanted.stacks_first,
			      .cut = wanted.stacks_only && j.d->stacks_cut};
	snprintf(o->missing_reason, sizeof(o->missing_reason), "%s",
		 t->missing ? t->missing_reason : "");
	stk_dump_free(j.d);
	stk_target_close(t);
	return r;
}

static int tell(const struct options *a, const struct outcome *o)
{
	struct stat st = {0};

	if (stat(a->out, &st)) {
		say("%s: %s", a->out, strerror(errno));
		return 1;
	}
	printf("%s: %.1f MB, %.1f MB on disk, %u thread%s; process %d stood still for %.*f ms\n",
	       a->out, (double)st.st_size / 1e6, (double)st.st_blocks * 512 / 1e6, o->threads,
	       o->threads == 1 ? "" : "s", o->pid, o->paused < 10, o->paused);
	if (o->newer)
		say("memory outside the stacks may be newer than the registers");
	if (o->missing)
		say("%u thread%s missing: %s", o->missing, o->missing == 1 ? " is" : "s are",
		    o->missing_reason);
	if (o->unread)
		say("%llu KB of memory could not be read%s", (unsigned long long)o->unread / 1024,
		    o->newer ? " (unmapped meanwhile?)" : "");
	if (o->cut)
		say(STK_DUMP_STACKS_CUT);
	return o->missing || o->unread || o->cut;
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

static void mask_ends(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaddset(&set, ends[i]);
	pthread_sigmask(how, &set, NULL);
}

static void *take_signals(void *arg)
{
	(void)arg;
	mask_ends(SIG_UNBLOCK);
	for (;;)
		pause();
	return NULL;
}

/*
 * The first such signal is noted, the second ends corectl at once. A thread of its own takes them:
 * a thread that reads memory of a file system that hangs takes no signal but SIGKILL, and the
 * kernel gives a signal that it chose this thread for to no other.
 */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, old;
	sigset_t all, was;
	pthread_t t;

	for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	/* That thread takes no other signals: Ctrl-Z would stop all threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	bool apart = !pthread_create(&t, NULL, take_signals, NULL);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (apart)
		mask_ends(SIG_BLOCK);
	/* write(2) tells the same by EFBIG and EPIPE, and then we can say it with words. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

int gcore_main(struct options *a)
{
	struct stk_dump_file file;
	struct outcome o = {0};
	struct stk_err err;
	char name[32];
	int r = operands_only_process(a);

	memory_watch(NULL); /* every piece is looked at: what was begun is taken away again */
	if (!r && a->stacks_only && a->full)
		r = options_wrong(a, "--full and --stacks-only exclude each other", NULL);
	if (r)
		return r;
	snprintf(name, sizeof(name), "core.%d", a->pid);
	a->out = a->out ? a->out : name;
	catch_signals();
	/* Before the process is stopped: it does not stand for a folder that cannot be written to.
	 */
	r = stk_dump_file_open(&file, a->out, a->out != name, &err);
	if (!r) {
		r = dump(a, &file, &o, &err);
		stk_dump_file_drop(&file);
	}
	if (r && interrupted) {
		say("interrupted: no core is written");
		signal(interrupted, SIG_DFL);
		mask_ends(SIG_UNBLOCK);
		raise(interrupted);
	}
	if (r) {
		say("%s; no core is written", err.msg);
		return 2;
	}
	return tell(a, &o);
}
