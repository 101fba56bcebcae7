/* CORE BIN: the engine alone. The report, then the arguments of each frame of the first thread and
 * a word taken apart; 0 complete, 1 not, 2 the core or its modules cannot be opened. */
#include <stdio.h>

#include "output/report.h"
#include "values/args.h"
#include "values/decode.h"

static int put(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	return fwrite(bytes, 1, len, stdout) == len ? 0 : -1;
}

static int put_arguments(struct stk_text *out, struct stk_modules *ms)
{
	struct stk_stack s;
	struct stk_words words;

	if (stk_unwind(ms, &ms->target->threads[0], 0, &s)) {
		stk_stack_done(&s);
		return 1;
	}
	for (size_t i = 0; i < s.n; i++) {
		stk_frame_args(ms, &s, i, &words);
		stk_printf(out, "frame %lu(", (unsigned long)i);
		stk_words_write(out, &words);
		stk_puts(out, ")\n");
	}
	stk_stack_done(&s);
	return 0;
}

static int look(struct stk_target *t, const char *bin)
{
	static const uint64_t word = 0x19010001;
	struct stk_symbol_options options = {.bin = bin};
	struct stk_modules *ms = NULL;
	struct stk_err err;
	struct stk_text out;
	struct stk_trace_text text;
	char buf[4096];
	int r = 0;

	if (stk_modules_open(t, &options, &ms, &err))
		return 2;
	stk_text_init_stream(&out, buf, sizeof(buf), put, NULL);
	r |= stk_report_emit(stk_trace_text(&text, &out), ms,
			     &(struct stk_report_options){.system = true}) != 0;
	r |= put_arguments(&out, ms);
	r |= stk_decode(&out, &word, 1, "struct flags", ms, &err) != 0;
	stk_text_flush(&out);
	for (const struct stk_remark *m = t->remarks; m; m = m->next)
		r |= m->incomplete;
	stk_modules_close(ms);
	return r;
}

int main(int argc, char **argv)
{
	struct stk_target *t = NULL;
	struct stk_err err;

	if (argc != 3)
		return 64;
	if (stk_core_open(argv[1], -1, &t, &err))
		return 2;
	int r = look(t, argv[2]);
	stk_target_close(t);
	return r;
}
