/* Source text: path substitution, and files kept by lines. */
#ifndef STK_SYMBOLS_SOURCE_H
#define STK_SYMBOLS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct stk_source_file;
struct stk_sources;

struct stk_sources *stk_sources_new(void);
void stk_sources_free(struct stk_sources *s);

/* A rule `from` → `to` for whole leading path components; the latest rule that fits is used. An
 * empty `to` removes the rules for `from`; STK_ENODATA if there was none. */
int stk_sources_substitute(struct stk_sources *s, const char *from, const char *to);

/* The rules, oldest first: NULL at the end. */
const char *stk_sources_rule(const struct stk_sources *s, unsigned i, const char **ret_to);

/*
 * Open the text of a source path as the debug information names it. Read once and kept (a file that
 * cannot be read is remembered too, until a rule changes). STK_ESYS (errno in err->sys),
 * STK_EUNSUPPORTED for what is no regular file or is above 64 MB.
 */
int stk_source_open(struct stk_sources *s, const char *path, struct stk_source_file **ret,
		    struct stk_err *err);

/* The number of lines. */
unsigned stk_source_lines(const struct stk_source_file *f);

/* Line `n` (from 1), without its line end, not NUL-terminated; NULL past the end. */
const char *stk_source_line(const struct stk_source_file *f, unsigned n, size_t *ret_len);

/* The file actually read. */
const char *stk_source_path(const struct stk_source_file *f);

/* Modification time, seconds since the epoch: newer than the module means the text may differ. */
long long stk_source_mtime(const struct stk_source_file *f);

#endif
