#include "signal/state/clones.h"

#include <stdatomic.h>
#include <stdint.h>

#include "signal/kernel/clock.h"
#include "signal/state/self.h"

#define CLONES_MAX 8

#define REMEMBERED 1000000000ULL /* ns: who has been told of it by the kernel asks us soon */

enum state {
	LIVES,
	TAKEN, /* somebody else has waited for it: its status is kept for us */
	GONE,
};

/* A report makes one or two, and reports come one after the other: those left over are of waits
 * that we have not seen. `key`: parent << 32 | pid, for a copy of this memory has no such children;
 * 0: free. Numbers come again, but not within a second. */
static struct {
	_Atomic uint64_t key, gone_ns;
	_Atomic int32_t status;
	_Atomic int state;
} clones[CLONES_MAX];
static _Atomic uint32_t turn;

static uint64_t key_of(int pid)
{
	return (uint64_t)(uint32_t)*stk_memory_owner << 32 | (uint32_t)pid;
}

static int find(int pid, enum state state)
{
	for (int i = 0; i < CLONES_MAX; i++)
		if (atomic_load(&clones[i].key) == key_of(pid) &&
		    atomic_load(&clones[i].state) == (int)state)
			return i;
	return -1;
}

static void leave(int i)
{
	atomic_store(&clones[i].gone_ns, stk_now_ns());
	atomic_store(&clones[i].state, GONE);
}

void stk_clone_note(int pid)
{
	uint32_t i = atomic_fetch_add(&turn, 1) % CLONES_MAX;

	atomic_store(&clones[i].key, 0);
	atomic_store(&clones[i].state, LIVES);
	atomic_store(&clones[i].key, key_of(pid));
}

void stk_clone_forget(int pid)
{
	int i = find(pid, LIVES);

	if (i >= 0)
		leave(i);
}

bool stk_clone_is(int pid)
{
	int i;

	if (find(pid, LIVES) >= 0 || find(pid, TAKEN) >= 0)
		return true;
	i = find(pid, GONE);
	return i >= 0 && stk_now_ns() - atomic_load(&clones[i].gone_ns) < REMEMBERED;
}

void stk_clone_taken(int pid, int status)
{
	int i = find(pid, LIVES);

	if (i < 0)
		return;
	atomic_store(&clones[i].status, status);
	atomic_store(&clones[i].state, TAKEN);
}

bool stk_clone_status(int pid, int *status)
{
	int i = find(pid, TAKEN);

	if (i < 0)
		return false;
	*status = atomic_load(&clones[i].status);
	leave(i);
	return true;
}
