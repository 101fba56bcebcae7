"""Debug information that is well formed and wrong: a table of rows, a test each.

Each row changes one thing in the description of a small program: _start calls main, main calls
outer, outer calls inner, and inner faults; every function has two parameters. corectl must end
within the deadline, by no signal, and show what the row says: the right answer, or `_`, `(...)` and
marks where there is none. The right answer is what the program was written with.

wrong.py --list | wrong.py ROW      KEEP=FOLDER leaves the row's program and core there
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
import wrong_rows  # noqa: F401: fills ROWS
from wrong_program import NAMES, ROWS, WORDS, Program

DEADLINE = 10
EXPLORE = ("thread apply all bt", "args", "ls", "frame 1", "args", "ls", "disass", "ls inner", "x/8x $sp",
           "modules", "set unwinder libunwind", "bt")


def sound(wanted):
    frames = {n: "(%s) t.c:12" % ", ".join("%#x" % w for w in WORDS.get(n, ())) for n in NAMES}
    frames.update({k: v for k, v in wanted.items() if k != "frames"})
    return wanted.get("frames") or [n + frames[n] for n in NAMES]


def shown(out):
    frames = []
    for threads in s.parse_bt(out).values():
        frames += ["%s(%s) %s" % (f["name"], f["words"], f["at"].replace("/src/", "")) for f in threads]
    return frames


def run(paths, *commands):
    """(stdout, stderr, status), or None at the deadline."""
    args = [a for c in commands for a in ("-ex", c)]
    try:
        return s.corectl(*paths, "-batch", *args, timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        print("no end within %d s: %s" % (DEADLINE, ", ".join(commands)))
        return None


def check(t, name, folder):
    change, status, said, answers, wanted = ROWS[name]
    p = Program()
    change(p)
    paths = p.write(folder)
    done = run(paths, "bt")
    if t.check(done, name, "bt"):
        out, err, got = done
        t.equal(shown(out), sound(wanted), name + ": frames")
        t.check(got == status and said in s.remarks(err), name, "status", got, err)
    for command, answer in answers.items():
        done = run(paths, command)
        if t.check(done, name, command) and answer is not None:
            t.equal(done[0].strip(), answer, name + ": " + command)
    t.check(run(paths, *EXPLORE), name, "all commands")


def main():
    if sys.argv[1] == "--list":
        print("\n".join(ROWS))
        return
    t = s.Failures()
    folder = os.environ.get("KEEP") or s.workdir()
    for name in sys.argv[1:]:
        check(t, name, folder)
    t.exit()


if __name__ == "__main__":
    main()
