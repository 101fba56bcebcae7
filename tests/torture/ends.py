"""ends.py WHAT | --list: a thread crashes while others end the program or go on working. The end is that of
the crash, always, and from the first byte of the report on nothing else of the program runs."""
import fcntl
import mmap
import os
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
import support as s
import elfcore

HERE = os.environ.get("TORTURE", os.path.join(s.SOURCE, "build/dev/tests/torture"))
LIBRARY = os.environ.get("LIBSTACK", os.path.join(s.SOURCE, "build/dev/signal/libstack.so.1"))
NOBODY = 65534
PAGE = 4096
REPETITIONS = 100
CRASHES = {"segv": signal.SIGSEGV, "abort": signal.SIGABRT, "quit": signal.SIGQUIT}
ENDS = ("return", "exit", "_exit", "thread", "exec", "term")
# Microseconds from the crash to the end. From SURELY on the crash has begun before, whatever the
# machine has to do besides.
DELAYS = (0, 20, 100, 300, 1000, 2000, 5000, 10000, 20000, 50000)
SURELY = 5000
# How each tier is had, and the note that tells it.
TIERS = {1: ([], {}, r""),
         2: (["undumpable"], {}, r"^\[ptrace is not permitted: threads by signal\]$"),
         3: ([], {"LIBSTACK_HELPER": "/nowhere"}, r"continuing in process\]$")}
LEVELS = ("none", "single", "all", "system", "crash")


