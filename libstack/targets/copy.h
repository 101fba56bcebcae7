/* Copying memory of another process in few system calls. Inside targets/ only. */
#ifndef STK_TARGET_COPY_H
#define STK_TARGET_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stk_region {
	uint64_t start, end;
	uint8_t *bytes; /* in the copy; NULL: not copied */
	size_t have;    /* bytes from start that were read */
};

struct stk_copy {
	struct stk_region *v;
	unsigned n, cap;
	uint8_t *buf; /* holds all of them */
	size_t size;
};

/* Get memory for regions of `size` bytes together, so that reading them need not. It is a guess:
 * more can be read. */
void stk_copy_prepare(struct stk_copy *c, size_t size);
/* One more to read; without memory it is left out. */
void stk_copy_add(struct stk_copy *c, uint64_t start, uint64_t end);
/* Read all regions from a process, sorted and joined, STK_COPY_MAX bytes at most. What cannot be
 * read is left out of `have`. */
#define STK_COPY_MAX (256ULL << 20)
void stk_copy_read(struct stk_copy *c, int pid);
/* Read bytes at one place by the thread `*mm_tid` of process `pid`; where that one has ended by
 * another, which `*mm_tid` is from then on. How many were read, or negative. */
ssize_t stk_read_mm(int pid, _Atomic int *mm_tid, uint64_t addr, void *to, size_t len);

/* Is the memory that was read the same by now, as far as it can be read? */
bool stk_copy_same(const struct stk_copy *c, int pid);

void stk_copy_done(struct stk_copy *c);

#endif
