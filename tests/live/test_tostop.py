"""A job in the background of a terminal with `stty tostop` crashes: it is reported at once, by the
helper, and is not stopped. words PROGRAM's crash by abort()."""
import os
import pty
import re
import select
import signal
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

PROGRAM = os.path.join(os.environ["FIXTURES"], "words")


def job(env):
    """In the session of a new terminal: the program as its job in the background; its wait status, or
    256 + the signal that stopped it."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    mode = termios.tcgetattr(2)
    mode[3] |= termios.TOSTOP
    termios.tcsetattr(2, termios.TCSANOW, mode)
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execve(PROGRAM, [PROGRAM], env)
    try:
        os.setpgid(child, child)
    except OSError:
        pass  # the child was faster
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(child, signal.SIGKILL)
        return 200
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 100 + os.WEXITSTATUS(status)


def run(env):
    """(what job() says, what the terminal shows)."""
    pid, terminal = pty.fork()
    if not pid:
        result = 255
        try:
            result = job(env)
        finally:
            os._exit(result)
    text, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        if not select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
            break
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break  # EIO: nobody has it open any more
        if not piece:
            break
        text += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode().replace("\r\n", "\n")


def main():
    t = s.Failures()
    env = lib.environment()
    env["FIXTURE_LOG"] = "/dev/null"
    status, text = run(env)
    t.equal(status, signal.SIGABRT, "status")
    t.equal(len(s.HEAD.findall(text)), 1, "headers")
    t.equal(re.findall(r"^\[.*\]$", text, re.M), [], "notes")
    t.equal(re.findall(r"^\d+ of .*$", text, re.M), ["1 of 1 threads shown"], "last lines")
    t.exit()


main()
