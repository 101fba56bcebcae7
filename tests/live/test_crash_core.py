"""LIBSTACK_TRACEBACK=crash where the kernel may leave no core: the helper writes it, as the kernel would
have, and the report names it."""
import os
import re
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from elfcore import FILES, SIGINFO, XSTATE, Core

LIBRARY = os.path.join(os.environ.get("BUILD", os.path.join(s.SOURCE, "build/dev")),
                       "signal/libstack.so.1")
REASON = "the hard limit of core files is 0 (ulimit -Hc)"


def crash(command, cwd, hard, **env):
    """(stderr, wait status) of a program that dies with libstack in it."""
    def prepare():
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    done = subprocess.run(["setarch", "-R", *command], cwd=cwd, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60,
                          preexec_fn=prepare,
                          env=dict(os.environ, LD_PRELOAD=LIBRARY, LIBSTACK_TRACEBACK="crash",
                                   FIXTURE_LOG="/dev/null", PWD="/",
                                   GLIBC_TUNABLES="glibc.pthread.rseq=0", **env))
    return done.stderr.decode("utf-8", "replace"), done.returncode


def tells(err):
    """The lines in brackets: what became of the core, and of the tiers."""
    return re.findall(r"^\[.*\]$", err, re.M)


def unnumbered(data, pid):
    """Without the process id, which differs from run to run."""
    return data.replace(struct.pack("<I", pid), b"PID.")


def with_kernel(t, name, *args):
    """The same crash twice: once the kernel leaves the core, once the helper."""
    program = os.path.join(s.FIXTURES, name)
    left, work = s.workdir(), s.workdir()
    with open("/proc/sys/kernel/core_pattern") as f:
        plain = not re.search(r"[/|]|^$", f.read().strip())
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    err, status = crash([program, *args], work, 0)
    t.equal(len(os.listdir(work)), 1, "one file: %s" % os.listdir(work))
    mine = os.path.join(work, os.listdir(work)[0])
    ours = Core(mine)
    first = next(iter(ours.threads))
    t.equal(mine, "%s/core.%d" % (work, ours.process()["pid"]), "its name")
    t.equal(tells(err), ["[core written to %s; the kernel leaves none: %s]" % (mine, REASON)],
            "the report names it")
    t.check(re.search(r"^\[core written .*\]\n\d+ of \d+ threads shown\n\Z", err, re.M),
            "above the last line: " + err[-300:])
    out, _, opened = s.corectl(mine, program, "-batch", "-ex", "bt")
    t.equal(opened, 0, "corectl opens it")
    if not plain or hard == 0:
        print("SKIPPED: the kernel's core of", name)
        return
    kernel_err, kernel_status = crash([program, *args], left, hard)
    t.equal((kernel_status, tells(kernel_err)), (status, []), "the kernel's")
    theirs = Core(os.path.join(left, os.listdir(left)[0]))
    other = next(iter(theirs.threads))
    a, b = ours.threads[first], theirs.threads[other]
    for key in ("cursig", "blocked"):
        t.equal(a[key], b[key], "%s: %s of the thread that crashed" % (name, key))
    t.equal(unnumbered(a["regs"], first), unnumbered(b["regs"], other), name + ": registers")
    t.equal(unnumbered(ours.once[SIGINFO], first), unnumbered(theirs.once[SIGINFO], other),
            name + ": siginfo")
    # A signal frame says that x87 and SSE are in use, whether or not (save_xstate_epilog()).
    x, y = bytearray(a[XSTATE]), bytearray(b[XSTATE])
    x[512] |= 3
    y[512] |= 3
    t.equal(x, y, name + ": xstate")
    t.equal(dict(ours.process(), pid=0), dict(theirs.process(), pid=0), name + ": prpsinfo")
    t.equal([f[3] for f in ours.files()], [f[3] for f in theirs.files()], name + ": files")
    if name == "nullcall":  # where threads put their heaps is chance, and what is mapped after them
        t.equal(ours.once[FILES], theirs.once[FILES], name + ": NT_FILE")
        t.equal(ours.mapped(), theirs.mapped(), name + ": segments")
    t.equal(len(ours.threads), len(theirs.threads), name + ": threads")
    t.equal(s.corectl(os.path.join(left, os.listdir(left)[0]), program, "-batch", "-ex", "bt")[0],
            out, name + ": bt")


def elsewhere(t):
    """LIBSTACK_CORE, and what stands in the way."""
    program, work = os.path.join(s.FIXTURES, "nullcall"), s.workdir()
    name = os.path.join(work, "%e-%p-%%.core")
    err, _ = crash([program], "/", 0, LIBSTACK_CORE=name)
    files = os.listdir(work)
    t.check(len(files) == 1 and re.fullmatch(r"nullcall-\d+-%\.core", files[0]), files)
    t.equal(tells(err), ["[core written to %s/%s; the kernel leaves none: %s]"
                         % (work, files[0], REASON)], "LIBSTACK_CORE")
    err, _ = crash([program], work, 0, LIBSTACK_CORE="absent/core")
    t.equal(tells(err), ["[no core: %s; absent/core: no such file or directory]" % REASON],
            "no folder")
    err, _ = crash([program], work, 0, LIBSTACK_HELPER="/absent")
    t.equal(tells(err)[:1], ["[no core: %s]" % REASON], "no helper: %s" % tells(err))
    t.equal(os.listdir(work), files, "files left")
    # Nobody can read the report: closed, or a pipe without a reader.
    for close in ("2>&-", "2>&1 >/dev/null | true"):
        inner = 'trap "" PIPE; exec env -u FIXTURE_LOG %s' % program
        crash(["sh", "-c", "(%s) %s; sleep 0" % (inner, close)], work, 0, LIBSTACK_CORE=work + "/closed")
        t.check(os.path.exists(work + "/closed"), "a core with stderr " + close)
        os.unlink(work + "/closed")


def private(t):
    """A process that is not dumpable has no core written of it."""
    work = s.workdir()
    script = "import ctypes, os; ctypes.CDLL(None).prctl(4, 0); os.abort()"
    err, _ = crash([sys.executable, "-c", script], work, 0)
    t.equal(tells(err)[:1], ["[no core: the process is not dumpable (set-uid, or PR_SET_DUMPABLE)]"],
            "not dumpable")
    t.equal(os.listdir(work), [], "files left")


def main():
    t = s.Failures()
    if not os.path.exists(LIBRARY):
        s.skip("libstack is not built")
    with_kernel(t, "nullcall")
    with_kernel(t, "threads", "4", "5")
    with_kernel(t, "leaderless", "crash")
    elsewhere(t)
    private(t)
    t.exit()


main()
