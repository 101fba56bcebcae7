"""Who waits for all children with __WALL sees its own alone, while reports are made."""
import sys

import lib
from lib import s

PROGRAM, LINKED = sys.argv[1:]
DUMPS, WAYS = 4, 11


def main():
    t = s.Failures()
    wanted = lib.Run([PROGRAM, "0"], lib.environment(False)).out
    t.equal(len(wanted.splitlines()), WAYS, "without: " + wanted)
    t.equal(wanted.count(": own 1 others 0, end No child processes"), WAYS, "without: " + wanted)
    for program, preload in ((PROGRAM, True), (LINKED, False)):
        what = "preloaded" if preload else "linked"
        r = lib.Run([program, str(DUMPS)], lib.environment(preload, LIBSTACK_SIGQUIT="continue"),
                    timeout=100)
        t.equal(r.out, wanted, what)
        t.equal(r.status, 0, what)
        t.equal(lib.reports(r.err), DUMPS * WAYS, what + ": reports")
        t.equal(r.err.count(" of 2 threads shown\n"), DUMPS * WAYS, what + ": ends")
        t.check("[tier" not in r.err, what, r.err[:2000])
    t.exit()


main()
