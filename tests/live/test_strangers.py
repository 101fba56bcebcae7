"""test_strangers.py PROGRAM: servers and runtimes of strangers, preloaded, do what they do without, and a
crash of theirs is told to those whom it concerns."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import lib
from lib import s

HERE = os.path.dirname(os.path.abspath(__file__))
WAIT = 30


def need(path, package):
    if not os.path.exists(path):
        s.skip("package %s is not installed" % package)
    return path


def need_root():
    if os.getuid() != 0:
        s.skip("needs root")


def public_library():
    """A copy that the user of a server may read, and a directory that is its own."""
    work = s.workdir()
    os.chmod(work, 0o755)
    shutil.copy(lib.LIBRARY, work + "/libstack.so.1")
    os.chmod(work + "/libstack.so.1", 0o755)
    return work


def environment(work, preload, **more):
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", **more}
    if preload:
        env["LD_PRELOAD"] = work + "/libstack.so.1"
    return env


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            found += map(int, read("/proc/%d/task/%s/children" % (pid, task)).split())
        except OSError:
            pass
    return sorted(found)


def descendants(pid):
    found = children(pid)
    for child in children(pid):
        found += descendants(child)
    return sorted(set(found))


def gone(pid):
    """It has ended, if nobody has waited for it yet."""
    try:
        return read("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def whole_report(t, text, what, sig, threads=1, alone=True):
    """One report, with its last line; alone: the parser reads it back."""
    t.equal(re.findall(r"^(SIG[A-Z]+): ", text, re.M), ["SIG" + sig.name[3:]], what + ": headers")
    t.equal(re.findall(r"^\d+ of \d+ threads shown.*$", text, re.M),
            ["%d of %d threads shown" % (threads, threads)], what + ": last lines")
    if alone:
        s.check_read_back(t, s.from_head(text), what)


# --- vsftpd: the session's socket is its descriptor 2 ---

class Client:
    """Of an FTP server: all that it ever receives."""

    def __init__(self, port):
        self.got = b""
        end = time.monotonic() + WAIT
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), WAIT)
                return
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise SystemExit("FAILED: nobody listens")
                time.sleep(0.005)

    def answer(self, code):
        """Until a line that begins with it."""
        while not re.search(rb"^%d .*\r\n" % code, self.got, re.M):
            more = self.socket.recv(4096)
            if not more:
                raise SystemExit("FAILED: no %d: %r" % (code, self.got))
            self.got += more

    def say(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.answer(code)

    def rest(self):
        got = b""
        try:
            while True:
                more = self.socket.recv(4096)
                if not more:
                    return got
                got += more
        except ConnectionResetError:
            return got


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def vsftpd_session(t, program, preload, logged_in, sig):
    """The bytes that the client gets after each process of its session got the signal."""
    work = public_library()
    os.mkdir(work + "/empty")
    os.mkdir(work + "/root")
    os.chmod(work + "/root", 0o555)
    port = free_port()
    with open(work + "/conf", "w") as f:
        f.write("listen=YES\nlisten_address=127.0.0.1\nlisten_port=%d\nbackground=NO\nanonymous_enable=YES\n"
                "local_enable=NO\nno_anon_password=YES\nanon_root=%s/root\nsecure_chroot_dir=%s/empty\n"
                "xferlog_enable=NO\n" % (port, work, work))
    with open(work + "/err", "wb") as err:
        server = subprocess.Popen([program, work + "/conf"], env=environment(work, preload), cwd=work,
                                  stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    try:
        client = Client(port)
        client.answer(220)
        if logged_in:
            client.say("USER anonymous", 230)
            client.say("PWD", 257)
        session = descendants(server.pid)
        t.check(session, "no process of a session")
        for pid in session:
            os.kill(pid, sig)
        s.wait_for("the session's end", lambda: all(gone(pid) for pid in session), WAIT)
        rest = client.rest()
        # The server itself lives, and takes the next client.
        Client(port).answer(220)
        t.equal(server.poll(), None, "the server")
        return rest
    finally:
        server.kill()
        server.wait()


def vsftpd(t):
    program = need("/usr/sbin/vsftpd", "vsftpd")
    need_root()
    for logged_in in (False, True):
        for sig in (signal.SIGSEGV, signal.SIGQUIT):
            what = "vsftpd, %s, %s" % ("logged in" if logged_in else "welcomed", sig.name)
            bare = vsftpd_session(t, program, False, logged_in, sig)
            t.equal(vsftpd_session(t, program, True, logged_in, sig), bare, what + ": what the client gets")


# --- postgresql: a backend crashes, the postmaster starts anew ---

def postgres_run(t, work, bin_dir, preload):
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    what = "postgresql" + (", preloaded" if preload else "")
    log = work + "/log-%d" % preload
    base = work + "/data"
    with open(log, "wb") as err:
        server = subprocess.Popen(
            [bin_dir + "/postgres", "-D", base, "-k", work, "-c", "listen_addresses=", "-c", "fsync=off"],
            env=environment(work, preload), cwd=base, stdin=subprocess.DEVNULL, stdout=err, stderr=err, **user)

    def psql(*args):
        return subprocess.run([bin_dir + "/psql", "-h", work, "-XAtq", *args, "postgres"], env=environment(
            work, False), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT, cwd="/", **user)

    def ready(n):
        return lambda: read(log).count("ready to accept connections") >= n or server.poll() is not None

    try:
        s.wait_for("the server", ready(1), WAIT)
        client = subprocess.Popen([bin_dir + "/psql", "-h", work, "-XAtq", "postgres"], env=environment(work, False),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  cwd="/", **user)
        client.stdin.write(b"select pg_backend_pid();\n\\echo there\nselect pg_sleep(100);\n")
        client.stdin.flush()
        backend = int(client.stdout.readline())
        client.stdout.readline()
        s.wait_for("the backend to sleep", lambda: b"pg_sleep" in psql(
            "-c", "select query from pg_stat_activity where pid = %d and wait_event = 'PgSleep'" % backend).stdout)
        os.kill(backend, signal.SIGSEGV)
        s.wait_for("the new start", ready(2), WAIT)
        client.communicate(timeout=WAIT)
        text = read(log)
        t.check("(PID %d) was terminated by signal 11: Segmentation fault" % backend in text, what, text[-3000:])
        # The postmaster's SIGQUIT to the others is handled by them: no reports of it.
        if preload:
            whole_report(t, text, what, signal.SIGSEGV, alone=False)
            t.check("\nPostgresMain(" in text, what, "no frames of the backend", text[:3000])
        else:
            t.equal(lib.reports(text), 0, what)
        t.equal(psql("-c", "select 6 * 7").stdout, b"42\n", what + ": a new client")
        server.send_signal(signal.SIGINT)
        t.equal(server.wait(WAIT), 0, what + ": its end")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def postgresql(t):
    found = sorted(d for d in (os.listdir("/usr/lib/postgresql") if os.path.isdir("/usr/lib/postgresql") else [])
                   if os.path.exists("/usr/lib/postgresql/%s/bin/initdb" % d))
    if not found:
        s.skip("package postgresql is not installed")
    bin_dir = "/usr/lib/postgresql/%s/bin" % found[-1]
    work = public_library()
    user = {}
    if os.getuid() == 0:
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        os.chmod(work, 0o777)
    made = subprocess.run([bin_dir + "/initdb", "-D", work + "/data", "-A", "trust", "-U", "nobody", "-N",
                           "--no-instructions"], env=environment(work, False), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, cwd=work, **user)
    if made.returncode:
        s.skip("no database can be made here: " + made.stdout.decode()[-300:])
    os.environ["PGUSER"] = "nobody"
    for preload in (False, True):
        postgres_run(t, work, bin_dir, preload)


# --- java -Xrs: SIGQUIT is left to the system, SIGSEGV is the JVM's ---

def java(t):
    if not shutil.which("java") or not shutil.which("javac"):
        s.skip("package openjdk-17-jdk-headless is not installed")
    work = s.workdir()
    quiet = "-XX:-UsePerfData"  # leaves no /tmp/hsperfdata_USER
    subprocess.run(["javac", "-J" + quiet, "-nowarn", "-d", work, HERE + "/Crash.java"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    argv = [os.path.realpath(shutil.which("java")), quiet, "-Xrs", "-Xmx64m", "-cp", work, "Crash", "60000"]
    threads = []

    def poke(pid):
        threads.append(len(os.listdir("/proc/%d/task" % pid)))
        os.kill(pid, signal.SIGQUIT)

    for preload in (False, True):
        what = "java -Xrs" + (", preloaded" if preload else "")
        r = lib.Run(argv, lib.environment(preload), poke=poke)
        t.equal(r.status, -signal.SIGQUIT, what + ": status")
        t.equal(r.out.splitlines()[:1], ["caught 100"], what + ": NULL checks " + r.err[:500])
        if not preload:
            t.equal(lib.reports(r.err), 0, what + ": reports")
            continue
        whole_report(t, r.err, what, signal.SIGQUIT, threads[-1])


# --- a Go library in a C program ---

GO = r"""
package main

