"""What signal calls report and do is the same with libstack and without."""
import difflib
import glob
import os
import re
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


def compare(t, wanted, got, what):
    diff = list(difflib.unified_diff(wanted, got, "without", what, lineterm="", n=1))
    t.check(not diff, what, "\n" + "\n".join(diff[:60]))


def check_static(t):
    """libstack.a, reached by the linker's --wrap: all but the masks that siglongjmp(3) sets."""
    work, build = s.workdir(), os.path.dirname(lib.LIBRARY)
    archive = build + "/libstack-core.a"
    names = set(re.findall(r" T __wrap_(\w+)$", subprocess.run(
        ["nm", archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode(), re.M))
    t.check(len(names) > 30, "names in libstack.a:", names)
    cc = ["cc", "-D_GNU_SOURCE", "-g", "-w", "-static", "-pthread",
          *glob.glob(s.SOURCE + "/tests/live/view*.c")]
    ours = ["-Wl,--undefined=libstack_version", archive]
    wraps = ["-Wl,--wrap=" + n for n in sorted(names)]
    for name, more in (("without", []), ("unwrapped", ours), ("wrapped", wraps + ours)):
        made = subprocess.run([*cc, "-o", work + "/" + name, *more], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE)
        if made.returncode and name == "without":
            print("SKIPPED in part: no static libc")
            return
        t.equal(made.returncode, 0, "linking, %s: %s" % (name, made.stderr.decode()[-2000:]))
    env = lib.environment(False, LIBSTACK_HELPER=build + "/libstack-helper")
    keep = lambda text: [x for x in text.splitlines()
                         if not re.match(r"after (the jump|longjmp)", x)]
    wanted, _ = output(t, work + "/without", env, "static, without")
    got, err = output(t, work + "/wrapped", env, "static, wrapped")
    compare(t, keep(wanted), keep(got), "static")
    t.check(lib.reports(err) > 3, "static: reports:", lib.reports(err))


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
            compare(t, wanted.splitlines(), got.splitlines(), name + ", " + what)
            t.check(lib.reports(err) > 3, name, what, "reports:", lib.reports(err))
    check_static(t)
    t.exit()


main()
