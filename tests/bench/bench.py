"""corectl beside gdb, lldb and eu-stack on the same cores, in one run: the bounds of the project.

bench.py --corectl FILE --fixtures DIR [--threads N] [--runs N] [--heap MB]
Each time is the median of some runs after one that warms the page cache; peers that are slow run
once. Peak memory is the child's ru_maxrss (wait4). A missing peer is shown as missing.

corectl is measured twice: cold (--no-cache) it inflates libc's debug file in each run, as its first
run on a machine does; warm it maps what an earlier run kept. The bounds are those of the warm one;
the cold ratio stands beside it.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

SLOW = 5.0  # seconds: above this a peer is not run again
SHORT = 0.2  # seconds: below this, five times as many runs


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
        self.row("against %s (%.3f s, %.0f MB)" % (name, *theirs),
                 "%.1f x faster, cold %.1f x" % (value, theirs[0] / cold[0]),
                 "at least %g x warm" % bound, value >= bound)

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
    p.add_argument("--threads", type=int, default=1000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--heap", type=int, default=4096)
    p.add_argument("--dir", help="where the cores are made (default: a temporary directory)")
    p.add_argument("rows", nargs="*", help="threads ten recursion big gcore (default: all)")
    o = p.parse_args()
    o.corectl, o.fixtures = os.path.abspath(o.corectl), os.path.abspath(o.fixtures)
    work = tempfile.mkdtemp(prefix="libstack-bench-", dir=o.dir)
    os.environ["XDG_CACHE_HOME"] = os.path.join(work, "cache")
    try:
        b = Bench(o, work)
        for row in o.rows or ["threads", "ten", "recursion", "big", "gcore"]:
            getattr(b, row)()
        print("%s" % ("all bounds met" if not b.missed else "%d bounds NOT met" % b.missed))
        return 1 if b.missed else 0
    finally:
        shutil.rmtree(work, True)


sys.exit(main())
