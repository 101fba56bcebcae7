"""Writes DWARF 2 to 5 from a short description. Nothing is checked: what is described is written,
however wrong it is.

    f = DIE("subprogram", DIE("formal_parameter", name="a", type=T, location=expr(("fbreg", -16))),
            name="f", low_pc=Addr(0x401000), high_pc=64)
    sections = Dwarf(Unit(DIE("compile_unit", T, f, name="t.c", stmt_list=Lines(...)))).sections()

A form follows from the Python type of a value: str, int, bool, bytes (an expression), DIE (a
reference), Addr, Lines, Ranges, Locations; Form(NAME, VALUE) asks for another one. A function as
value is called with `at`, which gives the offset of a DIE in its unit, once all are known.
Numbers are those of DWARF 5 §7. The file around it is elfwriter.py's.
"""
import struct

TAGS = dict(array_type=0x01, enumeration_type=0x04, formal_parameter=0x05, lexical_block=0x0b,
            member=0x0d, pointer_type=0x0f, compile_unit=0x11, structure_type=0x13, typedef=0x16,
            union_type=0x17, unspecified_parameters=0x18, inlined_subroutine=0x1d, subrange_type=0x21,
            base_type=0x24, const_type=0x26, enumerator=0x28, subprogram=0x2e, variant_part=0x33, namespace=0x39,
            call_site=0x48, call_site_parameter=0x49)
ATTRIBUTES = dict(sibling=0x01, location=0x02, name=0x03, byte_size=0x0b, bit_offset=0x0c, bit_size=0x0d,
                  stmt_list=0x10, low_pc=0x11, high_pc=0x12, language=0x13, comp_dir=0x1b,
                  const_value=0x1c, inline=0x20, producer=0x25, prototyped=0x27, upper_bound=0x2f,
                  abstract_origin=0x31, count=0x37, data_member_location=0x38, decl_file=0x3a,
                  decl_line=0x3b, declaration=0x3c, encoding=0x3e, external=0x3f, frame_base=0x40,
                  specification=0x47, type=0x49, ranges=0x55, call_file=0x58, call_line=0x59,
                  data_bit_offset=0x6b, linkage_name=0x6e, call_all_calls=0x7a,
                  call_return_pc=0x7d, call_value=0x7e, call_origin=0x7f, call_pc=0x81,
                  call_tail_call=0x82, call_target=0x83, alignment=0x88)
FORMS = dict(addr=0x01, block2=0x03, data2=0x05, data4=0x06, data8=0x07, string=0x08, block=0x09,
             data1=0x0b, flag=0x0c, sdata=0x0d, strp=0x0e, udata=0x0f, ref_addr=0x10, ref4=0x13,
             ref_udata=0x15, sec_offset=0x17, exprloc=0x18, flag_present=0x19, strx=0x1a,
             loclistx=0x22, rnglistx=0x23)
# Operations of expressions: number and operands.
OPERATIONS = dict(addr=(0x03, "u8"), deref=(0x06,), const1u=(0x08, "u1"), const8u=(0x0e, "u8"),
                  const2u=(0x0a, "u2"), constu=(0x10, "uleb"), consts=(0x11, "sleb"), dup=(0x12,), drop=(0x13,),
                  minus=(0x1c,), plus=(0x22,), plus_uconst=(0x23, "uleb"), bra=(0x28, "s2"), skip=(0x2f, "s2"),
                  lit0=(0x30,), lit1=(0x31,), regx=(0x90, "uleb"), fbreg=(0x91, "sleb"),
                  bregx=(0x92, "uleb", "sleb"), piece=(0x93, "uleb"), nop=(0x96,), call2=(0x98, "u2"),
                  call4=(0x99, "u4"), call_frame_cfa=(0x9c,), bit_piece=(0x9d, "uleb", "uleb"),
                  implicit_value=(0x9e, "block"), stack_value=(0x9f,), entry_value=(0xa3, "block"),
                  **{"reg%d" % n: (0x50 + n,) for n in range(32)},
                  **{"breg%d" % n: (0x70 + n, "sleb") for n in range(32)})


def uleb(n):
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7f
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def sleb(n):
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7f
        if n == (-1 if low & 0x40 else 0):
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def fixed(n, size):
    return (n & (1 << 8 * size) - 1).to_bytes(size, "little")


def operand(kind, value):
    if kind == "uleb":
        return uleb(value)
    if kind == "sleb":
        return sleb(value)
    if kind == "block":
        return uleb(len(value)) + value
    return fixed(value, int(kind[1]))


