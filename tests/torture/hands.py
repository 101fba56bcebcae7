"""What others can put in our way: names, links, files and processes of theirs.

hands.py CASE, or --list. Each case is one promise of docs/SECURITY.md. Where it takes two users it
is root that is attacked, and the other one is NOBODY.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import corewriter as cw
import support as s

NOBODY = 65534
# C0 but newline and tab, DEL, C1, bidi controls, separators; what is not UTF-8 decodes to a surrogate.
FORBIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
EVIL = b"\x1b]0;pwn\x07\xc2\x9b31mX\x9b31m\ncorectl: forged\rY\xe2\x80\xaeZ"
SHOWN = r"\x1b]0;pwn\x07\xc2\x9b31mX\x9b31m\x0acorectl: forged\x0dY\xe2\x80\xaeZ"


def run(args, **more):
    """(stdout, stderr, status), bytes that are not UTF-8 kept visible."""
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, **more)
    return (done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape"),
            done.returncode)


def clean(t, text, what):
    found = FORBIDDEN.search(text)
    t.check(not found, "%s: %r reaches the terminal in %r" % (what, found and found.group(), text[:600]))
    t.check(not re.search(r"^corectl: forged", text, re.M), what, "has a forged line:", text[:600])


def small_core(path, file=b"/nowhere/file", name=b"prog", threads=1):
    """A core of one page of stack and a mapping of `file`."""
    notes = b"".join(cw.note(cw.NT_PRSTATUS, cw.prstatus(i + 1, rip=0x10000, rsp=0x1000)) for i in range(threads))
    psinfo = bytearray(136)
    psinfo[24:28] = (1).to_bytes(4, "little")
    psinfo[40:40 + len(name[:15])] = name[:15]
    psinfo[56:56 + len(name[:79])] = name[:79]
    notes += cw.note(cw.NT_PRPSINFO, bytes(psinfo)) + cw.note(cw.NT_SIGINFO, cw.siginfo())
    notes += cw.note(cw.NT_FILE, cw.nt_file([(0x10000, 0x11000, 0, file)]))
    notes += cw.note(1, name + b"\n", b"libstack\0") + cw.note(2, b"\1\0\0\0" + name.ljust(16, b"\0")[:16], b"libstack\0")
    with open(path, "wb") as f:
        f.write(cw.core(notes, [(0x1000, bytes(4096), 4096, 6), (0x10000, b"", 4096, 5)]))
    return path


def names_in_answers(t, work):
    """Paths, names and remarks of a core: what they hold is written, not done."""
    core = small_core(work + "/core", b"/tmp/" + EVIL, EVIL)
    commands = [a for c in ("bt", "threads", "modules", "maps", "siginfo", "ls", "info files") for a in ("-ex", c)]
    out, err, _ = run([s.CORECTL, core, "-batch", *commands])
    clean(t, out, "answers")
    clean(t, err, "what stands beside them")
    t.check("/tmp/" + SHOWN in out, "the path in `maps`:", out)
    t.check(SHOWN.split("\\x0a")[0] in err, "the names in the head:", err)
    out, err, _ = run([s.CORECTL, "stack", core])
    clean(t, out + err, "stack")
    t.check("/tmp/" + SHOWN in out, "the path in `modules:`", out)
    out, err, status = run([s.CORECTL, work.encode() + b"/" + EVIL])
    clean(t, out + err, "a file that is not there")
    t.equal(status, 2, "status")


def name_in_gcore(t, work):
    """A process's name in what gcore says of it."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        with open("/proc/self/comm", "wb") as f:
            f.write(EVIL[:15])
        os._exit(0)
    os.close(w)
    os.read(r, 1)  # the end of it
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    out, err, status = run([s.CORECTL, "gcore", "-o", work + "/core", str(pid)])
    os.waitpid(pid, 0)
    clean(t, out + err, "gcore")
    t.check("process %d (\\x1b]0;pwn\\x07\\xc2\\x9b31mX\\x9b) is a zombie" % pid in err, err)
    t.equal(status, 2, "status")


def names_completed(t, work):
    """Symbols that must not be shown are no candidates."""
    import pty
    with open(work + "/p.c", "w") as f:
        f.write("#include <stdlib.h>\nvoid evil_a(void) {}\nvoid evil_b(void) {}\nvoid evil_plain(void) {}\n"
                "void evil_other(void) {}\nint main(void) { abort(); }\n")
    subprocess.run(["gcc", "-O0", work + "/p.c", "-o", work + "/plain"], check=True)
    subprocess.run(["objcopy", "--redefine-sym", "evil_a=evil\x1b]0;pwn\x07a", "--redefine-sym",
                    b"evil_b=evil\xc2\x9b31mb", work + "/plain", work + "/p"], check=True)
    s.make_core(work + "/p", work + "/core")
    env = dict(os.environ, TERM="dumb", HOME=work, LC_ALL="C.UTF-8", PAGER="cat", XDG_STATE_HOME=work)
    pid, fd = pty.fork()
    if not pid:
        os.execve(s.CORECTL, [s.CORECTL, work + "/core", work + "/p"], env)
    seen = b""

    def expect(text):
        nonlocal seen
        while text not in seen:
            got = os.read(fd, 65536)
            if not got:
                t.check(False, "corectl ended before %r: %r" % (text, seen))
                t.exit()
            seen += got
        before, seen = seen.split(text, 1)
        return before
    expect(b"(corectl) ")
    os.write(fd, b"disass evil\t\t\t")
    listed = expect(b"evil_plain") + expect(b"(corectl) ")
    os.write(fd, b"\x03\x04")
    os.close(fd)
    os.waitpid(pid, 0)
    t.check(b"evil_other" in listed, "candidates: %r" % listed)
    t.check(b"pwn" not in listed and b"31m" not in listed, "candidates: %r" % listed)


CASES = {f.__name__: f for f in (names_in_answers, name_in_gcore, names_completed)}


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    t = s.Failures()
    CASES[sys.argv[1]](t, s.workdir())
    t.exit()


main()
