"""test_others.py PROGRAM: programs of somebody else, preloaded, get SIGSEGV or SIGQUIT from outside:
every thread is shown and the status is right."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import lib
from lib import s


def need(path, package):
    if not os.path.exists(path):
        s.skip("package %s is not installed" % package)
    return path


def threads_of(pid):
    return sorted(int(n) for n in os.listdir("/proc/%d/task" % pid))


def shown_tids(text):
    return sorted(int(n) for n in re.findall(r"^thread \d+ \(tid (\d+)", text, re.M))


def busy(pid):
    """It has used a tenth of a second: it is where it spends its time."""
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[11]) >= os.sysconf("SC_CLK_TCK") / 10


def polls(pid):
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()[0] in ("232", "281")


def all_polls(pid):
    """And no other thread runs: one that is only starting may be the one to take the signal."""
    def runs(tid):
        with open("/proc/%d/task/%d/syscall" % (pid, tid)) as f:
            return f.read().startswith("running")
    return not any(runs(tid) for tid in threads_of(pid)) and polls(pid)


def await_state(pid, settled):
    end = time.monotonic() + 30
    while not settled(pid) and time.monotonic() < end:
        time.sleep(0.001)


def check(t, argv, wanted, sig, what, ready="READY", settled=lambda pid: True):
    """`wanted`: functions of the first stack, inner ones first."""
    seen = {}

    def poke(pid):
        await_state(pid, settled)
        seen["threads"] = threads_of(pid)
        os.kill(pid, sig)

    r = lib.Run(argv, lib.environment(), poke=poke, ready=ready)
    t.equal(r.status, -sig, what + ": status " + r.err[-300:])
    text = r.err[r.err.find("SIG%s: " % sig.name[3:]):]
    t.equal(lib.reports(text), 1, what + ": reports")
    n = len(seen["threads"])
    t.check(re.search(r"^%d of %d threads shown$" % (n, n), text, re.M),
            "%s: %d threads: %s" % (what, n, text[-300:]))
    threads = s.parse_trace(text)
    alike = sum(int(x) for x in re.findall(r"^threads [0-9,-]+ \((\d+)", text, re.M))
    t.equal(len(re.findall(r"^thread \d+ ", text, re.M)) + alike, n, what + ": headings")
    t.check("stopped: " not in text, what, "a stack that does not end", text[:3000])
    names = [f[0] for f in threads[0][1]] if threads else []
    at = -1
    for name in wanted:
        here = [i for i, f in enumerate(names) if re.match(name + "$", f) and i > at]
        if not t.check(here, what, "no", name, "in", names):
            return r
        at = here[0]
    return r


def sqlite3(t):
    program = need("/usr/bin/sqlite3", "sqlite3")
    sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) " \
          "SELECT count(*) FROM c;"
    for sig in (signal.SIGSEGV, signal.SIGQUIT):
        check(t, [program, ":memory:", "-cmd", ".shell echo READY", sql], ["sqlite3_step"], sig,
              "sqlite3 " + sig.name, settled=busy)


def python3(t):
    program = need("/usr/bin/python3", "python3")
    code = "import threading, time\n" \
           "for _ in range(3): threading.Thread(target=time.sleep, args=(100,), daemon=True)" \
           ".start()\nprint('READY', flush=True)\n" \
           "while True: sorted(range(1000))\n"
    for sig in (signal.SIGSEGV, signal.SIGQUIT):
        check(t, [program, "-c", code], ["_?Py.*", "Py_BytesMain"], sig,
              "python3 " + sig.name, settled=busy)


def redis(t):
    need("/usr/bin/redis-check-rdb", "redis-tools")
    # One program under several names; its own handler of SIGSEGV is its own.
    # Its test of memory changes all of it in turn, while another thread still runs: not here.
    work = s.workdir()
    program = work + "/redis-server"
    shutil.copy("/usr/bin/redis-check-rdb", program)
    argv = [program, "--port", "0", "--unixsocket", work + "/socket", "--save", "",
            "--dir", work, "--daemonize", "no", "--crash-memcheck-enabled", "no"]
    ready = "eady to accept connections"
    check(t, argv, ["epoll_wait"], signal.SIGQUIT, "redis SIGQUIT", ready=ready,
          settled=all_polls)
    for preload in (False, True):
        r = lib.Run(argv, lib.environment(preload), ready=ready,
                    poke=lambda pid: os.kill(pid, signal.SIGSEGV))
        t.equal(r.status, -signal.SIGSEGV, "redis SIGSEGV: status")
        t.check("REDIS BUG REPORT START" in r.out, "redis: no report of its own")
        t.equal(lib.reports(r.err), int(preload), "redis: ours comes after it")


def nginx(t):
    program = need("/usr/sbin/nginx", "nginx-light")
    work = s.workdir()
    open(work + "/conf", "w").write(
        "daemon off; master_process off; pid %s/pid; error_log stderr notice;\n"
        "events { worker_connections 16; }\n"
        "http { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p;"
        " fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;"
        " server { listen unix:%s/socket; } }\n" % ((work,) * 7))
    argv = [program, "-c", work + "/conf"]
    r = lib.Run([*argv, "-t"], lib.environment(False))
    if r.status:
        s.skip("nginx takes no configuration of ours: " + r.err[-300:])
    check(t, argv, ["epoll_wait"], signal.SIGSEGV, "nginx SIGSEGV", ready="getrlimit",
          settled=polls)
    os.unlink(work + "/socket")
    # SIGQUIT is nginx's own: a quiet end.
    def quit_it(pid):
        await_state(pid, polls)
        os.kill(pid, signal.SIGQUIT)

    r = lib.Run(argv, lib.environment(), poke=quit_it, ready="getrlimit")
    t.equal((r.status, lib.reports(r.err)), (0, 0), "nginx SIGQUIT: " + r.err[-300:])


def main():
    t = s.Failures()
    {"sqlite3": sqlite3, "python3": python3, "redis": redis, "nginx": nginx}[sys.argv[1]](t)
    t.exit()


main()