import "C"

//export Caught
func Caught() (n C.int) {
	for i := 0; i < 100; i++ {
		func() {
			defer func() {
				if recover() != nil {
					n++
				}
			}()
			var p *int
			*p = 1
		}()
	}
	return
}

func main() {}
"""
GO_USER = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int Caught(void);

__attribute__((noinline)) int boom(long address)
{
	*(volatile int *)address = 1;
	return 0;
}

int main(int argc, char **argv)
{
	printf("caught %d\n", Caught());
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "segv"))
		boom(16);
	if (argc > 1 && !strcmp(argv[1], "abort"))
		abort();
	if (argc > 1 && !strcmp(argv[1], "sent"))
		raise(SIGSEGV);
	if (argc > 1 && !strcmp(argv[1], "quit"))
		raise(SIGQUIT);
	return 3;
}
"""


def go(t):
    if not shutil.which("go"):
        s.skip("package golang-go is not installed")
    work = s.workdir()
    with open(work + "/lib.go", "w") as f:
        f.write(GO)
    with open(work + "/user.c", "w") as f:
        f.write(GO_USER)
    env = dict(os.environ, GOCACHE=os.environ["XDG_CACHE_HOME"] + "/go", GO111MODULE="off", GOFLAGS="", HOME=work)
    made = subprocess.run(["go", "build", "-buildmode=c-shared", "-o", "libgo.so", "lib.go"], cwd=work, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)
    if made.returncode:
        s.skip("go builds no library here: " + made.stdout.decode()[-300:])
    subprocess.run(["gcc", "-g", "-rdynamic", "-o", "user", "user.c", "-L.", "-l:libgo.so", "-Wl,-rpath," + work],
                   cwd=work, check=True)
    for how in ("none", "segv", "abort", "sent", "quit"):
        bare, r = (lib.Run([work + "/user", how], lib.environment(p)) for p in (False, True))
        t.equal(r.status, bare.status, "go, %s: status" % how)
        t.equal((bare.out, r.out), ("caught 100\n",) * 2, "go, %s: output" % how)
        if how == "segv":
            t.equal(lib.reports(r.err), 1, "go, segv: reports")
            t.check("\nboom(" in r.err, "go, segv: no frame of the program", r.err[:2000])
        elif bare.status in (0, 3):
            t.equal(lib.reports(r.err), 0, "go, %s: reports" % how)


