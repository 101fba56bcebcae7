"""A stack overflow: every call of the recursion with its words, the end of the stack, the elision."""
import os
import re
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

MASK = (1 << 64) - 1


def expected(depth):
    """Words of the calls descend(left, total), the outermost first: -1 and 0, then as the source adds."""
    left, total = MASK, 0
    for _ in range(depth):
        yield "0x%x, 0x%x" % (left, total)
        left, total = (left - 1) & MASK, (total + left) & MASK


def check_bt(t, frames):
    names = [f["name"] for f in frames]
    depth = names.index("main")
    t.check(depth > 1000, "only %d calls" % depth)
    t.equal(set(names[:depth]), {"descend"}, "calls above main")
    t.equal(names[-1], "_start", "the stack's base")
    wanted = list(expected(depth))[::-1]
    wrong = [i for i in range(1, depth) if frames[i]["words"] != wanted[i]]
    t.check(not wrong, "%d calls with other words, the first: frame %s shows %s, was called with %s" % (
        len(wrong), wrong[:1], wrong and frames[wrong[0]]["words"], wrong and wanted[wrong[0]]))
    t.check(frames[0]["words"] in (wanted[0], "_, _"), "the call that overflowed:", frames[0])
    return depth


def check_stack(t, trace, depth):
    elided = re.search(r"^\.\.\.(\d+) frames elided\.\.\.$", trace, re.M)
    if t.check(elided, "nothing is elided:", trace[:2000]):
        t.equal(int(elided.group(1)), depth + 1 - 100, "elided frames")
    (_, first), = [x for x in s.parse_trace(trace[:elided.start()])]
    t.equal(len(first), 50, "frames before the elision")
    wanted = list(expected(50))[::-1]
    after = re.findall(r"^(descend|main)\((.*)\)$", trace[elided.end():], re.M)
    t.equal([w for _, w in after[:-1]], wanted[1:], "the last calls")
    t.equal(after[-1][0], "main", "the last call")
    t.check("stopped:" not in trace, "the stack does not end")


def main():
    t = s.Failures()
    work = s.workdir()
    core, program = work + "/core", os.path.join(s.FIXTURES, "deep")
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (512 << 10, hard))
    s.make_core(program, core, ["overflow"], log=work + "/log")
    out, err, status = s.corectl(core, program, "-batch", "-ex", "bt", "-ex", "siginfo")
    t.equal(status, 0, "status of bt: " + err)
    t.check("(SIGSEGV: segmentation violation)" in out, "siginfo", out[-300:])
    depth = check_bt(t, s.parse_bt(out)[None])
    with open(work + "/log") as f:
        t.check("ARGS descend 0x%x, 0x0\n" % MASK in f.read(), "the fixture's log")
    trace, err, status = s.corectl("stack", core, program)
    t.equal(status, 0, "status of corectl stack: " + err)
    check_stack(t, trace, depth)
    t.exit()


main()
