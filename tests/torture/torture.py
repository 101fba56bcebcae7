"""Damaged cores: cut at many lengths, and with bytes changed in the headers and notes.

Each run must end by itself within the deadline, by no signal, with a status of 0, 1 or 2, and with
a line on stderr when the status is not 0. The seed is fixed: a failure names its case.
torture.py cut|flip
"""
import os
import random
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

DEADLINE = 20


def cuts(core):
    """The first bytes of every structure, then even steps."""
    lengths = {0, 1, 4, 15, 16, 17, 52, 63, 64, 65, 100, 119, 120, 121, 500, 1000, 2000, 3000, 4095}
    lengths |= {len(core) * i // 41 for i in range(1, 41)} | {len(core) - 1}
    return [("cut at %d" % n, core[:n]) for n in sorted(lengths)]


def flips(core):
    """300 times up to eight bytes, in the ELF header, the program headers or the notes."""
    phoff, = struct.unpack_from("<Q", core, 32)
    phnum, = struct.unpack_from("<H", core, 56)
    _, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", core, phoff)
    spans = [(16, 64), (phoff, phoff + 56 * phnum), (offset, offset + size)]
    chance = random.Random(20240711)
    for case in range(300):
        data = bytearray(core)
        for _ in range(chance.randint(1, 8)):
            low, high = spans[case % 3]
            data[chance.randrange(low, high)] = chance.choice((0, 0xff, 0x7f, 0x80,
                                                               chance.randrange(256)))
        yield "flip %d" % case, bytes(data)


def attempt(work, program, case):
    name, data = case
    path = os.path.join(work, name.replace(" ", "-"))
    with open(path, "wb") as f:
        f.write(data)
    try:
        done = subprocess.run([s.CORECTL, "stack", path, program], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        return name, "no end within %d s" % DEADLINE
    finally:
        os.unlink(path)
    if done.returncode not in (0, 1, 2):
        return name, "status %d: %s" % (done.returncode, done.stderr[-2000:].decode("utf-8", "replace"))
    if done.returncode != 0 and not done.stderr.strip():
        return name, "status %d without a word on stderr" % done.returncode
    return name, None


def main():
    t = s.Failures()
    work = s.workdir()
    program = os.path.join(s.FIXTURES, "threads")
    s.make_core(program, work + "/core", ["3", "4"])
    with open(work + "/core", "rb") as f:
        core = f.read()
    cases = {"cut": cuts, "flip": flips}[sys.argv[1]](core)
    with ThreadPoolExecutor(2) as pool:
        for name, trouble in pool.map(lambda case: attempt(work, program, case), cases):
            t.check(trouble is None, name, trouble)
    t.exit()


main()
