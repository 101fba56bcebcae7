"""A thread of the kernel that works for a process (io_uring's) has registers with nothing in them: no frames, and
the answer is whole. A core of the fixture threads, the registers of its second thread cleared."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import elfcore
from lib import s


def main():
    t = s.Failures()
    program, core = os.path.join(s.FIXTURES, "threads"), s.workdir() + "/core"
    s.make_core(program, core, ["3", "2"])
    threads = elfcore.Core(core).threads
    tid, regs = sorted(threads)[-1], threads[sorted(threads)[-1]]["regs"]
    with open(core, "r+b") as f:
        data = f.read()
        t.equal(data.count(regs), 1, "the registers in the file")
        f.seek(data.index(regs))
        f.write(bytes(len(regs)))
    n = len(threads)
    out, err, status = s.corectl("core", program, core, "-batch", "-ex", "thread apply all bt", "-ex", "threads")
    t.equal((s.remarks(err), status), ("", 0), "remarks and status")
    t.equal(out.count("\nno frames: it is a thread of the kernel\n"), 1, out)
    t.equal(len(s.parse_bt(out)), n, "threads with a heading")
    t.check("tid %d" % tid in out and out.count("it is a thread of the kernel") == 2, out)
    out, err, status = s.corectl("stack", core, program)
    t.equal(status, 0, err)
    t.equal(out.count(" [kernel thread]:\n"), 1, out)
    t.check(out.endswith("\n%d of %d threads shown\n" % (n, n)), out[-200:])
    s.check_read_back(t, out, "the trace")
    t.exit()


main()
