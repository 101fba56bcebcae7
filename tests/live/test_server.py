"""The server under load, then hung: each thread is there, and the workers' words are those they logged."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

REQUESTS, WORKERS = 200, 4
SYS_FUTEX, SYS_EPOLL_WAIT = 202, 232


def get(port, path):
    """(status, the answer)."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open("http://127.0.0.1:%d%s" % (port, path), timeout=30) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def blocked(pid):
    """{tid: (system call, first argument)} of the threads that sleep in one."""
    calls = {}
    for tid in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/syscall" % (pid, tid)) as f:
                words = f.read().split()
        except OSError as e:
            s.skip("/proc/PID/task/TID/syscall: %s" % e)
        if words[0].isdigit():
            calls[int(tid)] = int(words[0]), int(words[1], 16)
    return calls


def load(t, port):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: get(port, "/" if i % 4 else "/nosuch"), range(REQUESTS)))
    good = sorted(a["answered"] for code, a in answers if code == 200)
    t.equal(len(good), REQUESTS * 3 // 4, "answers")
    t.equal(len(set(good)), len(good), "every answer is another")
    t.equal(sum(code == 404 for code, _ in answers), REQUESTS // 4, "not found")


def transfers(log):
    with open(log) as f:
        return re.findall(r"^ARGS transfer (.*)$", f.read(), re.M)


def core_of(server, work, core):
    """Ends the server by SIGQUIT: (its wait status, is it the kernel's core). Else gdb makes one before."""
    with open("/proc/sys/kernel/core_pattern") as f:
        plain = not re.search(r"[/|]", f.read().strip() or "/")
    if not plain:
        if not shutil.which("gdb"):
            s.skip("neither the kernel nor gdb can make a core")
        subprocess.run(["gdb", "-q", "-batch", "-nx", "-p", str(server.pid), "-ex", "gcore " + core],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    server.send_signal(signal.SIGQUIT)
    status = server.wait(timeout=60)
    if plain:
        made = [n for n in os.listdir(work) if n.startswith("core")]
        if not made:
            s.skip("the kernel left no core")
        os.rename(os.path.join(work, made[0]), core)
    return status, plain


def check(t, core, program, tids, main_tid, logged, by_kernel):
    out, err, status = s.corectl(core, program, "-batch", "-ex", "thread apply all bt", "-ex", "siginfo")
    t.equal(status, 0, "status: " + err)
    threads = s.parse_bt(out)
    t.equal(sorted(threads), sorted(tids), "threads")
    names = {tid: [f["name"] for f in frames] for tid, frames in threads.items()}
    shown = sorted(f["words"] for fs in threads.values() for f in fs if f["name"] == "transfer")
    t.equal(shown, sorted(logged), "words of transfer()")
    for tid, called in names.items():
        if tid == main_tid:
            t.check(called[0].endswith("epoll_wait") and called[1:3] == ["serve", "main"],
                    "the event loop:", called)
        elif "transfer" in called:
            at = called.index("transfer")
            t.check(any("mutex_lock" in n for n in called[:at]), "a hung worker:", called)
            t.equal(called[at + 1:at + 3], ["hang", "worker"], "callers of transfer()")
        else:
            t.check("pop" in called and "worker" in called and
                    any("cond_wait" in n for n in called), "an idle worker:", called)
    if by_kernel:
        t.check("(SIGQUIT: quit)" in out, "siginfo", out[-300:])
    trace, _, status = s.corectl("stack", core, program)
    s.check_read_back(t, trace, "corectl stack")
    t.equal(status, 0, "status of corectl stack")
    t.check(trace.endswith("%d of %d threads shown\n" % (len(tids), len(tids))), trace[-200:])


def main():
    t = s.Failures()
    work = s.workdir()
    log, core, program = work + "/log", work + "/the.core", os.path.join(s.FIXTURES, "server")
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    env = dict(os.environ, FIXTURE_LOG=log)
    server = subprocess.Popen([program, "0", "100"], cwd=work, env=env, stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline().split()[1])
        load(t, port)
        t.equal(get(port, "/hang"), (200, {"hanging": True}), "/hang")
        s.wait_for("two transfers in the log", lambda: len(transfers(log)) == 2)
        locks = {int(words.split(", ")[1], 16) for words in transfers(log)}
        s.wait_for("every thread asleep, two of them for the other's lock", lambda: (
            len(blocked(server.pid)) == 1 + WORKERS and
            locks <= {arg for call, arg in blocked(server.pid).values() if call == SYS_FUTEX}))
        calls = blocked(server.pid)
        t.equal(len(calls), 1 + WORKERS, "threads")
        t.equal(calls[server.pid][0], SYS_EPOLL_WAIT, "the event loop's system call")
        status, by_kernel = core_of(server, work, core)
        t.equal(status, -signal.SIGQUIT, "wait status of the server")
        check(t, core, program, list(calls), server.pid, transfers(log), by_kernel)
    finally:
        server.kill()
        server.wait()
    t.exit()


main()
