/*
 * Writing the core of a live process: what the kernel would put into it (linux/fs/coredump.c,
 * fs/binfmt_elf.c), or its stacks and what they point into. Normal context.
 *
 * stk_dump_plan() looks at the stopped process and lays the file out; the bytes of its areas are
 * then copied range by range, by as many threads as there are workers; stk_dump_head() makes what
 * stands before them, last, because only then is it known which memory could not be read.
 */
#ifndef STK_TARGET_DUMP_H
#define STK_TARGET_DUMP_H

#include <stdatomic.h>

#include "targets/target.h"

/* Owner and types of notes of our own: what is special about a core, and the names of its threads
 * (docs/FORMATS.md). */
#define STK_NOTE_OWNER  "libstack"
#define STK_NOTE_REMARK 1
#define STK_NOTE_NAMES  2

/* What smaps tells, read before the process is stopped: it walks the page tables (10 ms a GB). */
struct stk_dump_survey;

struct stk_dump_options {
	int pid;
	bool full;         /* whatever coredump_filter and MADV_DONTDUMP say */
	bool stacks_only;  /* stacks, what they point into, the loader's list */
	bool stacks_first; /* copy these while planning: the rest may be read from the running
			      process */

	/* Of mappings that are the same as before: what they hold is then not looked at again;
	 * NULL: it is. */
	const struct stk_dump_survey *survey;

	/* The signal of thread 1 (128 bytes), and its extended registers where ptrace cannot tell
	 * them; NULL: none, or those of ptrace. */
	const void *siginfo;
	const void *own_xstate;
	size_t own_xstate_len;
	const uint64_t *own_blocked; /* its signal mask; NULL: that of /proc */

	/* Read memory another way, as in struct stk_live_options; NULL: not so. */
	int (*read)(void *arg, uint64_t addr, void *buf, size_t len);
	void *arg;
};

/* What becomes one program header: [start, end), of which the first `have` bytes are in the file.
 */
struct stk_dump_area {
	uint64_t start, end, have, off;
	uint32_t flags; /* PF_R … */
	bool anonymous; /* private memory: a page that was never touched reads as zeros */
	bool shared;    /* memory of a file, from `file_off` on: where that has a hole, too */
	bool served;    /* its pages are brought by a thread of the process (userfaultfd(2)), which
			 * stands: what is not there by now is not known */
	uint64_t file_off;
	const uint8_t *bytes; /* copied while planning; NULL: to be read */
};

/* A span of memory: of the process, and its bytes once copied. */
struct stk_dump_span {
	uint64_t start, end;
	uint8_t *bytes;
};

struct stk_dump_spans {
	struct stk_dump_span *v;
	unsigned n, cap;
	bool cut; /* there was no memory for one */
};

struct stk_dump {
	struct stk_target *t;
	struct stk_dump_options o;
	_Atomic int mm_tid; /* the thread that is asked for the memory */
	struct stk_dump_area *areas;
	unsigned nareas, room; /* room: program headers that fit before the notes */
	uint8_t *notes;
	size_t notes_len;
	uint64_t data, size;         /* of the file: where the areas' bytes begin, and its end */
	struct stk_dump_spans first; /* the stacks that were copied before all else */
	bool stacks_cut;             /* they would have been larger than anybody needs */
	uint64_t unread;             /* bytes that could not be read, after stk_dump_head() */
	_Atomic uint64_t done;       /* bytes of the file dealt with, for whoever shows progress */
};

/* One who copies. Zero at first; stk_dump_worker_done() in the end. */
struct stk_dump_worker {
	int pagemap, mem;                  /* descriptors + 1 */
	bool no_scan;                      /* the kernel has no PAGEMAP_SCAN (before Linux 6.7) */
	bool no_guards;                    /* that knows no guard pages (before Linux 6.15) */
	uint64_t touched_from, touched_to; /* what the last look at pagemap found */
	int file;                          /* descriptor + 1 of the file that `file_of` maps */
	const struct stk_dump_area *file_of;
	uint8_t *buf;
	struct stk_dump_spans lost; /* what could not be read */
};

/* A stretch of the file whose bytes must be fetched. */
struct stk_dump_run {
	const struct stk_dump_area *area;
	uint64_t off, addr, len;
};

/* NULL: it cannot be read; the plan will say why. */
struct stk_dump_survey *stk_dump_survey_new(int pid);
void stk_dump_survey_free(struct stk_dump_survey *s);

/*
 * Lay out the core of a live target whose threads are stopped. STK_ESYS, STK_ENOMEM;
 * STK_EUNREADABLE: its memory is just gone, by execve(2) or its end. The target
 * must live until stk_dump_free(), but it may be resumed: with `stacks_only` nothing more is read,
 * else what follows is newer than the registers.
 */
int stk_dump_plan(struct stk_target *t, const struct stk_dump_options *o, struct stk_dump **ret,
		  struct stk_err *err);

/* Find the next run at or after `off` and before `end`; at most `max` bytes. false: none. */
bool stk_dump_next(struct stk_dump *d, struct stk_dump_worker *w, uint64_t off, uint64_t end,
		   size_t max, struct stk_dump_run *ret);

/* Fetch a run's bytes; pages that cannot be read are zeroed and remembered in w->lost. STK_ESYS:
 * the process is gone. */
int stk_dump_fetch(struct stk_dump *d, struct stk_dump_worker *w, const struct stk_dump_run *r,
		   uint8_t *buf, struct stk_err *err);

/* Lay those bytes of the stacks copied first over [off, off + len) of the file that belong there.
 */
void stk_dump_lay_first(const struct stk_dump *d, uint64_t off, uint8_t *buf, size_t len);

/* Copy [off, end) of the areas' bytes into the file, leaving holes for zeros. STK_ESYS, STK_EINTR.
 */
int stk_dump_copy(struct stk_dump *d, struct stk_dump_worker *w, int fd, uint64_t off, uint64_t end,
		  struct stk_err *err);

/* Put the stacks that were copied first in their places. */
int stk_dump_copy_first(struct stk_dump *d, int fd, struct stk_err *err);

/* Is it still the process that was planned for? Not when it ended, or became another program
 * (execve(2)). STK_ESYS. To be asked when all is copied;
 * with `stacks_only` the plan has done so. */
int stk_dump_same(const struct stk_dump *d, struct stk_err *err);

#define STK_DUMP_STACKS_CUT "stacks of more than 64 MB are not whole"

/* A line for the note of the core; at most a few, short. */
void stk_dump_remark(struct stk_dump *d, const char *text);

/* The first `d->data` bytes of the file, once all is copied: a pointer that lives as long as `d`.
 */
const uint8_t *stk_dump_head(struct stk_dump *d, const struct stk_dump_worker *w,
			     unsigned nworkers);

/* pwrite(2) all of it. STK_ESYS. */
int stk_dump_put(int fd, const void *bytes, size_t len, uint64_t off, struct stk_err *err);
/* The same but for pages of zeros, which it leaves out. */
int stk_dump_put_sparse(int fd, const uint8_t *p, size_t len, uint64_t off, struct stk_err *err);

void stk_dump_worker_done(struct stk_dump_worker *w);
void stk_dump_free(struct stk_dump *d);

#endif
