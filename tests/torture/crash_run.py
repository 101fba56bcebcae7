"""One run of a program that may crash: its stderr read to the end, its status, what it left running.

The caller is a child subreaper: orphans come to it (PR_SET_CHILD_SUBREAPER)."""
import fcntl
import os
import resource
import select
import signal
import time

NOBODY = 65534


class Run:
    """One run of a case's program in a directory of its own, with or without the library."""
    def __init__(self, case, work, preload):
        self.case, self.preload, self.work = case, preload, work
        self.text, self.status, self.late = b"", None, False
        self.dir = os.path.join(work, "with" if preload else "without")
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        self.program = os.path.join(work, "linked" if case.linked and preload else "crasher")
        if case.before:
            case.before(self)

    def command(self):
        env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
        if self.preload:
            env.update(self.case.env)
            if not self.case.linked:
                env["LD_PRELOAD"] = os.path.join(self.work, "libstack.so.1")
        env = {k: self.expand(v) for k, v in env.items()}
        args = [self.expand(a) for a in self.case.args]
        return self.case.wrap + ["/usr/bin/env", "-i", *("%s=%s" % e for e in env.items()),
                                 *self.case.loader, self.program, *args]

    def expand(self, text):
        return text.replace("@WORK", self.work).replace("@DIR", self.dir)

    def child(self, command, err):
        os.setsid()
        os.chdir(self.dir)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(os.open("stdout", os.O_WRONLY | os.O_CREAT, 0o666), 1)
        os.dup2(err, 2)
        os.closerange(3, 256)
        for what, values in {"CORE": None, "STACK": (1 << 20,) * 2, **self.case.limits}.items():
            what = getattr(resource, "RLIMIT_" + what)
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, values or (hard, hard))
        if (self.case.user or self.case.setuid is not None) and os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.execvp(command[0], command)

    def start(self, err):
        command = self.command()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.child(command, err)
            finally:
                os._exit(95)
        self.pidfd = os.pidfd_open(self.pid)

    def ended(self, until):
        return bool(select.select([self.pidfd], [], [], max(0, until - time.monotonic()))[0])

    def stdout(self):
        with open(os.path.join(self.dir, "stdout"), errors="replace") as f:
            return f.read()

    def go(self):
        r, w = os.pipe()
        fcntl.fcntl(w, fcntl.F_SETFL, fcntl.fcntl(w, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        os.set_blocking(r, False)
        until = time.monotonic() + self.case.deadline
        (self.case.reader if self.preload else read_all)(self, r, w, until)
        if not self.ended(until):
            self.late = True
            os.kill(self.pid, signal.SIGKILL)
        self.status = os.waitpid(self.pid, 0)[1]
        self.left = leftovers()  # before there is room for them to write
        self.text += drain(r)
        os.close(r)
        return self

    def core(self):
        return os.WIFSIGNALED(self.status) and os.WCOREDUMP(self.status)


def tree(pid):
    """Its descendants, as (pid, command line)."""
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                for child in map(int, f.read().split()):
                    with open("/proc/%d/cmdline" % child) as c:
                        found.append((child, c.read().replace("\0", " ")))
                    found += tree(child)
    except OSError:
        pass
    return found


def leftovers():
    """Orphans come to us (PR_SET_CHILD_SUBREAPER). Those that are about to die of SIGKILL have a moment
    for it; the rest is ended here."""
    left, until = [], time.monotonic() + 1
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return left
        if info is None and time.monotonic() > until:
            for pid, line in tree(os.getpid()):
                left.append(line)
                os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)
        elif info is None:
            time.sleep(0.01)


def drain(r):
    text = b""
    while True:
        try:
            more = os.read(r, 65536)
        except BlockingIOError:
            return text
        if not more:
            return text
        text += more


def read_all(run, r, w, until):
    run.start(w)
    os.close(w)
    while time.monotonic() < until:
        ready = select.select([r, run.pidfd], [], [], max(0, until - time.monotonic()))[0]
        if r in ready:
            run.text += drain(r)
        if run.pidfd in ready:
            return
