/*
 * A report as JSON: an array with an object for each event, in their order. Not yet fixed: who
 * reads it must expect another form in the next version.
 */
#ifndef STK_OUTPUT_JSON_H
#define STK_OUTPUT_JSON_H

#include "base/trace.h"

struct stk_json {
	struct stk_text *out;
	struct json_t *event; /* that is being made */
	bool begun;
	bool failed; /* an event is not there, or not whole: no memory was left */
};

/* A sink that writes to `out`. Both live as long as it. */
struct stk_trace_sink stk_json(struct stk_json *j, struct stk_text *out);

/* The end of the array. 0, or STK_ENOMEM where it does not hold all that was emitted. */
int stk_json_end(struct stk_json *j);

#endif
