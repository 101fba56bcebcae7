/* What the parts of the helper share. NORMAL context. */
#ifndef SIGNAL_HELPER_H
#define SIGNAL_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The memory of the program that crashed, by whichever way it can be read. false: not all of it. */
typedef bool helper_read_fn(uint64_t addr, void *buf, size_t len);

#endif
