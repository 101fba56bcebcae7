/* DWARF of one module: opening it, its units by pc, its functions by pc. Inside symbols/ only. */
#ifndef STK_SYMBOLS_DEBUG_H
#define STK_SYMBOLS_DEBUG_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbols/expr.h"
#include "symbols/image.h"
#include "symbols/module.h"
#include "symbols/scope.h"
#include "symbols/type.h"
#include "targets/hash.h"

/* [start, end) of ELF addresses → index into units or functions. Sorted by start. */
struct stk_range {
	uint64_t start, end;
	uint32_t index;
};

struct stk_ranges {
	struct stk_range *v;
	unsigned n, cap;
};

struct stk_unit {
	Dwarf_Die die;
	struct stk_budget *budget;
	const char *dir; /* where it was compiled; NULL: not told */
	struct {
		Dwarf_Die *v;
		unsigned n, cap;
	} funcs;                       /* with code */
	struct stk_lines *lines;       /* once asked for; or NULL */
	struct stk_tail_calls **tails; /* by function, once asked for; or NULL */
	struct stk_ranges franges;
	bool indexed, optimized, clang;
	bool dead;   /* it describes code that the linker has left out */
	bool dwarf2; /* it can name one range of its code only */
};

struct stk_cache_job;
struct stk_lines;

/* The files that it names (beside.h): the alternate one; NULL: none, or it was not compressed. In
 * the place of one that is not used stands one with nothing in it. */
struct stk_beside {
	struct stk_image *image, *inflated, *empty;
	Dwarf *dw, *nothing;
};

struct stk_debug {
	struct stk_image *image;       /* the separate debug file, or NULL: the module's own */
	struct stk_image *inflated;    /* of either, or NULL: nothing was compressed */
	struct stk_cache_job *storing; /* `inflated` is being kept, or NULL */
	Dwarf *dw;
	struct stk_beside beside;
	struct {
		struct stk_unit *v;
		unsigned n, cap;
	} units;
	struct stk_ranges ranges;
	bool dead;              /* of one of the units */
	struct stk_hash scopes; /* by pc */
	struct stk_hash types;  /* by the address of the DIE */
	struct stk_hash sites;  /* by return address */
	struct stk_hash paths;  /* joined ones, by the name they were made of */
};

/* The DWARF of a module, opened once; never NULL but when memory is exhausted (`dw` may be NULL).
 */
struct stk_debug *stk_debug_get(struct stk_module *m);
void stk_debug_free(struct stk_debug *d);

/* List the units of a DWARF (once), and free them. */
void stk_units_find(struct stk_module *m, struct stk_debug *d);
void stk_units_done(struct stk_debug *d);

/* Forget what was made of the tables, which may not be whole. */
void stk_debug_forget(struct stk_module *m);

/* The unit whose code holds an ELF address; NULL: none. */
struct stk_unit *stk_unit_at(struct stk_debug *d, uint64_t addr);

/* Where a function begins: its entry, else its first range (ELF address). false: not known. */
bool stk_function_entry(Dwarf_Die *func, Dwarf_Addr *ret);

/* Index the functions of a unit (once). */
void stk_unit_index(struct stk_unit *u);

/* The function DIE that holds an ELF address, and its range. false: none. */
bool stk_function_die(struct stk_unit *u, uint64_t addr, Dwarf_Die *ret, struct stk_range *range);

/* Each function whose code holds an ELF address: the linker keeps one copy of what is alike. */
void stk_functions_at(struct stk_debug *d, uint64_t addr,
		      void (*fn)(void *arg, Dwarf_Die *func, const struct stk_range *range),
		      void *arg);

/* How many differently named functions share the code at a pc; 0: one has it alone. */
unsigned stk_folded_names(struct stk_module *m, const struct stk_scopes *sc);

/* The name of a function as it is shown; NULL: none. */
const char *stk_die_name(struct stk_module *m, Dwarf_Die *die);

/* Decode an attribute's location valid at `addr` (an ELF address). NULL: none there. */
const struct stk_expr *stk_expr_at(struct stk_module *m, Dwarf_Attribute *attr, uint64_t addr);

/* Decode operations that libdw has already split; `attr` may be NULL (call frame information). */
const struct stk_expr *stk_expr_from_ops(struct stk_module *m, Dwarf_Attribute *attr,
					 const Dwarf_Op *ops, size_t n);

