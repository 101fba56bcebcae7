/* The notes of an ELF core (linux/fs/binfmt_elf.c, include/linux/elfcore.h). */
#ifndef STK_TARGET_NOTES_H
#define STK_TARGET_NOTES_H

#include "targets/target.h"

/* Parse one PT_NOTE segment's bytes, of that alignment, into the target. Damage ends the walk with
 * a remark. */
void stk_notes_parse(struct stk_target *t, const uint8_t *bytes, size_t len, uint64_t align);

/* Number the threads once all notes are read: the first is 1, the others follow by tid. */
void stk_notes_number_threads(struct stk_target *t);

#endif
