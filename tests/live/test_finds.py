"""Whose file belongs to which image of a core, however little the core says."""
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from editcore import Edit
from elfcore import AUXV, FILES

HERE = os.path.dirname(os.path.abspath(__file__))
UNCHECKED = "whether their files are those that crashed could not be checked"
ELSEWHERE = "is not on this machine and not whole in the core"


def run(*command, **kwargs):
    subprocess.run(command, check=True, **kwargs)


def build(out, *flags, source="finds.c", cc="cc"):
    run(cc, "-g", "-O0", "-I" + os.path.join(s.SOURCE, "fixtures"), os.path.join(HERE, source),
        "-o", out, *flags)
    return out


def library(out, *flags):
    """Code without a relocation: an own loader can load it."""
    return build(out, "-O2", "-fno-optimize-sibling-calls", "-fPIC", "-shared", "-nostdlib", "-Wl,-e,outer",
                 "-Wl,-z,norelro", "-Wl,-Bsymbolic", *flags, source="finds_library.c")


class Case:
    """A program that dies in a folder of its own: its core, and the calls it logged, innermost first."""

    def __init__(self, program, *args, core=None, loader=None):
        self.work = os.path.dirname(program)
        self.core, log = core or self.work + "/core", self.work + "/log"
        if os.path.exists(log) and not core:
            os.unlink(log)
        if not core:
            s.make_core(loader or program, self.core, args=args, log=log, way="kernel")
        with open(log) as f:
            self.calls = [tuple(line.rstrip("\n").split(" ", 2)[1:]) for line in f
                          if line.startswith("ARGS ")][::-1]

    def bt(self, *args):
        """(calls that the log has, with the library's names; remarks; status)."""
        out, err, status = s.corectl(*args, "-batch", "-ex", "bt")
        frames = next(iter(s.parse_bt(out).values()), [])
        known = {name for name, _ in self.calls} | {"inner", "outer"}
        return [(f["name"], f["words"]) for f in frames if f["name"] in known], s.remarks(err), status


LOADER = "/lib64/ld-linux-x86-64.so.2"


def whole(t, case, what, *args, says=(), calls=None, status=None):
    """Every call is there, and no more is said than `says`."""
    got, remarks, code = case.bt(*args)
    t.equal(got, case.calls if calls is None else calls, what)
    t.equal(remarks.count("\n"), len(says), what + ": " + remarks)
    for text in says:
        t.check(text in remarks, what + ": " + remarks)
    t.equal(code, (1 if says else 0) if status is None else status, what + ": status")


def files(edit):
    """[(start, end, byte offset, path)] of NT_FILE."""
    desc = edit.note(FILES)[2]
    count, page = struct.unpack_from("<QQ", desc)
    paths = desc[16 + 24 * count:].split(b"\0")
    for i in range(count):
        start, end, off = struct.unpack_from("<QQQ", desc, 16 + 24 * i)
        yield start, end, off * page, paths[i].decode()


def in_folder(name):
    return os.path.join(s.workdir(), name)


def explicit_loader(t):
    for flags in ((), ("-no-pie",)):
        prog = build(in_folder("prog"), *flags)
        case = Case(prog, prog, loader=LOADER)
        what = "started by its loader %s, " % " ".join(flags)
        whole(t, case, what + "program given", case.core, prog)
        whole(t, case, what + "alone", case.core)
        whole(t, case, what + "loader given", case.core, LOADER)
        os.mkdir(case.work + "/other")
        shutil.move(prog, case.work + "/other/name")
        whole(t, case, what + "moved", case.core, case.work + "/other/name")


def moved_code(t):
    for flags in ((), ("-Wl,-z,noseparate-code",), ("-no-pie", "-Wl,-z,noseparate-code")):
        for part in ("text", "all", "writable"):
            prog = build(in_folder("prog"), *flags)
            case = Case(prog, "moved", part)
            what = "%s moved, %s" % (part, " ".join(flags))
            whole(t, case, what + ", program given", case.core, prog)
            if part != "text":
                whole(t, case, what + ", alone", case.core)
            out, _, _ = s.corectl(case.core, prog, "-batch", "-ex", "modules")
            t.check(re.search(r" ok +\w+  %s" % re.escape(prog), out), what + ": " + out)
            theirs = [f[2] for th in s.gdb_reference(case.core, prog).values() for f in th["frames"]]
            t.equal([n for n in theirs if n in ("step", "walk", "main")], [n for n, _ in case.calls],
                    what + ": gdb")


