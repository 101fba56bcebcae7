"""With libstack as many threads start as without it, and each has an alternate stack with a guard below;
test_crowd.py PROGRAM."""
import re
import subprocess
import sys

import lib
from lib import s

PROGRAM = sys.argv[1]
# Of 65,530 mappings libc takes two for each.
MANY = 31000
PROTECTED = 4096  # guards by mprotect(2)


def run(n, preload):
    done = subprocess.run([PROGRAM, str(n)], env=lib.environment(preload), timeout=110,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def main():
    t = s.Failures()
    rc, out, err = run(2000, True)
    t.equal((rc, err), (0, ""), "2000")
    t.equal(out, "main: given 1 guarded 1 seen 0\nmade 2000 all\ngiven 2000 guarded 2000 seen 0\n", "2000")
    rc, bare, _ = run(MANY, False)
    if "made %d all" % MANY not in bare:
        print("SKIPPED in part: without libstack, too,", bare)
        t.exit()
    rc, out, err = run(MANY, True)
    t.equal((rc, err), (0, ""), "many")
    t.equal(re.sub(r"guarded \d+ seen 0\n$", "", out),
            "main: given 1 guarded 1 seen 0\nmade %d all\ngiven %d " % (MANY, MANY), "many")
    guarded = int(re.findall(r"guarded (\d+)", out)[-1])
    t.check(guarded == MANY or guarded >= PROTECTED - 1, "guarded:", guarded)
    t.exit()


main()
