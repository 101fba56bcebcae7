"""The rows of wrong.py: each says what it makes wrong, and its line what is right."""
import struct

from dwarfwriter import DIE, Addr, Form, Locations, Ranges, expr, uleb
from elfwriter import Fde, cfi
from wrong_program import AT, CALL_END, FRAME, NAMES, STACK, row

INNER = AT["inner"]
SCANT = "some values take more work than one may: they are not known"


# --- nothing is wrong ---

@row()
def sound(p):
    pass


@row()
def sound_4(p):
    p.version = 4


@row()
def sound_3(p):
    p.version = 3


@row()
def sound_2(p):
    p.version = 2


@row()
def sound_debug_frame(p):
    p.elf["debug_frame"] = True


# --- lines and ranges ---

@row()
def overlapping_sequences(p):
    """Another sequence begins below the function and goes over it."""
    p.lines.files = ("t.c", "other.c")
    p.lines.sequences = ([(0x400f00, 999, 2), (0x402000, 0)], *p.lines.sequences,
                         [(INNER + 4, 998, 2), (0x402000, 0)])


@row()
def tombstones(p):
    """What linkers leave of functions that they throw away: addresses of 0, 1, −1 and −2."""
    for n, start in enumerate((0, 1, 2 ** 64 - 1, 2 ** 64 - 2)):
        p.unit.add(p.function("dead%d" % n, start, 0x40))
        p.unit.add(p.function("empty%d" % n, start, 0))
        p.lines.sequences += ([(start, 900 + n), (start + 0x40 & 2 ** 64 - 1, 0)],)
    del p.unit.attributes["high_pc"]
    p.unit.set(low_pc=Addr(0), ranges=Ranges((0, 0), (1, 1), (2 ** 64 - 1, 2 ** 64 - 1), (2 ** 64 - 2, 2 ** 64 - 1),
                                             (INNER, INNER + 0x100)))


@row()
def backward_ranges(p):
    """Ranges whose end lies before their start."""
    p.unit.add(p.function("backward", INNER + 0x20, -0x20))
    p.unit.add(DIE("subprogram", name="huge", low_pc=Addr(INNER), high_pc=Form("data8", 2 ** 64 - 1)))


@row(inner="(0x11, 0x22) t.c:12 (near)")
def line_0(p):
    p.lines.sequences[0][1:2] = [(INNER + 4, 12), (INNER + 8, 0)]


@row()
def rows_out_of_order(p):
    """A sequence whose addresses go back (§6.2.5: they only increase)."""
    first, mine, last, end = p.lines.sequences[0]
    p.lines.sequences[0][:] = [first, last, mine, end]


@row(inner="(0x11, 0x22) t.c:4294967290")
def line_2_32(p):
    p.lines.sequences[0][1] = (INNER + 8, -6)


@row(inner="(0x11, 0x22) t+0x1010")
def file_unknown(p):
    p.lines.sequences[0][1] = (INNER + 8, 12, 2 ** 31)


NO_LINES = dict(inner="(0x11, 0x22) t+0x1010", outer="(0x33, 0x44) t+0x1055", main="(0x55, 0x66) t+0x1095",
                _start="() t+0x10d5")


@row()
def line_range_0(p):
    """No operation here rests on it."""
    p.lines.header["line_range"] = 0


@row(**NO_LINES)
def operations_0(p):
    """No operations in an instruction."""
    p.lines.header["max_ops"] = 0


@row(**NO_LINES)
def files_2_32(p):
    p.lines.header["file_count"] = 2 ** 32


@row(**NO_LINES)
def lines_elsewhere(p):
    p.unit.set(stmt_list=Form("sec_offset", 2 ** 31))


# --- trees of DIEs ---

def nest(depth, tag, inside, **attributes):
    for _ in range(depth):
        inside = DIE(tag, inside, **attributes)
    return inside


@row(frames=["deep() t.c:12 (inlined)", "inner(0x11, 0x22) t.c:77", "outer(0x33, 0x44) t.c:12",
             "main(0x55, 0x66) t.c:12", "_start() t.c:12"])
