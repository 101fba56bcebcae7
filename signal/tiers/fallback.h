/*
 * Tier 3: the report by this process itself. Names from the symbol tables (images.h), no
 * argument words, every read guarded. CRASH context.
 */
#ifndef SIGNAL_FALLBACK_H
#define SIGNAL_FALLBACK_H

#include "base/trace.h"
#include "signal/channel/out.h"
#include "signal/crash.h"

/* A new report: nothing of it is written yet. */
void stk_fallback_start(void);

/* The stack of the crashing thread alone, before anything else is tried. true: there is no other,
 * the report is whole. */
bool stk_fallback_first(struct stk_out *out, const struct stk_crash *c);

/* After stk_fallback_first(): what it found out of threads that nobody can list. */
enum stk_trace_unlisted stk_fallback_unlisted(void);

/* The report; what stk_fallback_first() wrote is not written again. `why` the tiers before could
 * not, one line. */
void stk_fallback_report(struct stk_out *out, const struct stk_crash *c, const char *why);

/* A report that crashed on its way: registers, modules and the last line, as far as they are not
 * written yet. */
void stk_fallback_rest(struct stk_out *out, const struct stk_crash *c);

#endif
