#include "base/arch.h"

#include "base/arch_x86_64.h"

static const struct stk_arch *const arches[] = {&stk_arch_x86_64};

const struct stk_arch *stk_arch_find(uint16_t e_machine)
{
	for (unsigned i = 0; i < sizeof(arches) / sizeof(*arches); i++)
		if (arches[i]->e_machine == e_machine)
			return arches[i];
	return NULL;
}

const char *stk_machine_name(uint16_t e_machine)
{
	/* ELF gABI, e_machine. */
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {{3, "Intel 80386"}, {8, "MIPS"},     {20, "PowerPC"},   {21, "PowerPC64"},
		     {22, "IBM S/390"},  {40, "ARM"},     {43, "SPARC v9"},  {62, "x86-64"},
		     {183, "AArch64"},   {243, "RISC-V"}, {258, "LoongArch"}};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].machine == e_machine)
			return names[i].name;
	return "unknown";
}
