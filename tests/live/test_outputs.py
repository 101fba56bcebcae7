"""Outside the prompt: a write error is never success, and Ctrl-C ends the program as the signal does."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

SYS_WRITE = 1


def full(t, *args):
    """Standard output is a device without room."""
    with open("/dev/full", "wb") as out:
        done = subprocess.run([s.CORECTL, *args], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.PIPE, timeout=60)
    t.equal(done.returncode, 1, "status of corectl %s >/dev/full" % " ".join(args))
    t.check(b"corectl: standard output: No space left" in done.stderr, args, done.stderr)


def closed_reader(t, *args):
    """The reader has left, as in `| head`: no word, no signal."""
    r, w = os.pipe()
    os.close(r)
    done = subprocess.run([s.CORECTL, *args], stdin=subprocess.DEVNULL, stdout=w,
                          stderr=subprocess.PIPE, timeout=60)
    os.close(w)
    t.equal(done.returncode, 0, "status of corectl %s without a reader" % " ".join(args))
    t.check(b"corectl: " not in done.stderr, args, done.stderr)


def writes_to(pid, fd):
    """Is the process in write(fd)?"""
    try:
        with open("/proc/%d/syscall" % pid) as f:
            words = f.read().split()
    except OSError as e:
        s.skip("/proc/PID/syscall: %s" % e)
    return words[0] == str(SYS_WRITE) and int(words[1], 16) == fd


def interrupt(t, what, args, fd):
    """SIGINT while it waits for the reader of `fd`; what it says is read afterwards."""
    r, w = os.pipe()
    if fd == 2:  # the head is the first that is written there
        os.set_blocking(w, False)
        for chunk in (4096, 1):
            try:
                while True:
                    os.write(w, b" " * chunk)
            except BlockingIOError:
                pass
        os.set_blocking(w, True)
    p = subprocess.Popen([s.CORECTL, *args], stdin=subprocess.DEVNULL,
                         stdout=w if fd == 1 else subprocess.DEVNULL,
                         stderr=w if fd == 2 else subprocess.PIPE)
    os.close(w)
    end = time.monotonic() + 60
    while not writes_to(p.pid, fd) and p.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    p.send_signal(signal.SIGINT)
    err = p.stderr.read() if fd == 1 else b""
    t.equal(p.wait(timeout=60), -signal.SIGINT, "wait status after SIGINT " + what)
    os.close(r)
    if fd == 1:
        t.check(b"corectl: interrupted\n" in err, "what it says:", err)


def main():
    t = s.Failures()
    work = s.workdir()
    core, program = work + "/core", os.path.join(s.FIXTURES, "deep")
    s.make_core(program, core, ["20000"])
    for only in ("--help", "--version", "--dump-commands"):
        full(t, only)
        closed_reader(t, only)
    for command in ("help", "bt", "bt 1", "modules"):
        full(t, core, program, "-batch", "-ex", command)
        full(t, core, program, "-batch", "-ex", command, "-ex", command)
    full(t, "stack", core, program)
    closed_reader(t, core, program, "-batch", "-ex", "bt")
    closed_reader(t, "stack", core, program)
    interrupt(t, "in a command", [core, program, "-batch", "-ex", "bt", "-ex", "bt"], 1)
    interrupt(t, "while opening", [core, program, "-batch", "-ex", "bt"], 2)
    t.exit()


main()
