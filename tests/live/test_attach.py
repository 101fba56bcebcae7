"""test_attach.py PART: live processes. Each part is a function below."""
import ctypes
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Target:
    """A fixture that prints `pid N` once all its threads are where they stay, then one line for
    each of ours."""

    def __init__(self, command, log="/dev/null", **more):
        env = dict(os.environ, FIXTURE_LOG=log)
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, **more)
        self.pid = int(self.process.stdout.readline().split()[1])

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


def normal(text, pid):
    """Numbers and paths that differ from run to run by names; frames that are not the fixture's
    are left out, as libc's differ from system to system."""
    known = {}

    def tid(match):
        return match.group(1) + known.setdefault(match.group(2), "T%d" % (len(known) + 1))

    text = re.sub(r"^ *\d+  0x\w+ in .*\n    at (?!.*watch\.c).*\n", "", text, flags=re.M)
    text = re.sub(r"(  0x\w{16} in )(?!main|step|park|work|watch).*", r"\1LIBC", text)
    text = re.sub(r"(tid )(\d+)", tid, text)
    text = re.sub(r"^0x\w+-0x\w+.*(?<!/watch)\n", "", text, flags=re.M)
    text = re.sub(r"^   0x\w+ <\+.*\n(?!   0x)", "INSTRUCTIONS\n", text, flags=re.M)
    text = re.sub(r"^   0x\w+ <\+.*\n", "", text, flags=re.M)
    text = re.sub(r"^0x\S+  (r--|rw-)  .*\n", "", text, flags=re.M)
    text = re.sub(r"^ *\d+(  0x\w+ in main)", r" N\1", text, flags=re.M)
    text = text.replace(str(pid), "PID").replace(s.FIXTURES, "{bin}").replace(s.SOURCE, "{src}")
    text = re.sub(r"\b[0-9a-f]{40}\b", "ID", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "ADDR", text)
    # Whether the watching thread slept is not ours to say.
    return re.sub(r"still for [0-9.]+ ms(, sleeping threads for [0-9.]+ ms)?", "still for N ms", text)


def transcript(t):
    """Every command, on a parked program: attach.expected, or with --update it is written."""
    expected = os.path.join(HERE, "attach.expected")
    with open(os.path.join(HERE, "attach.script")) as f:
        commands = f.read().splitlines()
    for _ in range(3):
        with Target([fixture("watch"), "3", "3"]).settled() as p:
            wrapped = min(tids(p.pid)) != p.pid  # the kernel's numbers began anew: later threads stand first
            out, err, status = s.corectl("-p", str(p.pid), *batch(*commands))
            check_free(t, p.pid, "after the transcript")
        if not wrapped:
            break
    else:
        t.check(False, "the thread numbers began anew three times")
    got = "--- stdout\n%s--- stderr\n%s--- status %d\n" % (normal(out, p.pid), normal(err, p.pid),
                                                         status)
    if "--update" in sys.argv:
        with open(expected, "w") as f:
            f.write(got)
    with open(expected) as f:
        wanted = f.read()
    if not t.check(got == wanted, "the transcript differs (test_attach.py transcript --update)"):
        import difflib
        sys.stdout.writelines(difflib.unified_diff(wanted.splitlines(True), got.splitlines(True)))


