/* What /proc tells of a process (proc(5)). Inside targets/ only. */
#ifndef STK_TARGET_PROCFS_H
#define STK_TARGET_PROCFS_H

#include "targets/target.h"

/* A whole file below /proc/PID into the pool, NUL-terminated; NULL: errno tells why. */
char *stk_proc_read(struct stk_pool *pool, int pid, const char *name, size_t *ret_len);
#define STK_CMDLINE_MAX 256 /* more than cores and heads show */

/* The beginning of the command line, a NUL behind each word. The whole may be as large as the
 * memory of the process, and a page of it that was never touched is made by reading it. */
char *stk_proc_cmdline(struct stk_pool *pool, int pid, size_t *ret_len);

/* Is the memory gone that an open /proc/PID/mem is of? It is that of one program: after execve(2)
 * it is not that of the next (fs/proc/base.c, mem_rw()). */
bool stk_proc_mem_gone(int mem);
/* The name of a process or a thread; NULL: errno tells why. */
const char *stk_proc_comm(struct stk_pool *pool, int tid);
/* Open it for reading; negative: errno tells why. */
int stk_proc_open(int pid, const char *name);
char *stk_proc_read_fd(struct stk_pool *pool, int fd, size_t *ret_len);

/* One line of /proc/PID/maps, with what smaps adds to it. */
struct stk_vma {
	uint64_t start, end, file_off, inode;
	const char *path; /* "" where there is none; "[stack]" and the like too */
	bool r, w, x, shared;
	bool dontdump, io, huge; /* VmFlags dd, io or pf, ht */
	bool served;             /* um or ui: who reads a page may wait for one who brings it */
	bool touched;            /* private pages of its own */
};

/* The part of it that stands in maps, from that line; false: it is none. `path` points into it. */
bool stk_proc_vma(char *line, struct stk_vma *ret);

/* Fill segments (without bytes) and file mappings from the text of maps. */
void stk_proc_maps(struct stk_target *t, char *text);

/* The threads of a process, to be freed; their number, or a negative errno. */
int stk_proc_tids(int pid, int **ret);

/* The process that a thread is of; 0: it is gone. */
int stk_proc_process(int tid);
/* The process that traces a thread, 0: none, or it is gone by now. */
int stk_proc_tracer(int tid);
/* A thread of a process that another than we traces, and that; 0: none. */
int stk_proc_traced(int pid, int *ret_tracer);
/* The state letter of a thread ('R', 'S', 'D', 't', …), 0 when it is gone. */
char stk_proc_state(int pid, int tid);

/* Is a thread gone, or a zombie, or about to be one or the other? */
bool stk_proc_ended(int pid, int tid);

/* Has it a thread that has not ended? The leader may be a zombie before the others. */
bool stk_proc_lives(int pid);

/* How many turns on a CPU a thread has had (schedstat); 0: not known. */
unsigned long long stk_proc_turns(int pid, int tid);

/* A numeric field of /proc/PID/stat by its number in proc(5), from 4; 0: not there. */
unsigned long long stk_proc_stat(int pid, unsigned field);
#define STK_PROC_VSIZE 23

/* The thread to ask for the memory of a process: one that has not ended, for a thread that has, as
 * a leader that left by pthread_exit(), has no mm any more (kernel/exit.c, exit_mm()). */
int stk_proc_mm_tid(int pid);
/* The thread `used` may have ended while others go on: choose `*mm_tid` anew. Is it another now?
 * From any thread. */
bool stk_proc_other_mm_tid(int pid, _Atomic int *mm_tid, int used);

/* A number in the line of /proc/PID/status that begins with `key` ("TracerPid:"); -1: not there. */
long stk_proc_status(int pid, const char *key);

/* A hexadecimal one ("CapEff:"); false: not there. */
bool stk_proc_mask(int pid, const char *key, unsigned long long *ret);

/* Its number in its own PID namespace. */
int stk_proc_inner_pid(int pid);

/* When it was started, in seconds since the epoch; 0: not known. */
int64_t stk_proc_started(int pid);

#endif
