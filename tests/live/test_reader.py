"""test_reader.py PROGRAM: who reads the report. It goes to standard error as it was at the start, to
terminals and logs; to no network, no disk, no other place that came to the number since. And a
program that goes on gets no signal because nobody read."""
import array
import fcntl
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import termios

import lib
from lib import s

PROGRAM = sys.argv[1]
SIGSEGV = -signal.SIGSEGV


def run(args, err=None, give=(), preexec=None, **env):
    """(status, stdout) of the program, with `err` as its standard error."""
    p = subprocess.Popen([PROGRAM, *args], env=lib.environment(**env), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if err is None else err,
                         pass_fds=give, preexec_fn=preexec, cwd=WORK)
    out = p.communicate(timeout=60)[0].decode()
    return p.returncode, out


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def drained(fd):
    """What is there to be read now, from a descriptor whose writer has ended."""
    os.set_blocking(fd, False)
    got = b""
    try:
        while part := os.read(fd, 65536):
            got += part
    except OSError:
        pass
    return got


def unread(fd):
    n = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, n)
    return n[0]


# --- places: each gives (the descriptor to write to, a function that tells what came there) ---

def inet(kind):
    def make():
        listener = socket.socket(socket.AF_INET, kind)
        listener.bind(("127.0.0.1", 0))
        near = socket.socket(socket.AF_INET, kind)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        near.connect(listener.getsockname())
        far = listener.accept()[0] if kind == socket.SOCK_STREAM else listener
        return near.detach(), lambda: drained(far.fileno())
    return make


def unix():
    near, far = socket.socketpair()
    return near.detach(), lambda: drained(far.fileno())


def regular(flags):
    def make():
        fd, path = tempfile.mkstemp(dir=WORK)
        os.close(fd)
        return os.open(path, os.O_WRONLY | flags), lambda: open(path, "rb").read()
    return make


def pipe():
    r, w = os.pipe()
    return w, lambda: drained(r)


def fifo_both_ways():
    path = tempfile.mktemp(dir=WORK)
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)
    return os.open(path, os.O_RDWR), lambda: drained(keep)


def memory():
    fd = os.memfd_create("data")
    return os.dup(fd), lambda: os.pread(fd, 65536, 0)


def event():
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    return os.dup(fd), lambda: drained(fd)


def terminal():
    far, near = pty.openpty()
    return near, lambda: drained(far)


def terminals_other_side():
    far, near = pty.openpty()
    attributes = termios.tcgetattr(near)
    attributes[3] = 0   # no echo, no lines
    termios.tcsetattr(near, 0, attributes)
    return far, lambda: drained(near)


