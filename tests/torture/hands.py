"""What others can put in our way: names, links and files of theirs.

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
LIBRARY = os.environ.get("LIBSTACK", os.path.join(s.SOURCE, "build/dev/signal/libstack.so.1"))
PROGRAMS = os.environ.get("TORTURE", os.path.join(s.SOURCE, "build/dev/tests/torture"))
REWRITE = os.path.join(PROGRAMS, "rewrite")
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


# --- files ---

PIPE = "a named pipe, not a regular file"


def compiled(work, *options, source="int main(int c, char **v) { v[c] = 0; *(volatile int *)0 = c; return 0; }\n"):
    with open(work + "/p.c", "w") as f:
        f.write(source)
    subprocess.run(["gcc", "-g", "-O0", "-w", *options, "-c", "p.c", "-o", "p.o"], cwd=work, check=True)
    subprocess.run(["gcc", "p.o", "-o", "p"], cwd=work, check=True)
    return work + "/p"


def crash_with_helper(program, cwd, **env):
    """What libstack writes of it, and its wait status."""
    env = dict({k: v for k, v in os.environ.items() if not k.startswith("LIBSTACK")}, LD_PRELOAD=LIBRARY, **env)
    done = subprocess.run([program], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=60, preexec_fn=no_core)
    return done.stderr.decode("utf-8", "surrogateescape"), done.returncode


def no_core():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def pipes_as_operands(t, work):
    """A FIFO, which nobody writes to, in the place of each file that is opened."""
    program = compiled(work)
    core, pipe = work + "/core", work + "/pipe"
    s.make_core(program, core)
    os.mkfifo(pipe)
    out, err, status = run([s.CORECTL, pipe])
    t.equal((out, err, status), ("", "corectl: %s: %s\n" % (pipe, PIPE), 2), "as the core")
    out, err, status = run([s.CORECTL, core, pipe, "-batch", "-ex", "bt"])
    t.check("%s: %s: not used" % (pipe, PIPE) in err, "as the program:", err)
    os.rename(work + "/p.c", work + "/kept.c")
    os.mkfifo(work + "/p.c")
    out, err, status = run([s.CORECTL, core, program, "-batch", "-ex", "bt", "-ex", "ls"])
    t.check("in main(0x1, 0x7ff" in out, "bt:", out)
    t.check("p.c: not a text file that can be shown" in err, "as the source:", err)
    small_core(work + "/core2", pipe.encode())
    out, err, status = run([s.CORECTL, work + "/core2", "-batch", "-ex", "bt"])
    t.equal(status, 1, "as a mapped file: status")
    build_id = re.search(r"Build ID: (\w+)", run(["readelf", "-n", program])[0])
    if build_id:
        name = build_id.group(1)
        os.makedirs(work + "/debug/.build-id/" + name[:2])
        os.mkfifo(work + "/debug/.build-id/%s/%s.debug" % (name[:2], name[2:]))
        run(["strip", program])
        out, err, status = run([s.CORECTL, core, program, "--debug-dir", work + "/debug", "-batch", "-ex", "bt"])
        t.check("p has no symbols for the functions shown as ?? and no debug information" in err, "as the debug file:", err)


def pipe_as_split_unit(t, work):
    """What the debug information names: a .dwo, opened by corectl and by the helper of a crash."""
    program = compiled(work, "-gsplit-dwarf", "-gdwarf-5")
    s.make_core(program, work + "/core")
    os.unlink(work + "/p.dwo")
    os.mkfifo(work + "/p.dwo")
    out, err, status = run([s.CORECTL, work + "/core", program, "-batch", "-ex", "bt"])
    t.check("in main(...)" in out, "bt:", out)
    t.check("p.dwo: %s: not used" % PIPE in err, "it is said:", err)
    err, status = crash_with_helper(program, work)
    t.equal(status, -11, "status of the crash")
    t.check("\nmain(...)\n" in err and "1 of 1 threads shown" in err and "tier" not in err, "the helper's report:", err)


# main(argc), whose parameter has its name in the alternate file (DW_FORM_GNU_strp_alt, 0x1f21).
NAMED_ELSEWHERE = """
.globl main
.type main,@function
main:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset 6,-16
    mov %rsp,%rbp
    .cfi_def_cfa_register 6
    sub $16,%rsp
    mov %rdi,-8(%rbp)
    xor %eax,%eax
    mov %eax,(%rax)
    leave
    ret
    .cfi_endproc
