"""Wait status, siginfo and registers in the core are those of the fault without libstack."""
import os
import re
import signal
import struct
import subprocess

import lib
from lib import s

INSIDE = ("segv noncanonical bus fpe ill trap sys abort raise_segv raise_bus raise_fpe raise_ill "
          "raise_trap raise_sys raise_abrt raise_quit kill_sys queue").split()
SIGNALS = "SEGV BUS FPE ILL ABRT SYS TRAP QUIT".split()

# A signal frame has no orig_rax: after a system call it is that call's number in the core, with
# libstack it is -1 (docs/SIGNAL-SAFETY.md).
HIDDEN = {"orig_rax"}


def run(cause, level, program, preload, poke=None):
    return lib.Run([program, cause], lib.environment(preload, LIBSTACK_TRACEBACK=level),
                   poke=poke, fixed=True, core="unlimited")


def plain(notes, pid):
    """Registers and siginfo with the program's own pid taken out."""
    regs = {k: "pid" if v == pid else v for k, v in notes.regs.items() if k not in HIDDEN}
    info = bytearray(notes.siginfo)
    code = struct.unpack_from("<i", info, 8)[0]
    if code in (0, -1, -6) and struct.unpack_from("<i", info, 16)[0] in (pid, os.getpid()):
        info[16:20] = b"self"
    return regs, bytes(info)


def compare(t, what, program, cause, preload, poke=None):
    without = run(cause, "off", program, preload, poke)
    with_it = run(cause, "all", program, preload, poke)
    bare = run(cause, None, os.path.join(s.FIXTURES, "causes"), False, poke)
    t.equal(without.err, "", what + ": stderr without")
    t.equal(lib.reports(with_it.err), 1, what + ": reports")
    t.equal(with_it.status, without.status, what + ": status")
    t.equal(with_it.status, bare.status, what + ": status of a program without the library")
    if not t.check(without.core and with_it.core and bare.core, what + ": no core", with_it.err):
        return
    a, b, c = (lib.Notes(r.core) for r in (without, with_it, bare))
    (regs_a, info_a), (regs_b, info_b), (_, info_c) = (
        plain(n, r.pid) for n, r in ((a, without), (b, with_it), (c, bare)))
    t.equal(info_b.hex(), info_a.hex(), what + ": siginfo")
    # Addresses of code: libc is elsewhere without the library, and the linked program is another.
    if cause not in ("sys", "fpe", "ill"):
        t.equal(info_b.hex(), info_c.hex(), what + ": siginfo of a program without the library")
    t.equal({k: (v, regs_a[k]) for k, v in regs_b.items() if v != regs_a[k]}, {},
            what + ": registers (with, without)")
    t.equal((b.cursig, b.pending, b.held), (a.cursig, a.pending, a.held), what + ": signal sets")
    if cause in ("segv", "trap", "wait"):
        t.check(b.fp == a.fp and bytes.fromhex("efcdab8967452301") in b.fp,
                what + ": vector registers")


def by_kill1(sig):
    return lambda pid: subprocess.run(["kill", "-" + sig, str(pid)], check=True)


def main():
    lib.need_kernel_cores()
    t = s.Failures()
    for name, preload in (("causes", True), ("causes_linked", False)):
        program = os.path.join(s.FIXTURES, name)
        for cause in INSIDE:
            compare(t, name + " " + cause, program, cause, preload)
        for sig in SIGNALS:
            number = getattr(signal, "SIG" + sig)
            compare(t, "%s kill -%s" % (name, sig), program, "wait", preload,
                    lambda pid: os.kill(pid, number))
    # A sender that is another process than the test: si_pid is that one's.
    r = run("wait", "all", os.path.join(s.FIXTURES, "causes"), True, by_kill1("SEGV"))
    t.equal(r.status, -signal.SIGSEGV, "kill(1)")
    sender = re.search(r"sigcode=0 \(SI_USER\) from pid (\d+) uid %d$" % os.getuid(), r.err, re.M)
    t.check(sender, "kill(1): no sender in", r.err[:200])
    if sender and r.core:
        t.equal(struct.unpack_from("<i", lib.Notes(r.core).siginfo, 16)[0], int(sender.group(1)),
                "kill(1): sender in the core")
    t.exit()


main()
