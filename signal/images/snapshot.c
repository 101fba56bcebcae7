/* ANY context, all of it. */
#include "signal/images/snapshot.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "signal/images/images.h"
#include "signal/kernel/apart.h"

/* One is shown, one may still be read by who has just asked for it, one can be written. */
#define SNAPSHOTS 3

static struct stk_images snapshots[SNAPSHOTS] STK_PARTLY_APART;
static _Atomic unsigned held[SNAPSHOTS];
static _Atomic unsigned shown;

const struct stk_images *stk_images_now(void)
{
	return &snapshots[atomic_load(&shown)];
}

const struct stk_images *stk_images_hold(void)
{
	/* Held first and looked at then: who writes does it the other way round. */
	for (;;) {
		unsigned i = atomic_load(&shown);
		atomic_fetch_add(&held[i], 1);
		if (atomic_load(&shown) == i)
			return &snapshots[i];
		atomic_fetch_sub(&held[i], 1);
	}
}

void stk_images_give_back(const struct stk_images *im)
{
	atomic_fetch_sub(&held[im - snapshots], 1);
}

struct stk_images *stk_images_copy(void)
{
	unsigned now = atomic_load(&shown);

	/* The oldest first. */
	for (unsigned n = 1; n < SNAPSHOTS; n++) {
		unsigned i = (now + n) % SNAPSHOTS;
		if (atomic_load(&held[i]))
			continue;
		snapshots[i].n = snapshots[now].n;
		snapshots[i].dropped = snapshots[now].dropped;
		memcpy(snapshots[i].v, snapshots[now].v,
		       snapshots[now].n * sizeof(*snapshots[now].v));
		return &snapshots[i];
	}
	return NULL;
}

void stk_images_show(const struct stk_images *im)
{
	atomic_store(&shown, (unsigned)(im - snapshots));
}
