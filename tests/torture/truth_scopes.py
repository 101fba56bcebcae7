"""Inlined calls, blocks and line rows at random, and what the frames at a pc must be: a model of
intervals, by DWARF 5 §3.3.8 and §6.2.

truth_scopes.py FROM TO        seeds: a failure names its own
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from dwarfwriter import DIE, Addr, Form, Ranges
from wrong_program import AT, Program, each_seed

START, SIZE = AT["inner"], 0x40


class Tree:
    """Scopes below inner, each with the addresses that it holds."""

    def __init__(self, chance, p):
        self.chance, self.p, self.names = chance, p, 0

    def cut(self, held):
        """One or two parts of what the scope around holds; the rest is its own."""
        low, high = self.chance.choice(held)
        points = sorted(self.chance.randint(low, high) for _ in range(self.chance.choice([2, 2, 4])))
        return [(a, b) for a, b in zip(points[::2], points[1::2]) if a < b]

    def grow(self, die, held, depth):
        """Children that do not overlap, and what they are: [(kind, name, line of the call, addresses,
        children)]"""
        found = []
        for _ in range(self.chance.randint(0, 3) if depth < 6 else 0):
            inside = self.cut(held) if held else []
            if not inside:
                continue
            held = [part for part in without(held, inside)]
            inlined, line, name = self.chance.random() < 0.7, self.chance.randint(1, 900), "f%d" % self.names
            self.names += 1
            child = DIE("inlined_subroutine" if inlined else "lexical_block", **self.place(inside))
            if inlined:
                function = DIE("subprogram", name=name, inline=1, prototyped=True)
                self.p.unit.add(function)
                child.set(abstract_origin=function, call_file=1, call_line=line)
            die.add(child)
            found.append((inlined, name, line, inside, self.grow(child, inside, depth + 1)))
        return found

    def place(self, parts):
        if len(parts) == 1 and self.chance.random() < 0.5:
            return dict(low_pc=Addr(parts[0][0]), high_pc=Form("data8", parts[0][1] - parts[0][0]))
        return dict(ranges=Ranges(*parts))


def without(held, taken):
    for low, high in held:
        for a, b in sorted(taken):
            if a < high and b > low:
                if low < a:
                    yield low, a
                low = max(low, b)
        if low < high:
            yield low, high


def chain_at(scopes, pc):
    """The inlined calls that hold pc, outermost first."""
    for inlined, name, line, parts, inside in scopes:
        if any(a <= pc < b for a, b in parts):
            return [(name, line)] * inlined + chain_at(inside, pc)
    return []


def line_at(rows, pc):
    """(line, near)"""
    at = max(n for n, (address, _) in enumerate(rows) if address <= pc)
    if rows[at][1]:
        return rows[at][1], ""
    return next(line for _, line in rows[at::-1] + rows[at:] if line), " (near)"


def check(t, seed, folder):
    chance, p = random.Random(seed), Program()
    p.version = chance.choice([3, 4, 5])
    scopes = Tree(chance, p).grow(p.f["inner"], [(START, START + SIZE)], 0)
    addresses = sorted(START + chance.randrange(SIZE) for _ in range(chance.randint(1, 8)))
    rows = [(START, 1)] + [(a, chance.choice([0] + [chance.randint(1, 900)] * 5)) for a in addresses]
    p.lines.sequences[0][:] = rows + [(START + SIZE, 0)]
    pc = p.regs["rip"] = START + chance.randrange(SIZE)
    out, err, _ = s.corectl(*p.write(folder), "-batch", "-ex", "bt")
    chain = chain_at(scopes, pc)
    line, near = line_at(rows, pc)
    wanted = []
    for name, called_at in reversed(chain):
        wanted.append((name, "", "/src/t.c:%d%s (inlined)" % (line, near)))
        line, near = called_at, ""
    wanted.append(("inner", "0x11, 0x22", "/src/t.c:%d%s" % (line, near)))
    got = [(f["name"], f["words"], f["at"]) for f in s.parse_bt(out).get(None, [])]
    t.equal(got[:len(wanted)], wanted, "seed %d %s" % (seed, err))
    t.equal([f[0] for f in got[len(wanted):]], ["outer", "main", "_start"], "seed %d" % seed)


each_seed(check)
