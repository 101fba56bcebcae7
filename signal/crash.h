/*
 * One crash: what the handler saved of it. The helper reads this structure out of the program's
 * memory; both are always of one build (the size is checked).
 */
#ifndef SIGNAL_CRASH_H
#define SIGNAL_CRASH_H

#include <stdint.h>

#include "base/arch.h"

#define STK_CRASH_MAGIC 0x31485341524b5453ULL /* "STKRASH1" */
#define STK_OTHERS_MAX  16384

/* It asks threads for their registers: glibc's SIGSETXID (nptl, SIGRTMIN − 1 before its own), which
 * its mask functions never block. */
#define STK_COLLECT_SIGNAL 33

/* Where a thread was that answered the collecting signal: it keeps this on its stack while it
 * stands. */
struct stk_answer {
	uint64_t gregs[STK_GREGS_MAX];        /* in the layout of NT_PRSTATUS */
	uint64_t xstate, xstate_len, blocked; /* as below, of this thread */
};

/* A thread that was asked. */
struct stk_other {
	int32_t tid; /* 0: it has ended since */
	uint32_t answered;
	uint64_t stood; /* address of its struct stk_answer; 0: it crashed too, and is `parked` */
};

/* Threads that crashed meanwhile and wait for their turn, with the registers of their fault. */
#define STK_PARKED_MAX 32
struct stk_parked {
	int32_t tid;    /* 0: free */
	uint32_t there; /* the registers are */
	struct stk_answer stood;
};

struct stk_crash {
	uint64_t magic;
	uint32_t size; /* of this structure */
	int32_t pid, tid;
	int32_t signo; /* 0: asked for by libstack_dump() */
	int32_t code;
	uint32_t level, args;
	uint32_t secure;      /* no words, registers, addresses are told */
	uint32_t unlisted;    /* enum stk_trace_unlisted, where there is no /proc */
	uint32_t report_ms;   /* for the helper's report */
	uint32_t others_only; /* thread 1, registers: already printed */
	uint32_t has_fpregs;
	uint32_t nowhere; /* the fault was the fetch of an instruction: the pc is in no code */
	uint32_t trapped; /* by a breakpoint instruction, which the pc is behind */
	uint32_t ends;    /* the program does not go on: no thread of it runs any more */
	uint64_t gregs[STK_GREGS_MAX];
	uint8_t fpregs[512];
	uint8_t siginfo[128];
	uint64_t images; /* `nimages` of struct stk_img */
	uint32_t nimages;
	/* Threads by the collecting signal: `nothers` of struct stk_other at this address. */
	uint64_t others;
	uint32_t nothers;
	struct stk_parked parked[STK_PARKED_MAX];
	/* The core that the helper is to write, why the kernel writes none, and what the core says
	 * of thread 1 besides: its signal mask, where its extended registers are. */
	uint64_t xstate, xstate_len, blocked;
	char core_path[768]; /* empty: none is wanted */
	char core_reason[256];
};

/* How long the helper holds the threads for the kernel's core at most. */
#define STK_HOLD_SECONDS 60

/* What the helper's exit status says. */
enum stk_helper_status {
	STK_HELPER_DONE = 0,     /* the report is written whole */
	STK_HELPER_PARTIAL = 1,  /* written, something was incomplete and said so */
	STK_HELPER_NOTHING = 20, /* nothing was written */
	STK_HELPER_ATTACH = 21,  /* nothing was written: the program cannot be read */
	STK_HELPER_WRITE = 22,   /* the output could not be written */
	STK_HELPER_PROC = 23,    /* nothing was written: /proc is of another PID namespace */
	STK_HELPER_CRASHED = 24, /* a fault before it was started */
	STK_HELPER_EXEC = 127,   /* it could not be started */
};

/* Requests over the socket between the helper and its supervisor, which shares the program's
 * memory (tier 2). One packet each way; none back for STK_ASK_WRITES: the helper is about to write
 * a piece of its report that ends with the byte `len`. */
enum stk_ask {
	STK_ASK_READ = 1,
	STK_ASK_MAPS = 2,
	STK_ASK_THREADS = 3,
	STK_ASK_WRITES = 4,
	STK_ASK_TIME = 5, /* the report is out, the core goes on: the reply is milliseconds */
	/* The helper is done: `len` is its exit status. Where STK_HOLDS is added it stays until the
	 * program has ended: threads stand that only ptrace holds. */
	STK_ASK_DONE = 6,
};
#define STK_HOLDS 0x100U
struct stk_request {
	uint32_t ask, len;
	uint64_t addr;
};
#define STK_REPLY_MAX 16384
/* What stands beside the descriptor of a map: /proc's own, or one made without it. */
enum stk_maps { STK_MAPS_REAL = 1, STK_MAPS_MADE = 2 };

#endif
