"""test_returns.py musl|unloaded: where call frame information does not lead on: musl's libc, which has none; a library that was unloaded."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

HERE = os.path.dirname(os.path.abspath(__file__))
STOPPED = re.compile(r"^ *stopped: (.*)$", re.M)


def compiled(compiler, source, path, *options):
    subprocess.run([compiler, "-D_GNU_SOURCE", "-w", "-g", "-O0", *options, os.path.join(HERE, source), "-o", path], check=True)
    return path


def musl(t, work, how):
    """What leads from musl's raise on is a guess, and a right one: to the handler, the kernel's frame and what it interrupted."""
    path, core, log = work + "/musl", work + "/core", work + "/log"
    open(log, "w").close()
    compiled("musl-gcc", "returns.c", path, *how)
    s.make_core(path, core, log=log)
    with open(log) as f:
        logged = [line.rstrip("\n").split(" ", 2)[1:] for line in f]
    t.equal([name for name, _ in logged], ["work"] * 3 + ["on_signal"], "log")
    wanted = [("raise", "..."), ("abort", "..."), tuple(logged[3])]
    wanted += [None] + [tuple(call) for call in logged[2::-1]] + [("main", "")]
    for out, frames in answers(core, path):
        at = [f[0] for f in frames].index("raise")
        shown = [f[:2] if "signal frame" not in f[2] else None for f in frames[at:at + len(wanted)]]
        t.equal(shown, wanted, "musl " + " ".join(how) + out)
        t.check(all("(scanned)" in f[2] for f in frames[at + 1:]), "a guess is marked", out)
        t.check("setjmp" not in out, "a symbol without a size before the trampoline", out)
        t.equal(len(STOPPED.findall(out)), 1, out)


def answers(core, path):
    """bt and stack: [(text, [(name, words, where)])]"""
    out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
    yield out + "status %d" % status, [(f["name"], f["words"], f["at"]) for f in s.parse_bt(out)[None]]
    out, _, _ = s.corectl("stack", core, path)
    yield out, s.parse_trace(out)[0][1]


def ends_unloaded(t, text, frames, body, where):
    """The thread's frames in libc, then the address that was unloaded."""
    t.check(len(frames) > 1 and all("libc" in at or "nptl" in at or "sysdeps" in at or "futex" in at
                                    for _, _, at in frames[:-1]), where, frames)
    name, words, at = frames[-1]
    t.equal((name, words), ("??", "..."), where)
    address = int(at.split()[0], 16)
    t.check(body - 4096 < address < body + 4096, where, hex(address), hex(body))
    t.equal(STOPPED.findall(text), ["the return address %#x is in no code" % address], where)


def unloaded(t, work):
    library = compiled("gcc", "unloaded.c", work + "/libunloaded.so", "-DLIBRARY", "-shared", "-fPIC")
    path = compiled("gcc", "unloaded.c", work + "/unloaded", "-pthread", "-ldl")
    core, log = work + "/core2", work + "/log2"
    s.make_core(path, core, (library,), log=log)
    with open(log) as f:
        body = int(f.read().split()[1], 16)
    out, _, status = s.corectl("core", path, core, "-batch", "-ex", "thread 2", "-ex", "bt")
    ends_unloaded(t, out, [(f["name"], f["words"], f["at"]) for f in s.parse_bt(out)[None]], body, "core")
    t.equal(status, 1, "status")
    trace, _, status = s.corectl("stack", core, path)
    ends_unloaded(t, trace, s.parse_trace(trace)[1][1], body, "stack")
    t.equal(status, 1, "status of stack")
    for helper in (None, "/dev/null"):
        run = lib.Run([path, library], lib.environment(True, LIBSTACK_HELPER=helper))
        with open(run.log) as f:
            body = int(f.read().split()[1], 16)
        text = s.from_head(run.err)
        frames = s.parse_trace(text)[1][1]
        if helper:
            text = re.sub("the return address is in no code", "the return address %s is in no code" % frames[-1][2], text)
        ends_unloaded(t, text, frames, body, "in process" if helper else "report")

    def look(pid):
        text, _, status = s.corectl("stack", str(pid))
        with open(work + "/log3") as f:
            body = int(f.read().split()[1], 16)
        ends_unloaded(t, text, s.parse_trace(text)[1][1], body, "live")
        t.equal(status, 1, "status, live")
        os.kill(pid, 9)
    lib.Run([path, library, "stay"], lib.environment(False), poke=look, log=work + "/log3")


def main():
    t = s.Failures()
    work = s.workdir()
    if sys.argv[1] == "unloaded":
        unloaded(t, work)
        t.exit()
    if not shutil.which("musl-gcc"):
        s.skip("musl-gcc is not installed")
    musl(t, work, [])
    musl(t, work, ["-static"])
    musl(t, work, ["-fno-plt", "-no-pie"])
    t.exit()


main()
