"""Stacks that only a careful unwinder walks: in the core, in the report and in process."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

# (name, mark), innermost first, from the program's own innermost function to its outermost.
# The names are the debug information's; the report in process has those of .symtab.
CHAINS = {
    "wide": [("on_fault", ""), ("stub_wide", "signal frame"), ("by_stub", ""), ("main", "")],
    "narrow": [("on_fault", ""), ("stub_narrow", "signal frame"), ("by_stub", ""), ("main", "")],
    "cleared": [("on_fault", ""), ("stub_cleared", "signal frame"), ("by_stub", ""), ("main", "")],
    "pushed": [("on_fault", ""), ("stub_pushed", "signal frame"), ("by_stub", ""), ("main", "")],
    "landing": [("on_fault", ""), ("stub_landing", "signal frame"), ("by_stub", ""), ("main", "")],
    "up": [("inner", ""), ("hop", ""), ("on_stack", ""), ("middle", ""), ("on_stack", ""),
           ("switched", ""), ("main", "")],
    "down": [("inner", ""), ("hop", ""), ("on_stack", ""), ("middle", ""), ("on_stack", ""),
             ("switched", ""), ("main", "")],
    "trap": [("fail", ""), ("work", ""), ("main", "")],
    "smash": [("victim", ""), ("??", "")],
    "function": [("returns_to", "")],
    "empty": [("returns_to", "")],
    "padded": [("returns_to", "")],
    "zero": [("returns_to", "")],
    "thread": [("returns_to", "")],
    "own": [("inner", ""), ("hop", "")],
    "leaf": [("leaf", ""), ("calls_leaf", ""), ("main", "")],
    "array": [("array", ""), ("calls_array", "by frame pointer"), ("main", "")],
    "pointed": [("leaf", ""), ("calls_pointed", ""), ("main", "")],
    "early": [("descend", ""), ("descend", ""), ("descend", ""), ("begin", "")],
}
# How the reason ends why a stack is not complete.
NO_CALL = "no call stands before the return address"
ENDS = {"smash": "in no code", "function": NO_CALL, "empty": NO_CALL, "padded": NO_CALL,
        "zero": "where the stack begins", "thread": "where the stack begins"}
# The process itself asks no symbols where a function begins: it guesses, and says so.
BY_SYMBOL = {"pointed"}
STOPPED = re.compile(r"^ *stopped: (.*)$", re.M)
MARK = re.compile(r" \((signal frame|by frame pointer|scanned)\)")


def chain(frames, first):
    """From the first frame of that name on, the loader's and libc's own left out."""
    names = [f[0] for f in frames]
    at = names.index(first) if first in names else 0
    marks = [(name, (MARK.search(where) or ["", ""])[1]) for name, where in frames[at:]]
    known = {n for wanted in CHAINS.values() for n, _ in wanted}
    return [m for m in marks if m[0] in known]


def check(t, how, frames, stopped, where):
    t.equal(chain(frames, CHAINS[how][0][0]), CHAINS[how], how + ", " + where)
    # Where a stack of libc's begins the process itself does not know.
    wanted = [ENDS[how]] if how in ENDS and (where != "in process" or "where" not in ENDS[how]) else []
    ends = [re.sub(" 0x[0-9a-f]+$", "", m) for m in stopped]
    t.equal([m[-len(ENDS.get(how, "")):] for m in ends], wanted, how + ", the end, " + where)


def walk(t, how, program, *args):
    core = s.workdir() + "/core"
    s.make_core(program, core, args)
    out, _, status = s.corectl(core, program, "-batch", "-ex", "bt")
    frames = [(f["name"], f["at"]) for f in s.parse_bt(out).get(None, [])]
    check(t, how, frames, STOPPED.findall(out), "core")
    t.equal(status, 1 if how in ENDS else 0, how + ", status")
    for helper in (None,) if how in BY_SYMBOL else (None, "/dev/null"):
        run = lib.Run([program, *args], lib.environment(True, LIBSTACK_HELPER=helper))
        traces = s.parse_trace(s.from_head(run.err))
        frames = [(f[0], f[2]) for f in traces[0][1]] if traces else []
        check(t, how, frames, STOPPED.findall(run.err), "in process" if helper else "report")


def scanned(t):
    """What a scan leads to is a guess to the end."""
    program, core = os.path.join(s.FIXTURES, "nofp"), s.workdir() + "/core"
    s.make_core(program, core, ["lost"])
    out, _, status = s.corectl(core, program, "-batch", "-ex", "bt")
    marks = ["(scanned)" in f["at"] for f in s.parse_bt(out)[None]]
    t.check(True in marks and all(marks[marks.index(True):]), "scanned to the end", out)
    t.equal(STOPPED.findall(out), ["what is marked as scanned is a guess"], "the end")
    t.equal(status, 1, "status")
    run = lib.Run([program, "lost"], lib.environment(True, LIBSTACK_HELPER="/dev/null"))
    t.equal(STOPPED.findall(run.err), ["what is marked as scanned is a guess"], "in process")


def main():
    t = s.Failures()
    for how in CHAINS:
        if how == "early":
            walk(t, how, os.path.join(s.FIXTURES, "early_program"))
        else:
            walk(t, how, os.path.join(s.FIXTURES, "strange"), how)
    scanned(t)
    t.exit()


main()