def live(t):
    prog = build(in_folder("prog"))
    for args in ((), ("moved", "all")):
        log = os.path.dirname(prog) + "/log"
        p = subprocess.Popen([prog, *args], env=dict(os.environ, FIXTURE_LOG=log, FINDS_WAIT="1"))
        try:
            s.wait_for("step", lambda: os.path.exists(log) and "step" in open(log).read())
            out, err, status = s.corectl("-p", str(p.pid), "-batch", "-ex", "bt")
        finally:
            p.kill()
            p.wait()
        frames = [(f["name"], f["words"]) for f in next(iter(s.parse_bt(out).values()))]
        wanted = [tuple(l.rstrip("\n").split(" ", 2)[1:]) for l in open(log)][::-1]
        t.equal([f for f in frames if f in wanted], wanted, "live %s: %s%s" % (args, out, err))
        t.equal((s.remarks(err), status), ("", 0), "live")
        os.unlink(log)


def within_file(t):
    """An archive: something else, two libraries, uncompressed."""
    prog = build(in_folder("prog"))
    work = os.path.dirname(prog)
    first, second = (open(library(work + "/" + n, "-DN=" + n), "rb").read() for n in ("la", "lb"))
    with open(work + "/bundle", "wb") as f:
        f.write(b"PK\3\4" + b"\x55" * 8188)
        f.write(first + b"\0" * (-len(first) % 4096))
        at = f.tell()
        f.write(second)
    for off in (8192, at):
        case = Case(prog, "within", work + "/bundle", hex(off))
        step, walk, main = case.calls
        whole(t, case, "library at %#x of a file" % off, case.core, prog, says=[UNCHECKED], status=0,
              calls=[step, walk, ("inner", "_, _"), ("outer", "_, _"), main])


def few_notes(t):
    prog = build(in_folder("prog"))
    lib = library(os.path.dirname(prog) + "/lib.so")
    case = Case(prog, "namespace", lib)
    step, walk, main = case.calls
    calls = [step, walk, ("inner", "_, _"), ("outer", "_, _"), main]
    for what, kinds in (("all notes", ()), ("no NT_FILE", (FILES,)), ("no NT_AUXV", (AUXV,)),
                        ("neither", (FILES, AUXV))):
        e = Edit(case.core)
        e.drop(*kinds)
        edited = e.write(case.work + "/edited")
        whole(t, case, what, edited, prog, calls=calls)
        out, _, _ = s.corectl(edited, prog, "-batch", "-ex", "modules")
        for name in ("/lib.so", "/libc.so.6", "/ld-linux-x86-64.so.2", "/prog"):
            t.check(re.search(r" ok .*%s\b" % re.escape(name), out), "%s: %s in %s" % (what, name, out))
    # No page with an ELF header, and no names: the program that is given leads to the loader's list.
    e = Edit(case.core)
    for start, _, off, _ in files(e):
        h = e.headers[e.segment(start)]
        if not off and not h[1] & 2:
            h[5] = 0
    e.drop(FILES)
    edited = e.write(case.work + "/bare")
    whole(t, case, "the loader's list alone", edited, prog, says=[UNCHECKED], status=0, calls=calls)
    # Nothing but the pages, and the program is elsewhere: found in a folder by its build-id.
    os.mkdir(case.work + "/heap")
    shutil.move(prog, case.work + "/heap/one")
    shutil.move(lib, case.work + "/heap/two")
    whole(t, case, "in a heap of files", case.work + "/core", "--debug-dir", case.work + "/heap", calls=calls)
    whole(t, case, "in a heap of files, no notes", case.work + "/edited", "--debug-dir", case.work + "/heap", calls=calls)
    # The library is the file that was given.
    got, remarks, status = case.bt(case.core, case.work + "/heap/two")
    t.equal((got[0][0], remarks.count(ELSEWHERE), status), ("inner", 1, 1), "the library given: " + remarks)


