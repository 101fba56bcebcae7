"""Call frame information that leads back down the stack: the stack ends, and says why."""
import os
import re

import lib
from lib import s

STOPPED = re.compile(r"^ *stopped: the stack does not go on above 0x[0-9a-f]+: it is damaged$", re.M)


def main():
    t = s.Failures()
    program, core = os.path.join(s.FIXTURES, "circle"), s.workdir() + "/core"
    s.make_core(program, core)
    for unwinder in ("own", "libunwind"):
        out, err, status = s.corectl(core, program, "-batch", "-ex", "set unwinder " + unwinder, "-ex", "bt")
        names = [f["name"] for fs in s.parse_bt(out).values() for f in fs]
        t.equal(status, 1, err)
        t.equal(names[0], "circle", unwinder)
        t.check(len(names) < 5, unwinder, names)
        t.check(unwinder != "own" or STOPPED.search(out), out)
    r = lib.Run([program], lib.environment())
    t.check(STOPPED.search(r.err), r.err)
    t.check(r.err.endswith("\n1 of 1 threads shown\n"), r.err)
    t.exit()


main()
