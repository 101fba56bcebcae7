/*
 * A target: the bytes and threads of what is examined. One small vtable per kind (core file, live
 * process). A target owns all that hangs from it until stk_target_close().
 */
#ifndef STK_TARGET_TARGET_H
#define STK_TARGET_TARGET_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arch.h"
#include "base/err.h"
#include "targets/pool.h"

/* A span of raw bytes that the target keeps (a note's payload); p NULL: absent. */
struct stk_bytes {
	const uint8_t *p;
	size_t len;
};

struct stk_thread {
	int num; /* 1 …; 1 crashed or got the signal, the others follow by ascending tid */
	int tid;
	int cursig;             /* pr_cursig, 0: none */
	const char *name;       /* NULL: not known (cores name only the main thread) */
	struct stk_bytes gregs; /* general registers as in the note (arch->regs tells the layout) */
	struct stk_bytes fpregs; /* NT_FPREGSET */
	struct stk_bytes xstate; /* extended registers (arch->extended_note), raw */
	bool handled;            /* it stands in a handler: the registers are from before */
	bool trapped;            /* by a breakpoint instruction, which its pc is behind */
};

/* A mapping that is backed by a file (NT_FILE, /proc/PID/maps). Sorted by start. */
struct stk_mapping {
	uint64_t start, end;
	uint64_t file_off; /* bytes */
	uint64_t ino;      /* of the file as it was mapped; 0: not known (cores) */
	const char *path;  /* as the target saw it; may end in " (deleted)" */
};

/* A loadable segment: what the target says about [start, end). Sorted by start. */
struct stk_segment {
	uint64_t start, end;
	uint64_t have;        /* bytes from start that the target itself holds */
	const uint8_t *bytes; /* those bytes */
	uint64_t file_off;    /* of those bytes in the core file */
	bool r, w, x;
	bool shared; /* others may write to it (live processes) */
};

struct stk_siginfo {
	bool present;
	int signo, code, err;
	uint64_t addr; /* valid where stk_sigcode_has_addr() */
	int pid;       /* sender, where stk_sigcode_has_sender() */
	unsigned uid;
};

struct stk_psinfo {
	bool present;
	int pid;
	unsigned uid;
	const char *fname; /* comm of the main thread, at most 15 bytes */
	const char *args;  /* first 80 bytes of the command line */
};

/* Something the user must know about the target; in the order found. */
struct stk_remark {
	struct stk_remark *next;
	bool incomplete; /* makes the exit status 1 */
	const char *text;
};

struct stk_target;
struct stk_target_ops {
	const char *kind;   /* "core", "process" */
	const char *ran;    /* what the program did: "crashed", "runs" */
	const char *absent; /* "is not in the core": what is said of bytes that are not there */
	/* The longest run of bytes at `addr`, 0 where there are none; NULL: segments hold them. */
	size_t (*piece)(struct stk_target *t, uint64_t addr, const uint8_t **ret);
	/* Where the file behind a mapping is best opened (pool string); NULL: by its path. */
	const char *(*file)(struct stk_target *t, const struct stk_mapping *m, bool is_main);
	/* Is it no longer what it was when it was opened? NULL: that changes nothing. */
	bool (*changed)(struct stk_target *t);
	void (*close)(struct stk_target *t);
};

#define STK_RECENT 64

struct stk_target {
	const struct stk_target_ops *ops;
	const struct stk_arch *arch;
	struct stk_pool pool;
	const char *path; /* of the core */

	struct stk_thread *threads; /* by num: threads[0].num == 1 */
	unsigned nthreads;
	struct stk_segment *segments;
	unsigned nsegments;
	unsigned recent[STK_RECENT]; /* the segment last read, by page: most reads are in those */
	struct stk_mapping *mappings;
	unsigned nmappings;
	struct stk_bytes auxv;
	struct stk_siginfo siginfo;
	struct stk_psinfo psinfo;
	const char *system; /* whose notes were found that are not Linux's; or NULL */
	struct stk_remark *remarks, **remarks_tail;
	unsigned nremarks;

