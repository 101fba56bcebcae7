"""test_steps.py COMPILER LEVEL: the words of functions at each of their instructions, and at a return that faults."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

HERE = os.path.dirname(os.path.abspath(__file__))


def steps(t, path):
    run = lib.Run([path], lib.environment(LIBSTACK_TRACEBACK="system"))
    with open(run.log) as f:
        calls = dict(line.rstrip("\n").split(" ", 2)[1:] for line in f)
    t.equal((run.status, len(calls)), (0, 6), "functions " + run.err[:500])
    seen = dict.fromkeys(calls, 0)
    whole = dict(seen)
    for name, words in re.findall(r"^(\w+)\((.*)\)$", run.out, re.M):
        if name in calls:
            seen[name] += 1
            whole[name] += words == calls[name]
            t.check(s.words_match(words, calls[name], True), name, calls[name], "shown", words)
    for name in calls:
        t.check(seen[name] > 3 and whole[name], name, "shown", seen[name], "times, whole", whole[name])
    return seen, whole


def main():
    compiler, level = sys.argv[1:]
    t = s.Failures()
    work = s.workdir()
    if not shutil.which(compiler):
        s.skip(compiler + " is not installed")
    path, core, log = work + "/steps", work + "/core", work + "/log"
    subprocess.run([compiler, "-D_GNU_SOURCE", "-w", "-g", level, "-fno-stack-protector",
                    os.path.join(HERE, "steps.c"), "-o", path], check=True)
    print(*steps(t, path))
    open(log, "w").close()
    s.make_core(path, core, ["damaged"], log=log)
    if level == "-O0":
        with open(log) as f:
            name, words = f.read().rstrip("\n").split(" ", 2)[1:]
        out, _, _ = s.corectl("core", path, core, "-batch", "-ex", "bt")
        first = s.parse_bt(out)[None][0]
        t.equal((first["name"], first["words"]), (name, words), out)
    t.exit()


main()
