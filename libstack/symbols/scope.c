/* The chain of calls at a pc: the function, what is inlined into it there, and their parameters. */
#include "symbols/scope.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/demangle.h"
#include "symbols/symtab.h"

#define LEVELS_MAX 64
#define PARAMS_MAX 256
#define BODY_MAX   64

/* The DIE that declares a function or parameter: the end of its abstract origins. Origins without
 * end declare nothing. */
static Dwarf_Die origin_of(Dwarf_Die *die)
{
	Dwarf_Die o = *die, next;
	Dwarf_Attribute a;

	for (int i = 0; i < 8; i++) {
		if (!dwarf_formref_die(dwarf_attr(&o, DW_AT_abstract_origin, &a), &next))
			return o;
		o = next;
	}
	return *die;
}

static bool is_go(Dwarf_Die *die)
{
	Dwarf_Die unit;

	return dwarf_diecu(die, &unit, NULL, NULL) && dwarf_srclang(&unit) == DW_LANG_Go;
}

/* Go gives a function's results as parameters, and says so. */
static bool is_listed(Dwarf_Die *param)
{
	Dwarf_Attribute a;
	bool result = false;

	if (dwarf_hasattr(param, DW_AT_variable_parameter) &&
	    !dwarf_formflag(dwarf_attr(param, DW_AT_variable_parameter, &a), &result) && result)
		return !is_go(param);
	return true;
}

/* The formal parameters of a function in their order, those of a pack among them. */
static void list_params(struct stk_budget *b, Dwarf_Die *parent, Dwarf_Die *v, unsigned *n,
			bool *variadic)
{
	Dwarf_Die child;

	if (!stk_die_child(b, parent, &child))
		return;
	do {
		int tag = dwarf_tag(&child);
		if (tag == DW_TAG_formal_parameter && *n < PARAMS_MAX && is_listed(&child))
			v[(*n)++] = child;
		else if (tag == DW_TAG_unspecified_parameters)
			*variadic = true;
		else if (tag == DW_TAG_GNU_formal_parameter_pack &&
			 dwarf_tag(parent) != DW_TAG_GNU_formal_parameter_pack)
			list_params(b, &child, v, n, variadic);
	} while (stk_die_next(b, &child));
}

/* The concrete parameter that stands for one of the abstract instance. */
static Dwarf_Die *concrete_param(struct stk_budget *b, Dwarf_Die *v, unsigned n,
				 const Dwarf_Die *abstract)
{
	for (unsigned i = 0; i < n && stk_spend(b, 1); i++)
		if (origin_of(&v[i]).addr == abstract->addr)
			return &v[i];
	return NULL;
}

static void param_location(struct stk_module *m, struct stk_param *p, Dwarf_Die *die, uint64_t addr,
			   bool prologue)
{
	Dwarf_Attribute a;
	Dwarf_Block block;
	Dwarf_Word v;
	Dwarf_Sword sv;

	if (dwarf_attr(die, DW_AT_location, &a)) {
		p->loc = stk_expr_at(m, &a, addr);
		p->at_entry_only = prologue;
		return;
	}
	if (!dwarf_attr_integrate(die, DW_AT_const_value, &a))
		return;
	if (dwarf_formblock(&a, &block) == 0) {
		p->has_const = true;
		p->konst = block.data;
		p->konst_len = (unsigned)block.length;
		return;
	}
	uint64_t *word = stk_pool_alloc(&m->owner->target->pool, sizeof(*word));
	if (!word)
		return;
	if (dwarf_whatform(&a) == DW_FORM_sdata && dwarf_formsdata(&a, &sv) == 0)
		*word = (uint64_t)sv;
	else if (dwarf_formudata(&a, &v) == 0)
		*word = v;
	else if (dwarf_formsdata(&a, &sv) == 0)
		*word = (uint64_t)sv;
	else
		return;
	p->has_const = true;
	p->konst = (const uint8_t *)word;
	p->konst_len = sizeof(*word);
}

/*
 * Does the unit describe types or parameters at all? With -g1 and -gmlt compilers leave both out,
 * and a function without parameters there may have some.
 */
static bool has_types(struct stk_budget *b, Dwarf_Die *die)
{
	Dwarf_Die cu, at, child;

	if (!dwarf_diecu(die, &cu, NULL, NULL) || !stk_die_child(b, &cu, &at))
		return false;
	do {
		int tag = dwarf_tag(&at);
		if (tag == DW_TAG_base_type || tag == DW_TAG_typedef ||
		    tag == DW_TAG_pointer_type || tag == DW_TAG_structure_type ||
		    tag == DW_TAG_imported_unit)
			return true;
		if (tag == DW_TAG_subprogram &&
		    (dwarf_hasattr(&at, DW_AT_type) ||
		     (!dwarf_child(&at, &child) && dwarf_tag(&child) == DW_TAG_formal_parameter)))
			return true;
	} while (stk_die_next(b, &at));
	return false;
}

/* g++ declares more parameters of constructors and destructors than the source
 * does (gcc/cp/class.cc, in_charge_identifier): most of their copies take none. */