.Lend:
.size main,.-main
.section .debug_abbrev,"",@progbits
.Labbrev:
    .uleb128 1,0x11
    .byte 1,0x03,0x08,0x11,0x01,0x12,0x07,0,0
    .uleb128 2,0x2e
    .byte 1,0x03,0x08,0x11,0x01,0x12,0x07,0x40,0x18,0,0
    .uleb128 3,0x05
    .byte 0,0x03
    .uleb128 0x1f21
    .byte 0x49,0x13,0x02,0x18,0,0
    .uleb128 4,0x24
    .byte 0,0x03,0x08,0x0b,0x0b,0x3e,0x0b,0,0,0
.section .debug_info,"",@progbits
.Lunit:
    .long .Lunit_end-.Lversion
.Lversion:
    .short 5
    .byte 1,8
    .long .Labbrev
    .uleb128 1
    .string "p.s"
    .quad main,.Lend-main
    .uleb128 2
    .string "main"
    .quad main,.Lend-main
    .byte 1,0x9c
    .uleb128 3
    .long 0,.Ltype-.Lunit
    .byte 2,0x91,0x68
    .byte 0
.Ltype:
    .uleb128 4
    .string "long"
    .byte 8,5
    .byte 0
.Lunit_end:
.section .note.GNU-stack,"",@progbits
"""


def pipe_as_alternate_file(t, work):
    """The file that .gnu_debugaltlink names (dwz(1)), and the one that a .dwo names."""
    os.mkfifo(work + "/pipe")
    with open(work + "/p.s", "w") as f:
        f.write(NAMED_ELSEWHERE)
    with open(work + "/link", "wb") as f:
        f.write(os.fsencode(work) + b"/pipe\0" + bytes(range(20)))
    subprocess.run(["gcc", "-g0", "p.s", "-o", "p"], cwd=work, check=True)
    subprocess.run(["objcopy", "--add-section", ".gnu_debugaltlink=link", "p"], cwd=work, check=True)
    program = work + "/p"
    s.make_core(program, work + "/core")
    out, err, status = run([s.CORECTL, work + "/core", program, "-batch", "-ex", "bt", "-ex", "args"])
    t.check("its alternate debug file %s/pipe is not there or is another one" % work in err, "it is said:", err)
    t.check("in main(0x1)" in out, "bt:", out)
    t.check("\n? = 0x1\n" in "\n" + out, "the names are unknown:", out)
    err, status = crash_with_helper(program, work)
    t.check("\nmain(0x1)" in err and "1 of 1 threads shown" in err and "tier" not in err,
            "the helper's report:", err)


def terminal_in_core(t, work):
    """A terminal that a core names does not become ours."""
    import pty
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    core = small_core(work + "/core", name.encode())
    os.close(slave)
    p = subprocess.Popen([s.CORECTL, core, "-batch", "-x", "/dev/stdin"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    p.stdout.readline()  # the head: all files were opened
    with open("/proc/%d/stat" % p.pid) as f:
        tty = f.read().rsplit(")", 1)[1].split()[4]
    p.communicate(b"modules\n")
    os.close(master)
    t.equal(tty, "0", "its controlling terminal")


class Talk:
    """A session through pipes: a command, its answer."""

    def __init__(self, *args):
        self.p = subprocess.Popen([s.CORECTL, *args, "-batch", "-x", "/dev/stdin"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, command, last):
        """The answer, up to the line that begins with `last`."""
        self.p.stdin.write(command.encode() + b"\n")
        self.p.stdin.flush()
        text = b""
        while True:
            line = self.p.stdout.readline()
            text += line
            if not line or line.startswith(last.encode()):
                return text.decode()

    def end(self, commands):
        """(stdout, stderr, status) of the rest."""
        out, err = self.p.communicate(commands.encode())
        return out.decode(), err.decode(), self.p.returncode


def core_cut(t, work):
    """A core, and a program, that is cut or written to while it is open."""
    import shutil
    program, core = compiled(work), work + "/core"
    s.make_core(program, work + "/whole")

    def opened():
        shutil.copy(work + "/whole", core)
        talk = Talk(core, program)
        t.check("rip " in talk.ask("regs", "rip "), "no answer while the core is whole")
        return talk
    talk = opened()
    os.truncate(core, 0)
    out, err, status = talk.end("bt\nx/4g $sp\nmaps\n")
    told = "corectl: %s was cut while it was open: what was asked for last is not shown\n"
    t.check("rip" not in out and "main" not in out and "0x0000000000000000" not in out, "after the cut:", out)
    t.check(err.endswith(told % core), "it is said:", err)
    t.equal(status, 1, "status")
    # The last page is still there, and zero behind the end: no signal tells.
    talk = opened()
    os.truncate(core, os.path.getsize(core) - 100)
    out, err, status = talk.end("regs rip\n")
    t.check("corectl: %s was written to while it was open: what is shown may be wrong\n" % core in err, "cut a little:", err)
    t.equal(status, 1, "status, cut a little")
    talk = opened()
    with open(core, "r+b") as f:
        f.write(b"\x7fELF")
    out, err, status = talk.end("regs rip\n")
    t.check("corectl: %s was written to while it was open: what is shown may be wrong\n" % core in err, "written to:", err)
    t.equal(status, 1, "status, written to")
    talk = opened()
    os.truncate(program, 0)
    out, err, status = talk.end("disass main\nls\nbt\n")
    t.check(err.endswith(told % program), "the program is cut:", err)
    t.equal(status, 1, "status, the program is cut")


def mapped_file_cut(t, work):
    """gcore of a process whose mapped file is cut: what is gone is missing, and said."""
    code = ("import mmap, os, sys, time\nf = open(%r, 'w+b')\nf.write(b'x' * 65536)\nf.flush()\n"
            "m = mmap.mmap(f.fileno(), 65536, mmap.MAP_PRIVATE)\nm[0] = 1\nos.truncate(%r, 0)\n"
            "print('READY', flush=True)\ntime.sleep(100)\n" % (work + "/mapped", work + "/mapped"))
    p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        p.stdout.readline()
        out, err, status = run([s.CORECTL, "gcore", "--full", "-o", work + "/core", str(p.pid)])
        t.check(re.search(r"^corectl: \d+ KB of memory could not be read$", err, re.M), "it is said:", err)
        t.equal(status, 1, "status")
    finally:
        p.kill()
        p.wait()


# --- links ---

def links_and_cores(t, work):
    """The default name of gcore and LIBSTACK_CORE: the core takes the place of a link."""
    victim = work + "/victim"
    with open(victim, "w") as f:
        f.write("precious")

    def unharmed(what):
        with open(victim) as f:
            t.equal(f.read(), "precious", what + ": the link's target")
    place = work + "/place"
    os.mkdir(place)
    os.chmod(place, 0o1777)
    sleeper = subprocess.Popen(["sleep", "100"])
    name = "%s/core.%d" % (place, sleeper.pid)
    try:
        os.symlink(victim, name)
        if os.geteuid() == 0:
            os.lchown(name, NOBODY, NOBODY)
        out, err, status = run([s.CORECTL, "gcore", str(sleeper.pid)], cwd=place)
        t.equal(status, 0, "status of gcore: " + err)
        unharmed("gcore")
        t.check(not os.path.islink(name) and os.path.getsize(name) > 4096, "the core is a file")
        t.equal(os.stat(name).st_mode & 0o777, 0o600, "its mode")
        os.unlink(name)
        # Named by the user, whose own link it is: where it leads. Of somebody else: not.
        os.symlink("there", place + "/mine")
        run([s.CORECTL, "gcore", "-o", "mine", str(sleeper.pid)], cwd=place)
        t.check(os.path.islink(place + "/mine") and os.path.getsize(place + "/there") > 4096, "-o, a link of the user's")
        os.unlink(place + "/mine")
        if os.geteuid() == 0:
            os.symlink(victim, place + "/theirs")
            os.lchown(place + "/theirs", NOBODY, NOBODY)
            run([s.CORECTL, "gcore", "-o", "theirs", str(sleeper.pid)], cwd=place)
            unharmed("-o, a link of somebody else")
            t.check(not os.path.islink(place + "/theirs"), "the core takes its place")
    finally:
        sleeper.kill()
        sleeper.wait()
    program = compiled(work)
    os.symlink(victim, place + "/made")
    err, status = crash_with_helper(program, place, LIBSTACK_TRACEBACK="crash", LIBSTACK_CORE=place + "/made")
    t.check("[core written to %s/made; " % place in err, "the report:", err)
    unharmed("LIBSTACK_CORE")
    t.check(not os.path.islink(place + "/made") and os.path.getsize(place + "/made") > 4096, "the core is a file")


def own_folders(t, work):
    """Root with somebody else's HOME: nothing is written there, nor through links."""
    import pty
    program = compiled(work)
    s.make_core(program, work + "/core")

    def prompt(home, **more):
        env = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": home, "PAGER": "cat", **more}
        pid, fd = pty.fork()
        if not pid:
            os.execve(s.CORECTL, [s.CORECTL, work + "/core", program], env)
        try:
            seen = b""
            while b"(corectl) " not in seen:
                seen += os.read(fd, 65536)
            os.write(fd, b"info secret\n\x04")
            while os.read(fd, 65536):
                pass
        except OSError:
            pass
        os.close(fd)
        return os.waitpid(pid, 0)[1]
    home, state = work + "/home", work + "/home/.local/state/corectl"
    prompt(home)
    t.check(not os.path.exists(home), "a home that is not there was made")
    os.mkdir(home)
    prompt(home)
    with open(state + "/history") as f:
        t.equal(f.read(), "info secret\n", "the history in the home")
    t.equal(oct(os.stat(state + "/history").st_mode & 0o777), "0o600", "its mode")
    # Links at each step; the file itself.
    with open(work + "/victim", "w") as f:
        f.write("precious")
    os.mkdir(work + "/elsewhere")
    for step in (home + "/.local", home + "/.local/state", state):
        os.rename(step, step + ".kept")
        os.symlink(work + "/elsewhere", step)
        prompt(home)
        t.equal(os.listdir(work + "/elsewhere"), [], "through the link " + step)
        os.unlink(step)
        os.rename(step + ".kept", step)
    os.unlink(state + "/history")
    os.symlink(work + "/victim", state + "/history")
    prompt(home)
    with open(work + "/victim") as f:
        t.equal(f.read(), "precious", "the target of the history's link")
    t.check(not os.path.islink(state + "/history"), "the history takes the link's place")
    if os.geteuid() == 0:
        os.unlink(state + "/history")
        for folder, _, _ in os.walk(home):
            os.chown(folder, NOBODY, NOBODY)
        os.chown(home, NOBODY, NOBODY)
        prompt(home)
        t.equal(os.listdir(state), [], "what root leaves in the home of somebody else")


