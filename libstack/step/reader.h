/* Where bytes come from: guarded reads of this process, a core, a file. The caller gives it. */
#ifndef STK_STEP_READER_H
#define STK_STEP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stk_reader {
	/* false: some byte is not there; `to` may be partly written. */
	bool (*read)(void *arg, uint64_t addr, void *to, size_t len);
	void *arg;
};

static inline bool stk_read(const struct stk_reader *from, uint64_t addr, void *to, size_t len)
{
	return from->read(from->arg, addr, to, len);
}

/* A machine word. */
static inline bool stk_read_word(const struct stk_reader *from, uint64_t addr, uint64_t *ret)
{
	return from->read(from->arg, addr, ret, sizeof(*ret));
}

#endif
