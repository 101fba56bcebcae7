"""corectl gcore: test_gcore.py PART; see PARTS at the end."""
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from elfcore import AUXV, FPREGSET, SIGINFO, XSTATE, Core
from process import Target, fixture, status_of

PROGRAM = os.path.join(s.FIXTURES, "memory")


class Process:
    """The fixture, and what it says of itself."""

    def __init__(self, *args, coredump_filter=None, cwd=None):
        def prepare():
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            if coredump_filter is not None:
                with open("/proc/self/coredump_filter", "w") as f:
                    f.write("%#x" % coredump_filter)

        # The kernel writes into a registered rseq area whenever a thread goes on.
        env = dict(os.environ, GLIBC_TUNABLES="glibc.pthread.rseq=0")
        self.p = subprocess.Popen([PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, preexec_fn=prepare, cwd=cwd, env=env)
        words = self.p.stdout.readline().split()
        self.pid = int(words[1])
        self.dontdump, self.closed = (int(w, 16) for w in words[2:])
        self.settle()

    def settle(self):
        """Wait until every thread sleeps where it stays: the registers are then those of the stop."""
        for _ in range(2000):
            if all(state == "S" for state, _ in self.tasks()):
                return
            time.sleep(0.005)
        print("FAILED: the program does not come to rest", self.tasks())
        sys.exit(1)

    def tasks(self):
        """[(state, tracer)] of every thread."""
        found = []
        for tid in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/status" % (self.pid, tid)) as f:
                text = f.read()
            found.append((re.search(r"State:\t(.)", text).group(1),
                          int(re.search(r"TracerPid:\t(\d+)", text).group(1))))
        return found

    def shared(self):
        """KB of shared memory that it has pages of."""
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"RssShmem:\s+(\d+)", f.read()).group(1))

    def answers(self):
        """It reads its input and answers: it runs."""
        self.p.stdin.write(b"gap\n")
        self.p.stdin.flush()
        return self.p.stdout.readline().strip().isdigit()

    def end(self, by=signal.SIGKILL):
        self.p.send_signal(by)
        self.p.wait()
        self.p.stdin.close()


def gcore(process, out, *args):
    """(stdout, stderr, status)."""
    process.settle()
    return s.corectl("gcore", *args, "-o", out, str(process.pid))


def gdb_gcore(process, out):
    if not shutil.which("gdb"):
        s.skip("gdb is not installed")
    process.settle()
    subprocess.run(["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off", "-p",
                    str(process.pid), "-ex", "gcore " + out], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=120)


def kernel_core(process, folder):
    with open("/proc/sys/kernel/core_pattern") as f:
        if re.search(r"[/|]|^$", f.read().strip()):
            process.end()
            s.skip("core_pattern leaves no core in the working directory")
    process.settle()
    process.end(signal.SIGABRT)
    found = [n for n in os.listdir(folder) if n.startswith("core")]
    if not found:
        s.skip("the kernel left no core")
    return os.path.join(folder, found[0])


def same_threads(t, ours, theirs, what):
    t.equal(sorted(ours.threads), sorted(theirs.threads), what + ": threads")
    for tid in ours.threads:
        a, b = ours.threads[tid], theirs.threads.get(tid, {})
        for key, name in (("regs", "registers"), (FPREGSET, "fpregs"), ("blocked", "signal mask"),
                          ("ids", "pid ppid pgrp sid")):
            if key != "ids" or "ids" in b:
                t.equal(a.get(key), b.get(key), "%s: %s of %d" % (what, name, tid))


def same_pages(t, ours, theirs, what):
    """Whatever theirs holds, ours holds with the same bytes; zeros may be what cannot be read."""
    a, b, unlike, lacking = ours.pages(), theirs.pages(), [], []
    for addr, off in b.items():
        if addr not in a:
            if theirs.page(off).strip(b"\0"):
                lacking.append("%#x" % addr)
        elif ours.page(a[addr]) != theirs.page(off):
            unlike.append("%#x" % addr)
    t.equal(unlike[:5], [], what + ": pages that differ")
    t.equal(lacking[:5], [], what + ": pages that are missing")
    return a, b


