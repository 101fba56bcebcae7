"""The program of wrong.py as a description of its parts, and the table of rows."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import corewriter as cw
import support as s
from dwarfwriter import DIE, Addr, Dwarf, Form, Lines, Unit, expr
from elfwriter import Elf, Fde, cfi

STACK, FRAME = 0x7ffd00000000, 0x40
NAMES = ("inner", "outer", "main", "_start")
AT = {name: 0x401000 + 0x40 * n for n, name in enumerate(NAMES)}
WORDS = {"inner": (0x11, 0x22), "outer": (0x33, 0x44), "main": (0x55, 0x66)}
CALL_END = 0x15  # of the call in each function
ROWS = {}


class Program:
    """The description, sound at first."""

    def __init__(self):
        self.version, self.kind = 5, 2
        self.int = DIE("base_type", name="long", byte_size=8, encoding=5)
        self.lines = Lines(*[[(AT[n], 10), (AT[n] + 8, 12), (AT[n] + 0x20, 13), (AT[n] + 0x40, 0)]
                             for n in NAMES])
        self.unit = DIE("compile_unit", self.int, name="t.c", comp_dir="/src", language=0x0c,
                        producer="GNU C17 12.2.0 -O2", stmt_list=self.lines, low_pc=Addr(AT["inner"]),
                        high_pc=Form("data8", 0x100))
        self.f = {name: self.function(name, AT[name]) for name in NAMES}
        self.unit.add(*self.f.values())
        self.units = [self.unit]
        # The frame of each is FRAME bytes at every pc, the return address on its top.
        self.fde = {n: Fde(AT[n], 0x40, cfi(("def_cfa", 7, FRAME), ("offset", 16, 1))) for n in NAMES}
        self.fde["_start"].instructions = cfi(("def_cfa", 7, FRAME), ("undefined", 16))
        self.elf = {}
        self.regs = dict(rip=AT["inner"] + 0x10, rsp=STACK, rbp=0xb9, rdi=0xd1, rsi=0x51)
        self.make_stack(*NAMES)
        self.calls = {name: AT[callee] for name, callee in zip(NAMES[1:], NAMES)}
        self.extra = b""  # behind the functions
        self.symbols = {n: (AT[n], 0x40) for n in NAMES}

    def make_stack(self, *names):
        """The stack of these functions, the innermost first."""
        self.stack = bytearray(len(names) * FRAME + 0x100)
        for n, (name, caller) in enumerate(zip(names, names[1:])):
            struct.pack_into("<QQQQ", self.stack, FRAME * (n + 1) - 32, *WORDS[name], 0, AT[caller] + CALL_END)

    def recursion(self, times):
        """outer has called itself so often, and faults where inner did."""
        self.calls["outer"] = AT["outer"]
        self.regs["rip"] = AT["outer"] + 0x10
        self.make_stack(*["outer"] * (times + 1), "main", "_start")

    def param(self, name, offset, **attributes):
        return DIE("formal_parameter", **{"name": name, "type": self.int,
                                          "location": expr(("fbreg", offset)), **attributes})

    def function(self, name, start, size=0x40, **attributes):
        words = [self.param("a", -32), self.param("b", -24)] if name != "_start" else []
        return DIE("subprogram", *words, name=name, low_pc=Addr(start), high_pc=Form("data8", size),
                   frame_base=expr("call_frame_cfa"), call_all_calls=True, prototyped=True, **attributes)

    def set(self, n, **attributes):
        """Attributes of inner's parameter `n`."""
        return self.f["inner"].children[n].set(**attributes)

    def struct(self, size, *members, **attributes):
        """A struct, added to the unit; members as {name, type, data_member_location …}."""
        t = DIE("structure_type", *[DIE("member", **m) for m in members], byte_size=size, **attributes)
        self.unit.add(t)
        return t

    def call(self, name, to):
        """What a function calls."""
        self.calls[name] = to

    def text(self):
        out = bytearray(b"\x90" * 0x100 + self.extra)
        for name, to in self.calls.items():
            at = AT[name] - 0x401000 + CALL_END
            out[at - 5:at] = b"\xe8" + struct.pack("<i", to - AT[name] - CALL_END)
        return bytes(out)

    def write(self, folder):
        units = [u if isinstance(u, Unit) else Unit(u, self.version) for u in self.units]
        elf = Elf(self.text(), kind=self.kind, symbols=self.symbols, fdes=list(self.fde.values()),
                  sections=Dwarf(*units).sections(), **self.elf)
        image = elf.image()
        end = elf.base + 0x1000 + len(elf.text)
        notes = (cw.note(cw.NT_PRSTATUS, cw.prstatus(10, **self.regs)) + cw.note(cw.NT_SIGINFO, cw.siginfo())
                 + cw.note(cw.NT_AUXV, struct.pack("<6Q", 3, elf.base + 64, 9, elf.entry, 0, 0))
                 + cw.note(cw.NT_FILE, cw.nt_file([(elf.base, end, 0, b"/nonexistent/t")])))
        maps = [(elf.base, image[:0x1000], 0x1000, 4), (elf.base + 0x1000, b"", len(elf.text), 5),
                (STACK, bytes(self.stack), len(self.stack), 6)]
        paths = [os.path.join(folder, n) for n in ("t", "t.core")]
        for path, data in zip(paths, (image, cw.core(notes, maps))):
            with open(path, "wb") as f:
                f.write(data)
        return paths


def row(status=0, said="", answers=None, **wanted):
    """A row: what frames look like that are not as in the sound program (`inner="(0x11, _) t.c:12"`;
    a list of whole frames as `frames`), the status of bt, a word of its remark, further commands with
    their answers (None: any)."""
    def keep(change):
        ROWS[change.__name__] = (change, status, said, answers or {}, wanted)
        return change
    return keep


def each_seed(check):
    """check(t, seed, folder) for each seed from the first argument to the one before the second."""
    t = s.Failures()
    folder = s.workdir()
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        check(t, seed, folder)
    t.exit()
