"""Tail calls in numbers: 200 of them in one function, 30 and 200 in a row.

The program is written here, so its call chain is known. A chain that is longer than can be followed
has no tail-called frames, but all others; the core's stack and the crash report are alike.
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

MANY = 200


def source(length):
    """A switch of tail calls that takes case 7, which enters a row of `length` functions."""
    text = ["#include <stdlib.h>", "volatile int sink;"]
    one = "__attribute__((noinline)) int %s(int n) { %s }"
    text.append(one % ("row0", "if (n) abort(); return sink;"))
    for i in range(1, length):
        text.append(one % ("row%d" % i, "sink = %d; return row%d(n + 1);" % (i, i - 1)))
    for i in range(MANY):
        text.append(one % ("case%d" % i, "sink = %d; return row%d(n + %d);" %
                           (i, length - 1, i) if i == 7 else "sink = n * %d; return n + 1;" % i))
    text.append("__attribute__((noinline)) int choose(int n) { switch (n) {")
    text += ["case %d: sink = %d; return case%d(n + 1);" % (i, i, i) for i in range(MANY)]
    text.append("} return 0; }")
    text.append("int main(int argc, char **argv) { (void)argv; int r = choose(argc + 6);")
    text.append("sink = r; return r + 1; }")
    return "\n".join(text) + "\n"


def program(work, length):
    path = os.path.join(work, "tails%d" % length)
    with open(path + ".c", "w") as f:
        f.write(source(length))
    subprocess.run(["gcc", "-g", "-O2", path + ".c", "-o", path], check=True)
    return path


def own_frames(frames):
    """Of (name, location)."""
    return [(name, "(tail call)" in at) for name, at in frames
            if name in ("choose", "main") or name.startswith(("row", "case"))]


def main():
    if not shutil.which("gcc"):
        s.skip("gcc is not installed")
    t = s.Failures()
    work = s.workdir()
    for length, followed in ((30, True), (200, False)):
        path = program(work, length)
        s.make_core(path, path + ".core")
        out, _, status = s.corectl("core", path, path + ".core", "-batch", "-ex", "bt")
        wanted = [("row0", False)]
        if followed:
            wanted += [("row%d" % i, True) for i in range(1, length)]
            wanted += [("case7", True), ("choose", True)]
        wanted += [("main", False)]
        t.equal(own_frames([(f["name"], f["at"]) for f in s.parse_bt(out)[None]]), wanted, "core, %d" % length)
        t.equal(status, 0, "status, %d" % length)
        run = lib.Run([path], lib.environment(True))
        t.equal(own_frames([(f[0], f[2]) for f in s.parse_trace(run.err)[0][1]]), wanted, "report, %d" % length)
    t.exit()


main()
