/*
 * What corectl's commands answer: a record for each row. A command makes records, a sink gives them
 * a form. Strings live until the callback returns.
 */
#ifndef STK_OUTPUT_ROWS_H
#define STK_OUTPUT_ROWS_H

#include "base/trace.h"
#include "targets/target.h"

struct stk_row_frame {
	size_t number, of; /* of the numbers 0 to `of` */
	const struct stk_trace_frame *frame;
};

struct stk_row_thread {
	unsigned number, of; /* of the numbers 1 to `of` */
	bool selected;
	int tid;
	const char *name;                    /* NULL: not known */
	const struct stk_trace_frame *frame; /* the innermost, without words; NULL: none */
	const char *reason;                  /* then: why */
};

/* The argument that is parameter `param` of the words. */
struct stk_row_arg {
	const char *name; /* NULL: it has none */
	const struct stk_words *words;
	unsigned param;
};

struct stk_row_reg {
	const char *name;
	unsigned column; /* wider than every name of the answer */
	bool known;
	uint64_t value;
	const uint8_t *bytes; /* of a vector register, in place of the value, lowest first */
	unsigned size;
};

struct stk_row_module {
	struct stk_trace_module m;
	const char *state;
	const char *file;       /* that is read in its place; NULL: none */
	const char *debug_file; /* NULL: none apart from it */
	bool debug;             /* there is debug information */
};

struct stk_row_map {
	uint64_t start, end;
	bool r, w, x;
	bool live;        /* of a process, which has all that can be read */
	uint64_t have;    /* bytes of it; a core's */
	const char *path; /* NULL: of no file */
};

/* Each is there. */
struct stk_rows {
	void (*frame)(void *arg, const struct stk_row_frame *f);
	void (*frameless)(void *arg,
			  const char *reason);          /* a stack without frames, and rightly so */
	void (*stopped)(void *arg, const char *reason); /* a stack did not reach its base */
	void (*thread)(void *arg, const struct stk_row_thread *t);
	void (*arg)(void *arg, const struct stk_row_arg *a);
	void (*argless)(void *arg); /* a function without parameters */
	void (*reg)(void *arg, const struct stk_row_reg *r);
	void (*module)(void *arg, const struct stk_row_module *m);
	void (*map)(void *arg, const struct stk_row_map *m);
	void (*siginfo)(void *arg, const struct stk_siginfo *si);
};

struct stk_row_sink {
	const struct stk_rows *on;
	void *arg;
};

/* A sink that writes lines of text to `out`. */
struct stk_row_sink stk_rows_text(struct stk_text *out);

#endif
