"""Writes an x86-64 executable (elf(5)) with symbols and call frame information around sections of
debug information. Nothing is checked.

    image = Elf(text, symbols={"f": (0x401000, 64)}, sections=dwarfwriter.Dwarf(...).sections(),
                fdes=[Fde(0x401000, 64, cfi(("def_cfa", 7, 8), ("offset", 16, 1)))]).image()
"""
import struct

from dwarfwriter import encode, fixed

# Call frame instructions (DWARF 5 figure 7.24): number and operands.
INSTRUCTIONS = dict(nop=(0x00,), set_loc=(0x01, "u8"), advance_loc4=(0x04, "u4"), undefined=(0x07, "uleb"),
                    remember_state=(0x0a,), restore_state=(0x0b,), def_cfa=(0x0c, "uleb", "uleb"),
                    def_cfa_expression=(0x0f, "block"), expression=(0x10, "uleb", "block"),
                    offset=(0x11, "uleb", "sleb"))  # DW_CFA_offset_extended_sf


def cfi(*steps):
    """cfi(("def_cfa", 7, 8)) → bytes"""
    return encode(INSTRUCTIONS, steps)


class Fde:
    """Call frame information of [start, start + size): instructions after those of the CIE."""

    def __init__(self, start, size, instructions):
        self.start, self.size, self.instructions = start, size, instructions


def frames(fdes, address=None):
    """.eh_frame at `address`, or .debug_frame: one CIE without instructions, then the FDEs. Their
    offsets are given, too."""
    def entry(body):
        body += bytes(-len(body) % 8 + 4)
        return fixed(len(body), 4) + body
    loaded = address is not None
    augmentation = b"zR\0" if loaded else b"\0"
    out = bytearray(entry(fixed(0 if loaded else -1, 4) + b"\1" + augmentation + b"\1\x78\x10"
                          + (b"\1\0" if loaded else b"")))
    offsets = []
    for f in fdes:
        offsets.append(len(out))
        out += entry(fixed(len(out) + 4 if loaded else 0, 4) + struct.pack("<QQ", f.start, f.size)
                     + (b"\0" if loaded else b"") + f.instructions)
    return bytes(out) + (bytes(4) if loaded else b""), offsets


class Elf:
    """An executable of one page of headers, text at `base` + 0x1000, call frame information behind
    it. `hdr(pairs)` may change the search table's pairs of (start, address of the FDE)."""

    def __init__(self, text, base=0x400000, kind=2, symbols=None, sections=None, fdes=(),
                 debug_frame=False, hdr=sorted, build_id=b"\x42" * 20):
        self.base, self.kind, self.hdr, self.build_id = base, kind, hdr, build_id
        self.text = text.ljust(-(-len(text) // 4096) * 4096, b"\xcc")
        self.symbols, self.others = symbols or {}, dict(sections or {})
        self.fdes, self.debug_frame = fdes, debug_frame
        self.entry = base + 0x1000

    def frame_page(self):
        """.eh_frame_hdr (LSB Core 5) and .eh_frame, and where the latter begins."""
        address = self.base + 0x1000 + len(self.text)
        room = 12 + 8 * len(self.fdes)
        room += -room % 8
        frame, offsets = frames(self.fdes, address + room)
        pairs = self.hdr([(f.start, address + room + o) for f, o in zip(self.fdes, offsets)])
        hdr = b"\1\x1b\x03\x3b" + struct.pack("<iI", room - 4, len(pairs))
        hdr += b"".join(struct.pack("<ii", a - address, b - address) for a, b in pairs)
        return hdr.ljust(room, b"\0") + frame, room

    def image(self):
        """The file."""
        frame, room = (b"", 0) if self.debug_frame else self.frame_page()
        if self.debug_frame:
            self.others[".debug_frame"] = frames(self.fdes)[0]
        at = 0x1000 + len(self.text)
        note = struct.pack("<III", 4, len(self.build_id), 3) + b"GNU\0" + self.build_id
        headers = [(1, 5, 0, at), (1, 4, at, len(frame)), (4, 4, 0x200, len(note)),
                   (0x6474e550, 4, at, room)]  # PT_LOAD twice, PT_NOTE, PT_GNU_EH_FRAME
        headers = [h for h in headers if h[3]]
        named = [("", 0, 0, 0, b"", {}), (".note.gnu.build-id", 7, 2, 0x200, note, {}),
                 (".text", 1, 6, 0x1000, self.text, {})]
        if frame:
            named += [(".eh_frame_hdr", 1, 2, at, frame[:room], {}),
                      (".eh_frame", 1, 2, at + room, frame[room:], {})]
        where, body = at + len(frame), b""
        strings = b"\0"
        symbols = bytes(24)
        for name, (address, size) in self.symbols.items():
            symbols += struct.pack("<IBBHQQ", len(strings), 0x12, 0, 2, address, size)
            strings += name.encode() + b"\0"
        rest = [*((n, 1, d) for n, d in self.others.items()), (".strtab", 3, strings),
                (".symtab", 2, symbols), (".shstrtab", 3, None)]
        for name, kind, data in rest:
            if data is None:
                data = "\0".join([n[0] for n in named] + [name, ""]).encode()
            link = dict(link=len(named) - 1, info=1, entsize=24) if kind == 2 else {}
            named.append((name, kind, 0, where + len(body), data, link))
            body += data
        names, table = b"\0".join(n[0].encode() for n in named) + b"\0", b""
        for name, kind, flags, offset, data, extra in named:
            table += struct.pack("<IIQQQQIIQQ", names.index(name.encode() + b"\0"), kind, flags,
                                 self.base + offset if flags else 0, offset, len(data), extra.get("link", 0),
                                 extra.get("info", 0), 1, extra.get("entsize", 0))
        head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
            "<HHIQQQIHHHHHH", self.kind, 62, 1, self.entry, 64, where + len(body), 0, 64, 56,
            len(headers), 64, len(named), len(named) - 1)
        for kind, flags, offset, size in headers:
            head += struct.pack("<IIQQQQQQ", kind, flags, offset, self.base + offset,
                                self.base + offset, size, size, 1)
        return head.ljust(0x200, b"\0") + note + bytes(0x1000 - 0x200 - len(note)) + self.text + frame + body + table
