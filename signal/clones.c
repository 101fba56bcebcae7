#include "clones.h"

#include <stdatomic.h>
#include <stdint.h>

#include "belief.h"

#define CLONES_MAX 8

/* A report makes one or two, and reports come one after the other: those left over are of waits
 * that we have not seen. `key`: parent << 32 | pid, for a copy of this memory has no such children;
 * 0: free. */
static struct {
	_Atomic uint64_t key;
	_Atomic int32_t status;
	_Atomic bool taken;
} clones[CLONES_MAX];
static _Atomic uint32_t turn;

static uint64_t key_of(int pid)
{
	return (uint64_t)(uint32_t)*stk_memory_owner << 32 | (uint32_t)pid;
}

static int find(int pid, bool taken)
{
	for (int i = 0; i < CLONES_MAX; i++)
		if (atomic_load(&clones[i].key) == key_of(pid) &&
		    atomic_load(&clones[i].taken) == taken)
			return i;
	return -1;
}

void stk_clone_note(int pid)
{
	uint32_t i = atomic_fetch_add(&turn, 1) % CLONES_MAX;

	atomic_store(&clones[i].key, 0);
	atomic_store(&clones[i].taken, false);
	atomic_store(&clones[i].key, key_of(pid));
}

void stk_clone_forget(int pid)
{
	int i = find(pid, false);

	if (i >= 0)
		atomic_store(&clones[i].key, 0);
}

bool stk_clone_is(int pid)
{
	return find(pid, false) >= 0;
}

void stk_clone_taken(int pid, int status)
{
	int i = find(pid, false);

	if (i < 0)
		return;
	atomic_store(&clones[i].status, status);
	atomic_store(&clones[i].taken, true);
}

bool stk_clone_status(int pid, int *status)
{
	int i = find(pid, true);

	if (i < 0)
		return false;
	*status = atomic_load(&clones[i].status);
	atomic_store(&clones[i].key, 0);
	return true;
}
