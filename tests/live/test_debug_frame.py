"""Call frame information that stands in .debug_frame alone, which is not mapped and has no search table: also
compressed, in a separate file, and by clang."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

FLAGS = ["-D_GNU_SOURCE", "-std=gnu11", "-w", "-O1", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables",
         "-fno-unwind-tables", "-fno-exceptions", "-fno-inline"]


def build(work, compiler, options):
    path = os.path.join(work, "prog")
    subprocess.run([compiler, *FLAGS, *options, os.path.join(s.SOURCE, "fixtures/undefined.c"), "-o", path],
                   check=True)
    return path


def sections(path):
    return subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, check=True).stdout.decode()


def own(core, path, *options):
    """The program's frames: names and marks."""
    out, _, status = s.corectl(*options, "core", path, core, "-batch", "-ex", "bt")
    frames = s.parse_bt(out).get(None, [])
    marked = [f["name"] for f in frames if "(by frame pointer)" in f["at"] or "(scanned)" in f["at"]]
    return [f["name"] for f in frames if "undefined.c:" in f["at"]], marked, status


def main():
    t = s.Failures()
    work = s.workdir()
    for compiler, options in (("gcc", ["-g"]), ("gcc", ["-g", "-gdwarf-4"]), ("gcc", ["-g", "-gz"]),
                              ("clang", ["-g"])):
        if not shutil.which(compiler):
            continue
        path, core, what = build(work, compiler, options), work + "/core", [compiler, *options]
        t.check(".debug_frame" in sections(path), what, "no .debug_frame")
        s.make_core(path, core)
        names, marked, status = own(core, path)
        t.check(names == ["hold", "main"], what, names)
        t.equal((marked, status), ([], 0), what)
        if options == ["-g"] and shutil.which("objcopy"):
            os.makedirs(work + "/.debug", exist_ok=True)
            subprocess.run(["objcopy", "--only-keep-debug", path, work + "/.debug/prog.debug"], check=True)
            subprocess.run(["objcopy", "-S", "--add-gnu-debuglink=" + work + "/.debug/prog.debug", path,
                            path + ".stripped"], check=True)
            os.replace(path + ".stripped", path)
            t.equal(own(core, path), (names, [], 0), str(what) + ", in a separate file")
            shutil.rmtree(work + "/.debug")
    t.exit()


main()
