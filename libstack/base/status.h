/* The text of /proc/PID/status and /proc/PID/stat (proc(5)). Freestanding. */
#ifndef STK_BASE_STATUS_H
#define STK_BASE_STATUS_H

#include <stdint.h>

/* Behind `key` ("NSpid:") where it begins a line of `text`; NULL: nowhere. The program chooses its
 * name, which stands in the first line, and can look like any key. */
const char *stk_status_line(const char *text, const char *key);

/* The decimal number at `s`; 0: none. */
int stk_number(const char *s);

/* The last decimal number from `s` to the end of its line; 0: none. */
long stk_last_number(const char *s);

/* The hexadecimal number at `s`, after blanks; 0: none. */
uint64_t stk_hex(const char *s);

/* The state letter, and what follows it, in the text of /proc/PID/stat; NULL: it is none. */
const char *stk_stat_state(const char *text);

#endif