# --- node: children are made as by vfork ---

NODE = r"""
const {spawnSync, spawn} = require('child_process');
const keep = setTimeout(() => process.exit(5), 60000); // a handler of a signal keeps no loop alive
for (let i = 0; i < 10; i++) {
	const r = spawnSync('/bin/grep', ['-E', '^Sig(Blk|Ign|Cgt)', '/proc/self/status'],
		{env: {}});
	if (i == 9)
		console.log(r.stdout.toString().trim());
}
let left = 10;
for (let i = 0; i < 10; i++)
	spawn('/bin/true').on('exit', (code) => {
		if (code === 0 && --left == 0)
			then();
	});
function then() {
	let seen = 0;
	process.on('SIGQUIT', () => {
		console.log('SIGQUIT', ++seen);
		if (seen < 3) {
			spawnSync('/bin/true');
			process.kill(process.pid, 'SIGQUIT');
			return;
		}
		process.removeAllListeners('SIGQUIT');
		console.log('READY');
		if (process.argv[2] == 'end')
			process.exit(4);
	});
	process.kill(process.pid, 'SIGQUIT');
}
"""


def node(t):
    program = shutil.which("node")
    if not program:
        s.skip("package nodejs is not installed")
    work = s.workdir()
    with open(work + "/spawn.js", "w") as f:
        f.write(NODE)
    argv = [os.path.realpath(program), work + "/spawn.js"]
    bare, r = (lib.Run([*argv, "end"], lib.environment(p)) for p in (False, True))
    t.equal((r.status, r.out), (bare.status, bare.out), "node: what it does " + r.err[:1000])
    t.equal((bare.status, lib.reports(r.err)), (4, 0), "node: its end, and no report")
    for sig in (signal.SIGSEGV, signal.SIGFPE, signal.SIGQUIT):
        threads = []

        def poke(pid):
            threads.append(len(os.listdir("/proc/%d/task" % pid)))
            os.kill(pid, sig)

        bare, r = (lib.Run([*argv, "wait"], lib.environment(p), poke=poke) for p in (False, True))
        t.equal((r.status, r.out), (bare.status, bare.out), "node, %s: as without" % sig.name)
        t.equal(bare.status, -sig, "node, %s: status" % sig.name)
        whole_report(t, r.err, "node, " + sig.name, sig, threads[-1])


def main():
    t = s.Failures()
    {"vsftpd": vsftpd, "postgresql": postgresql, "java": java, "go": go, "node": node}[sys.argv[1]](t)
    t.exit()


main()
