"""refuse.py ACTION [CALL[,CALL]...] [THREADS KIND]: each system call that the handler or its helper makes
is refused in turn, and then the program crashes.

ACTION: an errno by name, trap (SIGSYS) or kill. The calls are those of the table in
docs/SIGNAL-SAFETY.md and those that a static program makes when it starts. Of each: it ends in time, as it
does without libstack, what it writes is bounded, and is one report.
"""
import concurrent.futures
import ctypes
import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from crash_run import leftovers

HERE = os.environ.get("TORTURE", os.path.join(s.SOURCE, "build/dev/tests/torture"))
LIBRARY = os.environ.get("LIBSTACK", os.path.join(s.SOURCE, "build/dev/signal/libstack.so.1"))
PR_SET_CHILD_SUBREAPER = 36
NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
ACTIONS = ("EPERM", "ENOSYS", "EINTR", "EAGAIN", "trap", "kill")
THREADS = (1, 10)
KINDS = ("fault", "abort", "quit", "continue")
TIMEOUT, MARGIN = 2, 1.5
MOST = 1 << 20
WENT_ON = 7 << 8
REPORTED = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGSYS,
            signal.SIGTRAP, signal.SIGQUIT}

# Not in the table: what ends the handler, and what the helper needs besides.
MORE = """rt_sigreturn ptrace restart_syscall vfork fork clone3 execve brk mmap munmap mprotect mremap madvise
openat newfstatat pread64 pwrite64 readlink poll setitimer getrandom sysinfo uname set_tid_address
set_robust_list rseq getrlimit unlink writev""".split()
# No report can be written without it.
WRITES = {"write"}
# Only the clones and the helper make them: a filter that kills kills those.
ONLY_CLONES = set("""execveat memfd_create socketpair dup3 close_range exit sendmsg sendto recvfrom
process_vm_readv getcwd lseek ptrace vfork fork clone3 execve brk mmap munmap mremap madvise
newfstatat pread64 pwrite64 poll setitimer getrandom sysinfo uname set_tid_address set_robust_list rseq
getrlimit unlink writev""".split())
# Made before the header is written. All others come later: where they kill, the header stands.
BEFORE_HEADER = WRITES | set("""pwritev2 ppoll fcntl fstat getpid gettid clock_gettime arch_prctl prctl
sigaltstack futex rt_sigaction rt_sigprocmask tgkill rt_tgsigqueueinfo rt_sigreturn rt_sigpending prlimit64""".split())


def numbers():
    if not os.path.exists(NUMBERS):
        s.skip("no " + NUMBERS)
    with open(NUMBERS) as f:
        return {n: int(v) for n, v in re.findall(r"^#define __NR_(\w+) (\d+)$", f.read(), re.M)}