def truth(t):
    """Words as the program logged them, pcs as gdb sees them; the same by `stack PID`."""
    log = os.path.join(s.workdir(), "log")
    with Target([fixture("watch"), "6", "4"], log=log).settled() as p:
        with open(log) as f:
            logged = sorted(re.findall(r"^ARGS step (.*)$", f.read(), re.M))
        out, err, status = s.corectl("-p", str(p.pid), *batch("thread apply all bt"))
        t.equal(status, 0, err)
        threads = s.parse_bt(out)
        t.equal(sorted(threads), tids(p.pid), "threads")
        t.equal(sorted(f["words"] for fs in threads.values() for f in fs if f["name"] == "step"),
                logged, "words of step()")
        trace, err, status = s.corectl("stack", str(p.pid))
        s.check_read_back(t, trace, "corectl stack PID")
        t.equal(status, 0, err)
        t.check(re.search(r"^Process %d of `.*watch 6 4', 8 threads, stood still for [0-9.]+ ms"
                          r"(, sleeping threads for [0-9.]+ ms)?\.$" % p.pid, err, re.M), "the head:", err)
        t.equal(trace.splitlines()[-1], "8 of 8 threads shown", "the last line")
        t.check("threads 3-8 (6 \"watch\") [stopped]:" in trace, "the parked ones together:", trace)
        t.check(re.search(r"^thread 1 \(tid %d \"watch\"\) \[stopped\]:$" % p.pid, trace, re.M),
                "the main thread is the first:", trace[:300])
        everything, _, _ = s.corectl("stack", str(p.pid), "--all")
        s.check_read_back(t, everything, "corectl stack PID --all")
        t.check(re.search(r"^main\(0x3, 0x\w+\)\n\t.*watch\.c:\d+ \+0x\w+ fp=0x\w+ sp=0x\w+ pc=0x\w+$",
                          everything, re.M), "--all:", everything[:600])
        if shutil.which("gdb"):
            reference = s.gdb_reference(None, fixture("watch"), p.pid)
            for tid, theirs in reference.items():
                if "watch" not in [f["name"] for f in threads[tid]]:
                    t.equal([f["pc"] for f in s.tail_calls_as_gdb(threads[tid], theirs["frames"])],
                            [f[0] for f in theirs["frames"]], "pcs of thread %d" % tid)
        check_free(t, p.pid, "after gdb")


def cpu_time(pid):
    """Of all its threads, in nanoseconds (schedstat)."""
    def of(tid):
        with open("/proc/%d/task/%d/schedstat" % (pid, tid)) as f:
            return int(f.read().split()[0])
    return sum(of(tid) for tid in tids(pid))


def one_moment(t, looks=60):
    """Threads that pass a token on: never is it in two hands, though some sleep and some work."""
    if len(os.sched_getaffinity(0)) < 2:
        s.skip("on one processor two threads that spin starve each other")
    with Target([fixture("moments"), "token"]) as p:
        held = slept = 0
        for _ in range(looks):
            before = cpu_time(p.pid)
            s.wait_for("it to work", lambda: cpu_time(p.pid) > before + 10e6)
            out, err, status = s.corectl("stack", str(p.pid), "--all")
            t.equal(status, 0, err)
            holders = re.findall(r"^hold\((0x\d+)\)$", out, re.M)
            t.check(len(holders) <= 1, "the token is in two hands:", holders, out)
            held += len(holders)
            slept += " sleeping threads for " in err
        t.check(held > looks / 10, "hold() was seen %d times in %d looks" % (held, looks))
        t.check(slept > looks / 10, "the main thread slept in %d of %d looks" % (slept, looks))


def new_stacks(t, looks=150):
    """A stack that was mapped while the process was looked at is copied like all others."""
    with Target([fixture("moments"), "stacks"]) as p:
        whole = 0
        for _ in range(looks):
            out, err, status = s.corectl("stack", str(p.pid), "--all")
            t.check("cannot be read" not in out, "a stack that was not copied:", out)
            steps = re.findall(r"^step\((\w+), (0x\d)\)$", out, re.M)
            t.check(len({stack for stack, _ in steps}) <= 1, "calls of one stack:", out)
            depths = [depth for _, depth in steps]
            t.equal(depths, ["0x%d" % d for d in range(len(depths), 0, -1)], "their depths")
            if len(steps) == 5: # else it is between two of them
                t.equal(status, 0, err)
                t.check("newer than the registers" not in err, "all that it needs was copied:", err)
                below = re.search(r"^on_new_stack\(\)\n\t.*\n__start_context\(\.\.\.\)\n\t.*\n\n", out, re.M)
                t.check(below, "the stack ends where makecontext() had it begin:", out)
                whole += 1
        t.check(whole > looks / 10, "five deep in %d of %d looks" % (whole, looks))


def shared_stack(t, looks=40):
    """What others write into the stack of one that sleeps is of the moment that all are seen at."""
    with Target([fixture("moments"), "shared"]) as p:
        s.wait_for("it to count", lambda: " in count(" in s.corectl(
            "-p", str(p.pid), *batch("thread apply all bt"))[0])
        for hold in [], ["--hold"]:
            for _ in range(looks):
                out, err, _ = s.corectl(*hold, "-p", str(p.pid), *batch("thread apply all bt"))
                words = [int(w, 16) for w in re.findall(r" in (?:asleep|count)\((0x\w+)[,)]", out)]
                t.check(len(words) == 2 and abs(words[0] - words[1]) <= 1, hold, "two moments:", out, err)


