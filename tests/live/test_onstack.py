"""Handlers with SA_ONSTACK run and see the same with libstack and without; test_onstack.py PROGRAM LINKED."""
import difflib
import subprocess
import sys

import lib
from lib import s

PROGRAM, LINKED = sys.argv[1], sys.argv[2]
# A second signal after a handler for one time, by way of once_fault, once_raise and once_renewed.
REPORTS = 3


def output(t, program, env, what):
    done = subprocess.run([program], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=110)
    t.equal(done.returncode, 0, what)
    return done.stdout.decode(), done.stderr.decode()


def main():
    t = s.Failures()
    wanted, _ = output(t, PROGRAM, lib.environment(False), "without")
    t.check(len(wanted.splitlines()) > 450, "only", len(wanted.splitlines()), "lines")
    for what, program, preload, more in (
            ("preloaded", PROGRAM, True, {}), ("linked", LINKED, False, {}),
            ("preloaded, late", PROGRAM, True, {"LIBSTACK_TRACEBACK": "off"}),
            ("linked, late", LINKED, False, {"LIBSTACK_TRACEBACK": "off"})):
        got, err = output(t, program, lib.environment(preload, **more), what)
        diff = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "without", what,
                                         lineterm="", n=1))
        t.check(not diff, what, "\n" + "\n".join(diff[:60]))
        t.equal(lib.reports(err), REPORTS, what + ": reports")
    t.exit()


main()
