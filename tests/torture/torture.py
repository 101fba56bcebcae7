"""Damaged cores, programs and debug files: cut at many lengths, and with bytes changed.

Each run must end by itself within the deadline, by no signal, with a status of 0, 1 or 2, and with
a line on stderr when the status is not 0. Seeds are fixed: a failure names its case, and
KEEP=FOLDER leaves the damaged files there.

torture.py cut|flip|program|debug
torture.py long SECONDS [SEED [CORE PROGRAM]]   by hand: everything, at random, of the fixtures or of a core
"""
import itertools
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

DEADLINE = 20
PEAK = 1 << 30
STACK = ["stack"]
EXPLORE = [arg for command in ("thread apply all bt", "modules", "maps", "siginfo", "regs", "args", "ls",
                               "frame 3", "ls", "args", "disass", "ls main", "x/8x $sp",
                               "decode 0x1 struct slice", "x/2i main", "set unwinder libunwind", "bt")
           for arg in ("-ex", command)] + ["-batch"]
VALUES = (0, 0xff, 0x7f, 0x80)


def phdrs(elf):
    """[(type, offset, file size)] of the program headers, and the span of the headers themselves."""
    phoff, = struct.unpack_from("<Q", elf, 32)
    phnum, = struct.unpack_from("<H", elf, 56)
    found = [struct.unpack_from("<IIQQQQ", elf, phoff + 56 * i) for i in range(phnum)]
    return [(p[0], p[2], p[5]) for p in found], (phoff, phoff + 56 * phnum)


def core_spans(core):
    """The ELF header, the program headers, the notes."""
    headers, table = phdrs(core)
    return [(16, 64), table, (headers[0][1], headers[0][1] + headers[0][2])]


def file_spans(elf):
    """The headers, and every section with bytes in the file."""
    spans = [(16, 64), phdrs(elf)[1]] if phdrs(elf)[0] else [(16, 64)]
    shoff, = struct.unpack_from("<Q", elf, 40)
    shnum, = struct.unpack_from("<H", elf, 60)
    spans.append((shoff, shoff + 64 * shnum))
    for i in range(shnum):
        kind, offset, size = struct.unpack_from("<4xI16xQQ", elf, shoff + 64 * i)
        if kind not in (0, 8) and size:  # SHT_NULL, SHT_NOBITS
            spans.append((offset, offset + size))
    return spans


def damage(data, spans, chance):
    """Up to eight bytes changed in one of the spans."""
    data = bytearray(data)
    low, high = chance.choice(spans)
    near = chance.random() < 0.5
    at = chance.randrange(low, high)
    for _ in range(chance.randint(1, 8)):
        data[at] = chance.choice(VALUES + (chance.randrange(256), data[at] ^ 1 << chance.randrange(8)))
        at = min(at + 1, high - 1) if near else chance.randrange(low, high)
    return bytes(data)