def with_kernel(t):
    """The kernel's core of the same stop: the same threads, notes and memory, for each filter."""
    for number in (0x33, 0x7f, 0x01, 0x00):
        work, what = s.workdir(), "filter %#x" % number
        p = Process("3", "64", "4", "10", "still", coredump_filter=number, cwd=work)
        mine, before = os.path.join(work, "ours"), p.shared()
        out, err, status = gcore(p, mine)
        # To look into map_files needs a capability; without it shared memory is read whole.
        t.check(p.shared() == before or os.getuid() != 0, what + ": it takes memory to read it")
        t.equal((err, status), ("", 0), "gcore with filter %#x" % number)
        ours = Core(mine)
        theirs = Core(kernel_core(p, work))
        same_threads(t, ours, theirs, what)
        for tid in theirs.threads:
            t.equal(ours.threads[tid].get(XSTATE), theirs.threads[tid].get(XSTATE),
                    "%s: xstate of %d" % (what, tid))
        t.equal(ours.once[AUXV], theirs.once[AUXV], what + ": auxv")
        t.equal(ours.once.get(0x205), theirs.once.get(0x205), what + ": layout of xstate")
        t.equal(ours.process(), theirs.process(), what + ": prpsinfo")
        t.equal(ours.files(), theirs.files(), what + ": NT_FILE")
        t.equal(ours.mapped(), theirs.mapped(), what + ": segments")
        a, b = same_pages(t, ours, theirs, what)
        t.equal(sorted("%#x" % x for x in set(a) - set(b))[:5], [], what + ": pages of ours only")
        t.equal(ours.names, dict.fromkeys(theirs.threads, "memory"), what + ": names")
        t.check(p.dontdump not in a, what + ": MADV_DONTDUMP is left out")
        if number & 1:
            t.equal(ours.read(p.closed, 10), b"no access\0", what + ": PROT_NONE")
            t.check(os.stat(mine).st_blocks * 512 < 8 << 20, what + ": sparse")


def with_gdb(t):
    """gdb's gcore of the same stop, and what --full adds."""
    work = s.workdir()
    p = Process("3", "16", "4", "10", "still")
    small, full, other = (os.path.join(work, n) for n in ("ours", "full", "theirs"))
    t.equal(gcore(p, small)[1:], ("", 0), "gcore")
    t.equal(gcore(p, full, "--full")[1:], ("", 0), "gcore --full")
    gdb_gcore(p, other)
    p.end()
    ours, theirs, whole = Core(small), Core(other), Core(full)
    t.equal(sorted(ours.threads), sorted(theirs.threads), "threads")
    for tid in theirs.threads:
        mine, other = ours.threads[tid], theirs.threads[tid]
        t.equal(mine["regs"], other["regs"], "registers of %d" % tid)
        # x87 and SSE; gdb leaves MXCSR_MASK and what is reserved empty.
        t.equal(mine[FPREGSET][32:416], other[FPREGSET][32:416], "fpregs of %d" % tid)
    t.equal(ours.once[AUXV], theirs.once[AUXV], "auxv")
    t.equal([f for f in ours.files() if f in theirs.files()], theirs.files(), "NT_FILE")
    # gdb leaves out what has no access, we leave out what it takes from files.
    a, b = ours.pages(), theirs.pages()
    # Of a mapping with a guard page in it gdb (13) reads nothing.
    unlike = ["%#x" % x for x in b if x in a and ours.page(a[x]) != theirs.page(b[x])
              and (theirs.page(b[x]).strip(b"\0") or b" the guard" not in ours.page(a[x]))]
    t.equal(unlike[:5], [], "pages unlike gdb's")
    t.check(len(set(a) & set(b)) > 768, "pages compared")
    t.equal(whole.read(p.dontdump, 9), b"left out\0", "--full: MADV_DONTDUMP")
    t.equal(ours.read(p.dontdump, 9), None, "MADV_DONTDUMP")
    w = whole.pages()
    t.equal([hex(x) for x in a if x not in w or ours.page(a[x]) != whole.page(w[x])][:5], [],
            "--full lacks pages")


def stacks(core):
    """Every thread's frames by corectl, and by gdb where there is one."""
    out, _, status = s.corectl(core, PROGRAM, "-batch", "-ex", "thread apply all bt")
    reference = s.gdb_reference(core, PROGRAM)
    return out, status, {tid: [f[:5] for f in r["frames"]] for tid, r in reference.items()}


