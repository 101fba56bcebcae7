/* Where the images of a target lie. Inside symbols/ only. */
#ifndef STK_SYMBOLS_PLACES_H
#define STK_SYMBOLS_PLACES_H

#include "symbols/module.h"

/*
 * Fill `ms` with the images of its target, unsorted and without files: groups of file mappings, the
 * started program by AT_PHDR, ELF headers in the target's pages. The name of what no file mapping
 * names is NULL. 0 or STK_ENOMEM.
 */
int stk_places_find(struct stk_modules *ms);

/* What the program's loader lists: names for images without one, images that are not known yet, and
 * which is the program. Once more after files are open: a file tells where the list is if the
 * target's pages do not. false: no list found. */
bool stk_places_linked(struct stk_modules *ms);

/* After the loader's list: AT_PHDR's image is the program where no list says which. */
void stk_places_program(struct stk_modules *ms);

/* Names for what has none by now: DT_SONAME, the kernel's name of the program, the address. */
void stk_places_name(struct stk_modules *ms);

/* A program that is loaded at fixed addresses (ET_EXEC), where nothing else tells of it. 0: added.
 */
int stk_places_fixed(struct stk_modules *ms, const char *path, uint64_t start, uint64_t end);

/* One more, whose path may be NULL. NULL: memory is exhausted. */
struct stk_module *stk_places_add(struct stk_modules *ms, const char *path, uint64_t start,
				  uint64_t end);

/* The path and the name of a module. */
void stk_module_rename(struct stk_module *m, const char *path);

#endif
