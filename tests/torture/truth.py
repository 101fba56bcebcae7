"""Types and locations at random, and what their words must be: a model of bits, by the book.

An object of random bytes lies in memory; its type is made of base types, bit fields, structs, unions
and arrays, its location of an address or of pieces. A word is the bits of its members (docs/FORMATS.md);
it is `_` where a piece of it is not there, and where it has no members.

truth.py FROM TO        seeds: a failure names its own
"""
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from dwarfwriter import DIE, expr
from wrong_program import STACK, Program, each_seed

SIZE_MAX = 1000  # bytes; larger objects are cut off
FILL = b"\xee"   # behind the object


class Types:
    """Each function gives (DIE, size, the mask of its members' bits)."""

    def __init__(self, unit, chance):
        self.unit, self.chance = unit, chance

    def add(self, die):
        self.unit.add(die)
        return die

    def any(self, depth=0):
        kinds = ["base"] * 4 + ["struct", "struct", "array", "union", "typedef"] * (depth < 4)
        return getattr(self, self.chance.choice(kinds))(depth + 1)

    def base(self, _):
        size = self.chance.choice([1, 2, 3, 4, 8, 8, 16])
        encoding = self.chance.choice([4, 5, 7] if size == 16 else [2, 4, 5, 6, 7, 8])
        die = self.add(DIE("base_type", name="b", byte_size=size, encoding=encoding))
        # The x87 format has 80 bits (System V ABI, 3.1.2).
        return die, size, b"\xff" * 10 + bytes(6) if (size, encoding) == (16, 4) else b"\xff" * size

    def typedef(self, depth):
        die, size, mask = self.any(depth)
        return self.add(DIE("typedef", name="t", type=die)), size, mask

    def array(self, depth):
        die, size, mask = self.any(depth)
        n = self.chance.randint(1, 4)
        return self.add(DIE("array_type", DIE("subrange_type", count=n), type=die)), size * n, mask * n

    def union(self, depth):
        return self.struct(depth, "union_type")

    def struct(self, depth, tag="structure_type"):
        members, mask = [], bytearray()
        for _ in range(self.chance.randint(1, 5)):
            at = len(mask) if tag == "structure_type" else 0
            if self.chance.random() < 0.25:
                die, bit, bits = self.base(0)[0], 8 * at + self.chance.randint(0, 11), self.chance.randint(1, 20)
                members.append(dict(type=die, data_bit_offset=bit, bit_size=bits))
                more = ((1 << bits) - 1 << bit).to_bytes((bit + bits + 7) // 8, "little")
            else:
                die, size, more = self.any(depth)
                at += -at % self.chance.choice([1, 4, 8, 32])
                members.append(dict(type=die, data_member_location=at))
                more = bytes(at) + more
            mask = bytearray(a | b for a, b in zip(mask.ljust(len(more), b"\0"), more.ljust(len(mask), b"\0")))
        mask += bytes(-len(mask) % self.chance.choice([1, 8, 32]))
        children = [DIE("member", name="m", **m) for m in members]
        return self.add(DIE(tag, *children, name="s", byte_size=len(mask))), len(mask), bytes(mask)


def pieces(chance, data, address):
    """A location in pieces, and which bytes it gives: none after one that does not end with a byte."""
    steps, known, bit = [], bytearray(len(data)), 0
    for _ in range(20):
        kind, n, at = chance.choice("mmmvsnb"), chance.randint(1, 12), bit // 8
        given = n
        if kind == "b":  # single bits: not taken
            n = chance.choice([1, 2, 3, 5, 7, 9, 12]) / 8
            if bit + 8 * n > 8 * len(data):
                break
            steps += ["lit1", "stack_value", ("bit_piece", int(8 * n), 0)]
            given = 0
        elif kind == "m":
            steps += [("const8u", address + at), ("piece", n)]
        elif kind == "v":
            steps += [("implicit_value", data[at:at + n].ljust(n, FILL)), ("piece", n)]
        elif kind == "s":  # shorter than its piece
            given = n - 1
            steps += [("implicit_value", data[at:at + n].ljust(n, FILL)[:given]), ("piece", n)]
        else:
            given = 0
            steps.append(("piece", n))
        if bit % 8 == 0:
            known[at:at + given] = (b"\1" * given)[:max(0, len(data) - at)]
        bit += int(8 * n)
        if bit >= 8 * len(data):
            break
    return expr(*steps), known


def words_of(data, mask, known):
    words = []
    for at in range(0, len(data), 8):
        m, k = mask[at:at + 8], known[at:at + 8]
        value = bytes(a & b for a, b in zip(data[at:at + 8], m))
        there = any(m) and all(known for bits, known in zip(m, k) if bits)
        words.append("%#x" % int.from_bytes(value, "little") if there else "_")
    return words


def check(t, seed, folder):
    chance, p = random.Random(seed), Program()
    p.version = chance.choice([4, 5])
    die, size, mask = Types(p.unit, chance).any()
    if size > SIZE_MAX:
        return
    data, address = chance.randbytes(size), STACK + len(p.stack)
    p.stack += data + FILL * 16
    where, known = expr(("const8u", address)), b"\1" * size
    if chance.random() < 0.5:
        where, known = pieces(chance, data, address)
    p.set(0, type=die, location=where)
    del p.f["inner"].children[1]
    out, err, _ = s.corectl(*p.write(folder), "-batch", "-ex", "bt 1")
    shown = re.search(r"inner\((.*)\)\n", out)
    if not t.check(shown, seed, out, err):
        return
    got, wanted = s.WORD.findall(shown.group(1)), words_of(data, mask, known)
    if got[-1:] == ["..."]:  # no more words than an argument list has, no more levels
        got.pop()
        wanted = wanted[:len(got)]
    t.equal(got, wanted, "seed %d: %s" % (seed, shown.group(1)))


each_seed(check)