static bool is_taken(Dwarf_Die *declared, Dwarf_Die *concrete)
{
	const char *name = dwarf_diename(declared);

	return !name || (strcmp(name, "__in_chrg") != 0 && strcmp(name, "__vtt_parm") != 0) ||
	       (concrete && (dwarf_hasattr(concrete, DW_AT_location) ||
			     dwarf_hasattr(concrete, DW_AT_const_value)));
}

/* Parameters in the order of the declaration: that of the abstract instance where there is one. */
static void read_params(struct stk_module *m, struct stk_scope *s, Dwarf_Die *func, uint64_t addr,
			bool prologue)
{
	Dwarf_Die decl = origin_of(func), declared[PARAMS_MAX], concrete[PARAMS_MAX];
	struct stk_param params[PARAMS_MAX];
	struct stk_budget *b = stk_module_budget(m);
	unsigned n = 0, nconcrete = 0, taken = 0;
	bool same = decl.addr == func->addr, ignored = false;

	list_params(b, &decl, declared, &n, &s->variadic);
	s->known_params = !stk_die_is_assembler(func) && (n || s->variadic || has_types(b, &decl));
	if (!same)
		list_params(b, func, concrete, &nconcrete, &ignored);
	for (unsigned i = 0; i < n; i++) {
		struct stk_param *p = &params[taken];
		Dwarf_Die *at =
		    same ? &declared[i] : concrete_param(b, concrete, nconcrete, &declared[i]);
		if (!is_taken(&declared[i], at))
			continue;
		taken++;
		*p = (struct stk_param){.name = dwarf_diename(&declared[i]),
					.type = stk_type_of_die(m, &declared[i])};
		if (at)
			param_location(m, p, at, addr, prologue);
		else if (dwarf_hasattr(&declared[i], DW_AT_const_value))
			param_location(m, p, &declared[i], addr, prologue);
	}
	s->params = stk_pool_alloc(&m->owner->target->pool, taken * sizeof(*params) + 1);
	if (s->params && taken) {
		memcpy(s->params, params, taken * sizeof(*params));
		s->nparams = taken;
	}
}

static bool has_pc(struct stk_budget *b, Dwarf_Die *die, uint64_t addr)
{
	struct stk_die_ranges r = {0};

	while (stk_die_range(b, die, &r))
		if (addr >= r.start && addr < r.end)
			return true;
	return false;
}

/* The inlined calls inside `die` that hold `addr`, outermost first, behind the `n` of the chain. */
static unsigned inline_chain(struct stk_budget *b, Dwarf_Die *die, uint64_t addr, Dwarf_Die *chain,
			     unsigned n)
{
	Dwarf_Die child, at = *die;

	while (n <= LEVELS_MAX && stk_die_child(b, &at, &child)) {
		bool found = false;
		do {
			int tag = dwarf_tag(&child);
			if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
			    has_pc(b, &child, addr)) {
				found = true;
				if (tag == DW_TAG_inlined_subroutine)
					chain[n++] = child;
				break;
			}
		} while (stk_die_next(b, &child));
		if (!found)
			break;
		at = child;
	}
	return n;
}

static void call_position(struct stk_module *m, struct stk_unit *u, Dwarf_Die *inl,
			  struct stk_scope *s)
{
	Dwarf_Attribute a;
	Dwarf_Word file = 0, line = 0, col = 0;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_formudata(dwarf_attr(inl, DW_AT_call_file, &a), &file) ||
	    dwarf_formudata(dwarf_attr(inl, DW_AT_call_line, &a), &line) || !line ||
	    dwarf_getsrcfiles(&u->die, &files, &n))
		return;
	dwarf_formudata(dwarf_attr(inl, DW_AT_call_column, &a), &col);
	s->file = stk_unit_path(m, inl, dwarf_filesrc(files, file, NULL, NULL));
	s->line = s->file ? (unsigned)line : 0;
	s->column = (unsigned)col;
}

static bool is_optimized(struct stk_unit *u, Dwarf_Die *func)
{
	/* clang's producer does not say; it describes all calls only where it optimizes. */
	return u->optimized ||
	       (u->clang && (dwarf_hasattr_integrate(func, DW_AT_call_all_calls) ||
			     dwarf_hasattr_integrate(func, DW_AT_GNU_all_call_sites)));
}

static void own_line(struct stk_scope *s, bool known, const struct stk_place_line *at)
{
	if (!known)
		return;
	s->file = at->file;
	s->line = at->line;
	s->column = at->column;
	s->near = at->near;
}

/* A frame base that is a register has the register's value in the body (values/base.c). */
static void read_body(struct stk_module *m, struct stk_scopes *sc, struct stk_unit *u)
{
	const struct stk_expr *base = sc->n ? sc->v[0].frame_base : NULL;
	uint64_t at[BODY_MAX], *kept;
	struct stk_range range;
	Dwarf_Die die;
	unsigned reg, n;
	uint64_t add;

	if (!stk_expr_is_base(base, &reg, &add) || !sc->entry ||
	    !stk_function_die(u, sc->entry - m->bias, &die, &range) ||
	    !(n = stk_unit_body(u, sc->entry - m->bias, range.end, at, BODY_MAX)) ||
	    !(kept = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*kept))))
		return;
	for (unsigned i = 0; i < n; i++)
		kept[i] = at[i] + m->bias;
	sc->body = kept;
	sc->nbody = n;
}