def at_work(t):
    """Nothing is said of sleeping threads where none sleeps."""
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as p:
        s.wait_for("the loop", lambda: status_of(p.pid, p.pid, "State")[0] == "R" and
                   os.readlink("/proc/%d/exe" % p.pid) != os.readlink("/proc/self/exe"))
        for _ in range(5):
            _, err, _ = s.corectl("stack", str(p.pid))
            t.check(", 1 thread, stood still for " in err and "sleeping" not in err, err)
        p.kill()


GCORE_MODES = ([], ["--stacks-only"], ["--short-pause"])


def executing(t, looks=60):
    """A program that executes itself from one of its threads, all the time."""
    core = os.path.join(s.workdir(), "core")
    with Target([fixture("executes")]) as p:
        for turn in range(10 * looks):
            _, err, status = s.corectl("gcore", *GCORE_MODES[turn % 3], "-o", core, str(p.pid))
            t.check(status in (0, 1) or re.match(
                r"corectl: process \d+ (runs another program|executes programs).*no core is written\n$",
                err), status, err)
            t.equal(os.path.exists(core), status != 2, "the core")
            if status != 2:
                os.unlink(core)
        t.equal(os.listdir(os.path.dirname(core)), [], "files left")
        for _ in range(looks):
            out, err, status = s.corectl("stack", str(p.pid))
            t.check(status in (0, 1) and " threads shown" in out, status, err, out)
            t.check("not permitted" not in err and "has ended" not in err, "false:", err)
        t.check(p.process.poll() is None, "it lives")


