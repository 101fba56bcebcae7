/* Where a report goes, and how its bytes get there in time. CRASH context. */
#ifndef SIGNAL_OUT_H
#define SIGNAL_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct stk_out {
	struct stk_text text;
	int fd; /* -1: nowhere */
	bool own;
	bool pipe;
	uint64_t deadline_ns;
	unsigned tries;   /* to write on, that came to nothing */
	bool late;        /* the deadline passed while writing */
	bool survives;    /* the program may go on: no signal of a failed write is left to it */
	uint64_t pending; /* signals that it had pending before; if it survives */
	bool mid_line;    /* what was written last does not end with a line */
	char buf[1024];
};

/* CRASH context. `fd` < 0: LIBSTACK_OUTPUT, else stderr if it is still what it was. */
void stk_out_open(struct stk_out *o, int fd, uint64_t deadline_ns);
/* End the line that something else has left unfinished. */
void stk_out_fresh_line(struct stk_out *o);
void stk_out_done(struct stk_out *o);
/* Would a write not wait now? true also where that cannot be asked. */
bool stk_out_has_room(const struct stk_out *o);
/* CRASH context: into /dev/null. */
void stk_out_nowhere(struct stk_out *o);

/* CRASH context. A path with %p (pid), %e (name), %t (seconds since the epoch), %%. */
void stk_out_expand(struct stk_text *t, const char *path);

#endif
