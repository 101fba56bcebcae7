"""A program typed into through a pseudo-terminal: corectl, or the shell that runs it."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

PROMPT = "(corectl) "
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x07|\r")


class Terminal:
    def __init__(self, args, env):
        try:
            self.pid, self.fd = pty.fork()
        except OSError as e:
            s.skip("no pseudo-terminal: %s" % e)
        if self.pid == 0:
            os.execve(args[0], args, env)
        self.seen = ""

    def expect(self, text, deadline=30):
        """What was printed up to and with `text`; ends the test when it does not come."""
        end = time.monotonic() + deadline
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                print("FAILED: waited for %r, saw %r" % (text, self.seen[-1500:]))
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(1)
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                print("FAILED: corectl ended before %r, saw %r" % (text, self.seen[-1500:]))
                sys.exit(1)
            self.seen = ESCAPES.sub("", self.seen + data.decode("utf-8", "replace"))
        before, self.seen = self.seen.split(text, 1)
        return before + text

    def type(self, text):
        os.write(self.fd, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def leave(self):
        """The status after Ctrl-D on an empty line."""
        self.type("\x04")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    if not os.read(self.fd, 65536):
                        break
                except OSError:
                    break
        return self.wait()

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def pending(self):
        """Does a SIGINT wait to be taken? Else those that were sent have been."""
        with open("/proc/%d/status" % self.pid) as f:
            masks = re.findall(r"^S[hi][dg]Pnd:\s*(\w+)", f.read(), re.M)
        return any(int(mask, 16) >> signal.SIGINT - 1 & 1 for mask in masks)

    def canonical(self):
        """Does the terminal edit lines and echo, as a shell needs it?"""
        modes = termios.tcgetattr(self.fd)[3]
        return bool(modes & termios.ICANON and modes & termios.ECHO)


def environment(work, **more):
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": work,
           "XDG_STATE_HOME": work + "/state", "XDG_CACHE_HOME": work + "/cache", "COLUMNS": "200",
           "LINES": "60", "PAGER": "cat"}
    env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
    env.update(more)
    return env


def terminal(work, *args, **more):
    """corectl with these arguments; `more` goes to its environment."""
    return Terminal([s.CORECTL, *args], environment(work, **more))