def encode(table, steps):
    out = bytearray()
    for step in steps:
        name, *values = (step,) if isinstance(step, str) else step
        number, *kinds = table[name]
        out.append(number)
        for kind, value in zip(kinds, values):
            out += operand(kind, value)
    return bytes(out)


def expr(*steps):
    """expr(("fbreg", -16), "deref") → bytes"""
    return encode(OPERATIONS, steps)


class Addr(int):
    """An address as attribute: DW_FORM_addr."""


class Form:
    def __init__(self, name, value):
        self.name, self.value = name, value


class DIE:
    def __init__(self, tag, *children, **attributes):
        self.tag, self.children, self.attributes = tag, list(children), attributes
        self.offset = 0  # in .debug_info
        self.unit = None

    def add(self, *children):
        self.children += children
        return self

    def set(self, **attributes):
        self.attributes.update(attributes)
        return self


class Unit:
    def __init__(self, die, version=5):
        self.die, self.version = die, version
        self.offset = 0


class Ranges:
    """[(start, end)], absolute; `raw`: the bytes of the list instead."""

    def __init__(self, *pairs, raw=None):
        self.pairs, self.raw = pairs, raw

    def write(self, version):
        if self.raw is not None:
            return self.raw
        if version >= 5:  # DW_RLE_start_end
            return b"".join(b"\6" + struct.pack("<QQ", *p) for p in self.pairs) + b"\0"
        return b"".join(struct.pack("<QQ", *p) for p in [(2 ** 64 - 1, 0), *self.pairs, (0, 0)])


class Locations:
    """[(start, end, expression)], absolute; `raw`: the bytes of the list instead."""

    def __init__(self, *entries, raw=None):
        self.entries, self.raw = entries, raw

    def write(self, version):
        if self.raw is not None:
            return self.raw
        if version >= 5:  # DW_LLE_start_end
            return b"".join(b"\7" + struct.pack("<QQ", a, b) + operand("block", e)
                            for a, b, e in self.entries) + b"\0"
        out = struct.pack("<QQ", 2 ** 64 - 1, 0)
        for a, b, e in self.entries:
            out += struct.pack("<QQH", a, b, len(e)) + e
        return out + bytes(16)


