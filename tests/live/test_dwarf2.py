"""DWARF 2 has no way to say that a unit has code in several places: .debug_aranges has them, and of a function's cold part
nothing but its symbol and its lines is known."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

PARTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "parts.c")


def main():
    t = s.Failures()
    work = s.workdir()
    path, core, log = work + "/parts", work + "/core", work + "/log"
    if not shutil.which("gcc"):
        s.skip("no gcc")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-w", "-O2", "-gdwarf-2", "-gstrict-dwarf", PARTS, "-o", path], check=True)
    symbols = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    if " t outer.cold\n" not in symbols:
        s.skip("this gcc makes no cold part")
    s.make_core(path, core, log=log)
    with open(log) as f:
        logged = dict(line.split(" ", 2)[1:] for line in f.read().splitlines())
    t.equal(sorted(logged), ["main", "outer"], "log")
    with open(PARTS) as f:
        lines = f.read().splitlines()
    at = {"outer.cold": lines.index("\t\tabort();") + 1,
          "main": next(n for n, line in enumerate(lines) if "return outer(" in line) + 1}
    out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
    t.equal(status, 0, "status")
    own = [f for f in s.parse_bt(out)[None] if f["name"] in at]
    t.equal([(f["name"], f["at"]) for f in own],
            [(name, "%s:%d" % (PARTS, line)) for name, line in at.items()], out)
    t.equal(own[0]["words"], "...", "the cold part's parameters")
    t.check(s.words_match(own[1]["words"], logged["main"], True), own[1]["words"], logged["main"])
    t.exit()


main()
