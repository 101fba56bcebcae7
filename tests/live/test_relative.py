"""Programs compiled by relative names, as nearly every Makefile does: their sources are found from anywhere, the
first frame with a source is chosen, and ls shows it."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

SOURCES = {
    "top/src/deep/end.c": "#include <stdlib.h>\n#include \"../part.h\"\nvoid end(int n)\n{\n\tinlined(n + 1);\n}\n",
    "top/src/part.h": "static inline __attribute__((always_inline)) void inlined(int n)\n{\n\tif (n > 2)\n\t\tabort();\n}\n",
    "beside.c": "void end(int n);\nint main(void)\n{\n\tend(6);\n\treturn 0;\n}\n",
}


def corectl(*args):
    """From a folder that has nothing to do with it."""
    done = subprocess.run([s.CORECTL, *args], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.stdout.decode(), s.remarks(done.stderr.decode()), done.returncode


def one(t, compiler, *flags):
    work, what = s.workdir(), " ".join((compiler, *flags))
    top = work + "/top"
    for name, text in SOURCES.items():
        os.makedirs(os.path.dirname(os.path.join(work, name)), exist_ok=True)
        with open(os.path.join(work, name), "w") as f:
            f.write(text)
    for source in ("src/deep/end.c", "../beside.c"):
        subprocess.run([compiler, "-g", *flags, "-c", source, "-o", os.path.basename(source) + ".o"], cwd=top, check=True)
    subprocess.run([compiler, "end.c.o", "beside.c.o", "-o", "prog"], cwd=top, check=True)
    core = work + "/core"
    s.make_core(top + "/prog", core)

    out, err, status = corectl(core, "-batch", "-ex", "frame", "-ex", "ls", "-ex", "bt")
    t.equal((err, status), ("", 0), what)
    part = top + "/src/deep/../part.h"
    t.check(re.match(r" *\d+  0x\w+ in inlined\(.*\)\n    at %s:4 \(inlined\)\n=> +4:\t\t\tabort\(\);\n"
                     r"> inlined\(\) %s:4 .*\n( .*\n|Warning.*\n)*=> +4:\t\t\tabort\(\);\n" % (re.escape(part), re.escape(part)), out),
            what + ", the chosen frame: " + out)
    at = [f["at"] for f in s.parse_bt(out).get(None, []) if f["name"] in ("end", "main")]
    t.equal(at, [top + "/src/deep/end.c:5", top + "/../beside.c:4"], what)
    for place, line in (("end.c:5", "inlined(n + 1);"), ("deep/end.c:5", "inlined(n + 1);"), ("beside.c:4", "end(6);"),
                        ("main", "end(6);")):
        out, err, _ = corectl(core, "-batch", "-ex", "ls " + place)
        t.check("4:\tend(6);" in out.replace("\t\t", "\t") or line in out, "%s, ls %s: %s%s" % (what, place, out, err))

    # Where the sources went elsewhere, the rule names what the debug information names.
    os.rename(top + "/src", work + "/moved")
    out, err, _ = corectl(core, "-batch", "-ex", "set substitute-path %s/src %s/moved" % (top, work), "-ex", "ls end.c:5")
    t.check("inlined(n + 1);" in out, what + ", moved: " + out + err)


def main():
    t = s.Failures()
    compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
    if not compilers:
        s.skip("neither gcc nor clang")
    for compiler in compilers:
        for flags in (("-gdwarf-4",), ("-gdwarf-5",), ("-gdwarf-5", "-gsplit-dwarf")):
            one(t, compiler, *flags)
    t.exit()


main()
