"""Split debug information (-gsplit-dwarf): names, lines and words where the .dwo file is there, and a
word about its absence where it is not."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


def frames(core, program):
    out, err, status = s.corectl(core, program, "-batch", "-ex", "bt")
    return s.parse_bt(out).get(None, []), s.remarks(err), status


def one(t, compiler, version):
    what = "%s -gdwarf-%d" % (compiler, version)
    work = s.workdir()
    program, core, log = work + "/inline", work + "/core", work + "/log"
    source = os.path.join(s.SOURCE, "fixtures/inline.c")
    subprocess.run([compiler, "-D_GNU_SOURCE", "-std=gnu11", "-O2", "-w", "-g", "-gdwarf-%d" % version,
                    "-gsplit-dwarf", "-c", source, "-o", "inline.o"], cwd=work, check=True)
    subprocess.run([compiler, "inline.o", "-o", "inline"], cwd=work, check=True)
    t.check(os.path.exists(work + "/inline.dwo"), what, "made no inline.dwo")
    s.make_core(program, core, log=log)

    shown, err, status = frames(core, program)
    t.equal((err, status), ("", 0), what + ": stderr and status")
    t.equal([f["name"] for f in shown[:5]], ["load", "blend", "shade", "render", "main"], what)
    t.equal([f["at"].replace(source, "inline.c") for f in shown[:5]],
            ["inline.c:14 (inlined)", "inline.c:20 (inlined)", "inline.c:26 (inlined)",
             "inline.c:32", "inline.c:41"], what)
    for line in open(log):
        name, _, words = line.rstrip("\n").split(" ", 1)[1].partition(" ")
        f = next((f for f in shown if f["name"] == name), {"words": "no frame"})
        t.check(s.words_match(f["words"], words, name not in ("render", "main")),
                "%s: %s(%s), shown (%s)" % (what, name, words, f["words"]))

    # There, but not as libdw 0.188 reads it: a package; in the object file itself.
    for there in ("inline.dwp", "inline.dwo"):
        os.replace(work + "/inline.dwo", work + "/kept")
        shutil.copy(work + "/inline.o", os.path.join(work, there))
        shown, err, status = frames(core, program)
        t.equal((err, status), ("corectl: inline: split debug information of 1 of 1 units is in %s/%s, but in a "
                                "form that is not read: no arguments and no inlined calls there\n" % (work, there), 0),
                what + ": " + there)
        os.unlink(os.path.join(work, there))
        os.replace(work + "/kept", work + "/inline.dwo")

    os.remove(work + "/inline.dwo")
    shown, err, status = frames(core, program)
    t.equal(status, 0, what + " without .dwo: status")
    t.equal(err, "corectl: inline: split debug information is missing for 1 of 1 units (inline.dwo): "
            "no arguments and no inlined calls there\n", what + " without .dwo: stderr")
    t.equal([(f["name"], f["words"]) for f in shown[:2]], [("render", "..."), ("main", "...")],
            what + " without .dwo")
    t.equal(shown[0]["at"].replace(source, "inline.c"), "inline.c:14", what + " without .dwo: line")


def main():
    t = s.Failures()
    compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
    if not compilers:
        s.skip("neither gcc nor clang")
    for compiler in compilers:
        for version in (4, 5):
            one(t, compiler, version)
    t.exit()


main()
