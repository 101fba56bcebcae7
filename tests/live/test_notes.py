"""Notes and headers of cores that other writers than Linux's kernel make: right, or said."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from editcore import Edit
from elfcore import AUXV, FILES, FPREGSET, PRPSINFO, PRSTATUS

ENDS = "end beyond all addresses"


def main():
    t = s.Failures()
    work = s.workdir()
    prog, core, log = os.path.join(s.FIXTURES, "words"), work + "/core", work + "/log"
    s.make_core(prog, core, log=log, way="kernel")
    (name, words), = [line.split(" ", 2)[1:] for line in open(log).read().splitlines()
                      if line.startswith("ARGS example ")]
    call = "%s(%s)" % (name, words)

    def look(edit, what, says=(), head=", 1 thread.\n", **kwargs):
        path = edit.write(work + "/edited", **kwargs)
        out, err, status = s.corectl(path, prog, "-batch", "-ex", "bt")
        t.check(" in " + call + "\n" in out, "%s: %s is in %s%s" % (what, call, out, err))
        t.check(head in err, "%s: head %s" % (what, err))
        remarks = s.remarks(err)
        t.equal((remarks.count("\n"), status), (len(says), 1 if says else 0), what + ": " + remarks)
        for text in says:
            t.check(text in remarks, "%s: %s" % (what, remarks))

    look(Edit(core), "nothing changed")

    # What others put there has types of its own.
    e = Edit(core)
    e.notes += [[b"Someone\0", kind, b"x" * 400] for kind in (PRSTATUS, FPREGSET, PRPSINFO, AUXV, FILES)]
    look(e, "another owner's notes, last")
    e = Edit(core)
    e.notes[:0] = [[b"GNU\0", 1, struct.pack("<IIII", 0, 3, 2, 0)], [b"GNU\0", 3, bytes(range(20))]]
    look(e, "GNU's notes, first")
    e = Edit(core)
    e.notes += [list(e.note(FILES)), list(e.note(AUXV)), list(e.note(PRPSINFO))]
    look(e, "notes that come twice")
    e = Edit(core)
    e.notes = [[owner.rstrip(b"\0"), kind, desc] for owner, kind, desc in e.notes]
    look(e, "owners without their NUL")
    look(Edit(core), "padded to 8", align=8)
    look(Edit(core), "said to be padded to 8, padded to 4", claimed=8)

    # Whose number is not known.
    pid, = struct.unpack_from("<i", Edit(core).note(PRPSINFO)[2], 24)
    e = Edit(core)
    e.patch(PRSTATUS, 32, "<i", 0)
    look(e, "the only thread without a number", head="in thread 1 (tid %d \"words\")" % pid)
    e.patch(PRPSINFO, 24, "<i", 0)
    look(e, "no number at all", ["numbers of 1 of its 1 threads: tid 0 stands for what is not known"],
         head="words', 1 thread.\n")
    e.patch(PRPSINFO, 56, "80s", b"")
    look(e, "no arguments", ["tid 0 stands"], head="of `words', 1 thread.\n")

    # A range that wraps: the first segment without bytes.
    e = Edit(core)
    bare = next(h for h in e.headers if h[0] == 1 and not h[5])
    bare[6] = 2**64 - 4096
    look(e, "a size that wraps", ["0x%x bytes at 0x%x %s" % (2**64 - 4096, bare[3], ENDS)])

    # Other systems and machines.
    def refused(what, wanted, change):
        e = Edit(core)
        change(e)
        out, err, status = s.corectl(e.write(work + "/edited"), prog, "-batch", "-ex", "bt")
        t.equal((out, err, status), ("", "corectl: %s/edited: a core of %s\n" % (work, wanted), 2), what)

    def owner(name, system_byte=0):
        def change(e):
            e.data[7] = system_byte
            e.notes = [[name, kind, desc] for _, kind, desc in e.notes]
        return change

    def machine(number, wide, big):
        def change(e):
            e.data[4], e.data[5] = 2 if wide else 1, 2 if big else 1
            struct.pack_into(">HH" if big else "<HH", e.data, 16, 4, number)
        return change

    linux = "; cores of Linux can be read"
    refused("FreeBSD's EI_OSABI", "FreeBSD" + linux, lambda e: e.data.__setitem__(7, 9))
    refused("FreeBSD's notes", "FreeBSD" + linux, owner(b"FreeBSD\0"))
    refused("NetBSD's notes", "NetBSD" + linux, owner(b"NetBSD-CORE@1\0"))
    refused("OpenBSD's notes", "OpenBSD" + linux, owner(b"OpenBSD\0"))
    ours = "; x86-64 cores can be read"
    refused("x32", "architecture x32 (32-bit)" + ours, machine(62, False, False))
    refused("s390x", "architecture IBM S/390 (64-bit, big-endian)" + ours, machine(22, True, True))
    refused("m68k", "architecture Motorola 68000 (32-bit, big-endian)" + ours, machine(4, False, True))
    refused("alpha", "architecture Alpha (64-bit)" + ours, machine(0x9026, True, False))
    refused("a new one", "architecture number 4242 (64-bit)" + ours, machine(4242, True, False))

    # What is no core at all.
    for begin, wanted in (("ProblemType: Crash\n", "a report of apport: apport-unpack REPORT FOLDER"),
                          ("MDMP\x93\xa7", "a minidump of breakpad")):
        with open(work + "/report", "w") as f:
            f.write(begin + "Date: today\n")
        for args in ((prog, work + "/report"), ("core", work + "/report"), (work + "/report", prog)):
            out, err, status = s.corectl(*args, "-batch")
            t.equal((out, err.startswith("corectl: %s/report: %s" % (work, wanted)), status),
                    ("", True, 2), "%s %s: %s" % (begin[:8], args, err))
    t.exit()


main()
