/*
 * What a report is made of, and its text (docs/FORMATS.md). Freestanding.
 *
 * Who finds out what a report says (the engine, the report in process, the parser of a saved one)
 * emits events in the order of the text; a sink makes something of them. The text is such a sink;
 * the parser turns it back into the same events, so that text(parse(x)) == x.
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
	int signo;  /* 0: no signal, the header says "no signal" */
	bool no_pc; /* PC=_: not known, or not to be told */
	uint64_t pc;
	int tid;
	bool has_code;
	int code;
	bool has_addr; /* faults: addr=0x… */
	bool no_addr;  /* addr=_ */
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
	unsigned names;     /* functions that share this code, each by a name; 0: one alone */
	uint64_t func_off;  /* with file: offset from the start of the function's range */
	const char *module; /* base name; NULL: the bare pc is printed */
	uint64_t module_off;
	uint64_t pc;
	bool inlined;
	bool signal;
	enum stk_how how;
	bool hidden;
	bool detail;       /* print fp= sp= pc=; not if hidden */
	bool no_fp, no_sp; /* not known: `_` */
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

/* The notes that say it; in the second the threads are those that the library has seen begin. */
#define STK_TRACE_UNLISTED "[other threads are not known: /proc/self/task cannot be read]"
#define STK_TRACE_STARTED  "[threads are those started by libc: /proc/self/task cannot be read]"

struct stk_trace_end {
	unsigned shown, total; /* total: one of those that nobody could list among them */
	enum stk_trace_unlisted unlisted;
	const char *missing_reason; /* with shown < total */
};

/* Each is there. Strings live until the callback returns. */
struct stk_trace_events {
	void (*head)(void *arg, const struct stk_trace_head *h);
	void (*why)(void *arg, const char *why);
	void (*thread)(void *arg, const struct stk_trace_thread *t);
	void (*frame)(void *arg, const struct stk_trace_frame *f);
	void (*elided)(void *arg, uint64_t frames);
	void (*stopped)(void *arg, const char *reason);
	void (*reg)(void *arg, const char *name, uint64_t value);
	void (*module)(void *arg, const struct stk_trace_module *m);
	void (*end)(void *arg, const struct stk_trace_end *e);
	/* A line that is none of these: how we came by the report, in brackets; of a saved one also
	 * what the program wrote in between. */
	void (*note)(void *arg, const char *line, size_t len);
	/* The next event takes time: what came so far goes out. */
	void (*flush)(void *arg);
};

struct stk_trace_sink {
	const struct stk_trace_events *on;
	void *arg;
};

/* Also for other sinks of this shape. */
#define STK_EMIT(sink, what, ...)                                                                  \
	({                                                                                         \
		__typeof__(sink) to_ = (sink);                                                     \
		to_.on->what(to_.arg, ##__VA_ARGS__);                                              \
	})

/* Emit a note; what is longer than 2 KB is cut. */
void stk_trace_note(struct stk_trace_sink sink, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A part of the text with something before its first line. */
enum stk_trace_block {
	STK_BLOCK_NONE,
	STK_BLOCK_HEAD,
	STK_BLOCK_THREAD,
	STK_BLOCK_REGS,
	STK_BLOCK_MODULES,
	STK_BLOCK_ANY, /* nothing is written before the next line, whatever it begins */
};

/* The text form. */
struct stk_trace_text {
	struct stk_text *out;
	enum stk_trace_block block; /* of the event before */
};

/* A sink that writes the text of a new report to `out`. Both live as long as it. */
struct stk_trace_sink stk_trace_text(struct stk_trace_text *t, struct stk_text *out);

/* How many frames are left out before the frame `i` of `n`; 0 but for one of them. */
uint64_t stk_trace_elided(uint64_t i, uint64_t n);

/* The marks behind the place of a frame, a space before each. */
void stk_trace_put_marks(struct stk_text *out, const struct stk_trace_frame *f);
/* That of a frame that was not found by the usual means; or "". */
const char *stk_trace_how_mark(enum stk_how how);
/* What stands before the number of the missing, with a space behind it; or "". */
const char *stk_trace_unlisted_text(enum stk_trace_unlisted unlisted);

/* Parse a whole text. Returns the number of lines that were not understood (given as notes). */
unsigned stk_trace_parse(const char *text, size_t len, struct stk_trace_sink sink);

#endif
