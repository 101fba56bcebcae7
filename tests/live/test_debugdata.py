"""MiniDebugInfo (.gnu_debugdata): a stripped program whose functions have names again."""
import lzma
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


def names(program, *options):
    """Functions and data as nm prints them."""
    out = subprocess.run(["nm", "--format=posix", "--defined-only", *options, program],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    return {line.split()[0] for line in out.splitlines() if line.split()[1] in "TtD"}


def embed(full, stripped, damage):
    """`stripped` as gdb's manual makes it: no symbols, but those of a compressed ELF inside."""
    work = os.path.dirname(stripped)
    with open(work + "/keep", "w") as f:
        f.write("\n".join(sorted(names(full) - names(full, "-D"))) + "\n")
    subprocess.run(["objcopy", "-S", "--remove-section", ".comment", "--keep-symbols", work + "/keep",
                    "--only-keep-debug", full, work + "/mini"], check=True)
    subprocess.run(["objcopy", "-S", "--keep-symbols", work + "/keep", work + "/mini"], check=True)
    with open(work + "/mini", "rb") as f:
        packed = lzma.compress(f.read())
    with open(work + "/mini.xz", "wb") as f:
        f.write(packed[:len(packed) // 2] if damage else packed)
    subprocess.run(["objcopy", "--strip-all", "--add-section", ".gnu_debugdata=" + work + "/mini.xz",
                    full, stripped], check=True)


def frames(core, program):
    out, err, _ = s.corectl(core, program, "-batch", "-ex", "bt")
    return s.parse_bt(out).get(None, []), s.remarks(err)


def main():
    t = s.Failures()
    full = os.path.join(s.FIXTURES, "words")
    if not os.path.exists(full) or not shutil.which("objcopy"):
        s.skip("no fixture, or no objcopy")
    work = s.workdir()
    core = work + "/core"
    s.make_core(full, core)
    good, bad = work + "/words", work + "/damaged"
    embed(full, good, False)
    embed(full, bad, True)
    t.check(not names(good), "the program is not stripped")

    (whole, _), (shown, err), (broken, broken_err) = (frames(core, p) for p in (full, good, bad))
    t.check("no debug information" in err and "no symbols" not in err, "stderr: " + err)
    t.check(broken_err.startswith("corectl: words: its .gnu_debugdata is damaged or too large: not used\n"
                                  "corectl: words has no symbols"), "damaged: " + broken_err)
    own = [n for n, f in enumerate(whole) if f["name"] in ("example", "main", "_start")]
    t.equal([whole[n]["name"] for n in own], ["example", "main", "_start"], "frames of the program")
    t.equal([f["pc"] for f in shown], [f["pc"] for f in whole], "pcs")
    t.equal([(shown[n]["name"], shown[n]["words"]) for n in own],
            [("example", "..."), ("main", "..."), ("_start", "...")], "names from .gnu_debugdata")
    t.equal([f["pc"] for f in broken], [f["pc"] for f in whole], "pcs where it is damaged")
    t.equal([broken[n]["name"] for n in own], ["??", "??", "??"], "names where it is damaged")
    t.exit()


main()