class Shared:
    """struct shared of ends.c: count, crashing, ready."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(16))
        os.chmod(path, 0o666)
        self.path, self.file = path, open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 16)

    def count(self):
        return struct.unpack_from("<Q", self.map, 0)[0]

    def be_ready(self):
        struct.pack_into("<i", self.map, 12, 1)


class Run:
    """A program that has been started; its stderr comes by a pipe of one page."""

    def __init__(self, work, crash, end, delay, tier, preload=True, core=False, **env):
        self.dir = os.path.join(work, "run")
        shutil.rmtree(self.dir, True)
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        self.shared = Shared(os.path.join(self.dir, "shared"))
        args, more, _ = TIERS[tier]
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(more if preload else {}), **env}
        if preload:
            env["LD_PRELOAD"] = os.path.join(work, "libstack.so.1")
        self.r, w = os.pipe()
        fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, PAGE)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if tier == 2 and os.getuid() == 0 else {}
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard if core else 0, hard))
        self.p = subprocess.Popen(
            [os.path.join(work, "ends"), crash, end, str(delay), self.shared.path, *args], env=env,
            cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=w,
            start_new_session=True, **user)
        os.close(w)
        self.pidfd = os.pidfd_open(self.p.pid)
        os.set_blocking(self.r, False)
        self.text, self.until = b"", time.monotonic() + 20

    def ready(self, *fds):
        return select.select(fds, [], [], max(0, self.until - time.monotonic()))[0]

    def take(self, most=65536):
        try:
            self.text += os.read(self.r, most)
        except BlockingIOError:
            pass

    def first_byte(self):
        """The first byte of the report, and not one more. false: the program ends without."""
        return self.read_to(b"")

    def read_to(self, what):
        """Byte by byte, until `what` was among it."""
        while not self.text or what not in self.text:
            before = len(self.text)
            if self.r in self.ready(self.r, self.pidfd):
                self.take(1)
            if len(self.text) == before:
                return False
        return True

    def not_read(self, seconds):
        """Nobody reads for so long; the pipe has no room as long as its only page holds a byte. The end
        is what must not come meanwhile."""
        select.select([self.pidfd], [], [], seconds)

    def finish(self):
        """The rest, read at once. The wait status, core flag included; None: it did not end."""
        while time.monotonic() < self.until:
            ready = self.ready(self.r, self.pidfd)
            if self.r in ready:
                before = len(self.text)
                self.take()
                if len(self.text) == before and self.pidfd not in ready:
                    break  # all have closed it, and it lives
            if self.pidfd in ready:
                break
        self.late = not select.select([self.pidfd], [], [], max(0, self.until - time.monotonic()))[0]
        if self.late:
            os.kill(self.p.pid, signal.SIGKILL)
        info = os.waitid(os.P_PID, self.p.pid, os.WEXITED | os.WNOWAIT)
        self.dumped = info.si_code == os.CLD_DUMPED
        code = self.p.wait()
        self.status = None if self.late else -code if code < 0 else code << 8
        self.take()
        self.out = self.p.stdout.read().decode()
        self.p.stdout.close()
        os.close(self.r)
        os.close(self.pidfd)
        return self

    def report(self):
        return self.text.decode("utf-8", "replace")


def told(run):
    if run.status is None:
        return "no end"
    if 0 < run.status < 256:
        return signal.strsignal(run.status) or "signal %d" % run.status
    return "exit %d" % (run.status >> 8)


def variants(n):
    """n times another crash, end and delay, each end with each delay."""
    names = list(CRASHES)
    for i in range(n):
        yield names[i % len(names)], ENDS[i % len(ENDS)], DELAYS[i // len(ENDS) % len(DELAYS)]


def race(t, work, tier=1, n=REPETITIONS, slow=False, **env):
    """Where a byte of a report was written the crash was first. Without one the end may have been:
    what is tried is that then."""
    lost, silent, sure, cut = {}, 0, 0, 0
    level = env.get("LIBSTACK_TRACEBACK", "all")
    for crash, end, delay in variants(n):
        r = Run(work, crash, end, delay, tier, **env)
        began = r.first_byte()
        if began and slow:
            r.not_read(delay / 1e6 + 0.01)
        r.finish()
        what = "%s %s after %d us" % (crash, end, delay)
        if r.out:
            raise SystemExit("FAILED: the program does not work: " + r.out)
        if began:
            t.checks += 1
            if r.status != CRASHES[crash]:
                lost.setdefault(told(r), []).append(what)
            # A thread that was executing a program ends the one that reports (fs/exec.c,
            # de_thread()), and dies of the crash: what there is of the report is cut.
            elif end == "exec" and level != "none" and "threads shown" not in r.report():
                cut += 1
            elif tier > 1 and level != "none":
                t.check(re.search(TIERS[tier][2], r.report(), re.M), what, "not tier %d:" % tier,
                        r.report()[:800])
        elif r.status == CRASHES[crash]:
            cut += 1
            t.check(end == "exec", what, "no report")
        if delay >= SURELY:
            sure += 1
            silent += not began
    for status, rows in lost.items():
        t.check(False, "%s %d times in %d: %s" % (status, len(rows), n, ", ".join(rows[:12])))
    # A thread may lose its processor between the word and the crash, but not often.
    t.check(silent <= sure / 10, "no report %d times of %d" % (silent, sure))
    t.check(cut <= n / 10, "a report was cut %d times of %d" % (cut, n))


def together(t, work, tier):
    """Two threads crash at once: one report, of the one whose signal the program dies of."""
    n, rows = 0, {}
    for end in ("abort", "fault"):
        for delay in (0, 5, 10, 20, 50, 100, 200, 500):
            for crash, sig in CRASHES.items():
                for _ in range(2):
                    r = Run(work, crash, end, delay, tier)
                    r.finish()
                    n += 1
                    heads = re.findall(r"^(SIG\w+): ", r.report(), re.M)
                    ends = re.findall(r"^2 of 2 threads shown$", r.report(), re.M)
                    if not (r.status in (sig, signal.SIGABRT if end == "abort" else signal.SIGSEGV) and
                            heads == [signal.Signals(r.status).name] and len(ends) == 1):
                        rows.setdefault((told(r), tuple(heads), len(ends)), []).append(
                            "%s and %s after %d us" % (crash, end, delay))
    t.checks += n
    for (status, heads, ends), what in rows.items():
        t.check(False, "%s, reports %r, last lines %d: %d times in %d: %s" % (
            status, list(heads), ends, len(what), n, ", ".join(what[:8])))


def counts(t, work, tier, end):
    """While the report waits for room, and until the end, no other thread does a step."""
    for crash in ["segv"] * 20 if end == "blocked" else CRASHES:
        r = Run(work, crash, end, 0, tier)
        what = "%s, %s, tier %d" % (crash, end, tier)
        if not t.check(r.first_byte(), what, "no report"):
            r.finish()
            continue
        # Signals do not reach one that blocks them all: a tracer does, which comes after the header.
        # The crash's own does not reach one that blocks it: another one does, a little later.
        if end in ("masked", "blocked"):
            t.check(r.read_to(b"\nthread 1 "), what, "no stack")
        at_first = r.shared.count()
        r.not_read(0.05)
        later = r.shared.count()
        r.finish()
        t.equal(r.status, CRASHES[crash], what + ": the end")
        if end in ("count", "blocked") or tier == 1:
            t.equal(later - at_first, 0, what + ": steps while the report was not read")
            t.equal(r.shared.count() - later, 0, what + ": steps from then until the end")
        t.check(re.search(TIERS[tier][2], r.report(), re.M), what, "another tier:", r.report()[:800])
        t.equal(len(re.findall(r"^PC=", r.report(), re.M)), 1, what + ": headers")


def spawn(t, work):
    """What is made at the moment of the crash lives on as it would have without: no signal ignored."""
    ignored, lost = 0, 0
    for i in range(REPETITIONS):
        crash = list(CRASHES)[i % len(CRASHES)]
        r = Run(work, crash, "spawn", 0, 1)
        r.finish()  # its standard output is closed when the last child has ended
        ignored += r.shared.count()
        lost += r.status != CRASHES[crash]
    t.equal((ignored, lost), (0, 0), "signals ignored in children, other ends")


# --- the core ---

def sleeping(pid, n):
    """So many of its threads sleep."""
    def state(tid):
        with open("/proc/%d/task/%s/stat" % (pid, tid)) as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    return sum(state(tid) == "S" for tid in os.listdir("/proc/%d/task" % pid)) >= n


def place_of(core, address):
    """(file, offset in it) of an address."""
    for start, end, offset, path in core.files():
        if start <= address < end:
            return os.path.basename(path), address - start + offset
    return "", address


def registers(core, tid):
    return struct.unpack("<27Q", core.threads[tid]["regs"])


def look(work, crash, tier, preload):
    """Of the core of one run: siginfo, registers of the crashing thread, where all threads stand."""
    r = Run(work, crash, "stand", 0, tier, preload, core=True)
    s.wait_for("two threads to sleep", lambda: r.shared.count() and sleeping(r.p.pid, 2))
    r.shared.be_ready()
    r.finish()
    path = os.path.join(r.dir, "core")
    if not r.dumped or not os.path.exists(path):
        return r, None
    core = elfcore.Core(path)
    first = next(iter(core.threads))  # the kernel writes the one that died first
    regs = registers(core, first)
    signo, error, code = struct.unpack_from("<3i", core.once[elfcore.SIGINFO])
    addr, = struct.unpack_from("<Q", core.once[elfcore.SIGINFO], 16)
    seen = {"signal": (signo, error, code), "cursig": core.threads[first]["cursig"],
            "the thread's pc": place_of(core, regs[16])}
    if crash == "segv":
        seen["address"] = addr
        seen["rax, rdi, orig_rax"] = regs[10], regs[14] & 0xff, regs[15]
    else:
        seen["rdi is the process"] = regs[14] == r.p.pid
    others = {tid: place_of(core, registers(core, tid)[16]) for tid in core.threads if tid != first}
    # The main thread and the one that spins may be at any instruction of theirs.
    seen["other threads"] = sorted(place if place[0] != "ends" else (place[0], 0)
                                   for tid, place in others.items() if tid != r.p.pid)
    return r, seen


def gdb_sees(t, r, what):
    """Without a tracer the threads stand in a handler of ours: below it is the program's stack."""
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "thread apply all backtrace", HERE + "/ends",
                           r.dir + "/core"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    text = done.stdout.decode("utf-8", "replace")
    for name in ("spins", "pauses", "locks"):
        t.check(re.search(r"^#\d+ .*\b%s \(arg=" % name, text, re.M), what + ": gdb has no", name, text[-3000:])


