/* The stepper over a target: its memory, its modules' call frame information. */
#ifndef STK_UNWIND_STEPPER_H
#define STK_UNWIND_STEPPER_H

#include "step/step.h"
#include "symbols/module.h"

struct stk_target_stepper {
	struct stk_stepper s;
	struct stk_reader mem;
	struct stk_modules *ms;
};

/* It points into itself. */
void stk_target_stepper(struct stk_target_stepper *ts, struct stk_modules *ms);

#endif
