/*
 * A core and its program with debug information, the core's length (4 bytes, little endian) before
 * them: opened, unwound by both unwinders, reported with arguments, decoded, looked up by name.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/frame.h"
#include "output/report.h"
#include "symbols/symtab.h"
#include "unwind/second.h"
#include "values/args.h"
#include "values/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 64

static int swallow(void *arg, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

static void look_at_frames(struct stk_text *out, struct stk_modules *ms, stk_unwind_fn *unwind)
{
	struct stk_words words;
	struct stk_stack s;

	if (unwind(ms, &ms->target->threads[0], FRAMES_MAX, &s) == 0) {
		for (size_t i = 0; i < s.n; i++) {
			stk_frame_args(ms, &s, i, &words);
			stk_words_write(out, &words);
			for (unsigned p = 0; p < 4; p++)
				stk_frame_arg(ms, &s, i, p, &words);
		}
		stk_frame_rows(stk_rows_text(out), ms, &s, 0, s.n);
	}
	stk_stack_done(&s);
}

static bool count(void *arg, const char *name)
{
	(void)name;
	return ++*(unsigned *)arg < 1000;
}

static void look_up(struct stk_text *out, struct stk_modules *ms)
{
	static const char *const specs[] = {"struct s", "struct evil", "enum e,long", "one[2],s0"};
	static const uint64_t words[64] = {0x19010001, 2, 3};
	struct stk_place_line at;
	struct stk_err err;
	const char *file;
	unsigned line, n = 0;
	uint64_t addr;

	for (unsigned i = 0; i < sizeof(specs) / sizeof(*specs); i++)
		stk_decode(out, words, 64, specs[i], ms, &err);
	stk_function_find(ms, "inner", &file, &line, &addr);
	stk_source_find(ms, "t.c");
	stk_function_each(ms, "o", count, &n);
	stk_source_each(ms, "t", count, &n);
	for (unsigned i = 0; i < ms->n; i++)
		for (uint64_t pc = ms->v[i]->start; pc < ms->v[i]->end && n < 2000; pc += 16, n++) {
			stk_line_at(ms->v[i], pc, &at);
			stk_scopes_at(ms->v[i], pc);
		}
}

static void examine(struct stk_target *t, const char *bin)
{
	struct stk_symbol_options options = {.bin = bin};
	struct stk_modules *ms = NULL;
	struct stk_trace_text text;
	struct stk_text out;
	struct stk_err err;
	size_t total = 0;
	char buf[4096];

	if (stk_modules_open(t, &options, &ms, &err) != 0)
		return;
	stk_text_init_stream(&out, buf, sizeof(buf), swallow, &total);
	stk_report_emit(stk_trace_text(&text, &out), ms, NULL);
	if (t->nthreads) {
		look_at_frames(&out, ms, stk_unwind);
		look_at_frames(&out, ms, stk_unwind_second);
	}
	look_up(&out, ms);
	stk_text_flush(&out);
	stk_modules_close(ms);
}

/* A file without a name that holds the bytes; its path. */
static int file_of(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("part", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size)
		return fd;
	close(fd);
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char core_path[64], bin_path[64];
	struct stk_target *t = NULL;
	struct stk_err err;
	uint32_t len;

	if (size < sizeof(len))
		return 0;
	memcpy(&len, data, sizeof(len));
	data += sizeof(len);
	size -= sizeof(len);
	if (len > size)
		return 0;
	int core = file_of(data, len, core_path), bin = file_of(data + len, size - len, bin_path);
	if (core >= 0 && bin >= 0 && stk_core_open(core_path, -1, &t, &err) == 0) {
		examine(t, bin_path);
		stk_target_close(t);
	}
	if (core >= 0)
		close(core);
	if (bin >= 0)
		close(bin);
	return 0;
}