/* The layout of the type that `attr` (DW_AT_type) names. Never NULL. */
const struct stk_type *stk_type_of_die(struct stk_module *m, Dwarf_Die *die);

/* The layout of a type itself. Never NULL. */
const struct stk_type *stk_type_from_die(struct stk_module *m, Dwarf_Die *die);

/* The line of an ELF address in a unit. */
bool stk_unit_line(struct stk_module *m, struct stk_unit *u, uint64_t addr,
		   struct stk_place_line *ret);

/* The end of the prologue of a function that begins at `entry`: 0 if not known. */
uint64_t stk_unit_prologue_end(struct stk_unit *u, uint64_t entry, uint64_t end);

/* Where the lines of its body begin, that end first, then upwards, at most `max`; how many. */
unsigned stk_unit_body(struct stk_unit *u, uint64_t entry, uint64_t end, uint64_t *ret,
		       unsigned max);

/* The file that declares it, or NULL. */
const char *stk_die_decl_file(struct stk_module *m, Dwarf_Die *die);

/* A file name of the unit that `die` is in, below the unit's compilation directory where it is
 * relative (DWARF 5 §6.2.4). The same pointer for the same pointer. `name` may be NULL. */
const char *stk_unit_path(struct stk_module *m, Dwarf_Die *die, const char *name);

/*
 * A walk over a unit's DIEs, parents before their children. DW_AT_sibling (§2.3) can lead out of
 * the parent, so that the same DIEs follow on each level: each is visited once, for addresses only
 * increase.
 */
struct stk_walk {
	struct stk_budget *budget;
	const char *at;
	bool broken; /* it has not seen all: damage, or depth */
};

/* To the first child, to the next sibling. false: there is none, or the budget is over. */
static inline bool stk_walk_to(struct stk_walk *w, const Dwarf_Die *die, int result)
{
	bool on = result == 0 && (const char *)die->addr > w->at && stk_spend(w->budget, 1);

	w->at = on ? die->addr : w->at;
	w->broken |= result < 0 || (result == 0 && !on);
	return on;
}

static inline bool stk_walk_child(struct stk_walk *w, Dwarf_Die *parent, Dwarf_Die *ret)
{
	return stk_walk_to(w, ret, dwarf_child(parent, ret));
}

static inline bool stk_walk_next(struct stk_walk *w, Dwarf_Die *die)
{
	return stk_walk_to(w, die, dwarf_siblingof(die, die));
}

/* One level of it alone, where the order does not matter. As above. */
static inline bool stk_die_child(struct stk_budget *b, Dwarf_Die *parent, Dwarf_Die *ret)
{
	return stk_spend(b, 1) && dwarf_child(parent, ret) == 0;
}

static inline bool stk_die_next(struct stk_budget *b, Dwarf_Die *die)
{
	const char *at = die->addr;

	return stk_spend(b, 1) && dwarf_siblingof(die, die) == 0 && (const char *)die->addr > at;
}

/* A walk over the ranges of a DIE; all zero at first. */
struct stk_die_ranges {
	ptrdiff_t off;
	Dwarf_Addr base; /* libdw's own, from one range to the next */
	Dwarf_Addr start, end;
};

/* The next of them. false: no more, or the budget is over. */
static inline bool stk_die_range(struct stk_budget *b, Dwarf_Die *die, struct stk_die_ranges *r)
{
	r->off = stk_spend(b, 1) ? dwarf_ranges(die, r->off, &r->base, &r->start, &r->end) : 0;
	return r->off > 0;
}

/* The budget of what is read of a module. */
static inline struct stk_budget *stk_module_budget(const struct stk_module *m)
{
	return stk_budget_of(m->owner->target);
}

/* What a function and all its instances share: the DIE that first declares it. */
uint64_t stk_die_identity(const Dwarf_Die *die);

/* Is a name of a language whose functions live in namespaces or modules? */
bool stk_die_is_qualified(Dwarf_Die *die);

/* Is a function of a unit that gas wrote: one for each symbol, without parameters? */
bool stk_die_is_assembler(Dwarf_Die *die);

/* The linkage name of a function DIE, or NULL. */
const char *stk_die_linkage_name(Dwarf_Die *die);

#endif