def calls():
    """The first column of the table of system calls, and MORE."""
    with open(os.path.join(s.SOURCE, "docs/SIGNAL-SAFETY.md")) as f:
        table = f.read().split("\n## System calls\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.M)
    found = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    if len(found) < 30:
        raise SystemExit("FAILED: the table of system calls was not found: %r" % found)
    return list(dict.fromkeys(found + MORE))


class Run:
    """One run: wait status, None where it did not end in time; what it wrote."""

    def __init__(self, number, action, threads, kind, preload):
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LIBSTACK_TIMEOUT": str(TIMEOUT)}
        if preload:
            env["LD_PRELOAD"] = LIBRARY
        if kind == "continue":
            env["LIBSTACK_SIGQUIT"] = kind
            kind = "quit" if preload else "end"
        with tempfile.TemporaryDirectory(prefix="libstack-test-") as place:
            self.go([os.path.join(HERE, "refuse"), str(number), action, str(threads), kind], env, place)

    def go(self, argv, env, place):
        p = subprocess.Popen(argv, env=env, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
        self.text, self.pid, self.seconds = b"", p.pid, 0
        began = time.monotonic()
        err, pidfd = p.stderr.fileno(), os.pidfd_open(p.pid)
        os.set_blocking(err, False)
        ended = False
        while not ended and len(self.text) <= MOST and self.seconds < TIMEOUT + MARGIN:
            ready = select.select([err, pidfd], [], [], max(0, TIMEOUT + MARGIN - self.seconds))[0]
            self.seconds = time.monotonic() - began
            ended = pidfd in ready
            self.take(err)
        if not ended:
            os.kill(p.pid, signal.SIGKILL)
        p.wait()
        self.status = status(p.returncode) if ended else None
        # The other end may be held open by a helper that is about to die.
        self.take(err)
        os.set_blocking(p.stdout.fileno(), False)
        self.out = (p.stdout.read() or b"").decode()
        self.core = os.path.exists(os.path.join(place, "core"))
        for fd in (p.stdout, p.stderr):
            fd.close()
        os.close(pidfd)

    def take(self, fd):
        while len(self.text) <= MOST:
            try:
                more = os.read(fd, 65536)
            except BlockingIOError:
                return
            if not more:
                return
            self.text += more


def status(code):
    """Exit code, or the negative number of the signal: as a wait status without the core flag."""
    return -code if code < 0 else code << 8


def told(st):
    if st is None:
        return "no end"
    return signal.Signals(st).name if st < 256 and st else "exit %d" % (st >> 8)


def allowed(action, call, kind, wanted):
    """The statuses that are right."""
    right = {wanted}
    # Without rt_sigaction the default action of a signal that was sent cannot be had back, and
    # without rt_sigreturn it cannot be restored what the core is to show.
    if call == "rt_sigaction" and wanted in REPORTED:
        right.add((128 + wanted) << 8)
    if action in ("trap", "kill") and call == "rt_sigreturn":
        right.add(signal.SIGSYS)
    # Nor is there a way back to the program.
    if call == "rt_sigreturn" and kind == "continue":
        right |= REPORTED
    # kill: where the crashing process itself needs the call, the kernel has the last word.
    if action == "kill" and call not in ONLY_CLONES:
        right.add(signal.SIGSYS)
    return right


def wrong(action, call, kind, with_it, without):
    """What does not hold, in words."""
    text = with_it.text.decode("utf-8", "replace")
    heads, ends = len(s.HEAD.findall(text)), len(re.findall(r"^\d+ of \d+ threads shown", text, re.M))
    if with_it.out or without.out:
        return ["the program does not work: %s%s" % (without.out, with_it.out)]
    bad = []
    if len(text) > MOST:
        return ["more than %d bytes, %d headers" % (MOST, heads)]
    if without.status is None:  # its main thread ended, and that was all that it could end
        if with_it.status is not None:
            bad.append("%s, not a program that waits" % told(with_it.status))
    elif with_it.status is None:
        bad.append("no end within %.1f s" % (TIMEOUT + MARGIN))
    elif with_it.status not in allowed(action, call, kind, without.status):
        bad.append("%s, not %s" % (told(with_it.status), told(without.status)))
    # A clone that may not say that it leaves no core leaves one when it is killed for saying so.
    elif with_it.status == without.status and with_it.core != without.core and \
            (action, call) != ("kill", "setrlimit"):
        bad.append("a core is left" if with_it.core else "no core")
    # The program that goes on and then dies is reported too.
    wanted = (kind == "continue") + (without.status in REPORTED)
    fewest = wanted
    if kind == "continue" and call == "rt_sigreturn":
        wanted = 2
    if call in WRITES:
        fewest = 0
    elif action == "kill" and with_it.status == signal.SIGSYS and call in BEFORE_HEADER:
        fewest = 0
    elif action == "kill" and without.status == signal.SIGSYS:
        fewest = wanted - 1
    if not fewest <= heads <= wanted:
        bad.append("%d headers, not %d" % (heads, wanted))
    if ends > wanted:
        bad.append("%d last lines" % ends)
    elif ends < fewest and with_it.status != signal.SIGSYS and with_it.status is not None:
        bad.append("%d last lines, not %d" % (ends, wanted))
    return bad


def row(number, action, call, threads, kind):
    without = Run(number, action, threads, kind, False)
    with_it = Run(number, action, threads, kind, True)
    return call, threads, kind, wrong(action, call, kind, with_it, without), with_it


def compact(failures):
    """{(call, what): rows}: one line for what fails alike."""
    alike = {}
    for call, threads, kind, bad, _ in failures:
        alike.setdefault((call, "; ".join(bad)), []).append("%s/%d" % (kind, threads))
    return ["%-18s %s: %s" % (call, what, " ".join(rows)) for (call, what), rows in alike.items()]


def can_filter():
    probe = Run(0xfffffff, "none", 1, "end", False)
    if probe.status != WENT_ON:
        s.skip("no filter can be put in place: " + probe.out)


def main():
    action = sys.argv[1]
    if action == "--list":
        print("\n".join(ACTIONS))
        return
    if action not in ACTIONS:
        raise SystemExit("refuse.py: one of " + " ".join(ACTIONS))
    number = numbers()
    can_filter()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else calls()
    rows = [(number[name], action, name, threads, kind) for name in names for threads in THREADS
            for kind in KINDS if len(sys.argv) < 5 or sys.argv[3:5] == [str(threads), kind]]
    t = s.Failures()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda r: row(*r), rows))
    t.checks = len(done)
    for line in compact([d for d in done if d[3]]):
        print("FAILED:", action, line)
    t.count = sum(bool(d[3]) for d in done)
    left = leftovers()
    t.equal([l for l in left if "libstack-helper" in l or "refuse" in l], [], "processes left over")
    if len(rows) == 1:
        print(done[0][4].text.decode("utf-8", "replace")[:6000])
    t.exit()


if __name__ == "__main__":
    main()
