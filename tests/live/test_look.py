"""test_look.py PART: how a process is stopped and let go. Each part is a function below."""
import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from process import (GCORE_MODES, Holder, Target, batch, call, check_free, fixture, run, states,
                     status_of, tids, wait_free)


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


run((one_moment, new_stacks, shared_stack, at_work, executing, cannot_execute, at_once,
     leader_leaves, late, churn, killed, held_killed, handler_due, ending))
