"""test_runtimes.py java | asan COMPILER | python: what other runtimes do with signals stays theirs."""
import os
import re
import shutil
import signal
import subprocess
import sys

import lib
from lib import s

HERE = os.path.dirname(os.path.abspath(__file__))


def java(t):
    if not shutil.which("java") or not shutil.which("javac"):
        s.skip("package openjdk-17-jdk-headless is not installed")
    work = s.workdir()
    quiet = "-XX:-UsePerfData" # leaves no /tmp/hsperfdata_USER
    subprocess.run(["javac", "-J" + quiet, "-nowarn", "-d", work, HERE + "/Crash.java"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    argv = [os.path.realpath(shutil.which("java")), quiet, "-Xmx64m", "-XX:ErrorFile=hs_err.log",
            "-cp", work, "Crash"]

    def run(preload, *more, poke=None):
        return lib.Run([*argv, *more], lib.environment(preload), poke=poke)

    def quit_and_end(pid):
        os.kill(pid, signal.SIGQUIT)

    for preload in (False, True):
        what = "java" + (", preloaded" if preload else "")
        r = run(preload)
        t.equal(r.out.splitlines()[:1], ["caught 100"], what + ": NULL checks " + r.err[:500])
        # 134 for a shell.
        t.equal(r.status, -signal.SIGABRT, what + ": status")
        log = os.path.join(r.dir, "hs_err.log")
        if t.check(os.path.exists(log), what + ": no hs_err report"):
            text = open(log, errors="replace").read()
            t.check("SIGSEGV (0xb)" in text and "si_addr: 0x0000000000000008" in text and
                    "END." in text, what + ": hs_err report", text[:500])
        t.check("A fatal error has been detected" in r.out + r.err, what + ": its message")
        # What the JVM handles is its own; the abort() at its end is ours.
        t.equal(re.findall(r"^SIG[A-Z]+: ", r.err, re.M), ["SIGABRT: "] if preload else [],
                what + ": our reports")
        r = run(preload, "2000", poke=quit_and_end)
        t.equal(r.status, 0, what + ": SIGQUIT " + r.err[:500])
        t.check("Full thread dump" in r.out and '"main"' in r.out, what + ": thread dump")
        t.check(r.out.rstrip().endswith("awake") or "awake\n" in r.out, what + ": goes on")
        t.equal(lib.reports(r.err), 0, what + ": our reports of SIGQUIT")


ASAN = r"""
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
	char *p = malloc(10);
	if (argc > 1 && !strcmp(argv[1], "free")) {
		free(p);
		return p[3];
	}
	if (argc > 1 && !strcmp(argv[1], "abort"))
		abort();
	*(volatile int *)(long)(argc - 2) = 1;
	return 0;
}
"""


def asan(t, compiler):
    if not shutil.which(compiler):
        s.skip(compiler + " is not installed")
    work = s.workdir()
    open(work + "/a.c", "w").write(ASAN)
    plain = [compiler, "-g", "-w", "-fsanitize=address", work + "/a.c"]
    linked = [*plain, "-Wl,--no-as-needed", lib.LIBRARY,
              "-Wl,-rpath," + os.path.dirname(lib.LIBRARY), "-o", work + "/linked"]
    for argv in ([*plain, "-o", work + "/plain"], linked):
        made = subprocess.run(argv, stderr=subprocess.PIPE)
        if made.returncode:
            s.skip("no address sanitizer for %s: %s" % (compiler, made.stderr.decode()[-200:]))

    def said(text):
        return re.findall(r"(?:ERROR|SUMMARY): AddressSanitizer:?\s+[A-Za-z-]+", text)

    for how, reports in (("free", 0), ("segv", 0), ("abort", 1)):
        wanted, got = (lib.Run([work + "/" + n, how], lib.environment(False, ASAN_OPTIONS=""))
                       for n in ("plain", "linked"))
        what = "%s asan %s" % (compiler, how)
        t.equal(got.status, wanted.status, what + ": status")
        t.equal(said(got.err), said(wanted.err), what + ": report")
        if how != "abort":
            t.check(len(said(got.err)) == 2, what, "no report of its own", got.err[:300])
        t.equal(lib.reports(got.err), reports, what + ": our reports")


def python(t):
    argv = ["/usr/bin/python3", "-X", "faulthandler", "-c"]
    if not os.path.exists(argv[0]):
        s.skip("no /usr/bin/python3")
    code = "import faulthandler, os, signal, sys\n" \
           "print(signal.getsignal(signal.SIGSEGV), signal.getsignal(signal.SIGQUIT), flush=True)\n"
    for cause, sig in (("faulthandler._sigsegv()", signal.SIGSEGV),
                       ("faulthandler._sigabrt()", signal.SIGABRT),
                       ("faulthandler._sigfpe()", signal.SIGFPE),
                       ("os.kill(os.getpid(), signal.SIGBUS)", signal.SIGBUS)):
        wanted, got = (lib.Run([*argv, code + cause], lib.environment(p)) for p in (False, True))
        own = got.err.split("\nSIG")[0]
        t.equal(got.status, wanted.status, cause + ": status")
        t.equal(got.status, -sig, cause + ": status")
        t.equal(got.out, wanted.out, cause + ": what it prints")
        strip = lambda text: re.sub(r"0x[0-9a-f]+", "0x", text).strip()
        t.equal(strip(own), strip(wanted.err), cause + ": its own output")
        t.check("Fatal Python error" in own, cause, "no output of its own")
        t.equal(lib.reports(got.err), 1, cause + ": our reports")
    # A handler in Python: the signal is its own.
    code = "import os, signal, time\n" \
           "signal.signal(signal.SIGQUIT, lambda *a: print('mine', flush=True))\n" \
           "os.kill(os.getpid(), signal.SIGQUIT)\n" \
           "signal.signal(signal.SIGQUIT, signal.SIG_DFL)\n" \
           "os.kill(os.getpid(), signal.SIGQUIT)\n"
    r = lib.Run(["/usr/bin/python3", "-c", code], lib.environment())
    t.equal((r.status, r.out, lib.reports(r.err)), (-signal.SIGQUIT, "mine\n", 1), "its handler")


def main():
    t = s.Failures()
    {"java": java, "asan": asan, "python": python}[sys.argv[1]](t, *sys.argv[2:])
    t.exit()


main()
