#include "base/err.h"

#include "base/text.h"

/* The errno values that files and new processes give (errno(3)). */
const char *stk_errno_text(int sys)
{
	static const struct {
		int sys;
		const char *text;
	} table[] = {{1, "operation not permitted"},
		     {2, "no such file or directory"},
		     {3, "no such process"},
		     {5, "input/output error"},
		     {8, "not a program of this machine"},
		     {9, "bad file descriptor"},
		     {11, "resource temporarily unavailable"},
		     {12, "out of memory"},
		     {13, "permission denied"},
		     {20, "not a directory"},
		     {21, "is a directory"},
		     {23, "too many open files in the system"},
		     {24, "too many open files"},
		     {26, "text file busy"},
		     {27, "file too large"},
		     {28, "no space left on device"},
		     {30, "read-only file system"},
		     {36, "name too long"},
		     {38, "not known to this kernel"},
		     {40, "too many symbolic links"},
		     {122, "disk quota exceeded"}};

	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].sys == sys)
			return table[i].text;
	return 0;
}

static void fill(struct stk_err *err, int code, int sys, uint64_t addr, const char *fmt, va_list ap)
{
	struct stk_text t;

	*err = (struct stk_err){.code = code, .sys = sys, .addr = addr};
	stk_text_init(&t, err->msg, sizeof(err->msg));
	stk_vprintf(&t, fmt, ap);
	if (sys && stk_errno_text(sys))
		stk_printf(&t, ": %s", stk_errno_text(sys));
	else if (sys)
		stk_printf(&t, ": errno %d", sys);
}

int stk_fail(struct stk_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (err)
		fill(err, code, 0, 0, fmt, ap);
	va_end(ap);
	return code;
}

int stk_fail_sys(struct stk_err *err, int sys, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (err)
		fill(err, STK_ESYS, sys, 0, fmt, ap);
	va_end(ap);
	return STK_ESYS;
}

int stk_fail_at(struct stk_err *err, int code, uint64_t addr, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (err)
		fill(err, code, 0, addr, fmt, ap);
	va_end(ap);
	return code;
}