def small(t):
    """--stacks-only: under 1 MB for 100 threads, and every stack whole."""
    work = s.workdir()
    p = Process("2", "0", "100", "20", "still")
    mine, little = os.path.join(work, "ours"), os.path.join(work, "little")
    t.equal(gcore(p, mine)[1:], ("", 0), "gcore")
    t.equal(gcore(p, little, "--stacks-only")[1:], ("", 0), "gcore --stacks-only")
    t.check(p.answers(), "it runs on")
    p.end()
    t.check(os.stat(little).st_size < 1000000, "%d bytes" % os.stat(little).st_size)
    whole, less = stacks(mine), stacks(little)
    t.equal(len(s.parse_bt(whole[0])), 101, "threads shown")
    t.equal(less[1], 0, "status of corectl on it")
    t.check(less[0] == whole[0], "corectl shows other stacks")
    t.check(less[2] == whole[2], "gdb shows other stacks")
    t.check(all(len(f) >= 23 for tid, f in less[2].items() if tid != p.pid), "gdb's are whole")
    core = Core(little)
    # What parked() was called with lies on the heap, and tells how deep and which it is.
    heap = [core.read(int(f["words"], 16), 8) for frames in s.parse_bt(less[0]).values()
            for f in frames if f["name"] == "parked"]
    t.equal(sorted(heap, key=str), sorted((struct.pack("<ii", 20, i) for i in range(100)), key=str),
            "what the stacks point to")
    t.equal(core.read(p.dontdump, 1), None, "MADV_DONTDUMP")
    _, err, _ = s.corectl(little, PROGRAM, "-batch")
    t.check("only the stacks and what they point into are in this core" in err, "remark: " + err)


def short_pause(t):
    """--short-pause: the same core of a program at rest, and a word on what may be newer."""
    work = s.workdir()
    p = Process("8", "16", "4", "10", "still")
    mine, quick = os.path.join(work, "ours"), os.path.join(work, "quick")
    gcore(p, mine)
    _, err, status = gcore(p, quick, "--short-pause")
    p.end()
    newer = "memory outside the stacks may be newer than the registers"
    t.equal((err, status), ("corectl: %s\n" % newer, 0), "what it says")
    ours, theirs = Core(mine), Core(quick)
    same_threads(t, ours, theirs, "short")
    same_pages(t, ours, theirs, "short")
    same_pages(t, theirs, ours, "whole")
    t.equal(theirs.remarks, newer + " (gcore --short-pause)", "the note")
    _, err, _ = s.corectl(quick, PROGRAM, "-batch")
    t.check(newer in err, "corectl's remark: " + err)


def compressed(t):
    if not shutil.which("zstd"):
        s.skip("zstd is not installed")
    work = s.workdir()
    p = Process("9", "64", "4", "10", "still")
    for args in ((), ("--short-pause",), ("--stacks-only",)):
        mine, packed = os.path.join(work, "ours"), os.path.join(work, "ours.zst")
        gcore(p, mine, *args)
        t.equal(gcore(p, packed, *args)[2], 0, "status %s" % (args,))
        unpacked = os.path.join(work, "unpacked")
        t.equal(s.corectl(packed, "-batch", "-ex", "bt")[::2], s.corectl(mine, "-batch", "-ex", "bt")[::2],
                "corectl opens it %s" % (args,))
        done = subprocess.run(["zstd", "-dqf", packed, "-o", unpacked], stderr=subprocess.PIPE)
        t.equal((done.returncode, done.stderr), (0, b""), "zstd -d %s" % (args,))
        ours, theirs = Core(mine), Core(unpacked)
        same_threads(t, ours, theirs, "zst")
        t.equal(ours.loads, theirs.loads, "segments")
        t.check(ours.bytes[ours.loads[0][3]:] == theirs.bytes[theirs.loads[0][3]:], "memory")
        t.equal(os.stat(mine).st_size, os.stat(unpacked).st_size, "size")
    p.end()


def nothing_left(t, p, folder, what):
    t.equal(os.listdir(folder), [], what + ": files left")
    t.check(p.answers(), what + ": it runs on")
    t.equal({tracer for _, tracer in p.tasks()}, {0}, what + ": tracers")


