/* A report with each mark and each kind of event, emitted by hand. */
#ifndef TESTS_EVERY_MARK_H
#define TESTS_EVERY_MARK_H

#include "base/trace.h"

static const char *every_name(void *arg, unsigned param)
{
	(void)arg;
	return param == 1 ? "point" : NULL;
}

static void every_frame(struct stk_trace_sink sink, struct stk_trace_frame f)
{
	struct stk_words none;

	stk_words_init(&none, false);
	if (!f.words)
		f.words = &none;
	STK_EMIT(sink, frame, &f);
}

static void every_mark(struct stk_trace_sink sink)
{
	static const uint8_t id[] = {0x1f, 0x0e};
	struct stk_words w;

	stk_words_init(&w, true);
	stk_words_add(&w, STK_WORD_VALUE, UINT64_MAX, 0);
	stk_words_add(&w, STK_WORD_OPEN, 0, 1);
	stk_words_add(&w, STK_WORD_GUESS, 7, 1);
	stk_words_add(&w, STK_WORD_UNKNOWN, 0, 1);
	stk_words_add(&w, STK_WORD_CLOSE, 0, 1);
	stk_words_add(&w, STK_WORD_DIFFERS, 0, 2);
	stk_words_add(&w, STK_WORD_MORE, 0, 3);
	w.names = (struct stk_word_names){every_name, NULL};
	STK_EMIT(sink, head,
		 &(struct stk_trace_head){.signo = 11,
					  .pc = UINT64_MAX,
					  .tid = 5,
					  .has_code = true,
					  .code = 1,
					  .has_addr = true,
					  .addr = 0});
	STK_EMIT(sink, why, "a call through \xff\\");
	stk_trace_note(sink, "[no core: %s]", "disk full");
	STK_EMIT(sink, thread,
		 &(struct stk_trace_thread){
		     .numbers = "1", .count = 1, .tid = 5, .name = "a\"b", .state = "running"});
	every_frame(sink, (struct stk_trace_frame){
			      .name = "near", .words = &w, .file = "a.c", .near = true});
	every_frame(sink, (struct stk_trace_frame){.name = "caf\xc3\xa9",
						   .file = "b\xff.c",
						   .line = 9,
						   .func_off = 0x2a,
						   .inlined = true,
						   .detail = true,
						   .fp = 1,
						   .sp = 2,
						   .pc = 3});
	every_frame(sink, (struct stk_trace_frame){.name = "lost",
						   .module = "a.so",
						   .module_off = 1,
						   .how = STK_HOW_SCAN,
						   .detail = true,
						   .no_fp = true,
						   .no_sp = true,
						   .pc = 3});
	STK_EMIT(sink, elided, 12);
	every_frame(sink, (struct stk_trace_frame){
			      .module = "libc.so.6", .module_off = 0x10, .signal = true});
	every_frame(sink, (struct stk_trace_frame){.pc = 0x11, .how = STK_HOW_FP});
	every_frame(sink, (struct stk_trace_frame){.pc = 0x12, .how = STK_HOW_SCAN});
	every_frame(sink, (struct stk_trace_frame){.pc = 0x13, .how = STK_HOW_TAIL});
	STK_EMIT(sink, stopped, "what is marked as scanned is a guess");
	STK_EMIT(sink, thread,
		 &(struct stk_trace_thread){.numbers = "2-4,6", .count = 4, .state = "stopped"});
	every_frame(sink, (struct stk_trace_frame){.pc = 0x14, .hidden = true, .detail = true});
	STK_EMIT(sink, reg, "rax", UINT64_MAX);
	STK_EMIT(sink, reg, "rflags", 0);
	STK_EMIT(sink, module, &(struct stk_trace_module){1, 2, id, sizeof(id), "/bin/app", false});
	STK_EMIT(sink, module, &(struct stk_trace_module){3, 4, NULL, 0, "/bin/b", true});
	STK_EMIT(sink, end,
		 &(struct stk_trace_end){.shown = 5,
					 .total = 7,
					 .unlisted = STK_UNLISTED_SOME,
					 .missing_reason = "they cannot be listed"});
	stk_trace_note(sink, "[core written to %s]", "/tmp/core");
}

#endif