def core(t, work, tier):
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    if pattern != "core" or resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        s.skip("the kernel writes no file \"core\" here: core_pattern %r" % pattern)
    if tier == 3 and not shutil.which("gdb"):
        s.skip("gdb is not installed")
    for crash in CRASHES:
        bare, wanted = look(work, crash, tier, False)
        r, got = look(work, crash, tier, True)
        t.equal((told(r), r.dumped), (told(bare), bare.dumped), crash + ": the end")
        if t.check(wanted and got, crash, "no core"):
            if tier == 3:
                gdb_sees(t, r, crash)
                del wanted["other threads"]
            for what in wanted:
                t.equal(got[what], wanted[what], "%s, tier %d: %s" % (crash, tier, what))


CASES = {}
for level in LEVELS:
    CASES["race_" + level] = lambda t, w, level=level: race(t, w, LIBSTACK_TRACEBACK=level)
CASES["race_tier2"] = lambda t, w: race(t, w, 2, 60)
CASES["race_tier3"] = lambda t, w: race(t, w, 3, 60)
for tier in TIERS:
    CASES["slow_tier%d" % tier] = lambda t, w, tier=tier: race(t, w, tier, 30, slow=True)
    CASES["count_tier%d" % tier] = lambda t, w, tier=tier: counts(t, w, tier, "count")
    CASES["together_tier%d" % tier] = lambda t, w, tier=tier: together(t, w, tier)
    CASES["blocked_tier%d" % tier] = lambda t, w, tier=tier: counts(t, w, tier, "blocked")
    CASES["masked_tier%d" % tier] = lambda t, w, tier=tier: counts(t, w, tier, "masked")
CASES["spawn"] = spawn
for tier in (1, 3):  # a process that is not dumpable leaves no core
    CASES["core_tier%d" % tier] = lambda t, w, tier=tier: core(t, w, tier)


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    if "tier2" in sys.argv[1] and os.getuid() == 0 and not s.capable(7):
        s.skip("needs the capability to become an ordinary user")
    work = s.workdir()
    os.chmod(work, 0o755)
    shutil.copy(LIBRARY, work + "/libstack.so.1")
    shutil.copy(os.path.join(HERE, "ends"), work + "/ends")
    t = s.Failures()
    CASES[sys.argv[1]](t, work)
    t.exit()


if __name__ == "__main__":
    main()