def hold_end(tid):
    """Trace the thread and stop it where it ends."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if ptrace(0x4206, tid, None, 0x40):  # PTRACE_SEIZE, PTRACE_O_TRACEEXIT
        s.skip("ptrace: " + os.strerror(ctypes.get_errno()))


def cannot_execute(t):
    """A program that executes another waits for one of its threads, which another tracer holds."""
    core = os.path.join(s.workdir(), "core")
    with Target([fixture("executes"), "later"]) as p:
        tid = tids(p.pid)[-1]
        hold_end(tid)
        p.process.stdin.write("\n")
        p.process.stdin.flush()
        s.wait_for("its end", lambda: status_of(p.pid, tid, "State")[0] == "t")
        why = ("corectl: process %d is executing a program (execve) and cannot go on, nor be traced:"
               " its thread %d is traced by process %d (%s): detach there\n" %
               (p.pid, tid, os.getpid(), open("/proc/self/comm").read().strip()))
        t.equal(s.corectl("stack", str(p.pid)), ("", why, 2), "stack")
        c = subprocess.Popen([s.CORECTL, "gcore", "-o", core, str(p.pid)], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        s.wait_for("its tracer", lambda: len(tids(c.pid)) >= 2)  # one takes signals
        c.send_signal(signal.SIGINT)
        t.equal((c.communicate(timeout=30)[1], c.returncode),
                ("corectl: interrupted: no core is written\n", -signal.SIGINT), "gcore")
        # The end of a thread that we trace is ours to wait for.
        p.process.kill()
        while os.WIFSTOPPED(os.waitpid(tid, 0x40000000)[1]):  # __WALL
            pass


def at_once(t, rounds=60):
    """Several look at once: who is too late says who traces the process."""
    folder, late = s.workdir(), 0
    with Target([fixture("watch"), "20", "5"]) as p:
        for _ in range(rounds):
            children = [subprocess.Popen([s.CORECTL, *args, str(p.pid)], text=True,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                        for args in (["stack"], ["gcore", "-o", os.path.join(folder, "one")],
                                     ["gcore", "--short-pause", "-o", os.path.join(folder, "two")])]
            for c in children:
                err = c.communicate(timeout=60)[1]
                late += c.returncode != 0
                named = re.findall(r"process (\d+) \(corectl\)", err)
                t.check(c.returncode == 0 or named or "another process traces" in err, err)
                t.check(all(int(n) in [o.pid for o in children] for n in named), "not one of them:", err)
        wait_free(p.pid)
        check_free(t, p.pid, "after all")
    t.check(late, "they never met")


def leader_leaves(t, rounds=30):
    """The first thread ends while it is looked at, and while a core of it is written."""
    chance = random.Random(1)
    core = os.path.join(s.workdir(), "core")
    for turn in range(2 * rounds):
        dump = turn % 2
        with Target([fixture("leaderless"), "later", "20"]).settled() as p:
            child = subprocess.Popen([s.CORECTL, *(["gcore", "--short-pause", "-o", core] if dump else
                                                   ["stack"]), str(p.pid)], text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(chance.random() * (0.05 if dump else 0.01))
            p.process.stdin.write("\n")
            p.process.stdin.flush()
            out, err = child.communicate(timeout=30)
            # pthread_exit() loads a library: what it unmaps again may be missing from the core.
            fine = child.returncode == 0 or dump and " KB of memory could not be read (unmapped" in err
            t.check(fine and "ended" not in err, child.returncode, err)
            t.check(dump or out.splitlines()[-1] in ("2 of 2 threads shown", "1 of 1 threads shown"),
                    out, err)


def late(t):
    """One that could not be stopped in time is let go with the others, not when the core is written."""
    core = os.path.join(s.workdir(), "core.zst")
    with Target([fixture("vfork"), "64"]) as p:
        s.wait_for("the parent to sleep", lambda: status_of(p.pid, p.pid, "State")[0] == "D")
        other = tids(p.pid)[-1]
        s.wait_for("the other one to pause", lambda: call(other)[0] == "34")
        for _ in range(10):
            child = subprocess.Popen([s.CORECTL, "gcore", "--short-pause", "-o", core, str(p.pid)],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            seen = set()
            while child.poll() is None:
                traced = tuple(status_of(p.pid, tid, "TracerPid") != "0" for tid in (other, p.pid))
                if child.poll() is None and (traced == (True, True) or seen):
                    seen.add(traced)
            _, err = child.communicate()
            t.equal((child.returncode, "1 thread is missing: they wait for a vfork child" in err),
                    (1, True), err)
            if (False, False) in seen:
                return
        t.check(False, "it is traced while its core is written")


def churn(t, attaches=60):
    """Threads that come and go, signals that are counted, system calls that must not end."""
    with Target([fixture("churn")]) as p:
        for _ in range(int(os.environ.get("ATTACHES", attaches))):
            out, err, status = s.corectl("stack", str(p.pid))
            t.equal(status, 0, "status: " + err + out[-200:])
            check_free(t, p.pid, "after an attach")
        answer = dict(zip(*[iter(p.ask().split())] * 2))
        t.check(int(answer["created"]) > 100 and int(answer["sent"]) > 100, "it lives:", answer)
        t.equal(answer["handled"], answer["sent"], "signals handled")
        t.equal(answer["eintr"], "0", "system calls that ended with EINTR")


def killed(t, rounds=150):
    """corectl killed at a moment of its own choosing: nobody is left stopped, no signal is lost."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    with Target([fixture("churn")]) as p:
        for i in range(rounds):
            args = [["stack"], ["-p"], ["--hold", "-p"]][i % 3]
            child = subprocess.Popen([s.CORECTL, *args, str(p.pid)], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * 0.02)
            child.send_signal(signal.SIGKILL if i % 4 else signal.SIGINT)
            child.stdin.close()
            child.wait(timeout=30)
            wait_free(p.pid)
        answer = dict(zip(*[iter(p.ask().split())] * 2))
        t.equal(answer["handled"], answer["sent"], "signals handled, seed %d" % seed)
    # A call that a stop has already ended begins anew, also when nobody is left to see to it.
    with Target([fixture("churn")]) as p:
        for _ in range(5):
            holder = Holder(p.pid)
            holder.process.kill()
            holder.process.wait()
            wait_free(p.pid)
        answer = dict(zip(*[iter(p.ask().split())] * 2))
        t.equal(answer["handled"], answer["sent"], "signals handled")
        t.equal(answer["eintr"], "0", "system calls that ended with EINTR")


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


