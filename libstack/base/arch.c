#include "base/arch.h"

#include "base/mem.h"

#define STK_X(name, tracked, gregs) extern const struct stk_arch stk_arch_##name;
STK_ARCHES(STK_X)
#undef STK_X

static const struct stk_arch *const arches[] = {
#define STK_X(name, tracked, gregs) &stk_arch_##name,
    STK_ARCHES(STK_X)
#undef STK_X
};

#define HOST_(name) &stk_arch_##name
#define HOST(name)  HOST_(name)
const struct stk_arch *const stk_arch_host = HOST(STK_ARCH);

uint64_t stk_arch_greg(const struct stk_arch *a, const void *gregs, unsigned dwarf)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < a->nregs; i++)
		if (a->regs[i].dwarf == (int)dwarf)
			memcpy(&v, (const uint8_t *)gregs + a->regs[i].note_off, sizeof(v));
	return v;
}

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
	} names[] = {
	    {2, "SPARC"},        {3, "Intel 80386"}, {4, "Motorola 68000"}, {8, "MIPS"},
	    {15, "PA-RISC"},     {18, "SPARC v8+"},  {20, "PowerPC"},       {21, "PowerPC64"},
	    {22, "IBM S/390"},   {40, "ARM"},        {42, "SuperH"},        {43, "SPARC v9"},
	    {50, "IA-64"},       {62, "x86-64"},     {92, "OpenRISC"},      {93, "ARC"},
	    {94, "Xtensa"},      {113, "Nios II"},   {164, "Hexagon"},      {183, "AArch64"},
	    {189, "MicroBlaze"}, {195, "ARCv2"},     {243, "RISC-V"},       {252, "C-SKY"},
	    {258, "LoongArch"},  {0x9026, "Alpha"}};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].machine == e_machine)
			return names[i].name;
	return 0;
}
