"""Call frame information at random, and what the caller's registers must be: a model of the rows, by
DWARF 5 §6.4.

inner's FDE gets a random program of instructions, with states remembered inside each other and rows
behind the pc; registers and stack are random. In the caller, each register that has a rule
is what the rule says, one that calls preserve (System V ABI, figure 3.4) is kept where there is none, and others
are `_`.

truth_cfi.py FROM TO        seeds: a failure names its own
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from dwarfwriter import sleb, uleb
from wrong_program import AT, CALL_END, FRAME, STACK, Program, each_seed

NUMBERS = dict(rax=0, rdx=1, rcx=2, rbx=3, rsi=4, rdi=5, rbp=6, rsp=7, r8=8, r9=9, r10=10, r11=11, r12=12, r13=13,
               r14=14, r15=15)  # System V ABI, figure 3.36
PRESERVED = {3, 6, 12, 13, 14, 15}
PC = 0x10  # in inner
RA = 16


class Row:
    """The state of §6.4.1's table at one location."""

    def __init__(self):
        self.cfa, self.rules = (7, FRAME), {}

    def copy(self):
        row = Row()
        row.cfa, row.rules = self.cfa, dict(self.rules)
        return row


class Writer:
    """Instructions, and the row that they make."""

    def __init__(self, chance):
        self.chance, self.out, self.at, self.row, self.saved = chance, bytearray(), 0, Row(), []
        self.found = None

    def put(self, *parts):
        for part in parts:
            self.out += part if isinstance(part, bytes) else bytes([part])

    def advance(self):
        n = self.chance.randint(1, 6)
        form = self.chance.randint(0, 3)
        self.put(*((0x40 | n,), (0x02, n), (0x03, struct.pack("<H", n)), (0x04, struct.pack("<I", n)))[form])
        if self.at <= PC < self.at + n:
            self.found = self.row.copy()
        self.at += n

    def define(self):
        reg, off = self.chance.choice([3, 6, 7, 12]), 8 * self.chance.randint(1, 40)
        form = self.chance.randint(0, 4)
        if form == 0:
            self.put(0x0c, uleb(reg), uleb(off))
        elif form == 1:
            self.put(0x12, uleb(reg), sleb(-off // 8))
        elif form == 2:
            self.put(0x0d, uleb(reg))
            off = self.row.cfa[1]
        else:
            self.put(*((0x0e, uleb(off)) if form == 3 else (0x13, sleb(-off // 8))))
            reg = self.row.cfa[0]
        self.row.cfa = (reg, off)

    def rule(self):
        reg = self.chance.choice([0, 1, 2, 3, 6, 8, 9, 10, 11, 12, 13, 14, 15])
        n = self.chance.randint(3, 30)
        forms = [(("offset", -8 * n), (0x80 | reg, uleb(n))), (("offset", -8 * n), (0x05, uleb(reg), uleb(n))),
                 (("offset", 8 * n), (0x11, uleb(reg), sleb(-n))), (("value", -8 * n), (0x14, uleb(reg), uleb(n))),
                 (("value", 8 * n), (0x15, uleb(reg), sleb(-n))), (("offset", 8 * n), (0x2f, uleb(reg), uleb(n))),
                 (("undefined", 0), (0x07, uleb(reg))), (("register", n % 12), (0x09, uleb(reg), uleb(n % 12))),
                 (None, (0xc0 | reg,)), (None, (0x06, uleb(reg)))]
        rule, code = self.chance.choice(forms)
        self.put(*code)
        if rule:
            self.row.rules[reg] = rule
        else:  # DW_CFA_restore: the CIE gives no rule
            self.row.rules.pop(reg, None)

    def nothing(self):
        self.put(*self.chance.choice([(0x00,), (0x2e, uleb(16))]))

    def remember(self):
        if len(self.saved) < 4:
            self.put(0x0a)
            self.saved.append(self.row.copy())

    def restore(self):
        if self.saved:
            self.put(0x0b)
            self.row = self.saved.pop()

    def program(self):
        self.put(0x0c, uleb(7), uleb(FRAME), 0x80 | RA, uleb(1))
        while self.at <= PC + 8:
            for _ in range(self.chance.randint(0, 4)):
                self.chance.choice([self.define, self.rule, self.rule, self.rule, self.nothing, self.remember,
                                    self.restore])()
            self.advance()
        return bytes(self.out)


def expected(row, regs, memory, cfa):
    """{DWARF number: value, None where it is not known}"""
    caller = {}
    for n in NUMBERS.values():
        kind, v = row.rules.get(n, ("same", 0))
        caller[n] = {"offset": lambda: memory(cfa + v), "value": lambda: cfa + v & 2 ** 64 - 1,
                     "register": lambda: regs[v], "undefined": lambda: None,
                     "same": lambda: regs[n] if n in PRESERVED else None}[kind]()
    caller[7] = cfa
    return caller


def check(t, seed, folder):
    chance, p = random.Random(seed), Program()
    w = Writer(chance)
    p.fde["inner"].instructions = w.program()
    # The frame stays where it is: what the row adds to makes the CFA.
    depth = len(p.stack)
    p.stack += chance.randbytes(0x400)
    regs = {n: chance.getrandbits(64) for n in NUMBERS.values()}
    cfa = STACK + depth + 0x180
    regs[7] = STACK + depth
    reg, off = w.found.cfa
    regs[reg] = cfa - off
    p.regs.update({name: regs[n] for name, n in NUMBERS.items()})
    struct.pack_into("<Q", p.stack, cfa - 8 - STACK, AT["outer"] + CALL_END)

    def memory(address):
        at = address - STACK
        return struct.unpack_from("<Q", p.stack, at)[0] if 0 <= at <= len(p.stack) - 8 else None

    out, err, _ = s.corectl(*p.write(folder), "-batch", "-ex", "frame 1", "-ex", "regs")
    got = dict(line.split() for line in out.splitlines() if len(line.split()) == 2)
    wanted = {name: "_" if v is None else "%#x" % v for name, v in
              ((name, expected(w.found, regs, memory, cfa)[n]) for name, n in NUMBERS.items())}
    t.equal({name: got.get(name) for name in wanted}, wanted, "seed %d %s" % (seed, err))


each_seed(check)
