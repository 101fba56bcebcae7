/* Any bytes as a core: opened, unwound by both unwinders, reported into nothing. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/report.h"
#include "unwind/second.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int swallow(void *arg, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

static void examine(struct stk_target *t)
{
	struct stk_symbol_options options = {0};
	struct stk_modules *ms = NULL;
	struct stk_text out;
	struct stk_trace_text text;
	struct stk_err err;
	size_t total = 0;
	char buf[4096];

	if (stk_modules_open(t, &options, &ms, &err) != 0)
		return;
	for (unsigned i = 0; i < t->nthreads && i < 16; i++) {
		struct stk_stack stack;

		if (stk_unwind_second(ms, &t->threads[i], 64, &stack) == 0)
			stk_stack_done(&stack);
	}
	stk_text_init_stream(&out, buf, sizeof(buf), swallow, &total);
	stk_report_emit(stk_trace_text(&text, &out), ms, NULL);
	stk_text_flush(&out);
	stk_modules_close(ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("core", MFD_CLOEXEC);
	struct stk_target *t = NULL;
	struct stk_err err;
	char path[64];

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size && stk_core_open(path, -1, &t, &err) == 0) {
		examine(t);
		stk_target_close(t);
	}
	close(fd);
	return 0;
}
