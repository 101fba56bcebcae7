"""What the tests of libstack share: running a program with and without it, its wait status, its
core."""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

LIBRARY = os.path.join(os.environ.get("BUILD", os.path.join(s.SOURCE, "build/dev")),
                       "signal/libstack.so.1")


def environment(preload=True, **variables):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LIBSTACK_") and k not in ("LD_PRELOAD", "FIXTURE_LOG")}
    if preload:
        env["LD_PRELOAD"] = LIBRARY
    env.update({k: str(v) for k, v in variables.items() if v is not None})
    return env


class Run:
    """One program, its end awaited: status as wait(2) gives it, what it wrote, its core."""

    def __init__(self, argv, env, cwd=None, poke=None, ready="READY", log=None, fixed=False,
                 core="0", user=None, timeout=60):
        self.dir = cwd or s.workdir()
        self.log = log or os.path.join(self.dir, "log")
        env = dict(env, FIXTURE_LOG=self.log)
        out, err = os.path.join(self.dir, "out"), os.path.join(self.dir, "err")
        if fixed:
            argv = ["setarch", "-R", *argv]
        quoted = "ulimit -S -c %s && exec \"$@\"" % core
        with open(out, "wb") as o, open(err, "wb") as e:
            p = subprocess.Popen(["/bin/sh", "-c", quoted, "sh", "env", *(
                ["%s=%s" % i for i in env.items() if i[0].startswith(("LD_", "LIBSTACK_"))]),
                *argv], stdin=subprocess.DEVNULL, stdout=o, stderr=e, cwd=self.dir,
                env={k: v for k, v in env.items() if not k.startswith(("LD_", "LIBSTACK_"))},
                user=user, start_new_session=True)
        self.pid = p.pid
        try:
            if poke:
                self.await_text(ready, p)
                poke(p.pid)
            p.wait(timeout)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        self.status = p.returncode
        with open(out, errors="replace") as f:
            self.out = f.read()
        with open(err, errors="replace") as f:
            self.err = f.read()
        self.core = next((os.path.join(self.dir, n) for n in sorted(os.listdir(self.dir))
                          if n.startswith("core")), None)

    def await_text(self, text, p):
        end = time.monotonic() + 30
        while p.poll() is None and time.monotonic() < end:
            for path in (self.log, os.path.join(self.dir, "out"), os.path.join(self.dir, "err")):
                if os.path.exists(path) and text in open(path, errors="replace").read():
                    return
            time.sleep(0.005)
        raise SystemExit("FAILED: %r never came from %d" % (text, p.pid))


def need_kernel_cores():
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    if not pattern or "/" in pattern or pattern.startswith("|"):
        s.skip("kernel.core_pattern is %r, not a plain file name" % pattern)
    import resource
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        s.skip("the hard limit of core files is 0")


REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp "
             "ss fs_base gs_base ds es fs gs").split()


class Notes:
    """What the notes of a core say of the first thread and its signal."""

    def __init__(self, path):
        data = open(path, "rb").read(1 << 20)
        phoff, = struct.unpack_from("<Q", data, 32)
        phentsize, phnum = struct.unpack_from("<HH", data, 54)
        self.siginfo, self.regs, self.fp, self.threads = None, None, None, 0
        for i in range(phnum):
            kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, phoff + i * phentsize)
            if kind == 4:
                self.notes(data[offset:offset + size])

    def notes(self, data):
        at = 0
        while at + 12 <= len(data):
            namesz, size, kind = struct.unpack_from("<III", data, at)
            at += 12 + (namesz + 3 & ~3)
            body = data[at:at + size]
            at += size + 3 & ~3
            if kind == 1:
                self.threads += 1
            if kind == 1 and self.regs is None:
                self.cursig, = struct.unpack_from("<H", body, 12)
                self.pending, self.held = struct.unpack_from("<QQ", body, 16)
                self.tid, = struct.unpack_from("<i", body, 32)
                self.regs = dict(zip(REGISTERS, struct.unpack_from("<27Q", body, 112)))
            elif kind == 0x53494749:
                self.siginfo = body
            elif kind == 2 and self.fp is None:
                self.fp = body

    @property
    def signo(self):
        return struct.unpack_from("<3i", self.siginfo)[0]


def reports(text):
    """How many reports a text holds: each has one PC line."""
    return len(re.findall(r"^PC=0x", text, re.M))


def log_of(path):
    with open(path) as f:
        return [tuple((line.rstrip("\n").split(" ", 2) + [""])[1:3])
                for line in f if line.startswith("ARGS ")]


def matches(shown, logged):
    """A word that differs among threads shown once is `~`."""
    pattern = re.escape(shown).replace(re.escape("~"), "0x[0-9a-f]+")
    return re.fullmatch(pattern, logged) is not None


def check_trace(t, text, calls, where, threads=None):
    """Every call that the program logged stands in the trace with its words, and it is read back."""
    s.check_read_back(t, s.from_head(text), where)
    shown = [f[:2] for _, fs in s.parse_trace(text) for f in fs]
    for name, words in calls:
        t.check(any(n == name and matches(w, words) for n, w in shown),
                "%s: %s(%s) is not in the trace" % (where, name, words))
    if threads is not None:
        t.check(re.search(r"^%d of %d threads shown$" % (threads, threads), text, re.M),
                "%s: last line: %s" % (where, text[-200:]))
