"""Under valgrind a crash is reported in process, and the end is that under valgrind alone."""
import os
import re
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s


def main():
    valgrind = shutil.which("valgrind")
    if not valgrind:
        s.skip("valgrind is not installed")
    t = s.Failures()
    argv = [valgrind, "-q", os.path.join(os.environ["FIXTURES"], "words")]
    bare, run = (lib.Run(argv, lib.environment(preload)) for preload in (False, True))
    if "unhandled dwarf2" in bare.err:
        s.skip("this valgrind does not read what the compiler writes")
    t.equal(run.status, bare.status, "status")
    t.equal(run.status, -signal.SIGABRT, "status by abort()")
    t.equal(len(s.HEAD.findall(run.err)), 1, "headers")
    t.equal(re.findall(r"^\[.*\]$", run.err, re.M),
            ["[tier 1 failed: valgrind starts no helper; continuing in process]"], "notes")
    t.equal(re.findall(r"^\d+ of .*$", run.err, re.M), ["1 of 1 threads shown"], "last lines")
    t.exit()


main()
