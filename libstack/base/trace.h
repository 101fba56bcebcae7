/*
 * The trace grammar: one writer and one parser of the text that libstack prints on a crash and
 * `corectl stack` prints of a core. docs/FORMATS.md describes the text. Freestanding.
 *
 * The writer is a set of calls, one per line or block, made in the order of the text. The parser
 * turns the text back into the same calls' data through callbacks, so that write(parse(x)) == x.
 */
#ifndef STK_BASE_TRACE_H
#define STK_BASE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/words.h"

/* Of a stack with more frames than the first, the second is how many of each end are written. */
#define STK_TRACE_FRAMES     100
#define STK_TRACE_FRAMES_END 50

enum stk_how {
	STK_HOW_REGS, /* frame 0: the thread's own registers */
	STK_HOW_CFI,  /* call frame information */
	STK_HOW_CALL, /* return address popped after a call to a bad address */
	STK_HOW_FP,   /* frame pointer chain: "(by frame pointer)" */
	STK_HOW_SCAN, /* stack scan: "(scanned)" */
	STK_HOW_TAIL, /* it is gone, it left by a tail call to the frame before: "(tail call)" */
};

/*
 * `hidden`: no address is written, `_` stands for it. Who may not read a set-uid program's memory
 * must not learn where it lies.
 */

/* The two header lines. Unknown parts are left out: `has_code`, `has_addr`, `has_from`. */
struct stk_trace_head {
	int signo; /* 0: no signal, the header says "no signal" */
	bool hidden;
	uint64_t pc;
	int tid;
	bool has_code;
	int code;
	bool has_addr; /* faults: addr=0x… */
	uint64_t addr;
	bool has_from; /* sent by a process: from pid P uid U */
	int from_pid;
	unsigned from_uid;
};

/* A thread heading, or that of several threads with the same stack. */
struct stk_trace_thread {
	const char *numbers; /* "1", or "4-7,9" for several */
	unsigned count;      /* threads under this heading */
	int tid;             /* count == 1 only */
	const char *name;    /* NULL: not known */
	const char *state;   /* "running", "stopped", … */
};

struct stk_trace_frame {
	const char *name; /* NULL or empty: unknown, printed ?? */
	const struct stk_words *words;
	const char *file; /* NULL: no line information */
	unsigned line;
	bool near;          /* the pc has no line of its own: the nearest one of its function */
	uint64_t func_off;  /* with file: offset from the start of the function's range */
	const char *module; /* base name; NULL: the bare pc is printed */
	uint64_t module_off;
	uint64_t pc;
	bool inlined;
	bool signal;
	enum stk_how how;
	bool hidden;
	bool detail; /* print fp= sp= pc=; not if hidden */
	uint64_t fp, sp;
};

struct stk_trace_module {
	uint64_t start, end;
	const uint8_t *build_id;
	unsigned build_id_len; /* 0: printed as - */
	const char *path;
	bool hidden;
};

/* What is known of threads that nobody could list. */
enum stk_trace_unlisted {
	STK_UNLISTED_NONE,
	STK_UNLISTED_SOME,  /* there are some: "at least K missing" */
	STK_UNLISTED_MAYBE, /* there may be some: "perhaps K missing" */
};

/* The lines that say it; in the second the threads are those that the library has seen begin. */
#define STK_TRACE_UNLISTED "[other threads are not known: /proc/self/task cannot be read]\n"
#define STK_TRACE_STARTED  "[threads are those started by libc: /proc/self/task cannot be read]\n"

struct stk_trace_end {
	unsigned shown, total; /* total: one of those that nobody could list among them */
	enum stk_trace_unlisted unlisted;
	const char *missing_reason; /* with shown < total */
	bool apart;                 /* an empty line before it: no modules stand there */
};

void stk_trace_write_head(struct stk_text *out, const struct stk_trace_head *h);
void stk_trace_write_why(struct stk_text *out, const char *why);
/* Writes the empty line that separates it from what stands before. */
void stk_trace_write_thread(struct stk_text *out, const struct stk_trace_thread *t);
void stk_trace_write_frame(struct stk_text *out, const struct stk_trace_frame *f);
/* The mark of a frame that was not found by the usual means, with a space before it; or "". */
const char *stk_trace_how_mark(enum stk_how how);
void stk_trace_write_elided(struct stk_text *out, uint64_t frames);
void stk_trace_write_stopped(struct stk_text *out, const char *reason);
/* One register; the first of the block is preceded by an empty line (`first`). */
void stk_trace_write_reg(struct stk_text *out, bool first, const char *name, uint64_t value);
void stk_trace_write_module(struct stk_text *out, bool first, const struct stk_trace_module *m);
/* What stands before the number of the missing, with a space behind it; or "". */
const char *stk_trace_unlisted_text(enum stk_trace_unlisted unlisted);
void stk_trace_write_end(struct stk_text *out, const struct stk_trace_end *e);

/* What the parser meets, in order. A NULL callback skips. Strings live until the callback returns.
 */
struct stk_trace_events {
	void (*head)(void *arg, const struct stk_trace_head *h);
	void (*why)(void *arg, const char *why);
	void (*thread)(void *arg, const struct stk_trace_thread *t);
	void (*frame)(void *arg, const struct stk_trace_frame *f);
	void (*elided)(void *arg, uint64_t frames);
	void (*stopped)(void *arg, const char *reason);
	void (*reg)(void *arg, bool first, const char *name, uint64_t value);
	void (*module)(void *arg, bool first, const struct stk_trace_module *m);
	void (*end)(void *arg, const struct stk_trace_end *e);
	/* A line that is none of these (a program's own output in between, tier notes). */
	void (*other)(void *arg, const char *line, unsigned len);
};

/* Parse a whole text. Returns the number of lines that were not understood (given to `other`). */
unsigned stk_trace_parse(const char *text, size_t len, const struct stk_trace_events *ev,
			 void *arg);

#endif
