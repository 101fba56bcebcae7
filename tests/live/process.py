"""What the tests of live processes share: fixtures that run, and what /proc says of them."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


class Target:
    """A fixture that prints `pid N` and more words once all its threads are where they stay, then one
    line for each of ours; or `skip REASON`."""

    def __init__(self, command, log="/dev/null", **more):
        env = dict(os.environ, FIXTURE_LOG=log)
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, **more)
        self.words = self.process.stdout.readline().split()
        if self.words[0] == "skip":
            self.process.wait()
            s.skip(" ".join(self.words[1:]))
        self.pid = int(self.words[1])

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def settled(self):
        """Once its main thread waits for a line of ours."""
        s.wait_for("the main thread to read", lambda: call(self.pid)[:2] == ["0", "0x0"])
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def fixture(name):
    return os.path.join(s.FIXTURES, name)


def status_of(pid, tid, key):
    with open("/proc/%d/task/%d/status" % (pid, tid)) as f:
        return re.search(r"^%s:\s+(.*)$" % key, f.read(), re.M).group(1)


def tids(pid):
    return sorted(int(n) for n in os.listdir("/proc/%d/task" % pid))


def call(tid):
    """The system call that a thread sleeps in, and its arguments; the main one's tid is the pid."""
    with open("/proc/%d/syscall" % tid) as f:
        return f.read().split()


def states(pid):
    """The state letters of all threads that are still there, each traced by nobody."""
    letters = set()
    for tid in tids(pid):
        try:
            letters.add(status_of(pid, tid, "State")[0])
            if status_of(pid, tid, "TracerPid") != "0":
                letters.add("traced")
        except (OSError, AttributeError):
            pass
    return letters


def check_free(t, pid, when):
    t.check(not states(pid) & {"t", "T", "traced"}, "%s: %s" % (when, states(pid)))


def wait_free(pid):
    """Let go by the end of the tracer, which is not the end of its wait(2)."""
    s.wait_for("the process to be let go", lambda: not states(pid) & {"t", "T", "traced"})


def batch(*commands):
    return ["-batch"] + [a for c in commands for a in ("-ex", c)]


def fail_text(args, prefix=()):
    """What corectl says when it cannot open a process, and its status."""
    done = subprocess.run([*prefix, s.CORECTL, *args], stdout=subprocess.PIPE, timeout=60,
                          stderr=subprocess.PIPE, text=True)
    return done.stderr.strip(), done.returncode


class Holder:
    """corectl --hold, once the process stands."""

    def __init__(self, pid):
        self.process = subprocess.Popen([s.CORECTL, "--hold", "-p", str(pid), "-ex", "thread"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.PIPE, bufsize=1)
        self.first = self.process.stdout.readline()

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()


GCORE_MODES = ([], ["--stacks-only"], ["--short-pause"])


def run(parts):
    """The part that the command line names, where there is a right to ptrace."""
    t = s.Failures()
    with Target([fixture("watch"), "1", "1"]) as p:
        err, status = fail_text(["stack", str(p.pid)])
        if status == 2:
            s.skip("no right to ptrace here: " + err)
    {f.__name__: f for f in parts}[sys.argv[1]](t)
    t.exit()
