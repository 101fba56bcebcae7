#include "signal/images/stepper.h"

#include "signal/images/images.h"
#include "signal/kernel/guard.h"

static struct stk_cfi cfi_of(const struct stk_img *img)
{
	return (struct stk_cfi){.mem = &stk_guarded,
				.hdr = img->eh_hdr,
				.hdr_len = img->eh_hdr_len,
				.frames = img->eh_frame,
				.frames_len = img->eh_frame_len};
}

static const struct stk_cfi_row *row(void *arg, uint64_t pc)
{
	struct stk_own_stepper *o = arg;
	struct stk_own_row *r = &o->rows[(pc ^ pc >> 6) % STK_OWN_ROWS];

	if (!pc)
		return 0;
	if (r->pc != pc) {
		const struct stk_img *img = stk_image_of(o->images, pc);
		struct stk_cfi cfi = img ? cfi_of(img) : (struct stk_cfi){0};
		r->pc = 0; /* a fault may end the report here */
		r->there = img && stk_cfi_find(&cfi, o->s.arch, pc, &r->row);
		r->pc = pc;
	}
	return r->there ? &r->row : 0;
}

static enum stk_code_kind code(void *arg, uint64_t addr)
{
	const struct stk_own_stepper *o = arg;
	const struct stk_img *img = stk_image_of(o->images, addr);
	uint8_t byte;

	if (img)
		return addr >= img->text_start && addr < img->text_end ? STK_CODE_IMAGE
								       : STK_CODE_NO;
	return stk_guard_read(addr, &byte, 1) ? STK_CODE_MAYBE : STK_CODE_NO;
}

void stk_own_stepper(struct stk_own_stepper *o, const struct stk_images *images,
		     const struct stk_arch *arch)
{
	o->s = (struct stk_stepper){
	    .arch = arch, .mem = &stk_guarded, .row = row, .code = code, .arg = o};
	o->images = images;
	for (unsigned i = 0; i < STK_OWN_ROWS; i++)
		o->rows[i].pc = 0;
}
