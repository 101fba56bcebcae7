"""Functions that the linker folds into one (--icf=all): the frame says that its name is one of several; an alias of one function
is no such name."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "folded.c")
ALIKE = {"fetch", "flush", "unseen"}


def names_with(path, called, described):
    """The functions that share the code of one, by the symbol table. gold drops the symbol of a static function that it folds;
    debug information has it still."""
    out = subprocess.run(["nm", "-C", path], check=True, capture_output=True, text=True).stdout
    found = {}
    for address, _, name in (line.split(maxsplit=2) for line in out.splitlines() if line[0] != " "):
        found.setdefault(address, set()).add(name.split("(")[0])
    if not any("unseen" in names for names in found.values()):
        next(names for names in found.values() if "fetch" in names).update({"unseen"} if described else ())
        called = "fetch" if called == "unseen" else called
    return next(names for names in found.values() if called in names)


def look(t, what, path, work, called, described):
    core, log = work + "/core", work + "/log"
    open(log, "w").close()
    s.make_core(path, core, (called,), log=log)
    with open(log) as f:
        _, name, word = f.read().split()
    t.equal(name, called, what)
    out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
    t.equal(status, 0, what)
    names = names_with(path, called, described)
    own = [f for f in s.parse_bt(out)[None] if f["name"] in names]
    if not t.equal(len(own), 1, what + out):
        return 0
    t.check(own[0]["words"] in ((word, "_") if described else ("...",)), what, own[0])
    marked = called in ALIKE and len(names) > 1
    mark = " (one of %d names)" % len(names)
    t.equal((mark in own[0]["at"], out.count("(one of")), (marked, marked), what + out)
    trace, _, _ = s.corectl("stack", core, path)
    t.equal(trace.count(mark), marked, what + trace)
    s.check_read_back(t, trace, what)
    return marked


def main():
    t = s.Failures()
    work = s.workdir()
    path = work + "/folded"
    linkers = [name for name in ("lld", "gold", "mold") if shutil.which("ld." + name) or shutil.which(name)]
    if not linkers:
        s.skip("no linker that folds functions: lld, gold or mold")
    marked = 0
    for compiler, language in (("gcc", "c"), ("g++", "c++"), ("clang", "c"), ("clang++", "c++")):
        if not shutil.which(compiler):
            continue
        for linker in linkers:
            # Without debug information two plain names may be one function's.
            for options in (["-g", "-O0"], ["-g", "-O2"]) + ((["-O2"],) if language == "c++" else ()):
                what = " ".join([compiler, linker, *options]) + ": "
                made = subprocess.run(
                    [compiler, "-x", language, "-D_GNU_SOURCE", "-w", *options, "-ffunction-sections",
                     *(["-fno-ipa-icf", "-fno-optimize-sibling-calls"] if compiler[0] == "g" else []),
                     SOURCE, "-fuse-ld=" + linker, "-Wl,--icf=all", "-o", path], capture_output=True, text=True)
                if not t.check(made.returncode == 0, what, made.stderr):
                    continue
                called_by = ("fetch", "flush", "unseen", "name") if "-g" in options and "-O2" in options else ("flush", "name")
                for called in called_by:
                    marked += look(t, what + called + ": ", path, work, called, "-g" in options)
    t.check(marked > 20, "only", marked, "were folded")
    t.exit()


main()
