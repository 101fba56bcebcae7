"""Debug information without types (-g1, -gmlt): names and lines are there, and nothing says what the parameters are."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


def main():
    t = s.Failures()
    work = s.workdir()
    path, core = work + "/prog", work + "/core"
    for compiler, option, words in (("gcc", "-g1", "..."), ("clang", "-gmlt", "..."), ("gcc", "-g", "")):
        if not shutil.which(compiler):
            continue
        subprocess.run([compiler, "-D_GNU_SOURCE", "-std=gnu11", "-w", "-O0", option,
                        os.path.join(s.SOURCE, "fixtures/inline.c"), "-o", path], check=True)
        s.make_core(path, core)
        out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
        own = [f for f in s.parse_bt(out)[None] if "inline.c:" in f["at"]]
        t.check(len(own) >= 4 and status == 0, compiler, option, out)
        t.check(all((f["words"] == "...") == (words == "...") for f in own), compiler, option, out)
    t.exit()


main()
