"""The functions of libstack.h, called from C++ with the constructor off."""
import re
import signal
import sys

import lib
from lib import s

SEGV = -signal.SIGSEGV


def main():
    t = s.Failures()

    def run(how, status, out, reports, **variables):
        r = lib.Run([sys.argv[1], how], lib.environment(False, **variables))
        t.equal((r.status, r.out, lib.reports(r.err)), (status, out, reports), how)
        return r

    run("not", SEGV, "", 0)
    r = run("plain", SEGV, "0\nDFL\n", 1)
    t.check(re.search(r"^crash\(0x1\)$", r.err, re.M), "plain:", r.err[:500])
    r = run("single", SEGV, "0\nDFL\n", 1)
    t.check(re.search(r"^crash\(depth=0x1\)$", r.err, re.M), "single:", r.err[:500])
    r = run("single", SEGV, "0\nDFL\n", 1, LIBSTACK_ARGS="none")
    t.check(re.search(r"^crash\(\.\.\.\)$", r.err, re.M), "the environment wins", r.err[:500])
    run("wrong", SEGV, "1\nDFL\n", 0)
    r = run("short", SEGV, "0\nDFL\n", 1)
    t.equal(len(r.err.splitlines()), 2, "short: the level is none")
    r = run("again", SEGV, "0 0\nDFL\n", 1)
    t.check("1 of 1 threads shown\n" in r.err, "again: the later options")
    run("uninstall", SEGV, "0 0 0\nDFL\n", 0)
    run("mine", 7, "0\nmine\n", 0)
    r = run("blocked", SEGV, "1\n", 1)
    t.check("2 of 2 threads shown\n" in r.err and "crash(0x2)" in r.err, "blocked:", r.err[:500])
    r = run("dump", 0, "0.1.0 0\n", 1)
    t.check(re.search(r"^thread 1 .*\nlibstack_dump\(.*\n.*\nmain\(", r.err, re.M), r.err[:500])
    run("plain", SEGV, "0\nDFL\n", 1, LIBSTACK_TRACEBACK="off")
    t.exit()


main()