def valgrind(t):
    if not shutil.which("valgrind"):
        return
    for flags in ((), ("-no-pie",)):
        prog = build(in_folder("prog"), *flags)
        work = os.path.dirname(prog)
        subprocess.run(["sh", "-c", "ulimit -c unlimited; exec valgrind -q " + prog], cwd=work, stderr=subprocess.DEVNULL, timeout=60,
                       env=dict(os.environ, FIXTURE_LOG=work + "/log"))
        core = next(os.path.join(work, n) for n in os.listdir(work) if n.startswith("vgcore"))
        case = Case(prog, core=core)
        whole(t, case, "valgrind's core", core, prog)


def names(t):
    for name in ("app (deleted)", "more than fifteen (deleted)", "sub (deleted)/app", "a b;c"):
        prog = in_folder(name)
        os.makedirs(os.path.dirname(prog), exist_ok=True)
        case = Case(build(prog))
        whole(t, case, name, case.core)
        out, _, _ = s.corectl(case.core, "-batch", "-ex", "modules")
        t.check(out.count("  %s\n" % prog) == 1, name + ": " + out)
    os.rename(prog, prog + "2")
    _, remarks, status = case.bt(case.core)
    t.equal((remarks.count(prog + " " + ELSEWHERE), status), (1, 1), "gone: " + remarks)


def other_layout(t):
    """Neither core nor file has a build-id: the shape of the mappings tells."""
    prog = build(in_folder("prog"), "-Wl,--build-id=none")
    work = os.path.dirname(prog)
    lib = library(work + "/lib.so", "-Wl,--build-id=none")
    case = Case(prog, "namespace", lib)
    step, walk, main = case.calls
    calls = [step, walk, ("inner", "_, _"), ("outer", "_, _"), main]
    whole(t, case, "no build-id", case.core, prog, says=[UNCHECKED], status=0, calls=calls)
    for what, page in (("in bytes, page size 1", 1), ("in bytes, page size 4096", 4096)):
        e = Edit(case.core)
        for i, (_, _, off, _) in enumerate(list(files(e))):
            e.patch(FILES, 32 + 24 * i, "<Q", off)
        e.patch(FILES, 8, "<Q", page)
        whole(t, case, "offsets " + what, e.write(work + "/edited"), prog, says=[UNCHECKED], status=0, calls=calls)
    with open(work + "/more.s", "w") as f:
        f.write(".section .note.GNU-stack\n.text\n.fill 9000, 1, 0x90\n")
    library(lib, "-Wl,--build-id=none", work + "/more.s")
    got, remarks, status = case.bt(case.core, prog)
    t.equal((got[:2], "inner" in str(got), status), ([step, walk], False, 1), "another library")
    t.check("lib.so is another build than the one that crashed (build-id none, the core has another layout): "
            "not used" in remarks, remarks)
    # Without the program's page: its mappings are all there is.
    e = Edit(case.core)
    for h in e.headers:
        if h[0] == 1 and not h[1] & 2:
            h[5] = 0
    got, remarks, status = case.bt(e.write(work + "/edited"), prog)
    t.equal(("inner" in str(got), "another layout" in remarks, status), (False, True, 1), remarks)


def holes(t):
    """Writers that leave zeros for what is in files."""
    prog = build(in_folder("prog"))
    case = Case(prog)
    e = Edit(case.core)
    for start, end, _, path in files(e):
        if path != prog:
            continue
        h = e.headers[e.segment(start)]
        if h[5] and not h[1] & 2:
            e.data[h[2]:h[2] + h[5]] = b"\0" * h[5]
        elif not h[1] & 2 and h[1] & 1:  # text, which the kernel leaves out
            h[2], h[5] = len(e.data), h[6]
            e.data += b"\0" * h[6]
    whole(t, case, "zeros for the program's pages", e.write(case.work + "/edited"), prog, says=[UNCHECKED], status=0)