def no_room(t):
    """A disk that is full, a limit, a folder that is not there, a name that is taken."""
    work = s.workdir()
    p = Process("8", "0", "2", "5", "still")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    for name in ("core", "core.zst"):
        folder = os.path.join(work, "limit-" + name)
        os.mkdir(folder)
        done = subprocess.run([s.CORECTL, "gcore", "-o", os.path.join(folder, name), str(p.pid)],
                              stderr=subprocess.PIPE, preexec_fn=limit)
        t.equal((done.stderr, done.returncode),
                (b"corectl: writing the core: file too large; no core is written\n", 2), name)
        nothing_left(t, p, folder, name)
    out, err, status = gcore(p, os.path.join(work, "absent/core"))
    t.equal((out, err, status), ("", "corectl: %s/absent/core: no such file or directory; no core "
                                     "is written\n" % work, 2), "no such folder")
    out, err, status = gcore(p, work)
    t.equal((out, err, status), ("", "corectl: %s: not a regular file; no core is written\n" % work,
                                 2), "a folder of that name")
    taken = os.path.join(work, "taken")
    with open(taken, "w") as f:
        f.write("older")
    t.equal(gcore(p, taken)[1:], ("", 0), "an older file")
    t.equal(sorted(Core(taken).threads)[0], p.pid, "it is replaced")
    t.equal(sorted(n for n in os.listdir(work) if "part" in n), [], "temporary names")
    p.end()
    for args, word in ((), "no process given"), (("x1",), "not a process id: x1"), (
            ("1", "2"), "more than one process: 2"), (("-o",), "the option needs a value: -o"), (
            ("--fast", "1"), "unknown option: --fast"), (
            ("--full", "--stacks-only", "1"), "--full and --stacks-only exclude each other"):
        t.equal(s.corectl("gcore", *args),
                ("", "corectl: gcore: %s; see corectl gcore --help\n" % word, 64), args)
    out, err, status = s.corectl("gcore", "-o", os.path.join(work, "gone"), str(p.pid))
    t.equal((out, status, os.path.exists(os.path.join(work, "gone"))), ("", 2, False), "no process")
    t.check("process %d" % p.pid in err, err)


def full_disk(t):
    """A file system of 2 MB."""
    work = s.workdir()
    if os.getuid() != 0 or not shutil.which("unshare"):
        s.skip("mounting needs root")
    p = Process("8", "0", "2", "5", "still")
    script = ("mount -t tmpfs -o size=2m none %s || exit 77; %s gcore -o %s/core %d; r=$?; "
              "ls -A %s >&2; exit $r" % (work, s.CORECTL, work, p.pid, work))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], stderr=subprocess.PIPE)
    if done.returncode == 77 or b"unshare" in done.stderr:
        p.end()
        s.skip("a tmpfs cannot be mounted: " + done.stderr.decode())
    t.equal((done.stderr, done.returncode),
            (b"corectl: writing the core: no space left on device; no core is written\n", 2), "full")
    nothing_left(t, p, work, "full")
    p.end()


def killed(t):
    """corectl killed at random moments: the program runs on, a core under its name is whole."""
    p = Process("64", "0", "20", "10", "still")
    folder, whole = s.workdir(), 0
    for turn in range(40):
        out = os.path.join(folder, "core.zst" if turn % 4 == 0 else "core")
        c = subprocess.Popen([s.CORECTL, "gcore", "-o", out, str(p.pid)],
                             stdout=subprocess.DEVNULL)
        time.sleep(random.random() * 0.08)
        c.kill()
        c.wait()
        t.check(p.answers(), "turn %d: it does not answer" % turn)
        t.equal({tracer for _, tracer in p.tasks()}, {0}, "turn %d: tracers" % turn)
        t.check("T" not in {state for state, _ in p.tasks()}, "turn %d: stopped" % turn)
        names = set(os.listdir(folder))
        t.check(all(n in ("core", "core.zst") or n.endswith(".part") for n in names), names)
        if "core" in names:
            whole += 1
            t.equal(s.corectl(out if turn % 4 else os.path.join(folder, "core"), PROGRAM, "-batch",
                              "-ex", "bt")[2], 0, "turn %d: the core under its name" % turn)
        for n in names:
            os.unlink(os.path.join(folder, n))
    print("%d of 40 came to their end" % whole)
    p.end()


