/* What /proc tells of a process (proc(5)). Inside target/ only. */
#ifndef STK_TARGET_PROCFS_H
#define STK_TARGET_PROCFS_H

#include "target/target.h"

/* A whole file below /proc/PID into the pool, NUL-terminated; NULL: errno tells why. */
char *stk_proc_read(struct stk_pool *pool, int pid, const char *name, size_t *ret_len);
char *stk_proc_read_fd(struct stk_pool *pool, int fd, size_t *ret_len);

/* Fill segments (without bytes) and file mappings from the text of maps. */
void stk_proc_maps(struct stk_target *t, char *text);

/* The threads of a process into `tids`, at most `max`; the number there are, or a negative errno.
 */
int stk_proc_tids(int pid, int *tids, unsigned max);

/* The state letter of a thread ('R', 'S', 'D', 't', …), 0 when it is gone. */
char stk_proc_state(int pid, int tid);

/* A number after `key` in /proc/PID/status ("TracerPid:"); -1: not there. */
long stk_proc_status(int pid, const char *key);

#endif
