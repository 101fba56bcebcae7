"""The library begins before all others, and waits for those that stand before what it calls."""
import signal
import sys

import lib
from lib import s

PROGRAM, LINKED, BEFORE = sys.argv[1:]
FRAMES = {"lib": ["boom_at", "lib"], "own": ["boom_at", "own"], "main": ["boom_at", "main"],
          "end": ["boom_at", "end"]}


def one(t, what, program, preload, where, heads, **more):
    env = lib.environment(False, WHERE=where, LD_PRELOAD=preload, **more)
    without = lib.Run([program], lib.environment(False, WHERE=where)) if program == PROGRAM else None
    r = lib.Run([program], env)
    t.equal(r.status, -signal.SIGSEGV if where in FRAMES else 0, what)
    if without:
        t.equal((r.status, r.out), (without.status, without.out), what + ": as without")
    t.equal(lib.reports(r.err), heads, what + ": reports\n" + r.err[:500])
    if heads:
        frames = [f[0] for f in s.parse_trace(r.err)[0][1]]
        t.equal(frames[:2], FRAMES[where], what)
    return r


def main():
    t = s.Failures()
    for where in ("lib", "own", "main", "end", "nowhere"):
        heads = int(where in FRAMES)
        one(t, "preloaded, " + where, PROGRAM, lib.LIBRARY, where, heads)
        one(t, "linked, " + where, LINKED, None, where, heads)
        # What stands before is not ready while libraries are initialised.
        late = 0 if where == "lib" else heads
        for order in ("%s %s", "%s:%s"):
            one(t, "with another library, " + where, PROGRAM, order % (lib.LIBRARY, BEFORE), where,
                late)
            one(t, "behind another library, " + where, PROGRAM, order % (BEFORE, lib.LIBRARY),
                where, late)
    # The environment is read all the same.
    one(t, "none", PROGRAM, lib.LIBRARY, "main", 0, LIBSTACK_TRACEBACK="off")
    r = one(t, "not known", PROGRAM, lib.LIBRARY, "nowhere", 0, LIBSTACK_SIGQUIT="perhaps")
    t.check("libstack: LIBSTACK_SIGQUIT=perhaps is not known" in r.err, r.err)
    t.exit()


main()
