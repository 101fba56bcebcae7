/*
 * The stepper over this process: guarded reads, the table of images, call frame information where
 * it is mapped. Rows are kept by pc, in memory of a fixed size. CRASH context.
 */
#ifndef SIGNAL_STEPPER_H
#define SIGNAL_STEPPER_H

#include "signal/images/images.h"
#include "step/step.h"

#define STK_OWN_ROWS 64 /* a power of two */

struct stk_own_stepper {
	struct stk_stepper s;
	const struct stk_images *images;
	struct stk_own_row {
		uint64_t pc; /* 0: none */
		bool there;
		struct stk_cfi_row row;
	} rows[STK_OWN_ROWS];
};

/* Anew whenever the images have changed. */
void stk_own_stepper(struct stk_own_stepper *o, const struct stk_images *images,
		     const struct stk_arch *arch);

#endif
