/* A live process as a target: its threads stopped by ptrace, its memory read page by page. */
#ifndef STK_TARGET_LIVE_H
#define STK_TARGET_LIVE_H

#include "targets/target.h"

/* How a live process is reached. Zero is the ordinary way: ptrace and process_vm_readv, stopped
 * until it is resumed. */
struct stk_live_options {
	/* A thread that stands still by itself (it waits in a signal handler), with its registers
	 * in the layout of NT_PRSTATUS's general registers and NT_FPREGSET; 0: none. It becomes
	 * thread 1. */
	int own_tid;
	const void *own_gregs, *own_fpregs;
	size_t own_gregs_len, own_fpregs_len;

	bool only_own;    /* stop no other thread */
	unsigned stop_ms; /* how long a thread may take to stop when it is asked; 0: 2000 */

	/* Copy the stacks while it stands. */
	bool copy;
	/* With `copy`: let it run on at once. What was not copied is read from the running process
	 * when it is asked for. */
	bool brief;

	/* Read memory another way: `len` bytes at `addr` into `buf`, 0 or negative; NULL: not so.
	 */
	int (*read)(void *arg, uint64_t addr, void *buf, size_t len);
	/* Registers of a thread that are better than those ptrace gives, or the only ones: general
	 * ones in the layout of NT_PRSTATUS, and NT_FPREGSET's where `ret_fp` becomes true. false:
	 * not known. Asked when all threads stand still. */
	bool (*regs)(void *arg, int tid, void *gregs, size_t len, void *fpregs, size_t fplen,
		     bool *ret_fp);
	/* Does a thread stand still by itself, so that `regs` know it and it need not be stopped?
	 */
	bool (*stands)(void *arg, int tid);
	/* Those, one after the other, where /proc does not list threads; negative: this is none; 0:
	 * no more. NULL: there are none. */
	int (*standing)(void *arg, unsigned i);
	/* ptrace was refused: make the threads stand still another way, and `regs` know them. */
	void (*collect)(void *arg);
	void *arg;
	int maps_fd; /* an open /proc/PID/maps; 0: opened by path */

	/* Set from a signal handler to give the process up; NULL: none. The target has it too. */
	const volatile sig_atomic_t *interrupt;
};

#define STK_LIVE_ENDED "has ended"

/* How a process was looked at, and what is known of it now. */
struct stk_live_info {
	int pid;
	int asked_tid; /* a thread of it was asked for; 0: the process */
	int inner_pid; /* its number in its own PID namespace */
	/* How long its threads that were at work stood still, and those that slept; 0: they still
	 * do. */
	int64_t still_ns, slept_ns;
	bool was_stopped; /* by a signal, before we came: it stays so */
	bool other_root;  /* its files are not ours: another mount namespace or root */
	int64_t started;  /* seconds since the epoch, 0: not known */
	/* Since stk_live_answer(): */
	bool newer;       /* memory was read that may have changed since the registers were */
	const char *gone; /* why memory can no longer be read, or NULL */
};

/*
 * Open a running process: its threads are stopped until stk_live_resume() or
 * stk_target_close(). Threads that come or go meanwhile are followed; those that could not be
 * stopped are counted in target->missing with the reason in target->missing_reason.
 * STK_ESYS: no such process, or nothing of it can be read (err says which right is missing), or the
 * kernel does not get on with it. STK_EINTR: `interrupt`.
 */
int stk_live_open(int pid, const struct stk_live_options *o, struct stk_target **ret,
		  struct stk_err *err);

/* Let the threads run on. Memory and registers already read stay as they were; what was not read is
 * no longer to be had. A second call does nothing. */
void stk_live_resume(struct stk_target *t);

/* Run `f(arg)` in the thread that traces, while the process stands: no other may use ptrace(2) on
 * it. */
void stk_live_trace(struct stk_target *t, void (*f)(void *arg), void *arg);

/* From here on memory of the running process is read anew. */
void stk_live_answer(struct stk_target *t);

/* Is the process still there, and the same program? info->gone tells. */
bool stk_live_same(struct stk_target *t);
/* The same without a note of it: why its memory is no longer there ("has ended", …), or NULL. From
 * any thread. */
const char *stk_live_gone(const struct stk_target *t);

/* false: /proc is that of another PID namespace, where our numbers mean others. */
bool stk_proc_is_ours(void);

/* NULL: the target is no process. */
const struct stk_live_info *stk_live_info(const struct stk_target *t);

#endif
