"""LIBSTACK_SIGQUIT: continue loses no request and leaks no EINTR; exit, off; Ctrl+\\ on a terminal;
libstack_dump()."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import lib
from lib import s

WAITS, WAITS_LINKED, DUMP_LINKED, DUMP = sys.argv[1:]
SERVER = os.path.join(s.FIXTURES, "server")


def check_waits(t):
    for program, preload in ((WAITS, True), (WAITS_LINKED, False)):
        r = lib.Run([program, "50"], lib.environment(preload, LIBSTACK_SIGQUIT="continue"),
                    timeout=110)
        what = "waits, " + ("preloaded" if preload else "linked")
        t.equal(r.out.splitlines()[-1:], ["all quiet"], what + ": " + r.out[:1500])
        t.equal(r.status, 0, what)
        calls = len(re.findall(r"^stopped|^threads? ", r.err, re.M))
        t.check(calls, what, "no threads in the reports")
        t.check(lib.reports(r.err) > 80, what, "only", lib.reports(r.err), "reports")
        for line in r.out.splitlines():
            if " here" in line:
                print("SKIPPED in part:", line)


def check_waits_by_signal(t):
    """Where nobody may attach, the threads answer a signal."""
    nobody = 65534 if os.geteuid() == 0 else None
    place = s.workdir() # that user may not be able to enter the build
    os.chmod(place, 0o755)
    program, library = shutil.copy(WAITS, place), shutil.copy(lib.LIBRARY, place)
    r = lib.Run([program, "20", "undumpable"], lib.environment(LIBSTACK_SIGQUIT="continue",
                LD_PRELOAD=library), timeout=110, user=nobody)
    t.equal(r.out.splitlines()[-1:], ["all quiet"], "waits, by signal: " + r.out[:1500])
    t.check("[ptrace is not permitted" in r.err or "[tier 1 failed: " in r.err, r.err[:500])
    t.check(lib.reports(r.err) > 50, "only", lib.reports(r.err), "reports")


def check_dump(t):
    for program, preload in ((DUMP, True), (DUMP_LINKED, False)):
        text = os.path.join(s.workdir(), "reports")
        r = lib.Run([program, text], lib.environment(preload), timeout=110)
        t.equal((r.status, r.err, r.out.splitlines()), (0, "", [
            "closed descriptor: -9", "left over: -1 1", "descriptors 0, SIGCHLD 0, bad 0",
            "churned 1, in the handler 1", "all well"]), "dump")
        reports = open(text).read()
        n = lib.reports(reports)
        t.check(160 < n <= 170, "dump: %d reports" % n)
        t.equal(len(re.findall(r"^\d+ of \d+ threads shown", reports, re.M)), n, "dump: ends")
        firsts = re.findall(r"^threads? 1[ ,-].*\n(.*)\(", reports, re.M)
        t.equal(set(firsts), {"libstack_dump"}, "dump: the caller's own stack")
        t.equal(len(firsts), n, "dump: the caller's own stack")


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), 30) as c:
        c.settimeout(30)
        c.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
        got = b""
        while True:
            part = c.recv(4096)
            if not part:
                return got
            got += part


class Load:
    """Clients that ask without pause, until stopped."""

    def __init__(self, port, clients):
        self.port, self.good, self.lost, self.on = port, 0, [], True
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]
        for th in self.threads:
            th.start()

    def ask(self):
        while self.on:
            try:
                answer = get(self.port, "/")
                good = b" 200 OK" in answer and b'"ok": true' in answer
            except OSError as e:
                good, answer = False, e
            with self.lock:
                if good:
                    self.good += 1
                elif self.on:
                    self.lost.append(answer)

    def stop(self):
        self.on = False
        for th in self.threads:
            th.join()


def check_load(t):
    work = s.workdir()
    err = open(work + "/err", "wb")
    p = subprocess.Popen([SERVER, "0", "60"], env=lib.environment(
        LIBSTACK_SIGQUIT="continue", FIXTURE_LOG=work + "/log"), stdout=subprocess.PIPE, stderr=err)
    try:
        port = int(p.stdout.readline().split()[1])
        load = Load(port, 16)
        while load.good < 50:
            time.sleep(0.001)
        for n in range(1, 51):
            before = load.good
            p.send_signal(signal.SIGQUIT)
            while lib.reports(open(work + "/err", errors="replace").read()) < n and p.poll() is None:
                time.sleep(0.001)
            while load.good == before and p.poll() is None:
                time.sleep(0.001)
        load.stop()
        t.check(load.good > 100, "only %d answers" % load.good)
        t.equal(load.lost, [], "requests lost of %d" % load.good)
        t.equal(p.poll(), None, "the server has ended")
        text = open(work + "/err", errors="replace").read()
        shown = re.findall(r"^(\d+ of \d+) threads shown(.*)$", text, re.M)
        t.check(len(shown) >= 49 and set(shown) == {("5 of 5", "")}, "threads:", set(shown))
    finally:
        p.kill()
        p.wait()


def read_pty(fd, until, seconds=60):
    got, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not re.search(until, got):
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        got += part
    return got


def check_tty(t):
    """A hung server, still answering with two workers, on a terminal: somebody presses Ctrl+\\."""
    log = s.workdir() + "/log"
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(SERVER, [SERVER, "0", "60"], lib.environment(FIXTURE_LOG=log))
    try:
        port = int(re.search(rb"PORT (\d+)", read_pty(fd, rb"PORT \d+\r")).group(1))
        load = Load(port, 8)
        get(port, "/hang")
        while not os.path.exists(log) or open(log).read().count("transfer") < 2:
            time.sleep(0.001)
        seen = load.good
        while load.good < seen + 50:
            time.sleep(0.001)
        load.on = False
        os.write(fd, b"\x1c")
        text = read_pty(fd, rb"threads shown\r").decode("utf-8", "replace").replace("\r\n", "\n")
        load.stop()
        _, status = os.waitpid(pid, 0)
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(fd)
    t.equal(os.WTERMSIG(status), signal.SIGQUIT, "tty: status")
    t.check(text.lstrip("^\\\n").startswith("SIGQUIT: quit\n"), "tty:", text[:100])
    t.check("(SI_KERNEL)" in text, "tty: the sender is the kernel", text[:200])
    calls = lib.log_of(log)
    t.equal([c[0] for c in calls], ["transfer", "transfer"], "tty: log")
    lib.check_trace(t, text, calls, "tty", 5)
    t.equal(len(re.findall(r"^worker\(", text, re.M)) +
            sum(int(n) - 1 for n in re.findall(r"^threads [0-9,-]+ \((\d+) ", text, re.M)), 4,
            "tty: workers\n" + text)


def quit_outside(pid):
    os.kill(pid, signal.SIGQUIT)


def check_modes(t):
    causes = os.path.join(s.FIXTURES, "causes")
    for mode, status, reports in (("exit", 2, 1), ("off", -signal.SIGQUIT, 0),
                                  ("die", -signal.SIGQUIT, 1), ("", -signal.SIGQUIT, 1)):
        r = lib.Run([causes, "sleep", "2"], lib.environment(LIBSTACK_SIGQUIT=mode),
                    poke=quit_outside)
        t.equal((r.status, lib.reports(r.err)), (status, reports), "LIBSTACK_SIGQUIT=" + mode)
        if reports:
            lib.check_trace(t, r.err, lib.log_of(r.log), "SIGQUIT " + mode, 3)
    # off concerns SIGQUIT alone.
    r = lib.Run([causes, "segv"], lib.environment(LIBSTACK_SIGQUIT="off"))
    t.equal((r.status, lib.reports(r.err)), (-signal.SIGSEGV, 1), "SIGSEGV with SIGQUIT off")


def main():
    t = s.Failures()
    for check in (check_modes, check_waits, check_waits_by_signal, check_dump, check_load, check_tty):
        print(check.__name__, flush=True)
        check(t)
    t.exit()


main()
