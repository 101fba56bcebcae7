"""test_leaves.py pascal|resolver|linked: code that call frame information does not cover, or that runs before all that usually does."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

HERE = os.path.dirname(os.path.abspath(__file__))


def names(frames):
    return [f["name"] for f in frames]


def bt(core, path):
    out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
    return out, s.parse_bt(out)[None], status


def pascal(t, work):
    """The caller of a leaf is not skipped; what its words are the program tells."""
    if not shutil.which("fpc"):
        s.skip("fpc is not installed")
    for level in ("-O-", "-O2"):
        made = subprocess.run(["fpc", "-g", "-gw3", level, os.path.join(HERE, "leaves.pas"), "-FE" + work, "-o" + work + "/leaves"],
                              capture_output=True, text=True)
        t.equal(made.returncode, 0, made.stdout)
        seen = {}

        def look(pid):
            out, _, _ = s.corectl("-p", str(pid), "-batch", "-ex", "bt")
            seen["out"], seen["frames"] = out, s.parse_bt(out)[None]
            os.kill(pid, 9)
        run = lib.Run([work + "/leaves"], lib.environment(False), poke=look, ready="ARGS inner")
        frames = seen["frames"][:5]
        t.equal(names(frames), ["leaf", "inner", "work", "work", "work"], level + seen["out"])
        logged = re.findall(r"^ARGS (\w+) (.*)$", run.out, re.M)
        t.equal([n for n, _ in logged], ["work"] * 3 + ["inner"], run.out)
        for f, (_, words) in zip(frames[1:], reversed(logged)):
            t.check(s.words_match(f["words"], words, True), level, f, words)
        # What a scan has found and what follows from it is marked; what is certain is not.
        t.check("(" not in frames[1]["at"], level, frames[1])
        t.check(all("(by frame pointer)" in f["at"] or "(scanned)" in f["at"] for f in frames[2:]), level, frames)


def build(path, *options):
    return subprocess.run(["gcc", "-g", "-O0", "-w", os.path.join(HERE, "resolver.c"), "-o", path, *options],
                          capture_output=True, text=True)


def resolver(t, work):
    """A resolver runs in the loader, or in a static program's start: both are where the stack begins."""
    path, core = work + "/resolver", work + "/core"
    for option, last in (("-pie", "_start"), ("-static", "_start")):
        made = build(path, option)
        if made.returncode:
            print("SKIPPED:", option, made.stderr)
            continue
        s.make_core(path, core)
        out, frames, status = bt(core, path)
        t.equal(names(frames)[:2], ["resolver_calls", "pick"], option + out)
        t.equal((names(frames)[-1], status), (last, 0), option + out)
        t.check("main" not in names(frames) and not any("(scanned)" in f["at"] for f in frames), option, out)


def linked(t, work):
    """A leaf that is called through a linkage table: of ld, lld and mold."""
    core = work + "/core"
    t.equal(build(work + "/libleaf.so", "-DLIBRARY", "-shared", "-fPIC").returncode, 0, "the library")
    for linker in ("bfd", "lld", "mold", "gold"):
        if not shutil.which("ld." + linker) and not shutil.which(linker):
            print("SKIPPED:", linker)
            continue
        for bind in ("lazy", "now"):
            path = work + "/linked"
            made = build(path, "-DWITH_LEAF", "-fuse-ld=" + linker, "-L" + work, "-lleaf", "-Wl,-rpath," + work, "-Wl,-z," + bind)
            t.equal(made.returncode, 0, made.stderr)
            s.make_core(path, core)
            out, frames, status = bt(core, path)
            t.equal((names(frames)[:4], status), (["leaf", "resolver_calls", "pick", "main"], 0), linker + out)
            t.check(not any("(scanned)" in f["at"] or "(by" in f["at"] for f in frames), linker, out)


def main():
    t = s.Failures()
    {"pascal": pascal, "resolver": resolver, "linked": linked}[sys.argv[1]](t, s.workdir())
    t.exit()


main()