def deep_blocks(p):
    """An inlined call below 10,000 lexical blocks."""
    deep = DIE("subprogram", name="deep", inline=1, prototyped=True)
    at = dict(low_pc=Addr(INNER), high_pc=Form("data8", 0x40))
    call = DIE("inlined_subroutine", abstract_origin=deep, call_file=1, call_line=77, **at)
    p.unit.add(deep)
    p.f["inner"].add(nest(10000, "lexical_block", call, **at))


@row(inner="(...) t.c:12")
def deep_namespaces(p):
    """The function below 10,000 namespaces: its name is in the symbol table."""
    p.unit.children.remove(p.f["inner"])
    p.unit.add(nest(10000, "namespace", p.f["inner"], name="n"))


@row(frames=["f%d() t.c:%d (inlined)" % (n, n + 100) for n in range(62, -1, -1)]
     + ["inner(0x11, 0x22) t.c:99", "outer(0x33, 0x44) t.c:12", "main(0x55, 0x66) t.c:12",
        "_start() t.c:12"])
def deep_inlines(p):
    """200 nested inlined calls: the outermost, each with its own line. (That of f62 is where it
    calls f63.)"""
    inside = []
    for n in reversed(range(200)):
        f = DIE("subprogram", name="f%d" % n, inline=1, prototyped=True)
        p.unit.add(f)
        inside = [DIE("inlined_subroutine", *inside, abstract_origin=f, call_file=1, call_line=n + 99,
                      low_pc=Addr(INNER), high_pc=Form("data8", 0x40))]
    p.f["inner"].add(*inside)


@row(outer="(...) t.c:12", main="(...) t.c:12", _start="(...) t.c:12")
def sibling_itself(p):
    """DW_AT_sibling leads back to the DIE itself, and to one before it: what follows is lost."""
    one = DIE("typedef", DIE("member"), name="one", type=p.int)
    two = DIE("typedef", DIE("member"), name="two", type=p.int)
    one.set(sibling=one)
    two.set(sibling=p.f["inner"])
    p.unit.add(one, two)
    inside = DIE("lexical_block", DIE("member"))
    p.f["inner"].add(inside.set(sibling=p.f["inner"].children[0]))


@row()
def sibling_tree(p):
    """Namespaces whose children have what follows the namespace as their siblings: walked as a tree
    they are 2^60."""
    spaces = [DIE("namespace", DIE("namespace", DIE("member"), name="c"), name="s") for _ in range(60)]
    end = DIE("typedef", name="end", type=p.int)
    for space, follows in zip(spaces, spaces[1:] + [end]):
        space.set(sibling=follows)
        space.children[0].set(sibling=follows)
    p.unit.add(*spaces, end)


# --- references in circles ---

@row(inner="(_, 0x22) t.c:12")
def type_circle(p):
    one, two = DIE("typedef", name="one"), DIE("const_type")
    p.unit.add(one.set(type=two), two.set(type=one))
    p.set(0, type=one)


@row(inner="(_, 0x22) t.c:12")
def type_itself(p):
    one = DIE("typedef", name="one")
    p.unit.add(one.set(type=one))
    p.set(0, type=one)


@row(inner="({{{{{...}}}}}) t.c:12")
def struct_in_itself(p):
    t = p.struct(8)
    t.add(DIE("member", name="m", type=t, data_member_location=0))
    p.set(0, type=t)


@row(inner="({{{{{...}}}}}) t.c:12")
def array_of_itself(p):
    t = DIE("array_type", DIE("subrange_type", count=1), byte_size=8)
    p.unit.add(t.set(type=t))
    p.set(0, type=t)


@row()
def origin_circle(p):
    one, two = DIE("subprogram", inline=1), DIE("subprogram", inline=1)
    p.unit.add(one.set(abstract_origin=two), two.set(abstract_origin=one))
    p.f["inner"].set(abstract_origin=one)


@row()
def origin_itself(p):
    p.f["inner"].set(abstract_origin=p.f["inner"])


