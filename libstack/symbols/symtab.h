/* ELF symbol tables as sorted arrays. */
#ifndef STK_SYMBOLS_SYMTAB_H
#define STK_SYMBOLS_SYMTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/module.h"

struct stk_symbol {
	const char *name; /* raw (mangled), without @version; lives as long as the module */
	uint64_t addr;    /* in the target */
	uint64_t size;    /* 0: not known */
	bool func;
};

/* The symbol that covers `addr` (a sized one whose range holds it, else the nearest unsized one
 * below it in the same section). false: none. */
bool stk_symbol_at(struct stk_module *m, uint64_t addr, struct stk_symbol *ret);

/* Find by exact raw name, defined symbols only, all modules in order. false: none. */
bool stk_symbol_find(struct stk_modules *ms, const char *name, struct stk_symbol *ret,
		     struct stk_module **ret_module);

/* The one definition that a reference by `name` in a module can mean: the module's own (hidden ones
 * are local in a linked file) or another's that is not local. false: none, or several addresses. */
bool stk_symbol_linked(struct stk_module *from, const char *name, struct stk_symbol *ret);

/* Call `fn` with the raw name of each function symbol that begins at `addr`. */
void stk_symbol_each_at(struct stk_module *m, uint64_t addr,
			void (*fn)(void *arg, const char *name), void *arg);

/* Call `fn` for each function symbol of a module whose raw name begins with `prefix`, until it
 * returns false. */
void stk_symbol_each(struct stk_module *m, const char *prefix,
		     bool (*fn)(void *arg, const struct stk_symbol *s), void *arg);

#endif
