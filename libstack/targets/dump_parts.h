/* The parts of the core writer, for one another: dump.c puts them together. Inside targets/ only.
 */
#ifndef STK_TARGET_DUMP_PARTS_H
#define STK_TARGET_DUMP_PARTS_H

#include "targets/dump.h"
#include "targets/procfs.h"

struct stk_vmas {
	struct stk_vma *v;
	unsigned n;
};

/* Read them, with what the survey or smaps adds. */
int stk_vmas_read(struct stk_dump *d, struct stk_vmas *ret, struct stk_err *err);
/* The one that holds `addr`, or NULL. */
const struct stk_vma *stk_vma_at(const struct stk_vmas *m, uint64_t addr);
/* A mapping of a file, in the sense of NT_FILE. */
bool stk_vma_is_file(const struct stk_vma *v);
/* How many bytes of one go into a core: as vma_dump_size() of the kernel decides, and in whole what
 * is left of programs and libraries that have no file any more. */
uint64_t stk_vma_wanted(struct stk_dump *d, const struct stk_vmas *m, const struct stk_vma *v,
			unsigned filter);
/* /proc/PID/coredump_filter (core(5)). */
unsigned stk_dump_filter(struct stk_dump *d);

/* Stacks, what they point into and the loader's list: sorted, apart, copied. */
int stk_dump_stacks(struct stk_dump *d, const struct stk_vmas *m, struct stk_dump_spans *ret,
		    struct stk_err *err);

/* STK_ESYS: its memory is no longer there to be read, and why. */
int stk_dump_lost(const struct stk_dump *d, struct stk_err *err);

/* Make d->notes. */
int stk_dump_notes(struct stk_dump *d, const struct stk_vmas *m, struct stk_err *err);

/* false: no memory. */
bool stk_spans_add(struct stk_dump_spans *s, uint64_t start, uint64_t end);
/* Sort, and join what touches or overlaps. */
void stk_spans_sort(struct stk_dump_spans *s);
void stk_spans_free(struct stk_dump_spans *s);

#endif
