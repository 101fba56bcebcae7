"""corectl beside gdb, lldb and eu-stack on the same cores, in one run: the bounds of the project.

bench.py --corectl FILE --fixtures DIR [--library FILE] [--threads N] [--runs N] [--heap MB]
Each time is the median of some runs after one that warms the page cache; peers that are slow run
once. Peak memory is the child's ru_maxrss (wait4). A missing peer is shown as missing.

corectl is measured twice: cold (--no-cache) it inflates libc's debug file in each run, as its first
run on a machine does; warm it maps what an earlier run kept. The bounds are those of the warm one;
the cold ratio stands beside it.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

SLOW = 5.0  # seconds: above this a peer is not run again
SHORT = 0.2  # seconds: below this, five times as many runs
STARTS = 1000


def once(command, log):
    """(seconds, peak MB, status) of one run."""
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    _, status, usage = os.wait4(pid, 0)
    return time.monotonic() - begin, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


class Bench:
    def __init__(self, options, work):
        self.o, self.work, self.missed = options, work, 0

    def median(self, command, least=0):
        """Median seconds and the greatest peak; None where the program is missing.
        `least`: lines that a whole answer has at least."""
        if not shutil.which(command[0]):
            return None
        log = os.path.join(self.work, "log")
        runs = [once(command, log)]
        wanted = 1 if runs[0][0] >= SLOW else self.o.runs * (5 if runs[0][0] < SHORT else 1) + 1
        while len(runs) < wanted:
            runs.append(once(command, log))
        with open(log, errors="replace") as f:
            lines = sum(1 for _ in f)
        if lines < least:
            print("  %s printed only %d lines, status %d" % (command[0], lines, runs[-1][2]))
        times = [r[0] for r in runs[1:]] or [runs[0][0]]
        return statistics.median(times), max(r[1] for r in runs)

    def core(self, name, program, *args):
        out = os.path.join(self.work, name)
        s.make_core(os.path.join(self.o.fixtures, program), out, list(args))
        return out, os.path.join(self.o.fixtures, program)

    def row(self, what, value, bound, met):
        self.missed += not met
        print("  %-44s %-28s %-20s %s" % (what, value, bound, "met" if met else "NOT MET"))

    def ratio(self, name, both, theirs, bound):
        cold, warm = both
        if theirs is None:
            print("  %-44s %s" % ("against " + name, "missing: not installed"))
            return
        value = theirs[0] / warm[0]
        shown, least = "%.1f x faster" % value, "at least %g x" % bound
        if cold is not warm:
            shown, least = shown + ", cold %.1f x" % (theirs[0] / cold[0]), least + " warm"
        self.row("against %s (%.3f s, %.0f MB)" % (name, *theirs), shown, least, value >= bound)

    def gdb(self, core, program, command):
        return ["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off", program, core,
                "-ex", command]

    def ours(self, core, program, command, least):
        """(cold, warm)."""
        run = [self.o.corectl, core, program, "-batch", "-ex", command]
        cold, warm = self.median(run + ["--no-cache"], least), self.median(run, least)
        print("  %-44s %.4f s, %.0f MB" % ("corectl, cold (--no-cache)", *cold))
        print("  %-44s %.4f s, %.0f MB" % ("corectl, warm (inflated files from its cache)", *warm))
        return cold, warm

    def threads(self):
        n = self.o.threads
        print("%d parked threads x 20 frames, thread apply all bt" % n)
        core, program = self.core("threads.core", "threads", str(n), "14")
        ours = self.ours(core, program, "thread apply all bt", n * 36)
        self.ratio("gdb", ours, self.median(self.gdb(core, program, "thread apply all bt")), 8)
        self.ratio("lldb", ours, self.median(["lldb", "--batch", "-x", "-c", core, program, "-o",
                                              "thread backtrace all"]), 5)
        self.ratio("eu-stack -s", ours, self.median(["eu-stack", "-s", "--core", core, "-e", program,
                                                     "-n", "0"]), 80)
        peak = max(ours[0][1], ours[1][1])
        self.row("peak memory", "%.0f MB" % peak, "under 150 MB", peak < 150)

    def ten(self):
        print("one thread, ten frames, bt")
        core, program = self.core("ten.core", "deep", "3")
        ours = self.ours(core, program, "bt", 16)
        self.ratio("gdb", ours, self.median(self.gdb(core, program, "bt")), 3)

    def preloaded(self):
        """The environment of a program with libstack, and of one without."""
        without = {k: v for k, v in os.environ.items()
                   if k != "LD_PRELOAD" and not k.startswith("LIBSTACK")}
        return dict(without, LD_PRELOAD=self.o.library), without

    def start(self):
        print("libstack in a program that does nothing, %d starts each" % STARTS)
        true = shutil.which("true")
        took = ([], [])
        for i in range(STARTS + 20):  # by turns: what else the machine does meets both
            for env, times in zip(self.preloaded(), took):
                begin = time.perf_counter_ns()
                os.waitpid(os.posix_spawn(true, [true], env), 0)
                times.append((time.perf_counter_ns() - begin) / 1000)
        ours, bare = (statistics.median(times[20:]) for times in took)
        self.row("added to a start of %.0f us" % bare, "%.0f us" % (ours - bare), "at most 150 us",
                 ours - bare <= 150)
        out = os.path.join(self.work, "stripped")
        if subprocess.run(["strip", "-o", out, self.o.library]).returncode == 0:
            print("  %-44s %.2f MB" % ("libstack.so.1, stripped", os.path.getsize(out) / 1e6))

    def spawn(self):
        print("threads that do nothing, started and joined")
        program, took = os.path.join(self.o.fixtures, "spawn"), ([], [])
        for i in range(15):
            for env, times in zip(self.preloaded(), took):
                out = subprocess.run([program, "2000"], env=env, stdout=subprocess.PIPE, check=True)
                times.append(int(out.stdout) / 1000)
        ours, bare = (statistics.median(times) for times in took)
        self.row("added to a thread of %.1f us" % bare, "%.1f us" % (ours - bare), "at most 20 us",
                 ours - bare <= 20)

    def parked(self, threads, depth, env):
        """A program whose threads, main among them, all wait at `depth` calls."""
        p = subprocess.Popen([os.path.join(self.o.fixtures, "threads"), str(threads), str(depth), "0",
                              "park"], env=env, cwd=self.work, stderr=subprocess.PIPE)
        seen = b""
        while seen.count(b"ARGS park") <= threads:
            got = os.read(p.stderr.fileno(), 1 << 20)
            if not got:
                sys.exit("threads ended early:\n" + seen.decode())
            seen += got
        while any(b"futex" not in open("/proc/%d/task/%s/wchan" % (p.pid, tid), "rb").read()
                  for tid in os.listdir("/proc/%d/task" % p.pid)):
            time.sleep(0.001)
        return p

    def report(self, threads, depth, env, least):
        """Seconds from the signal to the last byte of the report, and its length."""
        p = self.parked(threads, depth, env)
        text, begin = b"", time.perf_counter()
        os.kill(p.pid, signal.SIGSEGV)
        while True:
            got = os.read(p.stderr.fileno(), 1 << 20)
            if not got:
                break
            text, end = text + got, time.perf_counter()
        p.wait()
        p.stderr.close()
        if text.count(b"\n\t") < least:
            print("  the report has only %d frames:\n%s" % (text.count(b"\n\t"), text.decode()))
        return end - begin

    def attach(self, threads, depth, command):
        """Seconds of gdb on the same program; None where it is missing."""
        if not shutil.which("gdb"):
            return None
        p = self.parked(threads, depth, self.preloaded()[1])
        try:
            took = [once(["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off", "-p",
                          str(p.pid), "-ex", command], os.path.join(self.work, "log")) for _ in range(4)]
        finally:
            p.kill()
            p.wait()
            p.stderr.close()
        return statistics.median(t[0] for t in took[1:]), max(t[1] for t in took)

    def crash(self):
        env = self.preloaded()[0]
        for what, threads, depth, command, bound in (
                ("one thread x 10 frames", 0, 6, "bt", 15),
                ("100 threads x 20 frames", 100, 16, "thread apply all bt", 4)):
            print("fault to last byte of the report, " + what)
            # Like threads are printed once.
            took = [self.report(threads, depth, env, depth) for _ in range(2 * self.o.runs)]
            ours = statistics.median(took[1:])
            print("  %-44s %.4f s" % ("libstack, preloaded", ours))
            self.ratio("gdb -p", [(ours, 0)] * 2, self.attach(threads, depth, command), bound)
        took = [self.report(0, 6, dict(env, LIBSTACK_HELPER="/none"), 6) for _ in range(2 * self.o.runs)]
        ours = statistics.median(took[1:])
        self.row("in process, one thread", "%.2f ms" % (1000 * ours), "at most 2 ms", ours <= 0.002)

    def recursion(self):
        print("recursion of 100,000 frames, bt")
        core, program = self.core("deep.core", "deep", "100000")
        ours = self.ours(core, program, "bt", 200000)
        self.ratio("gdb", ours, self.median(self.gdb(core, program, "bt")), 100)

    def big(self):
        mb = self.o.heap
        print("a core of %d MB and one of 4 MB, four threads, bt" % mb)
        if shutil.disk_usage(self.work).free < (mb + 500) << 20:
            print("  skipped: not enough room in", self.work)
            return
        core, program = self.core("small.core", "threads", "3", "5", "4")
        small = self.ours(core, program, "bt", 8)
        core, program = self.core("big.core", "threads", "3", "5", str(mb))
        big = self.ours(core, program, "bt", 8)
        cold, warm = (100 * b[0] / a[0] for b, a in zip(big, small))
        self.row("the big one takes", "%.0f %%, cold %.0f %%" % (warm, cold), "at most 120 % warm",
                 warm <= 120)
        os.unlink(core)

    def live(self):
        """One process, looked at by each tool; its watching thread tells how long it did not run."""
        n = 100
        print("a live process, %d threads x 20 frames, all stacks" % n)
        watch = subprocess.Popen([os.path.join(self.o.fixtures, "watch"), str(n), "15", "busy"], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env=dict(os.environ, FIXTURE_LOG="/dev/null"))
        pid = watch.stdout.readline().split()[1]

        def look(name, command, least):
            """(median of the longest pause, median of the whole), in seconds."""
            if not shutil.which(command[0]):
                return None
            pauses, wholes, log = [], [], os.path.join(self.work, "log")
            for _ in range(self.o.runs + 1):
                self.gap(watch)
                wholes.append(once(command, log)[0])
                pauses.append(self.gap(watch))
            with open(log, errors="replace") as f:
                lines = sum(1 for _ in f)
            if lines < least:
                print("  %s printed only %d lines" % (name, lines))
            got = statistics.median(pauses[1:]), statistics.median(wholes[1:])
            print("  %-44s %.3f ms, whole command %.0f ms" % (name + " pause", 1e3 * got[0],
                                                              1e3 * got[1]))
            return got

        try:
            look("(nothing)", ["sleep", "0.1"], 0)
            ours = look("corectl stack PID", [self.o.corectl, "stack", pid], n // 2)
            gdb = look("gdb -p", ["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off",
                                  "-p", pid, "-ex", "thread apply all bt"], 20 * n)
            eu = look("eu-stack -p", ["eu-stack", "-p", pid], 20 * n)
            source = look("eu-stack -s -p", ["eu-stack", "-s", "-p", pid], 20 * n)
        finally:
            watch.stdin.close()
            watch.wait()
        for name, theirs, at, bound in (("pause against gdb", gdb, 0, 10),
                                        ("pause against eu-stack", eu, 0, 3),
                                        ("whole command against gdb", gdb, 1, 4),
                                        ("whole command against eu-stack -s", source, 1, 1)):
            if theirs:
                value = theirs[at] / ours[at]
                self.row(name, "%.1f x shorter" % value, "at least %g x" % bound, value >= bound)

    @staticmethod
    def gap(watch):
        watch.stdin.write("\n")
        watch.stdin.flush()
        return int(watch.stdout.readline()) / 1e9

    def process(self, *args):
        """The memory fixture, and how to ask it how long its watcher stood still (ms)."""
        p = subprocess.Popen([os.path.join(self.o.fixtures, "memory"), *args],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pid = p.stdout.readline().split()[1].decode()

        def gap():
            p.stdin.write(b"gap\n")
            p.stdin.flush()
            return int(p.stdout.readline()) / 1000
        return p, pid, gap

    def write_cores(self, gap, *commands):
        """For each: the median seconds, ms that the process stood still, MB of the file and on disk.
        They take turns, and what one has left to write back is not the next one's burden."""
        out, runs = os.path.join(self.work, "written"), [[] for _ in commands]
        for turn in range(self.o.runs):
            for i in range(len(commands)):
                command, mine = ((x[(turn + i) % len(commands)]) for x in (commands, runs))
                gap()
                seconds, _, status = once([a.replace("OUT", out) for a in command],
                                          os.path.join(self.work, "log"))
                st = os.stat(out)
                mine.append((seconds, gap(), st.st_size / 1e6, st.st_blocks * 512 / 1e6))
                os.unlink(out)
                os.sync()
        return [[statistics.median(column) for column in zip(*r)] for r in runs]

    def gcore(self):
        mb = self.o.heap
        by_gdb = ["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off", "-p"]
        ours = [self.o.corectl, "gcore", "-o", "OUT"]
        print("gcore of %d MB touched memory" % mb)
        if shutil.disk_usage(self.work).free < (mb + 500) << 20:
            print("  skipped: not enough room in", self.work)
        else:
            p, pid, gap = self.process(str(mb))
            commands = [ours + [pid], ours + ["--short-pause", pid]]
            if shutil.which("gdb"):
                commands.append(by_gdb + [pid, "-ex", "gcore OUT"])
            mine, quick, *peers = self.write_cores(gap, *commands)
            p.communicate()
            print("  %-44s %.2f s, pause %.0f ms" % ("corectl gcore", *mine[:2]))
            print("  %-44s %.2f s, pause %.0f ms" % ("corectl gcore --short-pause", *quick[:2]))
            for theirs in peers:
                self.row("against gdb's gcore (%.2f s)" % theirs[0],
                         "%.1f x faster" % (theirs[0] / mine[0]), "at least 2 x",
                         theirs[0] >= 2 * mine[0])
                self.row("its pause of %.0f ms" % theirs[1], "%.1f x shorter" % (theirs[1] / mine[1]),
                         "shorter", theirs[1] > mine[1])
            if not peers:
                print("  %-44s missing: not installed" % "against gdb's gcore")
        print("gcore of 8 GB reserved, 10 MB touched")
        p, pid, gap = self.process("10", "8192")
        (seconds, pause, size, disk), = self.write_cores(gap, ours + [pid])
        p.communicate()
        self.row("time", "%.3f s, pause %.0f ms" % (seconds, pause), "under 0.2 s", seconds < 0.2)
        self.row("on disk", "%.1f MB (of %.0f)" % (disk, size), "under 30 MB", disk < 30)
        print("gcore --stacks-only of 100 threads x 20 frames")
        p, pid, gap = self.process("1", "0", "100", "20")
        (seconds, pause, size, disk), = self.write_cores(gap, ours + ["--stacks-only", pid])
        p.communicate()
        self.row("pause", "%.1f ms" % pause, "under 100 ms", pause < 100)
        self.row("size", "%.2f MB" % size, "under 1 MB", size < 1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corectl", required=True)
    p.add_argument("--fixtures", required=True)
    p.add_argument("--library", help="libstack.so.1 (default: beside corectl)")
    p.add_argument("--threads", type=int, default=1000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--heap", type=int, default=4096)
    p.add_argument("--dir", help="where the cores are made (default: a temporary directory)")
    p.add_argument("rows", nargs="*", help="threads ten recursion big start spawn crash live gcore (default: all)")
    o = p.parse_args()
    o.corectl, o.fixtures = os.path.abspath(o.corectl), os.path.abspath(o.fixtures)
    o.library = os.path.abspath(o.library or os.path.join(os.path.dirname(o.corectl),
                                                          "signal/libstack.so.1"))
    work = tempfile.mkdtemp(prefix="libstack-bench-", dir=o.dir)
    os.environ["XDG_CACHE_HOME"] = os.path.join(work, "cache")
    try:
        b = Bench(o, work)
        for row in o.rows or ["threads", "ten", "recursion", "big", "start", "spawn", "crash", "live", "gcore"]:
            getattr(b, row)()
        print("%s" % ("all bounds met" if not b.missed else "%d bounds NOT met" % b.missed))
        return 1 if b.missed else 0
    finally:
        shutil.rmtree(work, True)


sys.exit(main())