static void read_levels(struct stk_module *m, struct stk_scopes *sc, struct stk_unit *u,
			Dwarf_Die *func, uint64_t addr)
{
	struct stk_pool *pool = &m->owner->target->pool;
	Dwarf_Die chain[LEVELS_MAX + 1];
	Dwarf_Attribute a;
	const struct stk_expr *base = NULL;
	struct stk_place_line at;

	chain[0] = *func;
	unsigned found = inline_chain(stk_module_budget(m), func, addr, chain, 1);
	/* Of one too many only the place of its call is wanted. */
	unsigned n = found < LEVELS_MAX ? found : LEVELS_MAX;
	struct stk_scope *v = stk_pool_alloc(pool, n * sizeof(*v));
	if (!v)
		return;
	if (dwarf_attr_integrate(func, DW_AT_frame_base, &a))
		base = stk_expr_at(m, &a, addr);
	for (unsigned i = 0; i < n; i++) {
		struct stk_scope *s = &v[n - 1 - i];
		Dwarf_Die *die = &chain[i];
		s->name = stk_die_name(m, die);
		s->inlined = i > 0;
		s->frame_base = base;
		if (i + 1 < found)
			call_position(m, u, &chain[i + 1], s);
		else
			own_line(s, stk_unit_line(m, u, addr, &at), &at);
		read_params(m, s, die, addr, sc->in_prologue && i == 0);
	}
	sc->v = v;
	sc->n = n;
}

static bool from_dwarf(struct stk_module *m, struct stk_scopes *sc)
{
	struct stk_debug *d = stk_debug_get(m);
	uint64_t addr = sc->pc - m->bias;
	struct stk_unit *u = d ? stk_unit_at(d, addr) : NULL;
	struct stk_range range;
	Dwarf_Die func;
	Dwarf_Addr entry;

	if (!u || !stk_function_die(u, addr, &func, &range))
		return false;
	sc->start = range.start + m->bias;
	sc->end = range.end + m->bias;
	if (stk_function_entry(&func, &entry))
		sc->entry = entry + m->bias;
	sc->optimized = is_optimized(u, &func);
	sc->dwarf = true;
	sc->keeps_none = is_go(&u->die);
	sc->qualifies = stk_die_is_qualified(&func);
	sc->origin = stk_die_identity(&func);
	sc->linkage = stk_die_linkage_name(&func);
	if (!sc->linkage)
		sc->linkage = dwarf_diename(&func);
	if (!sc->optimized && sc->entry == sc->start) {
		uint64_t end = stk_unit_prologue_end(u, range.start, range.end);
		sc->in_prologue = end && addr < end;
	}
	read_levels(m, sc, u, &func, addr);
	read_body(m, sc, u);
	return sc->n > 0;
}

/* What the symbol table knows: a name and a range, no parameters. */
static void from_symbols(struct stk_module *m, struct stk_scopes *sc)
{
	struct stk_symbol sym;
	struct stk_place_line at;

	sc->v = stk_pool_alloc(&m->owner->target->pool, sizeof(*sc->v));
	sc->n = sc->v ? 1 : 0;
	if (!sc->v || !stk_symbol_at(m, sc->pc, &sym))
		return;
	/* Where a wrong pc lies in data, no function is there. */
	const struct stk_segment *s = stk_segment_at(m->owner->target, sc->pc);
	if (!sym.func && s && !s->x)
		return;
	sc->v[0].name = stk_demangle(&m->owner->target->pool, sym.name, false);
	sc->linkage = sym.name;
	sc->start = sc->entry = sym.addr;
	sc->end = sym.addr + sym.size;
	/* Assembler files have lines without functions. */
	own_line(&sc->v[0], stk_line_at(m, sc->pc, &at), &at);
}

const struct stk_scopes *stk_scopes_at(struct stk_module *m, uint64_t pc)
{
	struct stk_debug *d = stk_debug_get(m);
	struct stk_scopes *sc = d ? stk_hash_get(&d->scopes, pc) : NULL;

	if (sc)
		return sc;
	sc = stk_pool_alloc(&m->owner->target->pool, sizeof(*sc));
	if (!sc)
		return NULL;
	sc->pc = pc;
	if (!from_dwarf(m, sc)) {
		*sc = (struct stk_scopes){.pc = pc};
		from_symbols(m, sc);
	}
	sc->names = stk_folded_names(m, sc);
	/* What is there may be another function's, or not the innermost. */
	if (!sc->n || stk_module_budget(m)->over)
		return NULL;
	if (d)
		stk_hash_put(&d->scopes, pc, sc);
	return sc;
}
