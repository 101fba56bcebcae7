"""Handlers with SA_ONSTACK run and see the same with libstack and without; test_onstack.py PROGRAM LINKED."""
import difflib
import glob
import os
import re
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


def compare(t, wanted, program, env, what):
    got, err = output(t, program, env, what)
    diff = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "without", what,
                                     lineterm="", n=1))
    t.check(not diff, what, "\n" + "\n".join(diff[:60]))
    t.equal(lib.reports(err), REPORTS, what + ": reports")


def check_static(t, wanted):
    """libstack.a, reached by the linker's --wrap."""
    work, build = s.workdir(), os.path.dirname(lib.LIBRARY)
    archive = build + "/libstack-core.a"
    names = set(re.findall(r" T __wrap_(\w+)$", subprocess.run(
        ["nm", archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode(), re.M))
    cc = ["cc", "-D_GNU_SOURCE", "-g", "-w", "-static", "-pthread", *glob.glob(s.SOURCE + "/tests/live/onstack*.c")]
    if subprocess.run([*cc, "-o", work + "/without"], stderr=subprocess.DEVNULL).returncode:
        print("SKIPPED in part: no static libc")
        return
    made = subprocess.run([*cc, "-o", work + "/static", *("-Wl,--wrap=" + n for n in sorted(names)),
                           "-Wl,--undefined=libstack_version", archive], stderr=subprocess.PIPE)
    if t.equal(made.returncode, 0, "linking: " + made.stderr.decode()[-2000:]):
        compare(t, wanted, work + "/static",
                lib.environment(False, LIBSTACK_HELPER=build + "/libstack-helper"), "static")


def main():
    t = s.Failures()
    wanted, _ = output(t, PROGRAM, lib.environment(False), "without")
    t.check(len(wanted.splitlines()) > 450, "only", len(wanted.splitlines()), "lines")
    for what, program, preload, more in (
            ("preloaded", PROGRAM, True, {}), ("linked", LINKED, False, {}),
            ("preloaded, late", PROGRAM, True, {"LIBSTACK_TRACEBACK": "off"}),
            ("linked, late", LINKED, False, {"LIBSTACK_TRACEBACK": "off"})):
        compare(t, wanted, program, lib.environment(preload, **more), what)
    check_static(t, wanted)
    t.exit()


main()
