"""test_fixture.py [--dwz] [--lossy] [--gdb-prefix N] [--chain NAMES] [--says TEXT] FIXTURE [ARGS]: makes its core and holds corectl against
the program's own log and against gdb.

--dwz: of the program as dwz(1) leaves it.
--lossy: the program is optimized, a word may be `_` (but never wrong).
--gdb-prefix N: only the first N frames are compared (gdb goes astray below them).
--chain A,B,C: frames of these names stand one after the other.
--says TEXT: bt must hold it.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

BT = ("-batch", "-ex", "thread apply all bt")


def logged(path):
    """The log: [(name, words, lost)] of ARGS and LOST lines, and {name: bytes of all arguments} of
    BYTES lines. What nothing on the stack tells (LOST) may be `_`, but not another value."""
    calls, raw = [], {}
    with open(path) as f:
        for line in f:
            kind, rest = line.rstrip("\n").split(" ", 1)
            if kind in ("ARGS", "LOST"):
                name, _, words = rest.partition(" ")
                calls.append((name, words, kind == "LOST"))
            elif kind == "BYTES":
                name, _, value = rest.split(" ")
                raw.setdefault(name, []).append(bytes.fromhex(value))
    return calls, raw


def check_log(t, calls, frames, lossy, where):
    for name, words, lost in calls:
        candidates = [f for f in frames if f[0] == name]
        if not t.check(candidates, "%s: no frame of %s" % (where, name)):
            continue
        t.check(any(s.words_match(shown, words, lossy or lost) for _, shown in candidates),
                "%s: %s was called with (%s), shown (%s)" % (
                    where, name, words, ") (".join(c[1] for c in candidates[:4])))


def check_bytes(t, raw, frames, lossy):
    """The words of structures, braces aside, are the argument's bytes in chunks of eight."""
    for name, values in raw.items():
        shown = next((words for n, words in frames if n == name), None)
        if not t.check(shown is not None, "no frame of", name):
            continue
        wanted = []
        for value in values:
            for at in range(0, len(value), 8):
                wanted.append("0x%x" % int.from_bytes(value[at:at + 8], "little"))
        got = s.WORD.findall(shown)
        if got and got[-1] == "...":
            got, wanted = got[:-1], wanted[:len(got) - 1]
        t.check(len(got) == len(wanted) and all(g == w or (lossy and g == "_")
                                                for g, w in zip(got, wanted)),
                "%s: bytes %s, shown (%s)" % (name, " ".join(wanted), shown))


def check_registers(t, core, program, reference):
    out, _, _ = s.corectl(core, program, "-batch", "-ex", "frame 0", "-ex", "regs")
    ours = dict(re.findall(r"^\s*([a-z0-9_]+)\s+0x([0-9a-f]+)", out, re.M))
    tid = crashed(core, program)
    for name, value in reference[tid]["regs"].items():
        name = {"eflags": "rflags"}.get(name, name)
        if name in ours or name in "rip rsp rax rbp r12 rflags".split():
            t.equal(ours.get(name), "%x" % value, "register " + name)


def check_names(t, core, program, calls):
    """A name as the frames show it is one that commands take."""
    for name in sorted({name for name, *_ in calls}):
        out, err, status = s.corectl(core, program, "-batch", "-ex", "ls " + name,
                                     "-ex", "disass " + name)
        inlined = not status == 0 and "'%s' is not a number" % name in err
        t.check(re.search(r"^ *\d+:", out, re.M), "ls of %s: %s%s" % (name, out[:300], err))
        t.check(inlined or "\n%s in " % name in out, "disass of %s: %s%s" % (name, out[:300], err))


def crashed(core, program):
    out, _, _ = s.corectl("stack", core, program)
    return int(re.search(r"^thread 1 \(tid (\d+)", out, re.M).group(1))


def same_name(ours, theirs):
    """gdb writes C++ names with their parameters, and libc's by their linkage name (__GI_raise)."""
    ours, theirs = (re.split(r"[({]", re.sub(r"^_*(GI_+)?", "", n))[0] for n in (ours, theirs))
    return ours == theirs


