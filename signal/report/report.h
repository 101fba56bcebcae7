/*
 * The report, phase by phase: the threads stand, the header, the tiers, the last line. CRASH
 * context, all of it, on the handler's own stack.
 */
#ifndef SIGNAL_REPORT_H
#define SIGNAL_REPORT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "signal/channel/out.h"

/* How far the report has come: a fault inside it goes on with what is left. */
enum stk_phase {
	STK_PHASE_START,
	STK_PHASE_HALT,
	STK_PHASE_HEADER,
	STK_PHASE_HELPER,
	STK_PHASE_IN_PROCESS,
	STK_PHASE_END,
	STK_PHASE_DELIVERED,
};

struct stk_reporting {
	enum stk_phase phase;
	unsigned faults;
	bool halted; /* it was tried before the header */
	uint64_t deadline_ns;
	const char *core_note; /* why there will be no core, and nobody has said it yet */
	struct stk_out out;
	int fd;
	int result;
	stack_t altstack;
	uint64_t back; /* stk_dump's way back out of a report that crashed */
};
extern struct stk_reporting stk_reporting;

/* Go on with the report from its phase. `faults` counts how often it has crashed itself. */
void stk_report(void);

#endif
