"""test_attach.py PART: what is shown of which process. Each part is a function below."""
import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from process import (Holder, Target, batch, call, check_free, fail_text, fixture, run, states,
                     status_of, tids, wait_free)

HERE = os.path.dirname(os.path.abspath(__file__))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


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


def states_kept(t):
    """A stopped process stays stopped, a running one runs; --hold holds until `detach`."""
    with Target([fixture("watch"), "2", "2"]) as p:
        os.kill(p.pid, signal.SIGSTOP)
        s.wait_for("the stop", lambda: states(p.pid) == {"T"})
        for _ in range(3):
            _, err, status = s.corectl("stack", str(p.pid))
            t.equal(status, 0, err)
            t.check("A signal had stopped it before, and it stays stopped.\n" in err, err)
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
        t.check("process %d has ended: only memory that was copied before can be shown" % p.pid in err, err)
        t.check("process %d has ended: registers and stacks are still those of the last look" % p.pid in err, err)
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
    with Target([fixture("served")]) as p:
        pid, first = p.pid, int(p.words[2], 16)
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


run((transcript, truth, states_kept, moving, refused, names, refused_programs, asleep, leader_left,
     leaderless, served, places))
