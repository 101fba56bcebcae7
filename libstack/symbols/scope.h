/*
 * Functions, inlined calls, lines and parameters at a pc, from DWARF or, where there is none, from
 * the symbol table. One look-up a pc, kept for the module's life.
 */
#ifndef STK_SYMBOLS_SCOPE_H
#define STK_SYMBOLS_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/expr.h"
#include "symbols/module.h"
#include "symbols/type.h"

struct stk_param {
	const char *name;            /* NULL: unnamed */
	const struct stk_type *type; /* never NULL */
	const struct stk_expr *loc;  /* location at this pc; NULL: optimized out here */
	bool has_const;              /* DW_AT_const_value: konst holds the value's bytes */
	const uint8_t *konst;
	unsigned konst_len;
	bool at_entry_only; /* the location is only right once the prologue has run */
};

/* One call of the chain. Level 0 is the innermost. */
struct stk_scope {
	const char *name; /* demangled, qualified; NULL: unknown */
	const char *file; /* where this level stands at the pc; NULL: no line */
	unsigned line, column;
	bool near;    /* the pc has no line of its own: the nearest in the function */
	bool inlined; /* an inlined call inside the next level */
	const struct stk_expr *frame_base;
	struct stk_param *params;
	unsigned nparams;
	bool known_params; /* the debug information gives the signature */
	bool variadic;
};

/* What is known at a pc. */
struct stk_scopes {
	struct stk_scope *v;
	unsigned n;          /* levels, at least 1: the last one is the physical function */
	uint64_t pc;         /* the look-up pc, in the target */
	uint64_t start, end; /* of the function's range that holds the pc; start 0: not known */
	uint64_t entry;      /* the function's entry (lowest pc of the first range); 0: not known */
	bool in_prologue;    /* frame not set up yet: frame-base locations would be stale */
	bool optimized;      /* the unit was compiled with optimization */
	bool keeps_none;     /* its calls preserve no general registers (Go's ABIInternal) */
	bool qualifies;      /* names are of a language that qualifies them, and mangles */
	bool dwarf;          /* from debug information (else from the symbol table) */
	uint64_t origin;     /* identity of the physical function's declaration; 0: not known */
	const char *linkage; /* raw name of the physical function, or NULL */
	const uint64_t *body; /* where lines of its body begin, from the end of the prologue on,
				 where its frame base is a register; or NULL */
	unsigned nbody;
	unsigned names; /* functions that share this code, each by a name; 0: one alone */
};

/* The scopes at `pc` (an address in the target). Never NULL but when memory is exhausted; with no
 * information the one level has no name. */
const struct stk_scopes *stk_scopes_at(struct stk_module *m, uint64_t pc);

/* Call sites (DWARF 5 §3.4, DW_TAG_call_site), for entry values. */
struct stk_call_value {
	uint8_t reg;                  /* DWARF number of the argument register; 255: by `param` */
	uint64_t param;               /* DIE offset of the parameter it sets, or 0 */
	const struct stk_expr *value; /* to be evaluated in the caller's frame */
};
struct stk_call_site {
	uint64_t ret_pc; /* return address, in the target; of a tail call: behind the jump */
	bool tail;
	bool at_jump;                       /* a tail call's ret_pc is that of the jump itself */
	uint64_t target;                    /* entry of the callee, 0: not known statically */
	uint64_t target_origin;             /* as stk_scopes.origin, or 0 */
	const char *target_name;            /* linkage name of an external callee, or NULL */
	const struct stk_expr *target_expr; /* indirect: evaluated in the caller, or NULL */
	struct stk_call_value *values;
	unsigned nvalues;
};

/* The tail calls of a function: jumps to other functions as its last act, its frame gone. */
struct stk_tail_calls {
	struct stk_call_site *v; /* `target` is also found by name; 0: not known */
	unsigned n;
	bool complete;                 /* the debug information leaves no tail call out */
	struct stk_tail_chain *chains; /* kept here by unwind/tail.c */
};

/* The tail calls of the function that begins at `entry`. NULL: no function known there. */
struct stk_tail_calls *stk_tail_calls_of(struct stk_module *m, uint64_t entry);

/* The call site of a function whose return address is `ret_pc`. NULL: none recorded. */
const struct stk_call_site *stk_call_site_at(struct stk_module *m, uint64_t ret_pc);

/* Line of a pc alone. false: none. */
struct stk_place_line {
	const char *file;
	unsigned line, column;
	bool near; /* the pc has no line of its own: the nearest in the function */
};
bool stk_line_at(struct stk_module *m, uint64_t pc, struct stk_place_line *ret);

/* The source position of a function by name ("main", "ns::f", or the last component). false: none;
 * `ret_addr` is its entry, 0 where only inlined copies of it exist. */
bool stk_function_find(struct stk_modules *ms, const char *name, const char **ret_file,
		       unsigned *ret_line, uint64_t *ret_addr);

/* The full path of a source file that ends in `name` (whole components). NULL: none. */
const char *stk_source_find(struct stk_modules *ms, const char *name);

/* Each function name known to debug information, then each source file, that begins with `prefix`;
 * for completion. `fn` returns false to stop. */
void stk_function_each(struct stk_modules *ms, const char *prefix,
		       bool (*fn)(void *arg, const char *name), void *arg);
void stk_source_each(struct stk_modules *ms, const char *prefix,
		     bool (*fn)(void *arg, const char *path), void *arg);

#endif