def output_of_others(t, work):
    """LIBSTACK_OUTPUT: nothing is appended to what somebody else has put there."""
    program = compiled(work)
    place = work + "/place"
    os.mkdir(place)
    out = place + "/out"

    def report(what, path=out):
        """Whether it went to standard error."""
        err, status = crash_with_helper(program, work, LIBSTACK_OUTPUT=path)
        t.equal(status, -11, what + ": status")
        return "SIGSEGV: segmentation violation\n" in err

    def text(path=out):
        with open(path) as f:
            return f.read()
    t.equal(report("a new file"), False, "a new file: to standard error")
    t.check(text().startswith("SIGSEGV: "), text())
    t.equal(report("our own file"), False, "our own file")
    t.equal(text().count("SIGSEGV: "), 2, "reports in our own file")
    os.rename(out, place + "/real")
    os.symlink("real", out)
    t.equal(report("our link in our folder"), False, "our link in our folder")
    t.equal(text(place + "/real").count("SIGSEGV: "), 3, "reports behind our link")
    os.chmod(place, 0o1777)
    t.equal(report("a link where others write"), True, "a link where others write")
    t.equal(text(place + "/real").count("SIGSEGV: "), 3, "reports behind that link")
    os.chmod(place, 0o755)
    os.unlink(out)
    os.link(place + "/real", out)
    t.equal(report("a second name"), True, "a second name")
    t.equal(text().count("SIGSEGV: "), 3, "reports in a file with two names")
    os.unlink(out)
    if os.geteuid() == 0:
        os.symlink("real", out)
        os.lchown(out, NOBODY, NOBODY)
        t.equal(report("somebody else's link"), True, "somebody else's link")
        os.unlink(out)
        with open(out, "w"):
            pass
        os.chown(out, NOBODY, NOBODY)
        t.equal(report("somebody else's file"), True, "somebody else's file")
        t.equal(text(), "", "what is in somebody else's file")
        os.unlink(out)
    os.mkfifo(out)
    t.equal(report("a pipe without a reader"), True, "a pipe without a reader")
    r = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    t.equal(report("a pipe with a reader"), False, "a pipe with a reader")
    t.check(os.read(r, 65536).startswith(b"SIGSEGV: "), "what the reader gets")
    os.close(r)
    t.equal(report("standard error", "/dev/stderr"), True, "/dev/stderr by its links")