def disk():
    image = os.path.join(WORK, "disk")
    with open(image, "wb") as f:
        f.write(b"D" * 65536)
    made = subprocess.run(["losetup", "-f", "--show", image], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    if made.returncode:
        return None
    device = made.stdout.decode().strip()

    def read():
        with open(device, "rb") as f:
            got = f.read()
        subprocess.run(["losetup", "-d", device], check=True)
        return got.replace(b"D", b"")
    return os.open(device, os.O_RDWR), read


# Name, how it is made; does the report go there: as it was at the start, since.
PLACES = [
    ("a TCP connection", inet(socket.SOCK_STREAM), False, False),
    ("a UDP socket", inet(socket.SOCK_DGRAM), False, False),
    ("a UNIX socket", unix, True, False),
    ("a file of data", regular(0), True, False),
    ("a log", regular(os.O_APPEND), True, True),
    ("a pipe", pipe, True, True),
    ("a FIFO, both ways", fifo_both_ways, True, False),
    ("memory", memory, True, False),
    ("an eventfd", event, False, False),
    ("a terminal", terminal, True, True),
    ("the other side of a terminal", terminals_other_side, False, False),
    ("a disk", disk, False, False),
]


def came(text):
    return b" threads shown" in text


def check_places(t):
    for helper in (None, "/nowhere"):
        for name, make, at_start, since in PLACES:
            for args, wanted in (["crash"], at_start), (["since"], since):
                place = make()
                if place is None:
                    print("SKIPPED in part: a disk needs losetup and its right")
                    continue
                fd, read = place
                given = [] if args == ["crash"] else [fd]
                status, _ = run(args + ["%d" % f for f in given], err=None if given else fd,
                                give=given, preexec=no_core, LIBSTACK_HELPER=helper)
                os.close(fd)
                text = read()
                what = "%s, %s, helper %s" % (name, args[0], helper)
                t.equal(status, SIGSEGV, what)
                t.equal(came(text), wanted, what)
                t.check(wanted or not text, what, text[:200])
    # Made for nobody else: a pipe of the program's own.
    fd, read = pipe()
    run(["since", "%d" % fd, "cloexec"], give=[fd], preexec=no_core)
    os.close(fd)
    t.equal(read(), b"", "a pipe that is closed on exec")


def check_refused(t):
    """A filter refuses to look at descriptors: the report still comes, but to nobody new."""
    for how, name, start, since, wanted in (
            ("stat", "a pipe stays", pipe, None, True),
            ("stat", "a UNIX socket stays", unix, None, True),
            ("stat", "a terminal stays", terminal, None, True),
            ("stat", "a log stays", regular(os.O_APPEND), None, True),
            ("stat", "a connection takes the place of a pipe", pipe, inet(socket.SOCK_STREAM), False),
            ("stat", "a connection takes the place of a UNIX socket", unix,
             inet(socket.SOCK_STREAM), False),
            ("stat", "data takes the place of a pipe", pipe, regular(0), False),
            ("all", "a pipe stays, and might be a connection", pipe, None, False),
            ("all", "a connection takes the place of a UNIX socket, all refused", unix,
             inet(socket.SOCK_STREAM), False)):
        fd, read = start()
        to, read_since = since() if since else (None, read)
        status, _ = run(["refused", how, "%d" % to if since else "-"], err=fd,
                        give=[to] if since else [], preexec=no_core)
        os.close(fd)
        if since:
            os.close(to)
        text = read_since()
        t.equal(status, SIGSEGV, name)
        t.equal(came(text), wanted, name)
        t.check(wanted or not text, name, text[:200])


def pipe_without_reader():
    r, w = os.pipe()
    os.close(r)
    return w


def socket_without_peer(family_pair):
    def make():
        near, far = family_pair()
        far.close()
        return near.detach()
    return make


def connection():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        near = socket.create_connection(listener.getsockname())
        return near, listener.accept()[0]


def file_at_limit():
    return os.open(os.path.join(WORK, "limit"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def limit():
    no_core()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


LOST = [("a pipe", pipe_without_reader), ("a stream", socket_without_peer(socket.socketpair)),
        ("packets", socket_without_peer(lambda: socket.socketpair(type=socket.SOCK_SEQPACKET))),
        ("a connection", socket_without_peer(connection)), ("a file at its limit", file_at_limit)]


def check_survivors(t):
    """libstack_dump() and LIBSTACK_SIGQUIT=continue where nobody reads."""
    for name, make in LOST:
        preexec = limit if make is file_at_limit else no_core
        for how, pending in ([], ""), (["blocked"], ""), (["waiting"], " PIPE XFSZ"):
            fd = make()
            got = run(["dump", "%d" % fd, *how], give=[fd], preexec=preexec)
            os.close(fd)
            t.equal(got, (0, "libstack_dump -5, pending:%s\n" % pending), "%s, %s" % (name, how))
        if make in [m for n, m in LOST if n == "a connection"]:
            continue    # no report goes to one
        for level in ("all", "none"):
            fd = make()
            got = run(["quit"], err=fd, preexec=preexec, LIBSTACK_SIGQUIT="continue",
                      LIBSTACK_TRACEBACK=level)
            os.close(fd)
            t.equal(got, (0, "went on\n"), "SIGQUIT, %s, level %s" % (name, level))


def check_reader_leaves(t):
    """It reads the beginning and leaves: the one that writes then is the helper, or the program."""
    for helper in (None, "/nowhere"):
        r, w = os.pipe()
        fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
        p = subprocess.Popen([PROGRAM, "dump", "%d" % w], env=lib.environment(
            LIBSTACK_HELPER=helper), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[w])
        os.close(w)
        text = b""
        while b"\nthread 1 " not in text and (part := os.read(r, 1)):
            text += part
        s.wait_for("more of the report", lambda: unread(r) > 512)
        os.close(r)
        out = p.communicate(timeout=60)[0].decode()
        t.equal((p.returncode, out), (0, "libstack_dump -5, pending:\n"),
                "the reader leaves, helper %s" % helper)


def main():
    global WORK
    t = s.Failures()
    WORK = s.workdir()
    for check in (check_places, check_refused, check_survivors, check_reader_leaves):
        print(check.__name__, flush=True)
        check(t)
    t.exit()


main()