class Lines:
    """A line number program (§6.2): sequences of rows (address, line[, file]), the last of each its
    end. Each row sets its address, so that any order can be written. `header`: fields that are other
    than they should be."""

    def __init__(self, *sequences, files=("t.c",), directory="/src", **header):
        self.sequences, self.files, self.directory = sequences, files, directory
        self.header = dict(dict(min_insn=1, max_ops=1, line_range=14, file_count=None), **header)

    def program(self, version):
        out = bytearray()
        for rows in self.sequences:
            line, file = 1, 1
            for n, (address, *row) in enumerate(rows):
                out += b"\0\x09\x02" + fixed(address, 8)
                if n == len(rows) - 1:
                    out += b"\0\x01\x01"
                    break
                number = row[1] if len(row) > 1 else 1
                if number != file:
                    out += b"\x04" + uleb(number)
                out += b"\x03" + sleb(row[0] - line) + b"\x01"
                line, file = row[0], number
        return bytes(out)

    def tables(self, version):
        def text(s):
            return s.encode() + b"\0"
        if version < 5:
            return text(self.directory) + b"\0" + b"".join(
                text(f) + b"\1\0\0" for f in self.files) + b"\0"
        # Directory 0 is that of the compilation, file 0 is file 1 once more.
        files = (self.files[:1] or ("t.c",)) + tuple(self.files)
        count = self.header["file_count"] or len(files)
        return (b"\1\1\x08" + uleb(1) + text(self.directory) + b"\2\1\x08\2\x0b" + uleb(count)
                + b"".join(text(f) + b"\0" for f in files))

    def write(self, version):
        h = self.header
        head = bytes([h["min_insn"]] + ([h["max_ops"]] if version >= 4 else []) + [1, 0xfb, h["line_range"], 13,
                     0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + self.tables(version)
        body = fixed(version, 2) + (b"\x08\0" if version >= 5 else b"") + fixed(len(head), 4) + head
        body += self.program(version)
        return fixed(len(body), 4) + body


class Dwarf:
    """The sections of some units."""

    def __init__(self, *units):
        self.units = units
        self.out = {n: bytearray() for n in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_str",
                                             ".debug_ranges", ".debug_rnglists", ".debug_loc",
                                             ".debug_loclists")}
        self.abbrevs, self.fixups, self.late, self.strings = {}, [], [], {}

    def sections(self):
        for unit in self.units:
            self.write_unit(unit)
        info = self.out[".debug_info"]
        for at, size, die, base in self.fixups:
            info[at:at + size] = fixed(die.offset - base, size)
        for at, size, fn in self.late:
            value = fn(lambda die: die.offset - die.unit.offset)
            assert len(value) == size
            info[at:at + size] = value
        self.out[".debug_abbrev"] += b"\0"
        return {n: bytes(d) for n, d in self.out.items() if d}

    def write_unit(self, unit):
        info = self.out[".debug_info"]
        unit.offset = len(info)
        info += bytes(4) + fixed(unit.version, 2)
        info += b"\1\x08" + bytes(4) if unit.version >= 5 else bytes(4) + b"\x08"
        # None stands for the end of a list of children; no recursion, so any depth can be written.
        todo = [unit.die]
        while todo:
            die = todo.pop()
            if die is None:
                info += b"\0"
                continue
            self.write_die(unit, die)
            if die.children:
                todo.append(None)
                todo += reversed(die.children)
        info[unit.offset:unit.offset + 4] = fixed(len(info) - unit.offset - 4, 4)

    def write_die(self, unit, die):
        info = self.out[".debug_info"]
        die.offset, die.unit = len(info), unit
        forms = [(ATTRIBUTES[name], self.form_of(value, unit.version))
                 for name, value in die.attributes.items()]
        key = (TAGS[die.tag], bool(die.children), tuple((a, f.name) for a, f in forms))
        if key not in self.abbrevs:
            self.abbrevs[key] = len(self.abbrevs) + 1
            self.out[".debug_abbrev"] += (uleb(self.abbrevs[key]) + uleb(key[0]) + bytes([key[1]]) + b"".join(
                uleb(a) + uleb(FORMS[f]) for a, f in key[2]) + b"\0\0")
        info += uleb(self.abbrevs[key])
        for _, form in forms:
            self.write_form(unit, form)

    def form_of(self, value, version):
        offset = "sec_offset" if version >= 4 else "data4"
        kinds = ((Form, None), (bool, "flag_present" if version >= 4 else "flag"), (Addr, "addr"),
                 (int, "udata"), (str, "string"), (bytes, "exprloc" if version >= 4 else "block"),
                 (DIE, "ref4"), ((Lines, Ranges, Locations), offset))
        for kind, name in kinds:
            if isinstance(value, kind):
                return Form(name, value) if name else value
        return Form("exprloc" if version >= 4 else "block", value)  # a function

    def write_form(self, unit, form):
        info, name, value = self.out[".debug_info"], form.name, form.value
        if callable(value):
            value = value(lambda die: 0)
            self.late.append((len(info) + len(uleb(len(value))), len(value), form.value))
        if isinstance(value, DIE):
            size = 4
            self.fixups.append((len(info), size, value, unit.offset if name == "ref4" else 0))
            info += bytes(size)
        elif isinstance(value, (Lines, Ranges, Locations)):
            info += fixed(self.place(unit.version, value), 4)
        elif name == "string":
            info += value.encode() + b"\0"
        elif name == "strp" and isinstance(value, str):
            info += fixed(self.string(value), 4)
        elif name in ("exprloc", "block"):
            info += operand("block", value)
        elif name == "block2":
            info += fixed(len(value), 2) + value
        elif name == "flag_present":
            pass
        elif name in ("udata", "ref_udata", "strx", "loclistx", "rnglistx"):
            info += uleb(value)
        elif name == "sdata":
            info += sleb(value)
        else:
            sizes = dict(addr=8, data1=1, flag=1, data2=2, data8=8)
            info += fixed(value, sizes.get(name, 4))

    def string(self, text):
        if text not in self.strings:
            self.strings[text] = len(self.out[".debug_str"])
            self.out[".debug_str"] += text.encode() + b"\0"
        return self.strings[text]

    def place(self, version, value):
        """Where a list or a line program stands in its section; it is written there."""
        names = {Lines: (".debug_line",) * 2, Ranges: (".debug_ranges", ".debug_rnglists"),
                 Locations: (".debug_loc", ".debug_loclists")}
        name = names[type(value)][version >= 5]
        section = self.out[name]
        data = value.write(version)
        if name.endswith("lists"):  # a table of its own for each: §7.28, §7.29
            section += fixed(8 + len(data), 4) + b"\5\0\x08\0" + bytes(4)
        section += data
        return len(section) - len(data)
