/* Modules: the ELF images mapped in a target, their files and debug files. */
#ifndef STK_SYMBOLS_MODULE_H
#define STK_SYMBOLS_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "targets/folder.h"
#include "targets/target.h"

enum stk_module_state {
	STK_MODULE_OK,         /* a file whose build-id is that of the target's own page */
	STK_MODULE_UNVERIFIED, /* a file; there was no build-id to compare */
	STK_MODULE_MEMORY,     /* no usable file: the image was taken from the target's memory */
	STK_MODULE_MISSING,    /* no file and no whole image */
	STK_MODULE_MISMATCH,   /* the file at its path is another build: not used */
};

struct stk_symtab;
struct stk_debug;
struct stk_folders;
struct stk_image;

/* What a folder above keeps with a module; `free` (NULL: nothing is kept) gets it at the end. */
struct stk_kept {
	void *p;
	void (*free)(void *p);
};

struct stk_module {
	const char *path;    /* as the target saw it; "[vdso]" */
	const char *name;    /* last component, without " (deleted)" */
	uint64_t start, end; /* of the mappings */
	uint64_t bias;       /* address in the target − ELF p_vaddr */
	uint8_t build_id[64];
	unsigned build_id_len; /* 0: none known */
	enum stk_module_state state;
	const char *file;       /* the file used, or NULL */
	const char *debug_file; /* the separate debug file used, or NULL (known after a look-up) */
	bool is_main;           /* the executable */

	const struct stk_mapping *maps; /* its file mappings, or NULL */
	unsigned nmaps;
	uint64_t image_off;      /* where the image begins in that file: not 0 in a bundle */
	bool placed;             /* the bias is known, whatever its file says */
	uint64_t dynamic;        /* its dynamic section as the loader says; 0: not known */
	int sys;                 /* why a file could not be opened (errno); 0: it is not there */
	const char *given_debug; /* the separate debug file that was given as the program */

	struct stk_modules *owner;
	struct stk_image *image;   /* ELF of `file` or of the memory image, or NULL */
	struct stk_image *mini;    /* ELF inside its .gnu_debugdata, or NULL; owned for its names */
	struct stk_symtab *symtab; /* built at the first look-up */
	struct stk_debug *debug;   /* opened at the first look-up */
	struct stk_kept unwind;    /* of unwind/ */
	bool symtab_tried, debug_tried;
};

/* Symbols of a module's file that are known without it: `n` of Elf64_Sym, and their names. */
struct stk_known_symbols {
	uint64_t start; /* of the module */
	uint8_t build_id[32];
	unsigned build_id_len;
	const void *sym;
	unsigned n;
	const char *str;
	size_t strsz;
};

struct stk_symbol_options {
	const char *bin;       /* the executable, or NULL: found by its path */
	const char *debug_dir; /* searched before /usr/lib/debug; colon-separated; or NULL */
	const char *sysroot;   /* put before the target's paths, or NULL */
	const char *no_debug;  /* modules whose separate debug file is not read; colon-separated */
	struct stk_folder cache; /* where inflated debug files are kept; no base: nowhere */
	const struct stk_known_symbols *known; /* borrowed; for modules without a file */
	unsigned nknown;
};

struct stk_modules {
	struct stk_target *target;
	struct stk_symbol_options opts; /* borrowed strings */
	struct stk_module **v;          /* sorted by start */
	unsigned n, cap;
	bool linked;                 /* the list of its loader was found */
	struct stk_module *bin_used; /* whose file the given program is */
	struct stk_folders *folders; /* of --debug-dir, once asked for */
};

/*
 * Find the modules of a target: by its file mappings, by AT_PHDR, by ELF headers in its pages, by
 * the list of its loader; and the vdso. Missing and mismatched files become states and remarks of
 * the target, not errors. Read-only file-backed memory that the core lacks is overlaid from
 * verified files.
 */
int stk_modules_open(struct stk_target *t, const struct stk_symbol_options *opts,
		     struct stk_modules **ret, struct stk_err *err);
void stk_modules_close(struct stk_modules *m);

/* Another answer begins, with a budget of its own. What the last one left unfinished is forgotten.
 */
void stk_answer_begin(struct stk_modules *m);

/* The module that maps `addr`, or NULL. */
struct stk_module *stk_module_at(const struct stk_modules *m, uint64_t addr);

/* "ok", "unverified", "from memory", "missing", "wrong build". */
const char *stk_module_state_name(enum stk_module_state s);

/* true: the module has DWARF debug information (opens it). */
bool stk_module_has_debug(struct stk_module *m);

#endif
