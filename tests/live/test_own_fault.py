"""test_own_fault.py PROGRAM: what a report reads in vain does not reach the program's own handler."""
import os
import re
import select
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s


END = re.compile(rb"^\d+ of \d+ threads shown.*\n\Z", re.M)


def main():
    t = s.Failures()
    for helper in (None, "/nowhere"):
        env = lib.environment(True, LIBSTACK_SIGQUIT="continue", LIBSTACK_HELPER=helper)
        p = subprocess.Popen([sys.argv[1]], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.readline()
        err = b""
        for _ in range(3):
            os.kill(p.pid, signal.SIGQUIT)
            while not END.search(err) and select.select([p.stderr], [], [], 60)[0]:
                piece = os.read(p.stderr.fileno(), 65536)
                if not piece:
                    break
                err += piece
            t.check(err.endswith(b"\n2 of 2 threads shown\n"), helper, err[-300:])
            t.check(b"\nlost(" in err or b"\n??(" in err, helper, "the thread is not there")
            err = b""
        p.stdin.close()
        t.equal(p.wait(30), 0, "faults seen by the program, helper %s" % helper)
    t.exit()


main()