def held_killed(t):
    """One that is held and killed is gone for its parent; what was copied is still to be seen."""
    with Target([fixture("watch"), "3", "3"]).settled() as p:
        c = subprocess.Popen([s.CORECTL, "--hold", "-p", str(p.pid)], stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        c.stdin.write("thread 1\n")
        c.stdin.flush()
        t.check(c.stdout.readline() != "", "an answer")
        p.process.kill()
        t.equal(p.process.wait(timeout=30), -signal.SIGKILL, "its end")
        out, err = c.communicate("thread apply 3 bt\nquit\n", timeout=30)
        t.check("in park()\n" in out, out, err)


def handler_due(t):
    """A signal that came while the process was held ends the call that it is to end."""
    with Target([fixture("handled")]) as p:
        s.wait_for("epoll_wait", lambda: call(p.pid)[0] == "232")
        holder = Holder(p.pid)
        os.kill(p.pid, signal.SIGUSR1)
        t.equal(states(p.pid), {"t", "traced"}, "held")
        holder.process.communicate("detach\n", timeout=30)
        try:
            t.equal(p.process.communicate(timeout=20)[0], "ended by the signal\n", "epoll_wait")
        except subprocess.TimeoutExpired:
            t.check(False, "epoll_wait did not end")


def states_kept(t):
    """A stopped process stays stopped, a running one runs; --hold holds until `detach`."""
    with Target([fixture("watch"), "2", "2"]) as p:
        os.kill(p.pid, signal.SIGSTOP)
        s.wait_for("the stop", lambda: states(p.pid) == {"T"})
        for _ in range(3):
            _, err, status = s.corectl("stack", str(p.pid))
            t.equal(status, 0, err)
            t.check("stopped by a signal before, and stays so" in err, err)
            t.equal(states(p.pid), {"T"}, "after a look")
        os.kill(p.pid, signal.SIGCONT)
        p.ask()
        check_free(t, p.pid, "after SIGCONT")

        holder = Holder(p.pid)
        t.check(holder.first.startswith("* 1  tid %d " % p.pid), "thread:", holder.first)
        t.equal({status_of(p.pid, tid, "State")[0] for tid in tids(p.pid)}, {"t"}, "held")
        os.kill(p.pid, signal.SIGWINCH)
        holder.type("detach\nx/dw &reads\nbt 1\n")
        t.equal(holder.process.stdout.readline(), "Detached from process %d.\n" % p.pid, "detach")
        wait_free(p.pid)
        p.ask()
        out, err = holder.process.communicate(timeout=30)
        t.check(out.startswith(" 0  0x"), "bt after detach:", out)
        t.check("process %d was let go" % p.pid in err, "x after detach:", err)

        holder = Holder(p.pid)
        os.kill(p.pid, signal.SIGKILL)
        s.wait_for("the end", lambda: status_of(p.pid, p.pid, "State")[0] == "Z")
        out, err = holder.process.communicate("x/dw &reads\nbt 1\n", timeout=30)
        t.check("process %d has ended" % p.pid in err, "killed while it was held:", err)
        t.check(" 0  0x" in out, "bt of it:", out)


def moving(t):
    """Memory read later is newer than the registers, and said to be; `refresh` looks again."""
    with Target([fixture("watch"), "1", "1"]) as p:
        c = subprocess.Popen([s.CORECTL, "-p", str(p.pid)], stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)

        def ask(line):
            c.stdin.write(line + "\n")
            c.stdin.flush()

        for count in (0, 1):
            ask("x/dw &reads")
            t.check(c.stdout.readline().endswith("\t%d\n" % count), "reads is %d" % count)
            p.ask()
        ask("refresh")
        t.check(c.stdout.readline().startswith("Process %d of " % p.pid), "refresh")
        p.process.kill()
        p.process.wait()
        ask("x/dw &reads\nrefresh\nbt 1")
        out, err = c.communicate(timeout=30)
        t.equal(err.count("newer than the registers"), 2, "answers that say so: " + err)
        t.check("process %d has ended: of its memory only what was copied is left" % p.pid in err, err)
        t.check("process %d has ended: the last look stays" % p.pid in err, err)
        t.check(" 0  0x" in out, "bt after the end:", out)


def refused(t):
    """What cannot be looked at: the reason, and status 2."""
    done = subprocess.Popen(["true"])
    done.wait()
    t.equal(fail_text(["stack", str(done.pid)]),
            ("corectl: there is no process %d" % done.pid, 2), "no process")
    zombie = os.fork()
    if not zombie:
        os._exit(0)
    s.wait_for("a zombie", lambda: status_of(zombie, zombie, "State")[0] == "Z")
    err, status = fail_text(["-p", str(zombie), "-batch"])
    t.check(status == 2 and re.match(r"corectl: process %d \(\w+\S*\) is a zombie: it has ended, and "
                                     r"its parent %d \(" % (zombie, os.getpid()), err), err)
    os.waitpid(zombie, 0)
    if os.path.exists("/proc/2/comm") and not os.path.exists("/proc/2/exe"):
        with open("/proc/2/comm") as f:
            name = f.read().strip()
        if name == "kthreadd":
            err, status = fail_text(["stack", "2"])
            t.check(status == 2 and err.startswith(
                "corectl: process 2 (kthreadd) is a kernel thread"), err)
    with Target([fixture("watch"), "1", "1"]) as p:
        err, status = fail_text(["attach", str(tids(p.pid)[-1]), *batch("thread")])
        t.equal(status, 0, "a thread's number: " + err)
        if shutil.which("strace"):
            tracer = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-p", str(p.pid)],
                                      stderr=subprocess.DEVNULL)
            s.wait_for("strace", lambda: status_of(p.pid, p.pid, "TracerPid") == str(tracer.pid))
            t.equal(fail_text(["stack", str(p.pid)]), (
                "corectl: process %d is traced by process %d (strace), and there can be one tracer "
                "only: detach there" % (p.pid, tracer.pid), 2), "traced")
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            done = subprocess.run(
                ["strace", "-f", "-o", "/dev/null", "-e", "inject=process_vm_readv:error=EPERM",
                 s.CORECTL, "-p", str(p.pid), *batch("thread 3", "bt", "x/dw &reads")],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
            t.check("in step(0x1, 0x1)\n" in done.stdout and "<reads>:\t0\n" in done.stdout,
                    "without process_vm_readv:", done)
        if os.getuid() == 0 and shutil.which("setpriv"):
            err, status = fail_text(["stack", str(p.pid)], NOBODY)
            t.check(status == 2 and err.startswith(
                "corectl: process %d belongs to root (uid 0), you are uid 65534" % p.pid) and
                err.endswith("sudo corectl -p %d" % p.pid), err)
            if s.capable(19): # CAP_SYS_PTRACE; without it the process has no right that corectl lacks
                err, status = fail_text(["stack", str(p.pid)],
                                        ["setpriv", "--bounding-set=-sys_ptrace"])
                t.check(status == 2 and "root has no CAP_SYS_PTRACE here" in err, err)
            else:
                print("not tried: root that lacks CAP_SYS_PTRACE only")
        check_free(t, p.pid, "after the refusals")


def names(t):
    """The name of a program stands in /proc/PID/status, and can look like a line of it."""
    for name in ("Tgid: 1", "TracerPid: 1", "Threads: 1"):
        program = os.path.join(s.workdir(), name)
        shutil.copy(fixture("watch"), program)
        with Target([program, "1", "1"]) as p:
            _, err, status = s.corectl("-p", str(p.pid), *batch("threads"))
            t.equal(status, 0, err)
            t.check(err.startswith("Process %d of `" % p.pid), name, err)


def refused_programs(t):
    """32-bit code, and a process that is not dumpable."""
    path = os.path.join(s.workdir(), "small")
    with open(path, "wb") as f: # an ELF file for i386 whose code is `jmp .`
        f.write(b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52,
                                                           0, 0, 52, 32, 1, 0, 0, 0) +
                struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, 86, 86, 5, 4096) + b"\xeb\xfe")
    os.chmod(path, 0o755)
    try:
        small = subprocess.Popen([path])
    except OSError as e:
        print("not tried: 32-bit programs,", e)
    else:
        t.equal(fail_text(["stack", str(small.pid)]), (
            "corectl: process %d (small) is a 32-bit program: not supported" % small.pid, 2), "32 bit")
        small.kill()
        small.wait()
    if os.getuid() or not shutil.which("setpriv"):
        print("not tried: a process that is not dumpable")
        return
    shut = ("import ctypes, os, sys; ctypes.CDLL(None).prctl(4, 0); print('pid', os.getpid(), "
            "flush=True); sys.stdin.read()")
    with Target([*NOBODY, sys.executable, "-c", shut]) as p:
        t.equal(fail_text(["stack", str(p.pid)], NOBODY), (
            "corectl: process %d is not dumpable (set-user-ID, changed credentials, or PR_SET_DUMPABLE)"
            ": that takes CAP_SYS_PTRACE: sudo corectl -p %d" % (p.pid, p.pid), 2), "not dumpable")


