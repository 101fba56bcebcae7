"""test_sandbox.py PROBE: what corectl can no longer do once it reads what others have made, and that it
answers all the same. PROBE is preloaded: see probe.c."""
import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from terminal import PROMPT, terminal

NOBODY = 65534
ROOT = os.getuid() == 0
USER = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if ROOT else {}
READ, PTRACE, RESTORE = 2, 19, 40  # linux/capability.h

PROGRAMS = dict.fromkeys("execve execveat fork posix_spawn unshare socket socketpair kill tkill write_process "
                         "poke type".split(), errno.EPERM)
NEWER = dict.fromkeys("clone3 openat2 io_uring".split(), errno.ENOSYS)
CHANGES = dict.fromkeys("write read_write create cut unnamed openat truncate mkdir unlink unlinkat rmdir rename "
                        "renameat link symlink mknod chmod fchmod chown fchown setxattr times".split(), errno.EROFS)
# What is done in the cache by corectl itself: Landlock knows the folder.
KEEPS = ("write", "read_write", "create", "unnamed", "openat", "unlinkat", "renameat")
UNKEPT = {name: number for name, number in CHANGES.items() if name not in KEEPS}
LOOKS = {"read_process": errno.EPERM}
STOPS = {"continue": errno.EPERM}
ALWAYS = {"read": 0, "thread": 0, "kill_self": 0, "times_of_open": errno.EBADF, "size_of_terminal": errno.EBADF}
ALL = {**PROGRAMS, **NEWER, **CHANGES, **LOOKS, **STOPS}


def has_landlock():
    """landlock_create_ruleset(2), asked for its version."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


def probed(t, what, args, more=None, **options):
    """(errno of each attempt, stdout) of corectl with these arguments; `more` of the environment."""
    out, into = os.pipe()
    env = dict(os.environ, LD_PRELOAD=sys.argv[1], PROBE=str(into), **(more or {}))
    done = subprocess.run([s.CORECTL, *args], env=env, pass_fds=(into,), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
    os.close(into)
    with os.fdopen(out) as f:
        tried = {name: int(number) for name, number in (line.split() for line in f)}
    t.check(done.returncode in (0, 1), what, "status", done.returncode, done.stderr.decode())
    t.check(b"sandbox is not" not in done.stderr, what, done.stderr.decode())
    t.check(set(tried) >= {*ALL, *ALWAYS}, what, "attempts", tried)
    return tried, done.stdout.decode()


def refused(t, what, tried, *parts):
    """What is in `parts` was refused, and nothing else."""
    wanted = {name: number for part in parts for name, number in part.items()}
    t.equal({name: number for name, number in tried.items() if ALL.get(name) == number}, wanted,
            what + ": refused")
    t.equal({name: tried.get(name) for name in ALWAYS}, ALWAYS, what + ": allowed")


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    return int(fields["CapPrm"], 16), int(fields["CapEff"], 16), fields["NoNewPrivs"], fields["Seccomp"]


def at_prompt(t, work, wanted, *args):
    """The rights of a corectl that waits for a command; then it is killed, and nothing is left."""
    c = terminal(work, *args)
    c.expect(PROMPT)
    own = status_of(os.getpid())
    if wanted is None:
        t.equal(status_of(c.pid), own, "rights of corectl %s" % (args,))
    else:
        mask = sum(1 << n for n in wanted) & own[0]
        t.equal(status_of(c.pid), (mask, mask, "1", "2"), "rights of corectl %s" % (args,))
    with open("/proc/%d/task/%d/children" % (c.pid, c.pid)) as f:
        others = [int(pid) for pid in f.read().split()]
    t.equal(len(others), 1, "processes beside corectl")
    if wanted is not None:
        t.equal(status_of(others[0]), own, "rights of the one that runs the pager")
    os.kill(c.pid, signal.SIGKILL)
    c.wait()
    s.wait_for("the end of the other process", lambda: all(gone(pid) for pid in others))


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"  # nobody waits for it any more
    except OSError:
        return True


def foreign(work):
    """Core, program and source of somebody else, in a folder that is closed to all others."""
    home = os.path.join(work, "home")
    os.mkdir(home)
    names = [shutil.copy(path, home) for path in (work + "/words.core", os.path.join(s.FIXTURES, "words"),
                                                   os.path.join(s.SOURCE, "fixtures/words.c"))]
    for name in names:
        os.chmod(name, 0o600)
        os.chown(name, NOBODY, NOBODY)
    os.chmod(home, 0o700)
    os.chown(home, NOBODY, NOBODY)
    return names[0], names[1], home


def answers(t, what, args, *parts):
    """corectl's answer is the same in the sandbox and without."""
    args = [*args, "-batch", "-ex", "bt", "-ex", "ls"]
    tried, out = probed(t, what, ["--no-cache", *args])
    refused(t, what, tried, PROGRAMS, NEWER, CHANGES, LOOKS, STOPS)
    free, plain = probed(t, what + " --no-sandbox", ["--no-cache", "--no-sandbox", *args])
    refused(t, what + " --no-sandbox", free)
    t.check(out == plain and "abort();" in out, "the answer about", what, out)


