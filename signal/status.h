/* Numbers of /proc/PID/status (proc(5)). CRASH context. */
#ifndef SIGNAL_STATUS_H
#define SIGNAL_STATUS_H

/* The last number of the line that begins with `key` ("NSpid:"); 0 where there is none. */
int stk_status_number(const char *path, const char *key);

#endif