@row()
def specification_circle(p):
    one = DIE("subprogram", declaration=True)
    p.unit.add(one.set(specification=p.f["inner"]))
    p.f["inner"].set(specification=one)


@row(inner="(0x11, 0x22) t.c:12")
def origin_of_parameter(p):
    """A parameter is its own abstract origin."""
    a = p.f["inner"].children[0]
    a.set(abstract_origin=a)


# --- types ---

def decoded(*rows):
    """What decode prints."""
    return "\n".join(["Bits    Binary      Hex   Value", *rows])


def decoded_row(first, last, value, text):
    bits = last - first + 1
    binary = " ".join("{:0{}b}".format(value, bits)[n:n + 4] for n in range(0, bits, 4))
    return "%-8s%-10s  %-4s  %s" % ("%02d-%02d" % (first, last), binary, "%0*x" % (bits // 4, value), text)


def array(p, element, count, **attributes):
    t = DIE("array_type", DIE("subrange_type", count=Form("udata", count)), type=element, **attributes)
    p.unit.add(t)
    return t


@row(inner="({0x11, 0x22, 0x0, 0x401055, 0x0, 0x0, 0x0, 0x0, 0x33, 0x44, ...}) t.c:12")
def array_2_62(p):
    """An array of 2^62 longs: 2^65 bytes."""
    p.set(0, type=array(p, p.int, 2 ** 62))


@row(inner="({{0x11}}, 0x22) t.c:12", answers={"decode 0x1 struct evil": ""})
def array_2_63_of_2_63(p):
    huge = p.struct(2 ** 63, dict(name="m", type=p.int, data_member_location=0), name="evil")
    p.set(0, type=array(p, huge, 2 ** 63, byte_size=8))


@row(inner="({_, _, _, _, _, _, _, _, _, _, ...}) t.c:12")
def array_0_of_a_megabyte(p):
    p.set(0, type=array(p, p.int, 0, byte_size=1 << 20))


@row(inner="({0x11, _}, 0x22) t.c:12")
def member_without_type(p):
    """What a member of no type holds is not known, nor is how far it goes."""
    p.set(0, type=p.struct(16, dict(name="m", type=p.int, data_member_location=0),
                           dict(name="n", data_member_location=8)))


@row(inner="({0x11, {_}}, 0x22) t.c:12")
def variants(p):
    """Rust's enums: what they hold stands in a variant part, which is not read. Sound."""
    hidden = p.struct(4)
    hidden.add(DIE("variant_part", DIE("member", name="m", type=p.int)))
    p.set(0, type=p.struct(16, dict(name="x", type=p.int, data_member_location=0),
                           dict(name="e", type=hidden, data_member_location=8)))


@row(inner="({_, _}, 0x22) t.c:12")
def struct_without_members(p):
    p.set(0, type=p.struct(16))


@row(inner="({0x11, _}, 0x22) t.c:12", answers={
    "decode 0x1,0x2 struct s": decoded(decoded_row(0, 63, 1, "m0 = 1"), decoded_row(64, 71, 2, "-"))})
def members_past_the_end(p):
    """A struct of 16 bytes, members at 0, 100, 2^40, 2^61 and 2^64 − 8; one of 2^61 bytes."""
    huge = p.struct(2 ** 61, dict(name="x", type=p.int, data_member_location=2 ** 61 - 8))
    offsets = (0, 100, 2 ** 40, 2 ** 61, 2 ** 64 - 8)
    p.set(0, type=p.struct(16, *[dict(name="m%d" % n, type=p.int, data_member_location=o)
                                 for n, o in enumerate(offsets)],
                           dict(name="h", type=huge, data_member_location=8), name="s"))


@row(inner="({_, _, _, _, _, _, _, _, _, _, ...}) t.c:12")
def aggregate_past_the_end(p):
    """The only member is a struct that begins behind the end, in a struct of a megabyte."""
    one = p.struct(8, dict(name="x", type=p.int, data_member_location=0))
    p.set(0, type=p.struct(1 << 20, dict(name="m", type=one, data_member_location=(1 << 20) + 64)))


@row(inner="({_}, 0x22) t.c:12", answers={"decode 0x1 struct evil": decoded(decoded_row(0, 3, 1, "in = 1"))})
def bit_fields_outside(p):
    """Bit fields before and behind their struct, and one of more bits than there are."""
    def field(name, offset, bits):
        return dict(name=name, type=p.int, data_bit_offset=offset, bit_size=bits)
    p.set(0, type=p.struct(8, field("in", 0, 4), field("behind", 8800, 8), field("wraps", 2 ** 64 - 8800, 8),
                           field("round", 8800, 2 ** 64 - 8800), field("long", 60, 2 ** 32), name="evil"))


@row(inner="({0x11}, 0x22) t.c:12")
def old_bit_field_outside(p):
    """DWARF 2's DW_AT_bit_offset beyond the storage."""
    p.set(0, type=p.struct(8, dict(name="m", type=p.int, data_member_location=0),
                           dict(name="f", type=p.int, byte_size=4, bit_offset=2 ** 40, bit_size=3,
                                data_member_location=0)))


@row(status=1, said=SCANT, inner="({{{{{...}}}}}) t.c:12", answers={
    "decode 0x1 struct s0": decoded(*[decoded_row(0, 63, 1, "m = 1")] * 1024, "...")})
def members_times_members(p):
    """Sixteen structs, each of them 100 times at the same place in the next: 10^32 members."""
    t = p.int
    for n in range(16):
        t = p.struct(8, *[dict(name="m", type=t, data_member_location=0)] * 100, name="s%d" % (15 - n))
    p.set(0, type=t)


@row(status=1, said=SCANT, inner="({{{{{...}}}}}) t.c:12")
def unknown_members_times_members(p):
    """The same, the innermost members without a type: 10^14."""
    t = p.struct(8, *[dict(name="m", data_member_location=0)] * 100)
    for _ in range(6):
        t = p.struct(8, *[dict(name="m", type=t, data_member_location=0)] * 100)
    p.set(0, type=t)


@row(status=1, said=SCANT, inner="({{_}, _, _, _, _, _, _, _, _, _, ...}) t.c:12", answers={
    "decode %s struct s" % ",".join(["0x1"] * 64): None})
def arrays_times_arrays(p):
    """Fourteen arrays of arrays, each with 64 elements and said to have one byte."""
    t = DIE("base_type", name="none", byte_size=1, encoding=7)
    p.unit.add(t)
    for _ in range(14):
        t = array(p, t, 64, byte_size=1)
    p.set(0, type=p.struct(512, dict(name="m", type=t, data_member_location=0), name="s"))


@row(answers={"decode 0x1 enum e": decoded(decoded_row(0, 63, 1, "1")),
              "decode 0x2 enum e": decoded(decoded_row(0, 63, 2, "2")), "decode 0x1 enum big": ""})
def enumerators(p):
    """Without a name, without a value, of a size that no value has."""
    p.unit.add(DIE("enumeration_type", DIE("enumerator", const_value=1), DIE("enumerator", name="x"),
                   name="e", byte_size=8),
               DIE("enumeration_type", DIE("enumerator", name="y", const_value=1), name="big", byte_size=400))


@row(inner="({0x11, 0x22, 0x0, 0x401055, 0x0, 0x0, 0x0, 0x0, 0x33, 0x44, ...}) t.c:12")
def scalar_of_a_megabyte(p):
    t = DIE("base_type", name="wide", byte_size=1 << 20, encoding=5)
    p.unit.add(t)
    p.set(0, type=t)


# --- locations ---

@row(inner="(_, _) t.c:12")
def locations_without_end(p):
    """Lists that go on to the end of the section: a million entries for other addresses."""
    other = b"\7" + struct.pack("<QQ", 0x500000, 0x500001) + b"\1\x50"
    p.set(0, location=Locations(raw=other * 10 ** 6))
    p.set(1, location=Locations(raw=other))


@row(inner="(_, _) t.c:12")
def locations_elsewhere(p):
    p.set(0, location=Form("sec_offset", 0x7fffffff))
    p.set(1, location=Form("loclistx", 2 ** 63))


@row(inner="(_, _) t.c:12")
def expression_of_a_megabyte(p):
    p.set(0, location=expr(*["nop"] * 10 ** 6, ("fbreg", -32)))
    p.set(1, location=expr(*["lit0"] * 10 ** 6, "stack_value"))


@row(inner="(_, _) t.c:12")
def calls_in_a_circle(p):
    """DW_OP_call4 of the parameter's own DIE, DW_OP_call2 of one that calls back."""
    a, b = p.f["inner"].children
    p.set(0, location=lambda at: expr(("call4", at(a))))
    p.set(1, location=lambda at: expr(("call2", at(b))))


@row(status=1, said=SCANT, inner="(_, _) t.c:12")
def expression_in_a_circle(p):
    """DW_OP_skip back to itself; a circle that ends each round with a piece."""
    p.set(0, location=expr(("skip", -3)))
    p.set(1, location=expr("lit0", ("piece", 1), ("skip", -6)))


@row(status=1, said=SCANT, inner="(_, 0x22) t.c:12")
def piece_at_the_limit(p):
    """The piece comes with just that step at which evaluation gives up (65,536), a circle behind it."""
    p.set(0, location=expr(*["nop"] * 3, ("const2u", 16383), "lit1", "minus", "dup", ("bra", -6), ("piece", 8),
                           ("skip", -3)))


@row(inner="(_, {_, 0x22}) t.c:12")
def pieces_of_bits(p):
    """Two pieces of 4 bits make a byte; what follows them is in its place."""
    wide = DIE("base_type", name="wide", byte_size=16, encoding=5)
    p.unit.add(wide)
    nibbles = ("lit1", "stack_value", ("bit_piece", 4, 0)) * 2
    p.set(0, location=expr(*nibbles, ("fbreg", -32), ("piece", 7)))
    p.set(1, type=wide, location=expr(*nibbles, ("fbreg", -32), ("piece", 7), ("fbreg", -24), ("piece", 8)))


def entries(depth):
    """The entry value of an entry value of … a register."""
    parts, length = [expr("reg5")], 1
    for _ in range(depth):
        parts.append(expr(("entry_value", b""))[:1] + uleb(length))
        length += len(parts[-1])
    return b"".join(reversed(parts))


@row(inner="(_, _) t.c:12")
def entry_values_in_entry_values(p):
    p.set(0, location=entries(100000) + expr("stack_value"))
    p.set(1, location=entries(3) + expr("stack_value"))


def site(callee, pc, *values, **attributes):
    return DIE("call_site", *[DIE("call_site_parameter", location=expr(where), call_value=value)
                              for where, value in values],
               call_return_pc=Addr(pc), call_origin=callee, **attributes)


@row(inner="(0x77, 0x22) t.c:12")
def entry_value(p):
    """Sound: what outer says that it passes."""
    p.set(0, location=expr(("entry_value", expr("reg5")), "stack_value"))
    p.f["outer"].add(site(p.f["inner"], AT["outer"] + CALL_END, ("reg5", expr(("const1u", 0x77)))))


@row(status=1, said=SCANT, frames=["outer(_, 0x44) t.c:12"] * 3 + ["outer(0x9c4, 0x44) t.c:12", "outer(0x32, 0x44) t.c:12",
                                                                   "main(0x55, 0x66) t.c:12", "_start() t.c:12"])
def entry_values_times_entry_values(p):
    """outer calls itself with the sum of 50 times what it was called with, first with 1: what the
    fifth has is 50^5, after as many evaluations."""
    many = expr(*[("entry_value", expr("reg5"))] * 50, *["plus"] * 49)
    p.recursion(4)
    p.f["outer"].children[0].set(location=many + expr("stack_value"))
    p.f["outer"].add(site(p.f["outer"], AT["outer"] + CALL_END, ("reg5", many)))
    p.f["main"].add(site(p.f["outer"], AT["main"] + CALL_END, ("reg5", expr("lit1"))))


@row(inner="(0x11, {0x22, _}) t.c:12")
def pieces_of_2_40(p):
    """The first piece is all of the object, whatever the second says."""
    wide = DIE("base_type", name="wide", byte_size=16, encoding=5)
    p.unit.add(wide)
    p.set(0, location=expr(("fbreg", -32), ("piece", 2 ** 40), ("fbreg", -24), ("piece", 2 ** 40)))
    p.set(1, type=wide, location=expr(("fbreg", -24), ("piece", 8), ("piece", 2 ** 61 + 1), "reg4",
                                      ("piece", 8)))


@row(inner="(0x11, 0x22) t.c:12")
def pieces_that_wrap(p):
    """2^61 + 1 bytes are 8 bits more than 2^64."""
    p.set(0, location=expr(("fbreg", -32), ("piece", 2 ** 61 + 1), ("fbreg", -24), ("piece", 7)))
    p.set(1, location=expr(("fbreg", -24), ("bit_piece", 2 ** 64 - 8, 0), ("fbreg", -32), ("piece", 8)))


@row(inner="(_, _) t.c:12")
def frame_base_of_itself(p):
    p.f["inner"].set(frame_base=expr(("fbreg", 0)))


@row(inner="(_, _) t.c:12")
def frame_base_by_entry_value(p):
    p.f["inner"].set(frame_base=expr(("entry_value", expr("reg5")), "stack_value"))


@row(inner="(_, _) t.c:12")
def value_is_longer(p):
    """Implicit values of another length than the object, and of no length."""
    p.set(0, location=expr(("implicit_value", b"\x77" * 4)))
    p.set(1, location=expr(("implicit_value", b"")))


# --- call sites ---

@row()
def tail_calls_in_a_circle(p):
    """main calls `one`, which ends by calling itself, `two` or inner; `two` does the same."""
    one, two = (p.function(n, at, 0x10) for n, at in (("one", 0x401100), ("two", 0x401110)))
    for f, at in ((one, 0x401105), (two, 0x401115)):
        for callee in (one, two, p.f["inner"]):
            f.add(site(callee, at, call_tail_call=True))
    p.unit.set(high_pc=Form("data8", 0x200)).add(one, two)
    p.call("outer", 0x401100)


def chain(p, length):
    """outer calls the first of so many functions, each of which ends by calling the next one, the
    last inner."""
    p.extra = bytes(16 * length)
    links = [p.function("f%d" % n, 0x401100 + 16 * n, 16) for n in range(length)]
    for n, (link, callee) in enumerate(zip(links, links[1:] + [p.f["inner"]])):
        link.add(site(callee, 0x401108 + 16 * n, call_tail_call=True))
    p.unit.set(high_pc=Form("data8", 0x100 + 16 * length)).add(*links)
    p.call("outer", 0x401100)


@row(frames=["inner(0x11, 0x22) t.c:12", "f2(_, _) t+0x1128 (tail call)", "f1(_, _) t+0x1118 (tail call)",
             "f0(_, _) t+0x1108 (tail call)", "outer(0x33, 0x44) t.c:12", "main(0x55, 0x66) t.c:12",
             "_start() t.c:12"])
def tail_calls(p):
    """Sound."""
    chain(p, 3)


@row()
def tail_calls_10_000(p):
    """None are put in: all or nothing."""
    chain(p, 10000)


@row()
def tail_call_out_of_sight(p):
    """`one` ends by calling inner, and below 70 blocks by calling `two`, which calls inner: two ways."""
    one, two = (p.function(n, at, 0x10) for n, at in (("one", 0x401100), ("two", 0x401110)))
    one.add(site(p.f["inner"], 0x401104, call_tail_call=True),
            nest(70, "lexical_block", site(two, 0x401108, call_tail_call=True)))
    two.add(site(p.f["inner"], 0x401118, call_tail_call=True))
    p.unit.set(high_pc=Form("data8", 0x200)).add(one, two)
    p.call("outer", 0x401100)


@row()
def call_sites_100_000(p):
    """One return address has as many call sites, one function as many tail calls."""
    p.f["outer"].add(*[site(p.f["inner"], AT["outer"] + CALL_END, ("reg5", expr("lit1")))
                       for _ in range(10 ** 5)])
    p.f["inner"].add(*[site(p.f["outer"], INNER + 4, call_tail_call=True) for _ in range(10 ** 5)])


# --- call frame information ---

def by_frame_pointer(p):
    """A frame pointer chain for what has no row: it leads to the right callers."""
    p.regs["rbp"] = STACK + FRAME - 16
    for n in range(2):
        struct.pack_into("<Q", p.stack, FRAME * (n + 1) - 16, STACK + FRAME * (n + 2) - 16)


@row(outer="(0x33, 0x44) t.c:12 (by frame pointer)")
def remember_100_000(p):
    """100,000 × DW_CFA_remember_state, and the sound row behind them."""
    by_frame_pointer(p)
    p.fde["inner"].instructions = cfi(*["remember_state"] * 10 ** 5) + p.fde["inner"].instructions


@row(outer="(0x33, 0x44) t.c:12 (by frame pointer)")
def restore_of_nothing(p):
    by_frame_pointer(p)
    p.fde["inner"].instructions += cfi("restore_state")


@row(outer="(0x33, 0x44) t.c:12 (by frame pointer)")
def cfa_in_a_circle(p):
    """The CFA's expression skips back to itself."""
    by_frame_pointer(p)
    p.fde["inner"].instructions = cfi(("def_cfa_expression", expr("lit0", ("skip", -4))), ("offset", 16, 1))


@row(outer="(0x33, 0x44) t.c:12 (by frame pointer)")
def rule_in_a_circle(p):
    by_frame_pointer(p)
    p.fde["inner"].instructions = cfi(("def_cfa", 7, FRAME), ("expression", 16, expr("lit0", ("skip", -4))))


@row(outer="(0x33, 0x44) t.c:12 (by frame pointer)")
def cfi_rows_go_back(p):
    """DW_CFA_set_loc to before the row that holds the pc (§6.4.2.1: locations only increase)."""
    by_frame_pointer(p)
    p.fde["inner"].instructions = cfi(("def_cfa", 7, FRAME), ("offset", 16, 1), ("set_loc", INNER + 8),
                                      ("set_loc", INNER + 4), ("def_cfa", 7, 8))


@row(status=1, said="does not end at its base", **{name: words + " t.c:12 (by frame pointer)" for name, words in (
    ("outer", "(0x33, 0x44)"), ("main", "(0x55, 0x66)"), ("_start", "()"))})
def search_table_out_of_order(p):
    """The .eh_frame_hdr's pairs are not sorted, so that searching them does not find inner's."""
    by_frame_pointer(p)
    p.elf["hdr"] = lambda pairs: sorted(pairs, reverse=True)


@row(status=1, said="does not end at its base", **{name: words + " t.c:12 (by frame pointer)" for name, words in (
    ("outer", "(0x33, 0x44)"), ("main", "(0x55, 0x66)"), ("_start", "()"))})
def search_table_lies(p):
    """Each pair leads to the FDE of another function."""
    by_frame_pointer(p)
    p.elf["hdr"] = lambda pairs: [(a, pairs[n - 1][1]) for n, (a, _) in enumerate(pairs)]


@row()
def fdes_overlap(p):
    """An FDE of outer's frame goes over inner, too: the nearest below the pc is inner's own."""
    p.fde = dict(wide=Fde(INNER - 0x800, 0x1000, cfi(("def_cfa", 7, 8), ("offset", 16, 1))), **p.fde)


@row(frames=["inner(_, _) t.c:12"], status=1, said="does not end at its base")
def frame_of_itself(p):
    """The CFA is the stack pointer, the return address the pc."""
    p.fde["inner"].instructions = cfi(("def_cfa", 7, 0), ("expression", 16, expr(("const8u", STACK))))
    struct.pack_into("<Q", p.stack, 0, INNER + CALL_END)