def cores(t, work):
    core, program = work + "/words.core", os.path.join(s.FIXTURES, "words")
    s.make_core(program, core)
    answers(t, "a core", [core, program])
    at_prompt(t, work, {READ} if ROOT else (), core, program)
    at_prompt(t, work, None, "--no-sandbox", core, program)
    if ROOT:
        theirs, program, home = foreign(work)
        rule = "set substitute-path %s/fixtures %s" % (s.SOURCE, home)
        answers(t, "a core of nobody", [theirs, program, "-ex", rule])
        at_prompt(t, work, {READ}, theirs, program)


def cache(t, work):
    """The one folder that is written to: by the other process where it is not there yet, else by us,
    and there alone."""
    args = [work + "/words.core", os.path.join(s.FIXTURES, "words"), "-batch", "-ex", "bt"]
    folders = {"PROBE_CACHE": work + "/kept/libstack", "PROBE_FOLDER": work + "/elsewhere"}
    more = dict(folders, XDG_CACHE_HOME=work + "/kept")
    tried, _ = probed(t, "no cache yet", args, more)
    refused(t, "no cache yet", tried, PROGRAMS, NEWER, CHANGES, LOOKS, STOPS)
    for folder in folders.values():
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in ("old", "gone"):
            open(os.path.join(folder, name), "w").close()
    tried, _ = probed(t, "a cache", args, more)
    if has_landlock():
        refused(t, "a cache", tried, PROGRAMS, NEWER, UNKEPT, LOOKS, STOPS)
    for what in ("write_old", "make", "remove", "replace"):
        t.equal(tried.get(what + "_in_cache"), 0 if has_landlock() else errno.EROFS, what + " in the cache")
        t.check(tried.get(what + "_elsewhere") in (errno.EACCES, errno.EROFS), what, "elsewhere", tried)
    t.equal(sorted(os.listdir(work + "/elsewhere")), ["gone", "old"], "the other folder")


def landlock(t, work):
    """Another process of the same user: the filter does not know whose environment is opened."""
    core = shutil.copy(work + "/words.core", work + "/open.core")
    os.chmod(work, 0o755)
    os.chmod(core, 0o644)
    args = [core, os.path.join(s.FIXTURES, "words"), "-batch", "-ex", "bt"]
    with sleeper(**USER) as pid:
        for options, wanted in (["--no-sandbox"], 0), ([], errno.EACCES if has_landlock() else 0):
            tried, _ = probed(t, "the same user's", options + args, {"PROBE_OTHER": pid}, **USER)
            t.equal(tried.get("environment_of_other"), wanted, "a process of the same user, %s" % options)


@contextlib.contextmanager
def sleeper(*before, **user):
    """The number of a process that sleeps."""
    p = subprocess.Popen([*before, "sleep", "600"], **user)
    try:
        s.wait_for("sleep", lambda: os.readlink("/proc/%d/exe" % p.pid).endswith("sleep"))
        yield str(p.pid)
    finally:
        p.kill()
        p.wait()


def process(t, work, pid):
    """One that has fewer rights."""
    tried, _ = probed(t, "stack PID", ["stack", pid])
    refused(t, "stack PID", tried, PROGRAMS, NEWER, CHANGES, STOPS)
    tried, out = probed(t, "attach PID", ["attach", pid, "-batch", "-ex", "refresh", "-ex", "threads"])
    refused(t, "attach PID", tried, PROGRAMS, NEWER, CHANGES)
    t.check("tid %s" % pid in out, "the look of refresh", out)
    tried, _ = probed(t, "stack --hold PID", ["stack", "--hold", pid])
    refused(t, "stack --hold PID", tried, PROGRAMS, NEWER, CHANGES)
    tried, _ = probed(t, "gcore PID", ["gcore", pid, "-o", work + "/made.core"])
    refused(t, "gcore PID", tried, PROGRAMS, NEWER)
    t.check(os.path.getsize(work + "/made.core") > 4096, "gcore's file")
    at_prompt(t, work, {READ, PTRACE, RESTORE} if ROOT else (), "-p", pid)
    at_prompt(t, work, None, "--no-sandbox", "-p", pid)


def processes(t, work):
    with sleeper() as pid:  # it may do all that we may
        for args in ["stack", pid], ["attach", pid, "-batch"], ["gcore", pid, "-o", work + "/own.core"]:
            refused(t, "%s of an equal" % args[0], probed(t, args[0], args)[0])
        at_prompt(t, work, None, "-p", pid)
    with sleeper("setpriv", "--no-new-privs") as pid:
        process(t, work, pid)
    if ROOT:
        with sleeper(**USER) as pid:
            process(t, work, pid)


def main():
    with open(os.path.join(os.environ["BUILD"], "CMakeCache.txt")) as f:
        if re.search("^STK_SANITIZE:BOOL=ON", f.read(), re.M):
            s.skip("the sanitizers' runtime starts processes of its own: such a build has no filter")
    t = s.Failures()
    work = s.workdir()
    cores(t, work)
    cache(t, work)
    landlock(t, work)
    processes(t, work)
    t.exit()


main()