def ending(t, rounds=60):
    """The process ends while it is looked at: an answer or a reason, always an end."""
    seed = random.randrange(1 << 30)
    chance, seen = random.Random(seed), set()
    for _ in range(rounds):
        with Target([fixture("watch"), "20", "3"]) as p:
            c = subprocess.Popen([s.CORECTL, "stack", str(p.pid)], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
            time.sleep(chance.random() * 0.008)
            p.process.kill()
            out, err = c.communicate(timeout=30)
        seen.add(c.returncode)
        t.check(c.returncode in (0, 1) and " threads shown" in out or c.returncode == 2 and
                re.search(r"process %d\b" % p.pid, err), "seed %d, status %d: %s%s" % (
                    seed, c.returncode, out[-300:], err))
    print("statuses", seen)


def asleep(t):
    """A vfork parent sleeps in the kernel: a bounded wait, the other thread is shown."""
    with Target([fixture("vfork")]) as p:
        s.wait_for("the parent to sleep", lambda: status_of(p.pid, p.pid, "State")[0] == "D")
        s.wait_for("the other one to pause", lambda: call(tids(p.pid)[-1])[0] == "34")
        out, err, status = s.corectl("stack", str(p.pid))
        t.equal(status, 1, err)
        t.equal(out.splitlines()[-1], "1 of 2 threads shown, 1 missing: they wait for a vfork child to "
                "start its program", "the last line")
        t.check("pause" in out, out)
        # Still at the prompt when the sleeper wakes: it must not stop then.
        c = subprocess.Popen([s.CORECTL, "-p", str(p.pid)], stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        c.stdin.write("frame 0\n")
        c.stdin.flush()
        t.check(c.stdout.readline() != "", "an answer")
        wait_free(p.pid)
        p.process.stdin.close()
        t.equal(p.process.wait(timeout=30), 0, "the status of the program")
        c.communicate("quit\n", timeout=30)


def leader_left(t):
    """The first thread ends while corectl is at its prompt: data of the program is still read."""
    with Target([fixture("leaderless"), "later"]).settled() as p:
        c = subprocess.Popen([s.CORECTL, "-p", str(p.pid)], stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)
        c.stdin.write("frame 0\n")
        c.stdin.flush()
        t.check(c.stdout.readline() != "", "an answer")
        p.process.stdin.write("\n")
        p.process.stdin.flush()
        s.wait_for("its end", lambda: status_of(p.pid, p.pid, "State")[0] == "Z")
        out, err = c.communicate("x/gx &leader\n", timeout=30)
        t.check(re.search(r" <leader>:\t0x0000[0-9a-f]+$", out, re.M), out, err)
        t.check("newer than the registers" in err, err)


def leaderless(t):
    """A process whose first thread has ended is seen through another."""
    with Target([fixture("leaderless")]) as p:
        s.wait_for("the first thread to end", lambda: status_of(p.pid, p.pid, "State")[0] == "Z")
        s.wait_for("the other one to pause", lambda: call(tids(p.pid)[-1])[0] == "34")
        out, err, status = s.corectl("stack", str(p.pid))
        t.equal(status, 0, err)
        t.check(re.search(r"^work\(0x0\)$", out, re.M), out)
        t.equal(out.splitlines()[-1], "1 of 1 threads shown", "the last line")
        wait_free(p.pid)
        out, err, status = s.corectl("-p", str(p.pid), *batch("bt"))
        t.equal(status, 0, err)
        t.check("in work(0x0)\n" in out, out)
        wait_free(p.pid)
        core = os.path.join(s.workdir(), "core")
        for kind in [], ["--short-pause"], ["--stacks-only"]:
            _, err, status = s.corectl("gcore", *kind, "-o", core, str(p.pid))
            t.equal(status, 0, err)
            out, err, status = s.corectl(core, fixture("leaderless"), *batch("bt"))
            t.check("in work(0x0)\n" in out, kind, out)
            t.check("(pid %d), 1 thread" % p.pid in err, kind, err)
            wait_free(p.pid)


def served(t):
    """A page that a thread of the process would have to bring: it is not there, and nobody waits."""
    core = os.path.join(s.workdir(), "core")
    child = subprocess.Popen([fixture("served")], stdout=subprocess.PIPE, text=True)
    words = child.stdout.readline().split()
    if words[0] == "skip":
        s.skip(" ".join(words[1:]))
    pid, first = int(words[1]), int(words[2], 16)
    try:
        look = batch("x/gx %#x" % (first + 8), "x/gx %#x" % (first + 4096))
        out, err, status = s.corectl("-p", str(pid), *look)
        t.equal(out, "%#x:\t0x00000000005e17ed\n" % (first + 8), "the page that is there")
        t.check("cannot read %#x: not in the process" % (first + 4096) in err, err)
        for kind in [], ["--short-pause"], ["--stacks-only"], ["--full"]:
            out, err, status = s.corectl("gcore", *kind, "-o", core, str(pid))
            t.equal(status, 0 if kind == ["--stacks-only"] else 1, err)
            if status:
                t.check("corectl: 1020 KB of memory could not be read" in err, kind, err)
                out, err, _ = s.corectl(core, fixture("served"), *look)
                t.equal(out, "%#x:\t0x00000000005e17ed\n" % (first + 8), "the page that is there")
                t.check("cannot read %#x: not in the core" % (first + 4096) in err, err)
        check_free(t, pid, "after all")
    finally:
        child.kill()
        child.wait()


def places(t):
    """A deleted program, a replaced one, and one in other namespaces with a root of its own."""
    work = s.workdir()
    program = os.path.join(work, "prog")

    def look(p, what, *more):
        out, err, status = s.corectl("-p", str(p.pid), *batch("thread 3", "bt", "modules"))
        t.equal(status, 0, "%s: status, %s" % (what, err))
        t.check(re.search(r"in step\(0x1, 0x1\)\n    at \S+watch\.c:\d+\n", out), what, out)
        for text in more:
            t.check(text in out + err, "%s: no %r in" % (what, text), out, err)

    shutil.copy(fixture("watch"), program)
    with Target([program, "2", "2"]) as p:
        os.unlink(program)
        look(p, "deleted", "  ok           ", "%s (file /proc/%d/exe)" % (program, p.pid))
        shutil.copy(fixture("server"), program)
        look(p, "replaced", "%s (file /proc/%d/exe)" % (program, p.pid))
    if os.getuid() or subprocess.run(["unshare", "-m", "-p", "-f", "true"]).returncode:
        print("not tried: namespaces")
        return
    root = os.path.join(work, "root")
    for path in set(re.findall(r"(/\S+) \(0x", subprocess.run(
            ["ldd", fixture("watch")], stdout=subprocess.PIPE, text=True).stdout)):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    os.makedirs(root + "/old")
    shutil.copy(fixture("watch"), root + "/the-program")
    enter = ("mount --bind {0} {0} && cd {0} && pivot_root . old && exec /the-program 2 2"
             .format(root))
    inner = subprocess.Popen(["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", enter],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        t.equal(inner.stdout.readline(), "pid 1\n", "the number inside")
        with open("/proc/%d/task/%d/children" % (inner.pid, inner.pid)) as f:
            pid = int(f.read().split()[0])
        out, err, status = s.corectl("-p", str(pid), *batch("thread 3", "bt", "modules"))
        t.equal(status, 0, err)
        t.check("Process %d (1 in its PID namespace) of `/the-program 2 2', 4 threads" % pid in err, err)
        t.check("in step(0x1, 0x1)\n" in out, out)
        t.check("/the-program (file /proc/%d/%s/the-program)\n" % (pid, "root") in out, out)
    finally:
        inner.kill()
        inner.wait()


PARTS = {f.__name__: f for f in (transcript, truth, one_moment, new_stacks, shared_stack, at_work,
                                 executing, leader_leaves, cannot_execute, late, at_once, churn, killed,
                                 held_killed, handler_due, states_kept, moving, refused, names,
                                 refused_programs, ending, asleep, leader_left, leaderless, served, places)}


def main():
    t = s.Failures()
    with Target([fixture("watch"), "1", "1"]) as p:
        err, status = fail_text(["stack", str(p.pid)])
        if status == 2:
            s.skip("no right to ptrace here: " + err)
    PARTS[sys.argv[1]](t)
    t.exit()


main()
