"""Every level and signal, preloaded, linked and static, against the fixture's own log; the other variables."""
import os
import re
import signal
import sys

import lib
from lib import s

CAUSES = {"segv": "SEGV", "bus": "BUS", "fpe": "FPE", "ill": "ILL", "abort": "ABRT",
          "raise_sys": "SYS",
          "trap": "TRAP", "raise_quit": "QUIT"}
LEVELS = "none single all system crash off 0 1 2".split()
ALIAS = {"0": "none", "1": "single", "2": "all"}
THREADS = 2
CAUSES_PROGRAM = os.path.join(s.FIXTURES, "causes")


def run(cause, level=None, how="preloaded", **more):
    """`how` libstack comes into the program: preloaded, linked, static."""
    variables = {k: more.pop(k) for k in list(more) if k.startswith("LIBSTACK_")}
    if how == "static":  # libstack.a looks for the helper where it will be installed
        variables.setdefault("LIBSTACK_HELPER", os.path.join(os.path.dirname(lib.LIBRARY), "libstack-helper"))
    return lib.Run([CAUSES_PROGRAM + {"preloaded": ""}.get(how, "_" + how), cause, str(THREADS)],
                   lib.environment(how == "preloaded", LIBSTACK_TRACEBACK=level, **variables), **more)


def check_level(t, r, cause, level, what):
    sig, level = CAUSES[cause], ALIAS.get(level, level)
    t.equal(r.status, -getattr(signal, "SIG" + sig), what + ": status")
    if level == "off":
        t.equal(r.err, "", what)
        return
    lines = r.err.splitlines()
    t.check(lines and lines[0].startswith("SIG%s: " % sig), what, r.err[:200])
    t.equal(lib.reports(r.err), 1, what + ": reports")
    t.check(re.match(r"PC=0x[0-9a-f]+ tid=%d sigcode=-?\d+ \(" % r.pid, lines[1]), what, lines[1])
    if level == "none":
        t.equal(len(lines), 2, what + ": lines")
        return
    if level == "single" and sig == "QUIT":
        level = "all"
    calls = lib.log_of(r.log)
    threads = s.parse_trace(r.err)
    t.equal(sorted({c[0] for c in calls}), ["die", "main", "park"], what + ": log")
    if level == "single":
        calls = [c for c in calls if c[0] != "park"]
        t.check("park(" not in r.err, what, "another thread")
        t.equal(len(threads), 1, what + ": stacks")
    lib.check_trace(t, r.err, calls, what, None if level == "single" else THREADS + 1)
    if level == "single":
        t.equal(lines[-1], "1 of %d threads shown, %d missing: not asked for" % (THREADS + 1, THREADS), what)
    names = [f[0] for f in threads[0][1]] if threads else []
    t.check(cause in names, what, "no", cause, "in", names)
    for word in ("rip", "rsp", "rax", "fs"):
        t.equal(len(re.findall(r"^%s +0x[0-9a-f]+$" % word, r.err, re.M)), 1, what + ": " + word)
    t.check(re.search(r"^modules:\n0x[0-9a-f]+-0x[0-9a-f]+ [0-9a-f]{40} /.*/causes", r.err, re.M),
            what, "no modules")
    more = level in ("system", "crash")
    t.equal(bool(re.search(r" fp=0x[0-9a-f]+ sp=0x[0-9a-f]+ pc=0x[0-9a-f]+$", r.err, re.M)), more,
            what + ": fp, sp, pc")
    t.equal("_start(" in r.err, more, what + ": frames below main")
    t.check("stk_handler" not in r.err and "stopped: " not in r.err, what, "handler, or cut")


def check_levels(t):
    for how in ("preloaded", "linked", "static"):
        for level in LEVELS:
            for cause in CAUSES:
                what = "%s %s %s" % (how, level, cause)
                check_level(t, run(cause, level, how), cause, level, what)


