"""Small inputs that ask for more than any machine has: a table of rows, a test each.

Each row writes a core or a program whose size says nothing of the work it makes. corectl must end
by itself, with what it knows and a word of what it left out, within 10 s of the processor's time,
4 GB of addresses and 1 GB of memory. Then it runs once more, and SIGINT must end it at once: it may
use a second of the processor's time from there on. (Time of the processor, not of the clock: a
loaded machine fails no test.)

bombs.py --list | bombs.py ROW      KEEP=FOLDER leaves the files there
"""
import gzip
import lzma
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import corewriter as cw
import support as s
from dwarfwriter import DIE, Addr, Form, Locations, Ranges
from elfwriter import Elf
from wrong_program import AT, Program

MEMORY, ADDRESSES, SECONDS = 1 << 30, 4000 << 20, 10
OVER = "the answer takes more work than one may"
SCANT = "some values take more work than one may"
BASE = 0x400000
ROWS = {}


def row(said, commands=("bt",), status=1, shown=""):
    """`said`: of stderr; `shown`: of stdout."""
    def keep(make):
        ROWS[make.__name__] = (make, said, commands, status, shown)
        return make
    return keep


def write(path, *parts):
    with open(path, "wb") as f:
        for part in parts:
            f.write(part)
    return [path]


def core(folder, notes, segments=(), **regs):
    return write(os.path.join(folder, "core"), cw.core(
        cw.note(cw.NT_PRSTATUS, cw.prstatus(1, rip=BASE, rsp=0x1000, **regs)) + notes, segments))


# --- cores ---

@row("there is more to say than these lines")
def threads_cut_off(folder):
    """Each says that its registers are cut off."""
    short = cw.prstatus(1)[:100]
    return core(folder, b"".join(cw.note(cw.NT_PRSTATUS, short[:32] + struct.pack("<i", i) + short[36:])
                                 for i in range(30000)))


@row("there is more to say than these lines")
def segments_over_each_other(folder):
    return core(folder, b"", [(0x100000 + 0x1000 * i, b"", 0x2000, 4) for i in range(30000)])


@row("there is more to say than these lines")
def files_that_are_not_there(folder):
    files = [(BASE + 0x1000 * i, BASE + 0x1000 * (i + 1), 0, b"/nonexistent/%d" % i) for i in range(30000)]
    return core(folder, cw.note(cw.NT_FILE, cw.nt_file(files)),
                [(start, b"", 0x1000, 5) for start, *_ in files])


@row("there is more to say than these lines")
def remarks(folder):
    text = b"".join(b"%d\n" % i for i in range(30000))
    return core(folder, cw.note(1, text, b"libstack\0"))


@row("was not read to its end", commands=("threads",))
def names_of_threads(folder):
    """A name for each thread, and each is looked for among all."""
    n = 50000
    whole = cw.prstatus(1, rip=BASE, rsp=0x1000)
    notes = b"".join(cw.note(cw.NT_PRSTATUS, whole[:32] + struct.pack("<i", i) + whole[36:]) for i in range(n))
    return core(folder, notes + cw.note(2, struct.pack("<i16s", -1, b"x") * n, b"libstack\0"))


@row(OVER)
def symbols_of_4_gb(folder):
    """An image in memory without a file: its symbols reach from DT_SYMTAB to DT_STRTAB."""
    size, start = 3 << 30, 0x10000000000
    page = bytearray(b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, BASE + 0x100, 64, 0, 0, 64, 56, 2, 64, 0, 0))
    for kind, at, length in ((1, 0, 0x1000), (2, 0x200, 0x60)):
        page += struct.pack("<IIQQQQQQ", kind, 5, at, BASE + at, BASE + at, length, length, 8)
    page = page.ljust(0x200, b"\0") + struct.pack("<12Q", 6, start, 5, start + size - 4096, 10, 16, 4,
                                                  start + 0x100000, 0, 0, 0, 0)
    files = cw.note(cw.NT_FILE, cw.nt_file([(BASE, BASE + 0x1000, 0, b"/nonexistent/prog")]))
    notes = cw.note(cw.NT_PRSTATUS, cw.prstatus(1, rip=BASE + 0x100, rsp=0x1000)) + files + cw.note(
        cw.NT_AUXV, struct.pack("<4Q", 3, BASE + 64, 0, 0))
    data = bytearray(cw.core(notes, [(BASE, bytes(page).ljust(4096, b"\0"), 4096, 5), (start, b"", size, 6)]))
    # The last segment is a hole of the file.
    struct.pack_into("<Q", data, 64 + 56 * 2 + 8, 1 << 20)
    struct.pack_into("<Q", data, 64 + 56 * 2 + 32, size)
    path = write(os.path.join(folder, "core"), data)[0]
    # DT_HASH: 2^30 symbols.
    with open(path, "r+b") as f:
        f.seek((1 << 20) + 0x100000)
        f.write(struct.pack("<4I", 1, 1 << 27, 0, 0))
        f.truncate((1 << 20) + size)
    return [path]


