/* Errors as values: a negative code returned, the details in a caller's struct. Freestanding. */
#ifndef STK_BASE_ERR_H
#define STK_BASE_ERR_H

#include <stdint.h>

/* The numbers are stable. */
enum stk_code {
	STK_OK = 0,
	STK_ENOMEM = -1,        /* out of memory */
	STK_ESYS = -2,          /* system call failed */
	STK_EFORMAT = -3,       /* damaged data */
	STK_ENOTELF = -4,       /* not an ELF file */
	STK_ENOTCORE = -5,      /* not a core file */
	STK_EARCH = -6,         /* architecture not supported */
	STK_EUNREADABLE = -7,   /* memory not available */
	STK_ENODATA = -8,       /* no data */
	STK_EUNSUPPORTED = -10, /* not supported */
	STK_EARG = -11,         /* bad argument */
	STK_EINTR = -13,        /* interrupted */
};

/* What went wrong. `sys` is an errno value or 0, `addr` the target address concerned or 0. */
struct stk_err {
	int code;
	int sys;
	uint64_t addr;
	char msg[232];
};

/* "no such file or directory" for an errno value; NULL where the table has none. */
const char *stk_errno_text(int sys);

/* Fill `err` (may be NULL) and return `code`. The format is that of stk_printf() in text.h. */
int stk_fail(struct stk_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As stk_fail(), for a failed system call: keeps `sys` and appends its text (": no such file or
 * directory"). */
int stk_fail_sys(struct stk_err *err, int sys, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As stk_fail(), with the target address concerned. */
int stk_fail_at(struct stk_err *err, int code, uint64_t addr, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