def check_gdb(t, ours, reference, prefix):
    t.equal(sorted(ours), sorted(reference), "threads")
    for tid, ref in reference.items():
        theirs, mine = ref["frames"], s.tail_calls_as_gdb(ours.get(tid, []), ref["frames"])
        if prefix:
            theirs, mine = theirs[:prefix], mine[:prefix]
        same = t.equal(["%#x" % f["pc"] for f in mine], ["%#x" % f[0] for f in theirs],
                       "pcs of thread %d\n  ours %s\n  gdb  %s" % (
                           tid, [f["name"] for f in mine], [f[2] for f in theirs]))
        if not same:
            continue
        for number, (a, b) in enumerate(zip(mine, theirs)):
            if b[2] and (b[5] or b[1] == "signal"):
                t.check(same_name(a["name"], b[2]), "thread %d frame %d: %s, gdb says %s" % (
                    tid, number, a["name"], b[2]))
            if b[3] and b[4] and b[5]:
                at = a["at"].split(" ")[0]
                t.check(at.endswith("%s:%d" % (os.path.basename(b[3]), b[4])),
                        "thread %d frame %d: at %s, gdb says %s:%d" % (tid, number, at, b[3], b[4]))


def dwz(program, to):
    if not shutil.which("dwz"):
        s.skip("dwz is not installed")
    made = subprocess.run(["dwz", "-o", to, program], capture_output=True, text=True)
    if made.returncode:
        s.skip(made.stderr)
    return to


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dwz", action="store_true")
    p.add_argument("--lossy", action="store_true")
    p.add_argument("--gdb-prefix", type=int, default=0)
    p.add_argument("--chain")
    p.add_argument("--says", help="text that bt must hold")
    p.add_argument("--status", type=int, default=0)
    p.add_argument("--program")
    p.add_argument("fixture")
    p.add_argument("args", nargs="*")
    o = p.parse_args()
    t = s.Failures()
    work = s.workdir()
    program = o.program or os.path.join(s.FIXTURES, o.fixture)
    if not os.path.exists(program):
        s.skip(program + " was not built")
    if o.dwz:
        program = dwz(program, os.path.join(work, o.fixture))
    core, log = work + "/core", work + "/log"
    open(log, "w").close()
    s.make_core(program, core, o.args, log=log)
    before = s.fingerprint(core), s.fingerprint(program)

    out, err, status = s.corectl(core, program, *BT)
    t.check(status == o.status, "status %d, wanted %d: %s" % (status, o.status, err))
    threads = s.parse_bt(out)
    frames = [(f["name"], f["words"]) for fs in threads.values() for f in fs]
    t.check(frames, "no frames in:", out[:2000])
    t.check(("clone3", "") not in frames, "an assembler function's parameters are not known")
    if o.chain:
        names = ",".join(name for name, _ in frames)
        t.check("," + o.chain + "," in "," + names + ",", o.chain, "not in", names)
    t.check(not o.says or o.says in out, "bt does not say %s: %s" % (o.says, out[:2000]))
    first = next(iter(threads.values()))
    for n in (1, 2, 5):
        out, _, _ = s.corectl(core, program, "-batch", "-ex", "bt %d" % n)
        t.equal(next(iter(s.parse_bt(out).values())), first[:n], "bt %d" % n)
    calls, raw = logged(log)
    t.check(calls, "the fixture logged nothing")
    check_log(t, calls, frames, o.lossy, "bt")
    check_bytes(t, raw, frames, o.lossy)
    if not o.lossy and not o.status:
        check_names(t, core, program, calls)

    trace, _, status = s.corectl("stack", core, program)
    s.check_read_back(t, trace, "corectl stack")
    t.equal(status, o.status, "status of corectl stack")
    shown = [f[:2] for _, fs in s.parse_trace(trace) for f in fs]
    if "~" not in trace:
        check_log(t, calls, shown, o.lossy, "stack")
    t.check(re.search(r"^(\d+) of \1 threads shown$", trace, re.M), "last line:", trace[-200:])

    reference = s.gdb_reference(core, program)
    check_gdb(t, threads, reference, o.gdb_prefix)
    check_registers(t, core, program, reference)

    other, _, _ = s.corectl(core, program, "-batch", "-ex", "set unwinder libunwind",
                            "-ex", "thread apply all bt")
    other = s.parse_bt(other)
    for tid, mine in threads.items():
        # After a call to nowhere libunwind follows the frame pointer and loses the caller.
        nowhere = os.path.basename(program) in ("nullcall", "wildjump")
        n = 2 if nowhere else o.gdb_prefix or len(mine)
        t.equal(["%#x" % f["pc"] for f in other.get(tid, [])[:n]],
                ["%#x" % f["pc"] for f in mine[:n]], "libunwind's pcs of thread %s" % tid)
    t.equal((s.fingerprint(core), s.fingerprint(program)), before, "core and program untouched")
    t.exit()


main()
