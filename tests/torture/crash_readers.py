"""Readers: what is at the other end of a crashing program's stderr. Each is reader(run, r, w, until) and
starts the run itself."""
import array
import fcntl
import os
import re
import select
import signal
import termios
import time

from crash_run import drain, tree


def small_pipe(w):
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)


def read_slowly(run, r, w, until):
    """A few bytes at a time from a pipe of one page."""
    small_pipe(w)
    run.start(w)
    os.close(w)
    while not run.ended(time.monotonic() + 0.002) and time.monotonic() < until:
        try:
            run.text += os.read(r, 64)
        except BlockingIOError:
            pass


def read_nothing(run, r, w, until):
    """The pipe takes the header and a part of the report, and nobody reads."""
    small_pipe(w)
    run.start(w)
    os.close(w)
    run.ended(until)


def read_nothing_full(run, r, w, until):
    """The pipe is full before the crash."""
    small_pipe(w)
    os.write(w, b"\n" * 4096)
    read_nothing(run, r, w, until)


def unread(r):
    n = array.array("i", [0])
    fcntl.ioctl(r, termios.FIONREAD, n)
    return n[0]


def in_the_middle(act, more=True):
    """The helper has written a page of its report and waits for room: act(run, pid of the helper)."""
    def reader(run, r, w, until):
        small_pipe(w)
        run.start(w)
        os.close(w)
        while time.monotonic() < until and not run.ended(time.monotonic()):
            if not re.search(rb"^PC=.*\n", run.text, re.M):
                run.text += select.select([r], [], [], 0)[0] and os.read(r, 1) or b""
            elif unread(r) == 4096:
                helpers = [p for p, line in tree(run.pid) if line.startswith("libstack-helper")]
                if helpers:
                    act(run, helpers[0])
                    if not more:
                        run.ended(until)
                    break
        while not run.ended(time.monotonic()) and time.monotonic() < until:
            select.select([r, run.pidfd], [], [], max(0, until - time.monotonic()))
            run.text += drain(r)
    return reader


def waits_for_room(pid):
    """In ppoll(2), and no signal is on its way."""
    with open("/proc/%d/status" % pid) as f, open("/proc/%d/syscall" % pid) as g:
        return not re.search(r"^S[hi][dg]Pnd:\s*0*[1-9a-f]", f.read(), re.M) and g.read().startswith("271 ")


def signals_meanwhile(run, r, w, until):
    """The report waits for room, and its thread gets a signal that it handles: it goes on."""
    small_pipe(w)
    run.start(w)
    os.close(w)
    for _ in range(3):
        while not run.ended(time.monotonic() + 0.002) and time.monotonic() < until:
            if unread(r) and waits_for_room(run.pid):
                break
        os.kill(run.pid, signal.SIGSEGV)
    while not run.ended(time.monotonic()) and time.monotonic() < until:
        select.select([r, run.pidfd], [], [], max(0, until - time.monotonic()))
        run.text += drain(r)