# --- processes ---

def helper_rewritten(t, work):
    """Another process writes to the helper in memory before it is executed."""
    program = compiled(work)
    # Where the helper is installed, that one is taken instead: here it is not.
    library = os.path.join(work, "libstack.so.1")
    with open(LIBRARY, "rb") as f:
        bytes_of = f.read()
    t.check(b"/libstack-helper\0" in bytes_of, "the path of the helper")
    with open(library, "wb") as f:
        f.write(bytes_of.replace(b"/libstack-helper\0", b"/libstack-absent\0"))

    def rewrite(when):
        out, err, status = run([REWRITE, when, program], cwd=work, env=dict(os.environ, LIBRARY=library),
                               preexec_fn=no_core)
        if out == "not traced\n":
            s.skip("ptrace is not permitted")
        t.check("main(" in err and "1 of 1 threads shown" in err, when, "the report:", err)
        return out, err
    out, err = rewrite("before")
    t.equal(out, "before: write: written\nend: signal 11\n", "before")
    t.check("[tier 1 failed: another process has changed the helper: operation not permitted; continuing in process]"
            in err, "before:", err)
    out, err = rewrite("mapped")
    t.equal(out, "mapped: mapped\nend: signal 11\n", "mapped")
    t.check("[tier 1 failed: the helper cannot be put into memory: " in err, "mapped:", err)
    out, err = rewrite("after")
    t.equal(out, "after: write: Operation not permitted\nafter: cut: Operation not permitted\n"
            "after: unseal: Operation not permitted\nend: signal 11\n", "after")
    t.check("continuing in process" not in err, "after:", err)


CASES = {f.__name__: f for f in (names_in_answers, name_in_gcore, names_completed, pipes_as_operands,
                                 pipe_as_split_unit, pipe_as_alternate_file, terminal_in_core, core_cut, mapped_file_cut, links_and_cores,
                                 own_folders, output_of_others, helper_rewritten)}


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    t = s.Failures()
    CASES[sys.argv[1]](t, s.workdir())
    t.exit()


main()
