/* The one state of the library in a process. Written in NORMAL context, read in CRASH context. */
#ifndef SIGNAL_STATE_H
#define SIGNAL_STATE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <ucontext.h>

#include "base/text.h"
#include "clock.h"
#include "crash.h"
#include "gate.h"
#include "images.h"
#include "options.h"
#include "stderr.h"

struct stk_state {
	struct stk_options o;
	bool installed;
	struct stk_stderr err;
	int filters; /* seccomp filters that the program was started under */
	struct stk_images images;
	int pid;                /* that of the constructor, or of libstack_install() */
	struct stk_crash crash; /* of the owner of the gate */
};

extern struct stk_state stk_g;

/* The embedded helper; end == start: there is none. */
extern const uint8_t stk_helper_start[], stk_helper_end[];

/* Where a report goes. */
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

/* CRASH context: the handler of every signal that the library handles. */
void stk_handler(int sig, siginfo_t *si, void *uc);

/* ANY context: the report without a signal. */
int stk_dump(int fd, const uint64_t *gregs);

/* true: the action is ours. */
bool stk_is_ours(const struct sigaction *sa);

/* CRASH context: sigaction(2) without libc; old or new may be NULL. */
struct stk_ksigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
long stk_sigaction(int sig, const struct stk_ksigaction *sa, struct stk_ksigaction *old);
/* ANY context: what is blocked while a thread is in the library. */
uint64_t stk_handler_mask(void);
/* The action with which our handler is installed. */
struct stk_ksigaction stk_our_action(void);

#endif
