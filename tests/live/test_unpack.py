"""Compressed cores are opened as they are; what is wrong with them is said."""
import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "--check"], input=data, stdout=subprocess.PIPE, check=True).stdout


WAYS = {"gz": gzip.compress, "xz": lzma.compress}
if shutil.which("zstd"):
    WAYS["zst"] = zstd


class Place:
    """The core of `words` and what is made of it."""
    def __init__(self):
        self.work = s.workdir()
        self.program = os.path.join(s.FIXTURES, "words")
        self.core = os.path.join(self.work, "plain")
        s.make_core(self.program, self.core)
        with open(self.core, "rb") as f:
            self.bytes = f.read()
        self.tmp = os.path.join(self.work, "tmp")
        os.mkdir(self.tmp)

    def write(self, name, data):
        path = os.path.join(self.work, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def look(self, *files, tmp=None):
        env = dict(os.environ, TMPDIR=tmp or self.tmp)
        done = subprocess.run([s.CORECTL, *files, "-batch", "-ex", "bt"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env,
                              cwd=self.work, timeout=60)
        return done.stdout, done.stderr, done.returncode


def whole(t, p, how, pack):
    """In one piece, in two, and found by itself."""
    half = len(p.bytes) // 2
    plain, _, status = p.look(p.core, p.program)
    t.check(" in example({" in plain and status == 0, plain)
    for what, data in (("one piece", pack(p.bytes)),
                       ("two pieces", pack(p.bytes[:half]) + pack(p.bytes[half:]))):
        name = p.write("core.1." + how, data)
        out, err, status = p.look(p.program, name)
        t.equal((out, s.remarks(err), status), (plain, "", 0), "%s, %s" % (how, what))
    t.equal(p.look("core", p.program)[::2], (plain, 0), how + ": the newest core.*")
    t.check("Core core.1.%s of `" % how in p.look("core", p.program)[1], "its name")
    os.unlink(name)
    t.equal(os.listdir(p.tmp), [], how + ": files left")


def damaged(t, p, how, pack):
    data = pack(p.bytes)
    out, err, status = p.look(p.write("cut", data[:-20]), p.program)
    t.check(" in " in out and ": it is cut off\n" in err and status == 1, how, "cut:", out, err, status)
    spoilt = bytearray(data)
    spoilt[-6] ^= 0x55 # in the check of the whole; xz: of its index
    out, err, status = p.look(p.write("spoilt", spoilt), p.program)
    t.check("it is damaged: what is shown may be wrong\n" in err and status == 1, how, "spoilt:", err, status)
    name = p.write("head", data[:6])
    t.equal(p.look(name)[1:], ("corectl: %s: nothing could be unpacked from it: it is cut off\n" % name, 2),
            how + ": a few bytes")


def refused(t, p):
    name = p.write("core.bz2", bz2.compress(p.bytes))
    t.equal(p.look(name)[1:], ("corectl: %s: compressed; `bzip2 -d' unpacks it\n" % name, 2), "bzip2")
    name = p.write("core.gz", gzip.compress(p.bytes))
    t.equal(p.look(name, tmp="/nowhere")[1:],
            ("corectl: %s: to unpack it into /nowhere (TMPDIR): no such file or directory\n" % name, 2),
            "no TMPDIR")
    with open(p.program, "rb") as f:
        name = p.write("program.gz", gzip.compress(f.read()))
    t.equal(p.look(name)[1:], ("corectl: %s: an executable or shared library, not a core\n" % name, 2),
            "a program")


def main():
    t = s.Failures()
    p = Place()
    for how, pack in WAYS.items():
        whole(t, p, how, pack)
        damaged(t, p, how, pack)
    refused(t, p)
    t.equal(os.listdir(p.tmp), [], "files left")
    t.exit()


main()
