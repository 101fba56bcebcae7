"""Go's switch between the stacks of Go and C (runtime.asmcgocall), of which its call frame information says nothing."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import support as s

STOPPED = re.compile(r"^ *stopped: (.*)$", re.M)
CALLED = ["inner", "entry", "_Cfunc_entry", "runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_entry"]
BEGIN = ["main.work", "main.main", "runtime.main", "runtime.goexit"]
NESTED = CALLED + ["main.back", "_cgoexp_back", "runtime.cgocallbackg1", "runtime.cgocallbackg", "runtime.cgocallback",
                   "runtime.systemstack_switch", "runtime.cgocall", "main._Cfunc_outer"]


def plain(name):
    """Without the hash of cgo's names and the suffix of Go's ABI."""
    name = re.sub(r"^_cgo_[0-9a-f]+_", "_", re.sub(r"^_cgoexp_[0-9a-f]+_", "_cgoexp_", name))
    return re.sub(r"\.abi(0|internal)$", "", name)


def chain(frames):
    """From inner on; Go's wrapper of the same name and inlined copies are one."""
    names = [plain(f[0]) for f in frames]
    names = names[names.index("inner"):] if "inner" in names else names
    return [n for i, n in enumerate(names) if not i or n != names[i - 1]]


def check_words(t, log, frames, where):
    for name, words in re.findall(r"^ARGS (\w+) (.*)$", log, re.M):
        shown = [w for n, w, _ in frames if n == name]
        t.check(not shown or words in shown, where, name, words, shown)


def main():
    t = s.Failures()
    work = s.workdir()
    if not shutil.which("go"):
        s.skip("go is not installed")
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cgo.go"), work)
    env = dict(os.environ, GOCACHE=os.environ["XDG_CACHE_HOME"] + "/go", GO111MODULE="off", GOFLAGS="", HOME=work)
    made = subprocess.run(["go", "build", "-o", "cgo", "cgo.go"], cwd=work, capture_output=True, text=True, env=env)
    if made.returncode:
        s.skip("go builds no program with C here: " + made.stderr[-300:])
    path, core = work + "/cgo", work + "/core"
    for args, wanted in (([], CALLED + BEGIN), (["nested"], NESTED + BEGIN)):
        s.make_core(path, core, args)
        out, _, status = s.corectl("core", path, core, "-batch", "-ex", "bt")
        frames = [(f["name"], f["words"], f["at"]) for f in s.parse_bt(out)[None]]
        t.equal(chain(frames), wanted, "core" + out)
        t.check(not any("(scanned)" in f[2] or "(by frame" in f[2] for f in frames), "no guess", out)
        t.equal((STOPPED.findall(out), status), ([], 0), "complete")
        trace, _, _ = s.corectl("stack", core, path)
        t.equal(chain(s.parse_trace(trace)[0][1]), wanted, "stack" + trace)
        s.check_read_back(t, trace, "stack")
        run = lib.Run([path, *args], lib.environment(LIBSTACK_SIGNALS="ABRT"))
        frames = s.parse_trace(s.from_head(run.err))[0][1]
        t.equal(chain(frames), wanted, "report" + run.err)
        check_words(t, run.err, frames, "report")
    s.make_core(path, core, ["held", "registers"])
    out, _, _ = s.corectl("core", path, core, "-batch", "-ex", "bt")
    held = [f["words"] for f in s.parse_bt(out)[None] if f["name"] == "main.held"]
    # In Go's lists of parameters stand the results, too.
    t.check(len(held) == 1 and s.words_match(held[0], "0x5, 0x1234, 0x5678", True), "main.held", held, out)
    t.exit()


main()
