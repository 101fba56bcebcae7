"""Lines where rows lie: functions that the linker has thrown away keep theirs, at addresses of others; line 0
stands for none. The source is written here, so its lines are known."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

NOINLINE = "__attribute__((noinline)) "


def program():
    """(text, {function: line of its call})."""
    text, lines = ["#include <stdlib.h>", "volatile int sink;"], {}
    # Thrown away, and longer than all code before main: its rows reach over the others' addresses.
    text.append("int never(int n) {")
    text += ["\tsink += n * %d;" % i for i in range(400)]
    text.append("\treturn n; }")

    def add(name, call, before=""):
        text.append(NOINLINE + "int %s(int n) {" % name)
        if before:
            text.append(before)
        text.append("\t%s;" % call)
        lines[name] = len(text)
        text.append("\treturn n + 1; }")

    add("last", "abort()")
    add("first", "sink = last(n + 1)")
    add("main", "sink = first(n)")
    return "\n".join(text) + "\n", lines


def merged(t, work):
    """clang makes one call of two, and gives it line 0."""
    if not shutil.which("clang"):
        return
    text = ["#include <stdlib.h>", "volatile int sink;",
            NOINLINE + "int die(int n) { sink = n; if (n) abort(); return n; }",
            NOINLINE + "int merged(int n) {", "\tint r;",
            "\tif (n > 5) {", "\t\tsink = 1;", "\t\tr = die(n + 1);", "\t} else {",
            "\t\tsink = 2;", "\t\tr = die(n + 1);", "\t}", "\treturn r + 1;", "}",
            "int main(int argc, char **argv) { (void)argv; return merged(argc) + 1; }"]
    with open(work + "/merged.c", "w") as f:
        f.write("\n".join(text) + "\n")
    path, core = work + "/merged", work + "/core"
    subprocess.run(["clang", "-O2", "-g", "-w", work + "/merged.c", "-o", path], check=True)
    s.make_core(path, core)
    out, _, _ = s.corectl("core", path, core, "-batch", "-ex", "bt")
    at = [os.path.basename(f["at"]) for f in s.parse_bt(out)[None] if f["name"] == "merged"]
    t.check(len(at) == 1 and at[0] in ["merged.c:%d (near)" % n for n in range(4, 14)], "line 0", at, out)


def main():
    if not shutil.which("gcc"):
        s.skip("gcc is not installed")
    t = s.Failures()
    text, lines = program()
    work = s.workdir()
    with open(work + "/lines.c", "w") as f:
        f.write(text)
    for options in (["-gdwarf-5"], ["-gdwarf-4"], ["-gdwarf-5", "-fuse-ld=lld"]):
        if "-fuse-ld=lld" in options and not shutil.which("ld.lld"):
            continue
        path, core = work + "/lines", work + "/core"
        subprocess.run(["gcc", "-O1", "-ffunction-sections", "-Wl,--gc-sections", *options,
                        work + "/lines.c", "-o", path], check=True)
        names = subprocess.run(["nm", path], stdout=subprocess.PIPE, check=True).stdout.decode()
        t.check(" never\n" not in names, options, "never is there")
        s.make_core(path, core)
        out, _, _ = s.corectl("core", path, core, "-batch", "-ex", "bt")
        shown = {f["name"]: os.path.basename(f["at"]) for f in s.parse_bt(out)[None]
                 if f["name"] in lines}
        wanted = {name: "lines.c:%d" % line for name, line in lines.items()}
        t.equal(shown, wanted, options)
    merged(t, work)
    t.exit()


main()