	/* Threads that are there but could not be looked at, and why. */
	unsigned missing;
	const char *missing_reason;

	/* Bytes of read-only file mappings that the target does not hold (module files). Sorted. */
	struct stk_segment *overlays;
	unsigned noverlays, overlays_cap;

	/* The file, mapped read-only. */
	const uint8_t *file;
	size_t file_len;
};

/*
 * Open an ELF core. The file is only read. A cut or damaged core opens as far as it can be read and
 * leaves remarks; an error means that nothing can be shown:
 * STK_ESYS, STK_ENOTELF, STK_ENOTCORE (executable, relocatable), STK_EARCH, STK_EFORMAT.
 * `fd`: its bytes, where they are not at `path`; it is closed. -1: they are.
 */
int stk_core_open(const char *path, int fd, struct stk_target **ret, struct stk_err *err);

void stk_target_close(struct stk_target *t);

/* What a file is, by its ELF header: 'c' core, 'x' executable or shared object, 'o' another ELF
 * file, '?' no ELF file, 0 when it cannot be read (err filled). */
int stk_elf_kind(const char *path, struct stk_err *err);

/* Read `len` bytes at `addr`: from the target, else from overlaid files. 0 or STK_EUNREADABLE with
 * err->addr the first byte that is not there. */
int stk_mem_read(const struct stk_target *t, uint64_t addr, void *buf, size_t len,
		 struct stk_err *err);

/* How many bytes can be read from `addr`, at most `max`. */
size_t stk_mem_avail(const struct stk_target *t, uint64_t addr, size_t max);

/* Borrow `len` bytes at `addr` for the life of the target; NULL if not there in one piece. */
const uint8_t *stk_mem_ptr(struct stk_target *t, uint64_t addr, size_t len);

/* A machine word. false: not readable. */
bool stk_mem_word(const struct stk_target *t, uint64_t addr, uint64_t *ret);

/* Lay `len` bytes of a file under [start, start+len): served where the target has none. */
int stk_target_overlay(struct stk_target *t, uint64_t start, const uint8_t *bytes, size_t len);

/* The segment that holds `addr` (also where its bytes are not in the core), or NULL. */
const struct stk_segment *stk_segment_at(const struct stk_target *t, uint64_t addr);

/* The file mapping that holds `addr`, or NULL. */
const struct stk_mapping *stk_mapping_at(const struct stk_target *t, uint64_t addr);

/* The value of an auxiliary vector entry (AT_…, getauxval(3)). */
bool stk_auxv(const struct stk_target *t, uint64_t type, uint64_t *ret);

/* A general register of a thread by the row of arch->regs. false: not in the note. */
bool stk_thread_reg(const struct stk_target *t, const struct stk_thread *th, unsigned row,
		    uint64_t *ret);

/* Its stack pointer, and its thread pointer (to the thread's own memory). false: as above. */
bool stk_thread_sp(const struct stk_target *t, const struct stk_thread *th, uint64_t *ret);
bool stk_thread_tp(const struct stk_target *t, const struct stk_thread *th, uint64_t *ret);

/* The thread with that tid, or NULL. */
struct stk_thread *stk_thread_by_tid(const struct stk_target *t, int tid);

/* Add a remark (the same text is kept once). */
void stk_remark(struct stk_target *t, bool incomplete, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* After an answer: a remark, if somebody writes to the core meanwhile. */
void stk_target_check(struct stk_target *t);

bool stk_interrupted(const struct stk_target *t);

/* What the answer may still cost: all that is known of the target comes from its pool. */
static inline struct stk_budget *stk_budget_of(const struct stk_target *t)
{
	return &((struct stk_target *)(uintptr_t)t)->pool.budget;
}

#endif