# --- compressed cores ---

def packed(folder, name, data):
    return write(os.path.join(folder, "core" + name), data)


def repeated(first, size):
    """`first`, then bytes that are no hole."""
    yield first
    block = b"\x55" * (1 << 20)
    for _ in range(size >> 20):
        yield block


def small_core():
    return cw.core(cw.note(cw.NT_PRSTATUS, cw.prstatus(1, rip=BASE, rsp=0x1000)), [(0x1000, bytes(64), 64, 6)])


@row("it goes on behind the end of the core")
def gzip_behind_its_end(folder):
    z = zlib.compressobj(9, wbits=31)
    return packed(folder, ".gz", b"".join(map(z.compress, repeated(small_core(), 512 << 20))) + z.flush())


@row("it goes on behind the end of the core")
def xz_behind_its_end(folder):
    z = lzma.LZMACompressor(preset=0)
    return packed(folder, ".xz", b"".join(map(z.compress, repeated(small_core(), 256 << 20))) + z.flush())


@row("what it unpacks to is not an ELF file", status=2)
def gzip_of_no_core(folder):
    return packed(folder, ".gz", gzip.compress(b"\x55" * (64 << 20)))


# --- programs ---

def compressed(data, size=None):
    """Elf64_Chdr: zlib, the size, the alignment."""
    return struct.pack("<IIQQ", 1, 0, len(data) if size is None else size, 1) + zlib.compress(data, 9)


