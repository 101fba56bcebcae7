"""What signal calls report and do is the same with libstack and without."""
import difflib
import os
import signal
import subprocess
import sys

import lib
from lib import s

PROGRAM, LINKED = sys.argv[1], sys.argv[2]


def output(t, program, env, what, wrap=()):
    done = subprocess.run([*wrap, program], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    t.equal(done.returncode, 0, what)
    return done.stdout.decode(), done.stderr.decode()


def start(ignored, blocked):
    """A shell cannot block signals: Python can, for what it becomes."""
    code = ("import os, signal, sys\n"
            "for n in %r: signal.signal(n, signal.SIG_IGN)\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, %r)\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n" % (ignored, blocked))
    return ["/usr/bin/env", "-u", "LD_PRELOAD", sys.executable, "-c", code]


def main():
    t = s.Failures()
    cases = (("plain", ()),
             ("ignored and blocked", start([int(signal.SIGQUIT), int(signal.SIGILL)],
                                           [int(signal.SIGBUS), int(signal.SIGUSR1)])))
    for name, wrap in cases:
        wanted, _ = output(t, PROGRAM, lib.environment(False), name, wrap)
        t.check(len(wanted.splitlines()) > 700, name, "only", len(wanted.splitlines()), "lines")
        preload = wrap and [*wrap[:3], *wrap[3:-1],
                            wrap[-1].replace("os.execv", "os.environ['LD_PRELOAD'] = %r\nos.execv"
                                             % lib.LIBRARY)]
        env = lib.environment(not wrap)
        for what, program, e, w in (("preloaded", PROGRAM, env, preload),
                                    ("linked", LINKED, lib.environment(False), wrap)):
            got, err = output(t, program, e, name + ", " + what, w)
            diff = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "without",
                                             what, lineterm="", n=1))
            t.check(not diff, name + ",", what, "\n" + "\n".join(diff[:60]))
            t.check(lib.reports(err) > 3, name, what, "reports:", lib.reports(err))
    t.exit()


main()
