#include "signal/helper/core.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "signal/crash.h"
#include "signal/helper/helper.h"
#include "targets/dump.h"
#include "targets/dump_file.h"

#define RANGE (32U << 20)

uint8_t *helper_xstate(helper_read_fn *program, uint64_t addr, uint64_t len)
{
	bool fits = addr && len > stk_arch_host->extended_min && len <= HELPER_XSTATE_MAX;
	uint8_t *x = fits ? malloc(len) : NULL;

	if (!x || !program(addr, x, len)) {
		free(x);
		return NULL;
	}
	stk_arch_host->frame_to_note(x);
	return x;
}

bool helper_core_follows(int pid)
{
	char pattern[2] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	struct rlimit r = {0, 0};

	if (fd >= 0 && read(fd, pattern, 1) < 0)
		pattern[0] = 0;
	if (fd >= 0)
		close(fd);
	return pattern[0] == '|' || pattern[0] == '@' ||
	       (!prlimit(pid, RLIMIT_CORE, NULL, &r) && r.rlim_cur > 0);
}

static int copy(struct stk_dump *d, int fd, void (*more_time)(void), struct stk_err *err)
{
	struct stk_dump_worker w = {0};
	int r = 0;

	for (uint64_t off = d->data; off < d->size && !r; off += RANGE) {
		more_time();
		r = stk_dump_copy(d, &w, fd, off, off + RANGE < d->size ? off + RANGE : d->size,
				  err);
	}
	const uint8_t *head = r ? NULL : stk_dump_head(d, &w, 1);
	if (!r)
		r = head ? stk_dump_put(fd, head, d->data, 0, err)
			 : stk_fail(err, STK_ENOMEM, "out of memory");
	stk_dump_worker_done(&w);
	return r;
}

static int write_core(struct stk_target *t, const struct stk_dump_options *o, const char *path,
		      void (*more_time)(void), struct stk_err *err)
{
	struct stk_dump *d = NULL;
	struct stk_dump_file f;
	int r = stk_dump_file_open(&f, path, false, err);

	if (!r)
		r = stk_dump_plan(t, o, &d, err);
	if (!r)
		r = copy(d, f.fd, more_time, err);
	if (!r)
		r = stk_dump_file_commit(&f, d->size, err);
	stk_dump_file_drop(&f);
	stk_dump_free(d);
	return r;
}

void helper_core(struct stk_target *t, const struct stk_crash *c, struct stk_trace_sink sink,
		 helper_read_fn *program,
		 int (*read)(void *arg, uint64_t addr, void *buf, size_t len),
		 void (*more_time)(void))
{
	uint8_t *xstate = helper_xstate(program, c->xstate, c->xstate_len);
	struct stk_dump_options o = {.pid = c->pid,
				     .siginfo = c->siginfo,
				     .own_xstate = xstate,
				     .own_xstate_len = xstate ? c->xstate_len : 0,
				     .own_blocked = &c->blocked,
				     .read = read};
	struct stk_err err;
	char dir[512];

	/* EFBIG says it with words (setrlimit(2), RLIMIT_FSIZE). */
	signal(SIGXFSZ, SIG_IGN);
	more_time();
	int r = write_core(t, &o, c->core_path, more_time, &err);
	free(xstate);
	if (r) {
		stk_trace_note(sink, "[no core: %s; %s]", c->core_reason, err.msg);
	} else {
		bool relative = c->core_path[0] != '/' && getcwd(dir, sizeof(dir));
		stk_trace_note(sink, "[core written to %s%s%s; the kernel leaves none: %s]",
			       relative ? dir : "", relative && dir[1] ? "/" : "", c->core_path,
			       c->core_reason);
	}
	STK_EMIT(sink, flush);
}