class Case:
    """One run of corectl over a core, a program and a folder of debug files, any of them damaged."""

    def __init__(self, name, core, program, args=STACK, debug_dir=None):
        self.name, self.core, self.program = name, core, program
        self.args, self.debug_dir = args, debug_dir

    def write(self, folder):
        command = [s.CORECTL, *self.args]
        for part in ("core", "program"):
            value = getattr(self, part)
            if isinstance(value, bytes):
                with open(os.path.join(folder, part), "wb") as f:
                    f.write(value)
                value = os.path.join(folder, part)
            command.append(value)
        if self.debug_dir:  # (path below it, bytes)
            path = os.path.join(folder, self.debug_dir[0])
            os.makedirs(os.path.dirname(path))
            with open(path, "wb") as f:
                f.write(self.debug_dir[1])
            command += ["--debug-dir", folder]
        return command

    def run(self, work):
        folder = os.path.join(work, self.name.replace(" ", "-"))
        os.makedirs(folder)
        try:
            return self.judge(self.write(folder))
        finally:
            shutil.rmtree(folder)

    def judge(self, command):
        try:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            return "no end within %d s" % DEADLINE
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode not in (0, 1, 2) or "Sanitizer" in said or "runtime error" in said:
            return "status %d: %s" % (done.returncode, said[-3000:])
        if done.returncode != 0 and not said.strip():
            return "status %d without a word on stderr" % done.returncode
        return None


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Material:
    """A core, its program, and the program split into a stripped one and its debug file."""

    def __init__(self, work, fixture, args=(), core=None, program=None):
        self.path = program or os.path.join(s.FIXTURES, fixture)
        self.core_path = core or os.path.join(work, fixture + ".core")
        if not core:
            s.make_core(self.path, self.core_path, args)
        self.core, self.program = read(self.core_path), read(self.path)
        self.debug_path = None
        if shutil.which("objcopy"):
            self.split(work, fixture)

    def split(self, work, fixture):
        debug, bare = (os.path.join(work, fixture + suffix) for suffix in (".debug", ".bare"))
        subprocess.run(["objcopy", "--only-keep-debug", self.path, debug], check=True)
        subprocess.run(["objcopy", "--strip-all", self.path, bare], check=True)
        notes = subprocess.run(["readelf", "-n", bare], stdout=subprocess.PIPE, check=True).stdout.decode()
        build_id = notes.partition("Build ID: ")[2].split()[:1]
        if build_id:
            self.bare, self.debug = bare, read(debug)
            self.debug_path = ".build-id/%s/%s.debug" % (build_id[0][:2], build_id[0][2:])

    def core_case(self, name, chance, args=STACK):
        spans = core_spans(self.core)
        if args is not STACK and chance.random() < 0.5:
            spans = [(0, len(self.core))]
        return Case(name, damage(self.core, spans, chance), self.path, args)

    def program_case(self, name, chance, args=STACK):
        return Case(name, self.core_path, damage(self.program, file_spans(self.program), chance), args)

    def debug_case(self, name, chance, args=STACK):
        return Case(name, self.core_path, self.bare, args,
                    (self.debug_path, damage(self.debug, file_spans(self.debug), chance)))


def cuts(m):
    """The first bytes of every structure, then even steps."""
    lengths = {0, 1, 4, 15, 16, 17, 52, 63, 64, 65, 100, 119, 120, 121, 500, 1000, 2000, 3000, 4095}
    lengths |= {len(m.core) * i // 41 for i in range(1, 41)} | {len(m.core) - 1}
    for n in sorted(lengths):
        yield Case("core cut at %d" % n, m.core[:n], m.path)


def flips(m):
    chance = random.Random(20240711)
    return (m.core_case("flip %d" % i, chance) for i in range(300))


def programs(m):
    chance = random.Random(20240712)
    return (m.program_case("program %d" % i, chance, EXPLORE) for i in range(150))


def debugs(m):
    if not m.debug_path:
        s.skip("objcopy is needed, and a build-id")
    chance = random.Random(20240713)
    return (m.debug_case("debug %d" % i, chance, EXPLORE) for i in range(150))


def endless(materials, seed, seconds):
    until = time.monotonic() + seconds
    for i in itertools.count():
        if time.monotonic() > until:
            return
        chance = random.Random("%d %d" % (seed, i))
        m = chance.choice(materials)
        kind = chance.choice(["core", "program", "debug"] if m.debug_path else ["core", "program"])
        args = chance.choice([STACK, EXPLORE, EXPLORE])
        yield getattr(m, kind + "_case")("%s %d of seed %d" % (kind, i, seed), chance, args)


def cases_of(work, kind, seconds=0, seed=1, core=None, program=None):
    if kind != "long":
        material = Material(work, "threads", ["3", "4"])
        return {"cut": cuts, "flip": flips, "program": programs, "debug": debugs}[kind](material)
    if core:
        return endless([Material(work, "given", (), core, program)], int(seed), float(seconds))
    fixtures = [("threads", ["3", "4"]), ("words", []), ("inline", []), ("cplusplus", []),
                ("aggregates_O2", []), ("sigframe", []), ("tailcall", [])]
    return endless([Material(work, name, args) for name, args in fixtures], int(seed), float(seconds))


def main():
    t = s.Failures()
    work = s.workdir()
    keep = os.environ.get("KEEP")
    cases = cases_of(work, *sys.argv[1:])

    def attempt(case):
        return case, case.run(work)

    with ThreadPoolExecutor(2) as pool:
        while batch := list(itertools.islice(cases, 64)):
            for case, trouble in pool.map(attempt, batch):
                if not t.check(trouble is None, case.name, trouble) and keep:
                    folder = os.path.join(keep, case.name.replace(" ", "-"))
                    os.makedirs(folder, exist_ok=True)
                    print("  again:", " ".join("'%s'" % a for a in case.write(folder)))
                    sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10  # of the largest run
    t.check(peak < PEAK, "bytes of memory", peak)
    t.exit()


main()