def debug_file_given(t):
    prog = build(in_folder("prog"))
    case = Case(prog)
    debug = case.work + "/prog.debug"
    run("objcopy", "--only-keep-debug", prog, debug)
    run("strip", prog)
    whole(t, case, "a debug file given", case.core, debug)
    out, _, _ = s.corectl(case.core, debug, "-batch", "-ex", "x/2i step")
    theirs = subprocess.run(["objdump", "-d", "--no-show-raw-insn", prog], stdout=subprocess.PIPE, check=True)
    t.check("push" in out and "push" in theirs.stdout.decode(), "its code: " + out)
    os.unlink(prog)
    got, remarks, status = case.bt(case.core, debug)
    t.check("prog.debug is a separate debug file: its names are used; the program, whose code is needed too, "
            "is not on this machine" in remarks and status == 1, remarks)
    t.check("step" in [n for n, _ in got], "names without code: %s" % got)
    out, err, _ = s.corectl(case.core, debug, "-batch", "-ex", "x/2i step")
    t.check("not in the core" in err and not out.strip(), "no code: " + out + err)


def reasons(t):
    prog = build(in_folder("prog"))
    case = Case(prog)
    os.rename(prog, case.work + "/kept")
    os.symlink("prog", prog)
    _, remarks, status = case.bt(case.core)
    t.equal((remarks.count("/prog cannot be opened (too many symbolic links) and not whole in the core"), status),
            (1, 1), remarks)
    # A descriptor for each module is not needed.
    os.unlink(prog)
    os.rename(case.work + "/kept", prog)
    done = subprocess.run(["sh", "-c", "ulimit -n 6; exec \"$@\"", "sh", s.CORECTL, case.core, "-batch", "-ex", "bt"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t.equal((s.remarks(done.stderr.decode()), done.returncode), ("", 0), "few descriptors")
    t.check(" in step(" in done.stdout.decode(), "few descriptors")


def vdso(t):
    prog = build(in_folder("prog"))
    case = Case(prog)
    out, _, _ = s.corectl(case.core, "-batch", "-ex", "modules")
    start = int(re.search(r"0x(\w+)-0x\w+ +from memory +\w+ +\[vdso\]", out).group(1), 16)
    e = Edit(case.core)
    e.headers[e.segment(start)][5] = 0
    out, _, _ = s.corectl(e.write(case.work + "/edited"), "-batch", "-ex", "modules")
    t.check(re.search(r"0x%x-0x\w+ +missing .*\[vdso\]" % start, out), out)


def lost_files(t):
    """gcore after an upgrade: the code of what is gone is in the core."""
    for style in ("gnu", "sysv"):
        prog = build(in_folder("prog"), "-rdynamic", "-Wl,--hash-style=" + style)
        work = os.path.dirname(prog)
        lib = library(work + "/lib.so", "-Wl,--hash-style=" + style)
        p = subprocess.Popen([prog, "namespace", lib],
                             env=dict(os.environ, FIXTURE_LOG=work + "/log", FINDS_WAIT="1"))
        try:
            s.wait_for("step", lambda: os.path.exists(work + "/log") and "step" in open(work + "/log").read())
            build(work + "/new", "-rdynamic", "-O1")
            os.rename(work + "/new", prog)
            os.unlink(lib)
            _, err, status = s.corectl("gcore", "-o", work + "/core", str(p.pid))
            t.equal(status, 0, "gcore: " + err)
        finally:
            p.kill()
            p.wait()
        out, err, status = s.corectl("core", work + "/core", "-batch", "-ex", "bt")
        got = [f["name"] for f in next(iter(s.parse_bt(out).values()))]
        wanted = ["step", "walk", "inner", "outer", "main"]
        t.equal([n for n in got if n in wanted], wanted, "%s: %s%s" % (style, out, err))
        t.check("stopped" not in out, out)
        t.equal(status, 1, "what is said: " + err)
        t.check("lib.so is not on this machine: its image was taken from the core" in err and
                "/prog is another build than the one that crashed" in err, err)


def main():
    t = s.Failures()
    for tool in ("cc", "objcopy", "strip", "objdump"):
        if not shutil.which(tool):
            s.skip(tool + " is not installed")
    if not os.path.exists(LOADER):
        s.skip("no " + LOADER)
    parts = (explicit_loader, moved_code, live, within_file, few_notes, valgrind, names, other_layout, holes,
             debug_file_given, reasons, vdso, lost_files)
    for part in parts:
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part(t)
    t.exit()


main()
