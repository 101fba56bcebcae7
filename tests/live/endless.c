/* Preloaded into corectl: disassembling, and while a completion is made, functions' names take for
 * ever, and nobody looks at a flag. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

extern int rl_completion_suppress_append; /* readline: set for completions of places */

static void endless(void)
{
	static volatile bool for_ever = true;

	if (write(2, "no end", 6) == 6)
		while (for_ever)
			;
}

bool cs_disasm_iter(size_t h, const uint8_t **code, size_t *size, uint64_t *addr, void *insn);
bool cs_disasm_iter(size_t h, const uint8_t **code, size_t *size, uint64_t *addr, void *insn)
{
	(void)h, (void)code, (void)size, (void)addr, (void)insn;
	endless();
	return false;
}

const char *dwarf_diename(void *die);
const char *dwarf_diename(void *die)
{
	extern const char *dwarf_formstring(void *attribute);
	extern void *dwarf_attr_integrate(void *die, unsigned name, void *ret);
	long attribute[8];

	if (rl_completion_suppress_append)
		endless();
	return dwarf_formstring(dwarf_attr_integrate(die, 0x03 /* DW_AT_name */, attribute));
}
