"""Separate debug files: by build-id and by debuglink, in every place; never one that does not fit."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

NO_DEBUG = "no debug information: install"


def run(*command):
    subprocess.run(command, check=True)


def build(work, *flags):
    """The program `work`/prog without debug information, the core of it, and prog.debug beside."""
    prog, debug = work + "/prog", work + "/prog.debug"
    run("cc", "-g", "-D_GNU_SOURCE", "-I" + os.path.join(s.SOURCE, "fixtures"),
        os.path.join(s.SOURCE, "fixtures/words.c"), "-o", prog, *flags)
    run("objcopy", "--only-keep-debug", prog, debug)
    run("strip", "--strip-all", prog)
    run("objcopy", "--add-gnu-debuglink=" + debug, prog)
    s.make_core(prog, work + "/core")
    return prog, debug


def build_id(prog):
    out = subprocess.run(["readelf", "-n", prog], stdout=subprocess.PIPE, check=True).stdout.decode()
    return out.split("Build ID: ")[1].split()[0] if "Build ID: " in out else None


def look(t, work, what, found, *options):
    """The frame of example() as it must be with its debug file, and without."""
    out, err, _ = s.corectl(*options, work + "/core", work + "/prog", "-batch", "-ex", "bt")
    has = "in example({" in out and "/words.c:18" in out
    t.equal((has, NO_DEBUG in err), (found, not found), what + ": " + out[-600:] + err)


def place(debug, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(debug, path)


def check(t, what, *flags):
    work = s.workdir()
    prog, debug = build(work, *flags)
    hidden = work + "/away/kept"
    place(debug, hidden)
    look(t, work, what + "beside the program", True)
    os.unlink(debug)
    look(t, work, what + "nowhere", False)
    place(hidden, work + "/.debug/prog.debug")
    look(t, work, what + "in .debug", True)
    shutil.rmtree(work + "/.debug")
    place(hidden, work + "/dir" + work + "/prog.debug")
    look(t, work, what + "by path below --debug-dir", True, "--debug-dir", work + "/dir")
    shutil.rmtree(work + "/dir")
    number = build_id(prog)
    if number:
        place(hidden, "%s/dir/.build-id/%s/%s.debug" % (work, number[:2], number[2:]))
        look(t, work, what + "by build-id below --debug-dir", True, "--debug-dir", work + "/dir")
        look(t, work, what + "by build-id, second of two", True, "--debug-dir",
             work + "/absent:" + work + "/dir")
    return work, prog, debug, hidden


def main():
    t = s.Failures()
    for tool in ("cc", "objcopy", "strip", "readelf"):
        if not shutil.which(tool):
            s.skip(tool + " is not installed")
    check(t, "")
    check(t, "compressed, ", "-Wl,--compress-debug-sections=zlib")
    check(t, "compressed the old way, ", "-Wl,--compress-debug-sections=zlib-gnu")
    work, prog, debug, hidden = check(t, "no build-id, ", "-Wl,--build-id=none")
    # Nothing but the checksum tells that this is another one's.
    with open(hidden, "rb") as f:
        other = bytearray(f.read())
    other[-1] ^= 1
    with open(debug, "wb") as f:
        f.write(other)
    look(t, work, "wrong checksum", False)
    # The right name, another build.
    work, prog, debug, hidden = check(t, "again, ", "-O1")
    other = s.workdir()
    shutil.copy(build(other, "-DOTHER", "-O2")[1], debug)
    shutil.rmtree(work + "/dir")
    look(t, work, "wrong build", False)
    t.exit()


main()
