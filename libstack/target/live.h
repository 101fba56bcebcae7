/* A live process as a target: its threads stopped by ptrace, its memory read page by page. */
#ifndef STK_TARGET_LIVE_H
#define STK_TARGET_LIVE_H

#include "target/target.h"

/* How a live process is reached. Zero is the ordinary way: ptrace and process_vm_readv. */
struct stk_live_options {
	/* A thread that stands still by itself (it waits in a signal handler), with its registers
	 * in the layout of NT_PRSTATUS's general registers and NT_FPREGSET; 0: none. It becomes
	 * thread 1. */
	int own_tid;
	const void *own_gregs, *own_fpregs;
	size_t own_gregs_len, own_fpregs_len;

	bool only_own;    /* stop no other thread */
	unsigned stop_ms; /* how long a thread may take to stop; 0: 2000 */

	/* Read memory another way: `len` bytes at `addr` into `buf`, 0 or negative; NULL: not so.
	 */
	int (*read)(void *arg, uint64_t addr, void *buf, size_t len);
	/* Registers of a thread that are better than those ptrace gives, or the only ones; false:
	 * not known. Asked when all threads stand still. */
	bool (*regs)(void *arg, int tid, void *gregs, size_t len);
	/* ptrace was refused: make the threads stand still another way, and `regs` know them. */
	void (*collect)(void *arg);
	void *arg;
	int maps_fd; /* an open /proc/PID/maps; 0: opened by path */
};

/*
 * Open a running process: its threads are stopped until stk_live_resume() or
 * stk_target_close(). Threads that come or go meanwhile are followed; those that could not be
 * stopped are counted in target->missing with the reason in target->missing_reason.
 * STK_ESYS: no such process, or nothing of it can be read (err says which right is missing).
 */
int stk_live_open(int pid, const struct stk_live_options *o, struct stk_target **ret,
		  struct stk_err *err);

/* Let the threads run on. Memory and registers already read stay as they were; what was not read is
 * no longer to be had. A second call does nothing. */
void stk_live_resume(struct stk_target *t);

#endif
