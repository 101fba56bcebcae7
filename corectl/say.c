/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static int to_stderr(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	return fwrite(bytes, 1, len, stderr) == len ? 0 : -1;
}

static void put(const char *before, const char *fmt, va_list ap, const char *after)
{
	char buf[1024];
	struct stk_text t;

	stk_text_init_stream(&t, buf, sizeof(buf), to_stderr, NULL);
	stk_puts(&t, before);
	if (fmt)
		stk_vprintf(&t, fmt, ap);
	stk_puts(&t, after);
	stk_text_flush(&t);
	fflush(stderr);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put("corectl: ", fmt, ap, "\n");
	va_end(ap);
}

void say_progress(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(fmt ? "\r\033[Kcorectl: " : "\r\033[K", fmt, ap, "");
	va_end(ap);
}
