/* ANY context, all of it. */
#include "signal/program/adopter.h"
#include "base/arch.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "signal/state/libc.h"

#define NT_GO_BUILD_ID 4 /* cmd/internal/buildid */
#define PHDRS_MAX      64
#define NOTES_MAX      16

static bool is_go_note(const uint8_t *at, size_t len)
{
	for (unsigned i = 0; i < NOTES_MAX && len >= sizeof(Elf64_Nhdr); i++) {
		Elf64_Nhdr n;
		memcpy(&n, at, sizeof(n));
		size_t name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		size_t all = sizeof(n) + name + (((size_t)n.n_descsz + 3) & ~(size_t)3);
		if (all > len)
			return false;
		if (n.n_type == NT_GO_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(at + sizeof(n), "Go\0", 4))
			return true;
		at += all;
		len -= all;
	}
	return false;
}

bool stk_adopts_stack(const void *fn)
{
	struct dl_find_object o;
	Elf64_Ehdr e;

	/* Without a lock, also in a signal handler. */
	if (!STK_HAS_FIND_OBJECT || _dl_find_object((void *)(uintptr_t)fn, &o))
		return false;
	const uint8_t *base = o.dlfo_map_start;
	memcpy(&e, base, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_phentsize != sizeof(Elf64_Phdr) ||
	    e.e_phnum > PHDRS_MAX || e.e_phoff > STK_PAGE - PHDRS_MAX * sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;
		memcpy(&p, base + e.e_phoff + i * sizeof(p), sizeof(p));
		const uint8_t *at = (const uint8_t *)o.dlfo_link_map->l_addr + p.p_vaddr;
		if (p.p_type == PT_NOTE && at >= base &&
		    at + p.p_memsz <= (const uint8_t *)o.dlfo_map_end && is_go_note(at, p.p_memsz))
			return true;
	}
	return false;
}
