"""corectl run: the program as it would be by itself, with libstack in it."""
import os
import shutil
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

WORDS = os.path.join(s.FIXTURES, "words")
LIBRARY = os.path.join(os.path.dirname(s.CORECTL), "signal/libstack.so.1")


def run(*args, corectl=s.CORECTL, **env):
    """(stdout, stderr, return code, process id)"""
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and k[:8] != "LIBSTACK"}
    p = subprocess.Popen([corectl, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=dict(clean, **env))
    out, err = p.communicate(timeout=60)
    return out.decode(), err.decode("utf-8", "replace"), p.returncode, p.pid


def program(t):
    """Its status, process id, arguments and environment are its own."""
    t.equal(run("run", "sh", "-c", "exit 3")[2], 3, "exit status")
    out, err, status, _ = run("run", WORDS)
    t.equal(status, -signal.SIGABRT, "wait status")
    t.equal(err.count("SIGABRT: abort\n"), 1, "headers")
    frames = {n: w for n, w, _ in s.parse_trace(err)[0][1]}
    logged = [line.split(" ", 2)[1:] for line in err.splitlines() if line.startswith("ARGS ")]
    t.check(len(logged) == 2, "the fixture's log:", err)
    for name, words in logged:
        t.equal(frames.get(name), words, "words of " + name)
    out, _, _, pid = run("run", "sh", "-c", "echo $$")
    t.equal(out, "%d\n" % pid, "process id")
    out, err, status, _ = run("run", "echo", "-batch", "--no-follow", "--", "-x")
    t.equal((out, err, status), ("-batch --no-follow -- -x\n", "", 0), "arguments")
    out, _, _, _ = run("run", "--", "sh", "-c", "trap '' PIPE; kill -PIPE $$; echo lives; trap - "
                       "PIPE; kill -PIPE $$; echo not reached")
    t.equal(out, "lives\n", "SIGPIPE is as it was")


def environment(*args, **env):
    out, err, status, _ = run("run", *args, "env", **env)
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def sanitized():
    with open(os.path.join(os.environ["BUILD"], "CMakeCache.txt")) as f:
        return "STK_SANITIZE:BOOL=ON" in f.read()


def children(t):
    """They have the library too, unless --no-follow says otherwise."""
    child = ("sh", "-c", "'%s'; exit 5" % WORDS)
    _, err, status, _ = run("run", *child)
    t.equal((status, err.count("\nPC=")), (5, 1), "a child that crashes")
    _, err, status, _ = run("run", "--no-follow", *child)
    t.equal((status, err.count("\nPC=")), (5, 0), "a child that crashes, --no-follow")
    _, err, status, _ = run("run", "--no-follow", WORDS)
    t.equal((status, err.count("\nPC=")), (-signal.SIGABRT, 1), "the program itself, --no-follow")
    got = environment()
    t.equal(got.get("LD_PRELOAD"), LIBRARY, "LD_PRELOAD")
    t.check("LIBSTACK_FOLLOW" not in got, "LIBSTACK_FOLLOW is set")
    # AddressSanitizer lets nothing be preloaded into corectl itself.
    preloads = [(None, None)]
    if not sanitized():
        t.equal(environment(LD_PRELOAD="libm.so.6").get("LD_PRELOAD"), "libm.so.6:" + LIBRARY,
                "what was preloaded before")
        preloads += [("libm.so.6", "libm.so.6"), ("libm.so.6 libdl.so.2", "libm.so.6:libdl.so.2"),
                     (LIBRARY, None), (LIBRARY + ":libm.so.6", "libm.so.6")]
    for before, wanted in preloads:
        env = {"LD_PRELOAD": before} if before else {}
        got = environment("--no-follow", **env)
        t.equal(got.get("LD_PRELOAD"), wanted, "--no-follow leaves of %r" % before)
        t.check("LIBSTACK_FOLLOW" not in got, "--no-follow leaves LIBSTACK_FOLLOW")
        t.check("PATH" in got, "--no-follow loses PATH")
    _, err, _, _ = run("run", "true", LIBSTACK_FOLLOW="never")
    t.equal(err, "libstack: LIBSTACK_FOLLOW=never is not known, using the default; it takes yes or "
            "no\n", "an unknown value")


def refused(t, what, args, *texts, corectl=s.CORECTL, status=2):
    out, err, got, _ = run("run", *args, corectl=corectl)
    t.equal((out, got), ("", status), what + ": output, status")
    t.check(err.startswith("corectl: run: ") and err.count("\n") == 1, what, ": message:", err)
    for text in texts:
        t.check(text in err, what, ": not said:", text, "in", err)


def refusals(t):
    work = s.workdir()
    bare = os.path.join(work, "static")
    with open(bare + ".c", "w") as f:
        f.write("int main(void) { return 0; }\n")
    for how in ("-static", "-static-pie"):
        if subprocess.run(["cc", how, bare + ".c", "-o", bare]).returncode:
            print("not built:", how)
            continue
        refused(t, how, [bare], bare + " is a static program", "libstack.a")
        script = os.path.join(work, "script")
        with open(script, "w") as f:
            f.write("#! %s -x\n" % bare)
        os.chmod(script, 0o755)
        refused(t, "a script of it", [script], bare + " is a static program")
    with open(script, "w") as f:
        f.write("#!/bin/sh\necho $1\n")
    t.equal(run("run", script, "fine")[0], "fine\n", "an ordinary script")
    if shutil.which("musl-gcc"):
        subprocess.run(["musl-gcc", bare + ".c", "-o", bare], check=True)
        refused(t, "musl", [bare], bare + " uses musl: libstack does not support it yet")
    privileged = shutil.which("passwd") or "/usr/bin/passwd"
    if os.getuid() == 0:
        privileged = shutil.copy(WORDS, os.path.join(work, "setuid"))
        os.chown(privileged, 65534, 65534)
        os.chmod(privileged, 0o4755)
    if os.path.exists(privileged) and os.stat(privileged).st_mode & stat.S_ISUID:
        refused(t, "set-uid", [privileged], "set-uid", "-lstack")
    refused(t, "no program", [], "no program given", status=64)
    refused(t, "an option", ["--nofollow", "true"], "unknown option: --nofollow", status=64)
    refused(t, "nothing there", ["/nowhere/program"], "/nowhere/program: No such file or directory")
    refused(t, "not in PATH", ["no-such-program-here"], "no-such-program-here is not found in PATH")
    refused(t, "a folder", [work], work, "Permission denied")
    alone = shutil.copy(s.CORECTL, os.path.join(work, "corectl"))
    refused(t, "corectl without the library", ["true"], "libstack.so.1 was found neither in %s/signal"
            % work, corectl=alone)


def main():
    t = s.Failures()
    if not os.path.exists(LIBRARY):
        s.skip("no " + LIBRARY)
    program(t)
    children(t)
    refusals(t)
    t.exit()


main()
