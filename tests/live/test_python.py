"""A real program that is not ours: python3.11-dbg crashes, corectl is compared with gdb."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

PROGRAM = "/usr/bin/python3.11-dbg"


def plain(name):
    """gdb names libc's functions by their linkage name (__GI_raise)."""
    return re.sub(r"^_*(GI_+)?", "", name)


def main():
    if not os.path.exists(PROGRAM):
        s.skip("package python3.11-dbg is not installed")
    t = s.Failures()
    core = s.workdir() + "/core"
    s.make_core(PROGRAM, core, ["-X", "faulthandler=0", "-c",
                                "import faulthandler; faulthandler._sigsegv()"])
    out, err, status = s.corectl(core, PROGRAM, "-batch", "-ex", "thread apply all bt")
    t.equal(status, 0, "status: " + err)
    mine = s.parse_bt(out)
    reference = s.gdb_reference(core, PROGRAM)
    t.equal(sorted(mine), sorted(reference), "threads")
    for tid, ref in reference.items():
        theirs, ours = ref["frames"], s.tail_calls_as_gdb(mine.get(tid, []), ref["frames"])
        t.check(len(theirs) > 10, "gdb shows only %d frames" % len(theirs))
        if not t.equal(["%#x" % f["pc"] for f in ours], ["%#x" % f[0] for f in theirs], "pcs"):
            print(out)
            continue
        for n, (a, b) in enumerate(zip(ours, theirs)):
            if b[5] and b[2]:
                t.equal(plain(a["name"]), plain(b[2]), "function of frame %d" % n)
            if b[3] and b[4] and b[5]:
                t.check(a["at"].split(" ")[0].endswith("%s:%d" % (os.path.basename(b[3]), b[4])),
                        "line of frame %d: %s, gdb says %s:%d" % (n, a["at"], b[3], b[4]))
    t.exit()


main()