class Bombed(Program):
    """The program with its file changed."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def write(self, folder):
        paths = super().write(folder)
        with open(paths[0], "rb") as f:
            image = bytearray(f.read())
        with open(paths[0], "wb") as f:
            f.write(self.change(image))
        return paths


def section(image, name):
    """Where the header of a section stands."""
    shoff, = struct.unpack_from("<Q", image, 40)
    count, strings = struct.unpack_from("<HH", image, 60)
    names, = struct.unpack_from("<Q", image, shoff + 64 * strings + 24)
    for i in range(count):
        at = shoff + 64 * i
        start = names + struct.unpack_from("<I", image, at)[0]
        if image[start:image.index(b"\0", start)] == name:
            return at
    raise KeyError(name)


def replace(image, name, data, flags=0):
    """Other contents for a section, behind the file."""
    at = section(image, name)
    struct.pack_into("<Q", image, at + 8, flags)
    struct.pack_into("<QQ", image, at + 24, len(image), len(data))
    return image + data


@row("is compressed to a size that no compiler's has", shown="inner(...)")
def section_of_3_gb(folder):
    """Which says so, and has nothing of it."""
    return Bombed(lambda i: replace(i, b".debug_line", compressed(bytes(64), 3 << 30), 0x800)).write(folder)[::-1]


@row("is compressed to a size that no compiler's has", shown="inner(...)")
def section_of_a_gigabyte(folder):
    """A megabyte that becomes one."""
    z = zlib.compressobj(1)
    data = b"".join(z.compress(bytes(1 << 20)) for _ in range(1024)) + z.flush()
    data = struct.pack("<IIQQ", 1, 0, 1 << 30, 1) + data
    return Bombed(lambda i: replace(i, b".debug_line", data, 0x800)).write(folder)[::-1]


def debugdata(folder, data):
    """Stripped, with this as MiniDebugInfo."""
    p = Program()
    paths = p.write(folder)
    elf = Elf(p.text(), fdes=list(p.fde.values()), sections={".gnu_debugdata": data})
    image = bytearray(elf.image())
    struct.pack_into("<I", image, section(image, b".symtab") + 4, 1)
    write(paths[0], image)
    return paths[::-1]


@row("its .gnu_debugdata is damaged or too large", commands=("bt", "ls nothing", "x/2x nothing"), shown="t+0x1010")
def debugdata_of_256_mb(folder):
    z = lzma.LZMACompressor(preset=0)
    data = z.compress(b"\x7fELF\x02\x01\x01") + b"".join(
        z.compress(bytes(1 << 20)) for _ in range(256)) + z.flush()

    return debugdata(folder, data)


@row(OVER, shown="stopped: " + OVER)
def range_lists(folder):
    """3,000 functions have the same list of 20,000 ranges."""
    p = Program()
    p.version = 4
    shared = Ranges(*[(1, 2)] * 20000)
    first = DIE("subprogram", name="a", ranges=shared)
    p.unit.add(first)
    # The list of the first, of which the others say where it stands: at the start of .debug_ranges.
    p.unit.add(*[DIE("subprogram", name="a", ranges=Form("sec_offset", 0)) for _ in range(3000)])
    return p.write(folder)[::-1]


@row(OVER, shown="stopped: " + OVER)
def ranges_of_an_inlined_call(folder):
    """2,000 calls inlined into inner that do not hold the pc, with a list of 20,000 ranges each."""
    p = Program()
    p.version = 4
    p.unit.add(DIE("subprogram", name="a", ranges=Ranges(*[(1, 2)] * 20000)))
    p.f["inner"].add(*[DIE("inlined_subroutine", abstract_origin=p.f["outer"], ranges=Form("sec_offset", 0))
                       for _ in range(2000)])
    return p.write(folder)[::-1]


def inlined_in_recursion(folder, calls):
    p = Program()
    p.recursion(calls)
    last = p.f["outer"]
    for _ in range(60):
        inner = DIE("inlined_subroutine", abstract_origin=p.f["inner"], low_pc=Addr(AT["outer"]),
                    high_pc=Form("data8", 0x40), call_file=1, call_line=7)
        last.add(inner)
        last = inner
    return p.write(folder)[::-1]


@row("", status=0, commands=("bt -2",), shown="_start()")
def inlined_calls_times_frames(folder):
    """60 calls inlined at one pc of a function that has called itself 30,000 times."""
    return inlined_in_recursion(folder, 30000)


@row(OVER, commands=("bt -2",), shown=OVER)
def inlined_calls_times_more_frames(folder):
    """The same with 200,000: their frames alone would take 3 GB."""
    return inlined_in_recursion(folder, 200000)


@row(OVER, shown="stopped: " + OVER)
def attributes_times_entries(folder):
    """An abbreviation with 200,000 attributes that take no byte, and 60,000 entries that have it."""
    flags = b"\x3f\x19" * 200000  # DW_AT_external, DW_FORM_flag_present

    def change(image):
        at = section(image, b".debug_abbrev")
        offset, size = struct.unpack_from("<QQ", image, at + 24)
        old = bytes(image[offset:offset + size])
        entry = old.index(b"\x28\0\0\0")  # DW_TAG_enumerator, without children or attributes
        return replace(image, b".debug_abbrev", old[:entry + 2] + flags + old[entry + 2:])
    b = Bombed(change)
    b.unit.add(*[DIE("enumerator") for _ in range(60000)])
    return b.write(folder)[::-1]


@row(SCANT, shown="inner({{{{{...}}}}})")
def value_of_many_members(folder):
    """Sixteen structs, each of them 10 times at the same place in the next: 10^16 members."""
    p = Program()
    t = p.int
    for n in range(16):
        t = p.struct(8, *[dict(name="m", type=t, data_member_location=0)] * 10, name="s%d" % n)
    p.set(0, type=t)
    return p.write(folder)[::-1]


@row(OVER, shown="stopped: " + OVER)
def locations(folder):
    """60 inlined calls with 250 parameters each, and all have the same list of 100,000 places, none of
    which is here."""
    p = Program()
    p.version = 4
    places = Locations(raw=struct.pack("<QQHB", 1, 2, 1, 0x50) * 100000 + bytes(16))
    p.unit.add(DIE("subprogram", p.param("v", 0, location=places), name="v"))
    many = DIE("subprogram", *[p.param("p", 0, location=Form("sec_offset", 0)) for _ in range(250)], name="many",
               inline=1)
    p.unit.add(many)
    last = p.f["inner"]
    for _ in range(60):
        inner = DIE("inlined_subroutine", *[DIE("formal_parameter", abstract_origin=c, location=Form("sec_offset", 0))
                                            for c in many.children],
                    abstract_origin=many, low_pc=Addr(AT["inner"]), high_pc=Form("data8", 0x40))
        last.add(inner)
        last = inner
    return p.write(folder)[::-1]


def mangled(levels):
    """pair<T, T> of the one before, by substitutions: 2^levels times in the name."""
    def number(n):
        digits = ""
        while True:
            digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[n % 36] + digits
            n //= 36
            if not n:
                return digits

    def sub(i):
        return "S_" if i == 0 else "S" + number(i - 1) + "_"
    name = "_Z1fI1A4pairI" + sub(1) + sub(1) + "E"
    for i in range(levels):
        name += sub(2) + "I" + sub(3 + i) + sub(3 + i) + "E"
    return name + "Evv"


@row("", status=0, shown="_Z1fI1A4pair")
def name_of_12_gb(folder):
    p = Program()
    p.f["inner"].set(linkage_name=mangled(27))
    p.unit.set(language=0x04)
    return p.write(folder)[::-1]


@row("", status=0, shown="_RIN")
def rust_name_of_gigabytes(folder):
    """Back references of Rust's mangling: each level is two of the one before."""
    p = Program()
    name = "_RINvC1a1f"
    start, at = 2, len(name)
    name += "Tuuu" + "E"
    for _ in range(26):
        def back(i):
            digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
            i, out = i - start, ""
            if i == 0:
                return "B_"
            i -= 1
            while True:
                out = digits[i % 62] + out
                i //= 62
                if not i:
                    return "B" + out + "_"
        was, at = at, len(name)
        name += "T" + back(was) * 2 + "E"
    p.f["inner"].set(linkage_name=name + "E")
    p.unit.set(language=0x1c)
    return p.write(folder)[::-1]


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Run:
    """One run of corectl: what it wrote, how it ended, what it took."""

    def __init__(self, folder, arguments, interrupt=None):
        paths = [os.path.join(folder, n) for n in ("out", "err")]
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            child = subprocess.Popen([s.CORECTL, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                     preexec_fn=limited)
            if interrupt is not None:
                time.sleep(interrupt)  # wherever that is: each place must do
                os.kill(child.pid, signal.SIGINT)  # it may have ended: nobody has waited for it
            _, status, used = os.wait4(child.pid, 0)
        child.returncode = 0
        self.status = os.waitstatus_to_exitcode(status)
        self.seconds, self.memory = used.ru_utime + used.ru_stime, used.ru_maxrss << 10
        self.out, self.err = (open(p, errors="replace").read() for p in paths)


def check(t, name, folder):
    make, said, commands, status, shown = ROWS[name]
    paths = make(folder)
    r = Run(folder, [*paths, "-batch", *(a for c in commands for a in ("-ex", c))])
    t.equal(r.status, status, name + ": status")
    t.check(said in r.err and shown in r.out, name, r.err[-1500:], r.out[-1500:])
    t.check(r.memory < MEMORY, name, "bytes", r.memory)
    # Its work begins where Ctrl-C is caught; at a prompt's start it still ends the program.
    r = Run(folder, ["stack", *paths], 0.3)
    whole = r.status == 0 and re.search(r"^(\d+) of \1 threads shown\n\Z", r.out, re.M) and "stopped:" not in r.out
    t.check(whole or r.status in (status, 1, -signal.SIGINT), name, "interrupted: status", r.status, r.err[-1500:])
    t.check(r.seconds < 1.3, name, "interrupted: seconds of the processor", r.seconds)


def main():
    if sys.argv[1] == "--list":
        print("\n".join(ROWS))
        return
    t = s.Failures()
    folder = os.environ.get("KEEP") or s.workdir()
    for name in sys.argv[1:]:
        check(t, name, folder)
    t.exit()


main()
