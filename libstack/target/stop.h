/* Stopping the threads of a process with ptrace(2), and letting them go. Inside target/ only. */
#ifndef STK_TARGET_STOP_H
#define STK_TARGET_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stk_stop_state {
	STK_STOPPING, /* seized, not yet stopped */
	STK_STOPPED,
	STK_GONE,    /* ended meanwhile */
	STK_REFUSED, /* `err` tells why */
};

struct stk_stopped {
	int tid, err;
	enum stk_stop_state state;
	int signal; /* taken from it on the way in; given back when it goes on */
};

struct stk_stops {
	struct stk_stopped *v;
	unsigned n, cap;
};

/* Stop every thread of `pid` but `except`; those that appear meanwhile too. Waits at most `ms`
 * milliseconds. 0, or a negative errno when the threads cannot be listed. */
int stk_stop_all(struct stk_stops *s, int pid, int except, unsigned ms);

/* Registers of a stopped thread by note type (NT_PRSTATUS, NT_PRFPREG); the bytes read, or a
 * negative errno. */
int stk_stop_regs(int tid, unsigned note, void *buf, size_t len);

/* Let all go on: an interrupted system call that the kernel would not restart begins anew. */
void stk_stop_done(struct stk_stops *s);

#endif
