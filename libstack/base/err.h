/* Errors as values: a negative code returned, the details in a caller's struct. Freestanding. */
#ifndef STK_BASE_ERR_H
#define STK_BASE_ERR_H

#include <stdint.h>

/* One row per code: name, number, short English text. The number is stable. */
#define STK_ERRORS(X)                                                                              \
	X(STK_ENOMEM, -1, "out of memory")                                                         \
	X(STK_ESYS, -2, "system call failed")                                                      \
	X(STK_EFORMAT, -3, "damaged data")                                                         \
	X(STK_ENOTELF, -4, "not an ELF file")                                                      \
	X(STK_ENOTCORE, -5, "not a core file")                                                     \
	X(STK_EARCH, -6, "architecture not supported")                                             \
	X(STK_EUNREADABLE, -7, "memory not available")                                             \
	X(STK_ENODATA, -8, "no data")                                                              \
	X(STK_EMISMATCH, -9, "does not match")                                                     \
	X(STK_EUNSUPPORTED, -10, "not supported")                                                  \
	X(STK_EARG, -11, "bad argument")                                                           \
	X(STK_ELIMIT, -12, "limit reached")                                                        \
	X(STK_EINTR, -13, "interrupted")

enum stk_code {
	STK_OK = 0,
#define STK_X(name, number, text) name = number,
	STK_ERRORS(STK_X)
#undef STK_X
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

/* The short text of a code; never NULL. */
const char *stk_strcode(int code);

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