def interrupted(t):
    """Ctrl-C: a word, the signal's status, nothing left."""
    folder = s.workdir()
    p = Process("64", "0", "2", "5", "still")
    ended = 0
    for turn in range(100):
        c = subprocess.Popen([s.CORECTL, "gcore", "-o", os.path.join(folder, "core"), str(p.pid)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not any(tracer for _, tracer in p.tasks()) and c.poll() is None:
            pass
        c.send_signal(signal.SIGINT)
        err = c.communicate()[1]
        if c.returncode == 0:
            os.unlink(os.path.join(folder, "core"))
            continue  # it was faster
        ended += 1
        t.equal((err, c.returncode), (b"corectl: interrupted: no core is written\n",
                                      -signal.SIGINT), "Ctrl-C")
        nothing_left(t, p, folder, "Ctrl-C")
        if ended == 5:
            break
    t.check(ended, "corectl was always faster")
    p.end()


def suspended(t):
    """Ctrl-Z: corectl stops once the program goes on, and ends when it is continued."""
    folder = s.workdir()
    out = os.path.join(folder, "core")
    p = Process("64", "0", "2", "5", "still")
    for turn in range(10):
        for args in ((), ("--short-pause",)):
            c = subprocess.Popen([s.CORECTL, "gcore", *args, "-o", out, str(p.pid)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 preexec_fn=os.setpgrp)  # whose parent is of another: not orphaned
            while not any(tracer for _, tracer in p.tasks()) and c.poll() is None:
                pass
            c.send_signal(signal.SIGTSTP)
            s.wait_for("its stop or end", lambda: c.poll() is not None or os.waitid(
                os.P_PID, c.pid, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
            t.equal({tracer for _, tracer in p.tasks()}, {0}, "tracers while corectl stands")
            t.check(p.answers(), "it runs on")
            c.send_signal(signal.SIGCONT)
            err = c.communicate(timeout=60)[1]
            t.equal(c.returncode, 0, err)
            os.unlink(out)
    p.end()


def by_thread(t):
    """The number of a thread of it is as good: the same core."""
    folder = s.workdir()
    p = Process("1", "0", "2", "5", "still")
    mine, other = os.path.join(folder, "mine"), os.path.join(folder, "other")
    tid = max(int(n) for n in os.listdir("/proc/%d/task" % p.pid))
    gcore(p, mine)
    out, err, status = s.corectl("gcore", "-o", other, str(tid))
    t.equal((err, status), ("", 0), "status")
    t.check("process %d stood still" % p.pid in out, out)
    p.end()
    ours, theirs = Core(mine), Core(other)
    same_threads(t, ours, theirs, "by thread")
    t.equal(theirs.process(), ours.process(), "NT_PRPSINFO")
    same_pages(t, ours, theirs, "by thread")


def huge(t):
    """Huge pages that were never touched are not taken, and those that were are in the core."""
    pool = "/proc/sys/vm/nr_hugepages"
    with open(pool) as f:
        before = f.read()
    try:
        with open(pool, "w") as f:
            f.write("%d" % (int(before) + 4))
    except OSError as e:
        s.skip("nr_hugepages: %s" % e)
    out = os.path.join(s.workdir(), "core")
    try:
        with Target([fixture("huge")]) as p:
            first = int(p.words[2], 16)

            def taken():
                return status_of(p.pid, p.pid, "HugetlbPages")
            t.equal(taken(), "2048 kB", "at first")
            for args in ([], ["--full"], ["--short-pause"], ["--stacks-only"]):
                _, err, status = s.corectl("gcore", *args, "-o", out, str(p.pid))
                t.equal((status, taken()), (0, "2048 kB"), "gcore %s: %s" % (args, err))
                if args != ["--stacks-only"]:
                    t.equal(Core(out).read(first + (2 << 20), 10), b"the second", "its bytes")
            s.corectl("-p", str(p.pid), "-batch", "-ex", "bt", "-ex", "modules")
            t.equal(taken(), "2048 kB", "after -p")
    finally:
        with open(pool, "w") as f:
            f.write(before)


def dying(t):
    """The program is killed while its core is written: a clear error, or it was written before."""
    folder, failed = s.workdir(), 0
    for turn in range(30):
        p = Process("64", "0", "4", "5", "still")
        out = os.path.join(folder, "core")
        args = ["--short-pause"] if turn % 2 else []
        c = subprocess.Popen([s.CORECTL, "gcore", *args, "-o", out, str(p.pid)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(random.random() * 0.05)
        p.p.kill()
        err = c.communicate()[1].decode()  # meanwhile it is a zombie
        p.end()
        t.check(c.returncode in (0, 2), "status %d: %s" % (c.returncode, err))
        t.equal(os.path.exists(out), c.returncode != 2, "turn %d: the file" % turn)
        if c.returncode == 2:
            failed += 1
            t.check(re.match(r"corectl: .*process %d.*; no core is written\n" % p.pid, err), err)
        else:
            t.equal(Core(out).read(p.dontdump, 1), None, "it is a core")
            os.unlink(out)
        t.equal(os.listdir(folder), [], "turn %d: files left" % turn)
        if failed >= 8:
            return
    t.check(failed, "it never died in between")


PARTS = {f.__name__: f for f in (with_kernel, with_gdb, small, short_pause, compressed, no_room,
                                 full_disk, killed, interrupted, suspended, by_thread, huge,
                                 dying)}


def main():
    t = s.Failures()
    PARTS[sys.argv[1]](t)
    t.exit()


main()