def check_unknown(t):
    variables = {"LIBSTACK_TRACEBACK": "loud", "LIBSTACK_SIGQUIT": "maybe", "LIBSTACK_ARGS": "some",
                 "LIBSTACK_SIGNALS": "SEGV,HUP", "LIBSTACK_TIMEOUT": "soon",
                 "LIBSTACK_OUTPUT": "x" * 600, "LIBSTACK_HELPER": "y" * 600}
    for name, value in variables.items():
        r = lib.Run([CAUSES_PROGRAM, "segv", "2"], lib.environment(**{name: value}))
        first, _, rest = r.err.partition("\n")
        t.check(first.startswith("libstack: %s=%s is not known, using the default; it takes " % (
            name, value)), name, first[:200])
        t.check(rest.startswith("SIGSEGV: ") and "3 of 3 threads shown\n" in rest, name, rest[:200])
        t.equal(r.status, -signal.SIGSEGV, name)
    r = lib.Run(["/bin/true"], lib.environment(**variables))
    t.equal((r.status, len(r.err.splitlines())), (0, len(variables)), "a line each, once")
    empty = lib.Run([CAUSES_PROGRAM, "segv", "2"], lib.environment(**dict.fromkeys(variables, "")))
    t.check(empty.err.startswith("SIGSEGV: "), "empty values are the default", empty.err[:200])


def check_output(t):
    work = s.workdir()
    r = run("segv", LIBSTACK_OUTPUT=work + "/r-%p-%e-%t-%%-%x.txt")
    names = os.listdir(work)
    t.equal(r.err, "", "LIBSTACK_OUTPUT: stderr")
    if t.equal(len(names), 1, "LIBSTACK_OUTPUT: files %r" % names):
        t.check(re.match(r"r-%d-causes-\d{10}-%%-.*\.txt$" % r.pid, names[0]), "name:", names[0])
        path = os.path.join(work, names[0])
        lib.check_trace(t, open(path).read(), lib.log_of(r.log), "LIBSTACK_OUTPUT", THREADS + 1)
        t.equal(os.stat(path).st_mode & 0o077, 0, "LIBSTACK_OUTPUT: mode")
    for path in (work + "/none/of/this", work, "/proc/nothing"):
        r = run("segv", LIBSTACK_OUTPUT=path)
        t.equal((r.status, lib.reports(r.err)), (-signal.SIGSEGV, 1), "unwritable output: " + path)
    # One file, two crashes: neither is lost.
    for _ in range(2):
        run("segv", LIBSTACK_OUTPUT=work + "/both")
    t.equal(lib.reports(open(work + "/both").read()), 2, "LIBSTACK_OUTPUT: appended")


def check_args(t):
    r = run("segv", LIBSTACK_ARGS="names")
    t.check(re.search(r"^die\(which=0x0, threads=0x2\)$", r.err, re.M), "names:", r.err[:600])
    s.check_read_back(t, s.from_head(r.err), "names")
    r = run("segv", LIBSTACK_ARGS="none")
    t.check(re.search(r"^die\(\.\.\.\)$", r.err, re.M), "none:", r.err[:600])
    r = run("segv", LIBSTACK_ARGS="words")
    t.check(re.search(r"^die\(0x0, 0x2\)$", r.err, re.M), "words:", r.err[:600])


def check_signals(t):
    for value, caught in (("SEGV", {"segv"}), ("SIGFPE ABRT", {"fpe", "abort"}),
                          ("FPE,SIGABRT,QUIT", {"fpe", "abort", "raise_quit"})):
        for cause in ("segv", "fpe", "abort", "raise_quit"):
            r = run(cause, LIBSTACK_SIGNALS=value)
            t.equal((r.status, lib.reports(r.err)),
                    (-getattr(signal, "SIG" + CAUSES[cause]), int(cause in caught)),
                    "LIBSTACK_SIGNALS=%s %s" % (value, cause))


