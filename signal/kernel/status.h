/* Small files of /proc (proc(5)). CRASH context. */
#ifndef SIGNAL_STATUS_H
#define SIGNAL_STATUS_H

#include <stddef.h>

/* The first cap − 1 bytes of a file, NUL-terminated; their number, or a negative errno value. */
long stk_read_small(const char *path, char *buf, size_t cap);

/* The line of a file that begins with `key`, into `line`, cut to cap − 1 bytes: what is behind the
 * key; NULL: there is none. */
const char *stk_status_find(const char *path, const char *key, char *line, size_t cap);

/* The last number of the line that begins with `key` ("NSpid:"); 0 where there is none. */
int stk_status_number(const char *path, const char *key);

#endif
