"""Processes of others that offer gigabytes: corectl takes of them what fits.

heavy.py CASE, or --list. Each case is one promise of docs/SECURITY.md; heavy.c is the process.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

HEAVY = os.path.join(os.environ.get("TORTURE", os.path.join(s.SOURCE, "build/dev/tests/torture")), "heavy")
MOST = 600 << 10  # KB that corectl takes of memory; the processes offer 1 to 4 GB


def heavy(kind):
    p = subprocess.Popen([HEAVY, kind], stdout=subprocess.PIPE)
    line = p.stdout.readline().decode()
    if line != "READY\n":
        p.kill()
        p.wait()
        s.skip("%s: %s" % (kind, line.strip()))
    return p


def measured(args, **more):
    """(stdout, stderr, status, most KB of memory at once)"""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **more)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read().decode("utf-8", "surrogateescape"))
    return texts[0], texts[1], p.returncode, usage.ru_maxrss


def large_command_line(t, work):
    """A command line of 3 GB that was never touched: its beginning is read, and no page of it is made."""
    p = heavy("args")

    def resident():
        with open("/proc/%d/status" % p.pid) as f:
            return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1))
    try:
        before = resident()
        out, err, status, most = measured([s.CORECTL, "-p", str(p.pid), "-batch", "-ex", "threads"])
        t.check(" of `x" in err and '"heavy"' in out, "answer:", out, err)
        t.check(most < MOST, "corectl took %d KB" % most)
        out, err, status, most = measured([s.CORECTL, "gcore", "-o", work + "/core", str(p.pid)])
        t.equal(status, 0, "status of gcore: " + err)
        t.check(most < MOST, "gcore took %d KB" % most)
        t.check(resident() - before < 1024, "the process grew from %d to %d KB" % (before, resident()))
    finally:
        p.kill()
        p.wait()


def far_thread_pointer(t, work):
    """fs_base 4 GB above the stack pointer: what lies between is no stack."""
    p = heavy("sp")
    try:
        out, err, status, most = measured([s.CORECTL, "gcore", "--stacks-only", "-o", work + "/core", str(p.pid)])
        t.equal((err, status), ("corectl: stacks of more than 64 MB are not whole\n", 1), "gcore --stacks-only")
        t.check(most < MOST, "gcore took %d KB" % most)
        t.check(os.path.getsize(work + "/core") < 70 << 20, "the core has %d bytes" % os.path.getsize(work + "/core"))
        out, err, status, most = measured([s.CORECTL, work + "/core", "-batch", "-ex", "threads"])
        t.check("stacks of more than 64 MB are not whole" in err, "it stands in the core:", err)
        out, err, status, most = measured([s.CORECTL, "-p", str(p.pid), "-batch", "-ex", "bt"])
        t.check(most < MOST, "corectl took %d KB" % most)
    finally:
        p.kill()
        p.wait()


def many_on_one_stack(t, work):
    """3,000 threads on one stack of 1 GB: it is copied once."""
    p = heavy("crowd")
    try:
        out, err, status, most = measured([s.CORECTL, "-p", str(p.pid), "-batch", "-ex", "threads"])
        t.equal(out.count(" tid "), 3001, "threads shown")
        t.check(most < MOST, "corectl took %d KB" % most)
        out, err, status, most = measured([s.CORECTL, "gcore", "--stacks-only", "-o", work + "/core", str(p.pid)])
        t.check(most < MOST, "gcore took %d KB" % most)
        t.check(status in (0, 1) and os.path.getsize(work + "/core") < 300 << 20, "gcore: status %d: %s" % (status, err))
    finally:
        p.kill()
        p.wait()


CASES = {f.__name__: f for f in (large_command_line, far_thread_pointer, many_on_one_stack)}


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    t = s.Failures()
    CASES[sys.argv[1]](t, s.workdir())
    t.exit()


main()