def check_timeout(t):
    """A helper that hangs: its time is over soon, the rest comes from the process itself."""
    helper = sys.argv[1]
    r = run("segv", LIBSTACK_HELPER=helper, LIBSTACK_TIMEOUT="0.4")
    t.equal((r.status, lib.reports(r.err)), (-signal.SIGSEGV, 1), "LIBSTACK_TIMEOUT")
    t.check(re.search(r"^\[tier 1 failed: .*\]$", r.err, re.M), "no word of the tier", r.err[:600])
    t.check(re.search(r"the helper took too long", r.err), r.err[:600])
    t.check(len(s.parse_trace(r.err)) >= 3, "no frames", r.err[:600])
    for value in ("0", "-1", "nan", "1e9", "3s"):
        r = run("segv", LIBSTACK_TIMEOUT=value)
        t.check(r.err.startswith("libstack: LIBSTACK_TIMEOUT=%s is not known" % value), value)
        lib.check_trace(t, r.err, lib.log_of(r.log), "LIBSTACK_TIMEOUT=" + value, THREADS + 1)


def check_filter(t):
    """Where system calls are filtered thread 1 is printed first, in process."""
    r = run("sys")
    t.equal(r.status, -signal.SIGSYS, "seccomp: status")
    t.check(re.search(r"sigcode=1 \(SYS_SECCOMP\)", r.err), "seccomp:", r.err[:200])
    lib.check_trace(t, r.err, [c for c in lib.log_of(r.log) if c[0] == "park"], "seccomp",
                    THREADS + 1)
    threads = s.parse_trace(r.err)
    t.equal(threads[0][1][0][0], "syscall", "seccomp: first stack")


def check_crash(t):
    lib.need_kernel_cores()
    for how in ("preloaded", "linked", "static"):
        r = run("segv", "crash", how, core="0")
        if not t.check(r.core, "crash: no core", r.err[:300]):
            continue
        t.check("[no core" not in r.err, "crash:", r.err[:300])
        notes = lib.Notes(r.core)
        shown = dict(re.findall(r"^(r[a-z0-9]{1,2}) +0x([0-9a-f]+)$", r.err, re.M))
        t.check(len(shown) >= 17, "registers", shown)
        t.equal({k: int(v, 16) for k, v in shown.items()}, {k: notes.regs[k] for k in shown},
                "registers of report and core")
        program = CAUSES_PROGRAM + {"preloaded": ""}.get(how, "_" + how)
        out, _, status = s.corectl("stack", r.core, program)
        t.equal(status, 0, "corectl stack")
        lib.check_trace(t, out, lib.log_of(r.log), "corectl stack", THREADS + 1)
        ref = s.gdb_reference(r.core, program)[r.pid]
        t.equal(ref["regs"]["rip"], notes.regs["rip"], "gdb's rip")
        t.equal([f[2] for f in ref["frames"][:3]], ["segv", "die", "main"], "gdb's frames")
    r = run("segv", "all", core="0")
    t.equal(r.core, None, "all: no core with the limit 0")
    r = lib.Run(["/bin/sh", "-c", "ulimit -H -c 0; exec \"$0\" segv", CAUSES_PROGRAM],
                lib.environment(LIBSTACK_TRACEBACK="crash"))
    t.equal(re.findall(r"^\[.*core.*\]$", r.err, re.M),
            ["[core written to %s; the kernel leaves none: the hard limit of core files is 0 (ulimit -Hc)]"
             % r.core], "hard limit 0")
    t.check(r.err.rstrip("\n").endswith("threads shown"), "the last line:", r.err[-300:])
    r = run("undumpable", "crash")
    t.equal(re.findall(r"^\[no core: .*\]$", r.err, re.M),
            ["[no core: the process is not dumpable (set-uid, or PR_SET_DUMPABLE)]"], "undumpable")
    t.equal((r.status, r.core), (-signal.SIGSEGV, None), "undumpable: status, core")
    # SIGQUIT that does not end the program leaves the limit alone.
    r = run("limit", "crash", LIBSTACK_SIGQUIT="continue")
    t.equal(r.out, "core limit 0\n", "the limit after SIGQUIT and continue")


def main():
    t = s.Failures()
    for check in (check_levels, check_unknown, check_output, check_args, check_signals,
                  check_timeout, check_filter, check_crash):
        print(check.__name__, flush=True)
        check(t)
    t.exit()


main()
