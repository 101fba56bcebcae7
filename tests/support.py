"""What the Python tests share: where things are, making cores, reading corectl's and gdb's answers."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("SOURCE") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORECTL = os.environ.get("CORECTL", os.path.join(SOURCE, "build/dev/corectl"))
FIXTURES = os.environ.get("FIXTURES", os.path.join(SOURCE, "build/dev/fixtures"))
TRACE_ECHO = os.environ.get("TRACE_ECHO", os.path.join(SOURCE, "build/dev/tests/trace_echo"))
SKIP = 77
# Never the developer's own cache.
os.environ["XDG_CACHE_HOME"] = os.path.join(os.path.dirname(CORECTL), "tests/cache")


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIP)


def capable(capability):
    """Whether this process has it (its number): root in a container lacks many."""
    with open("/proc/self/status") as f:
        have = int(re.search(r"^CapEff:\s*(\w+)", f.read(), re.M).group(1), 16)
    return bool(have >> capability & 1)


class Failures:
    """Collects what does not hold, so that one run tells everything."""

    def __init__(self):
        self.count = 0
        self.checks = 0

    def check(self, holds, *text):
        self.checks += 1
        if not holds:
            self.count += 1
            print("FAILED:", *text)
        return bool(holds)

    def equal(self, got, wanted, what):
        return self.check(got == wanted, "%s\n  got    %r\n  wanted %r" % (what, got, wanted))

    def exit(self):
        print("%d checks, %d failed" % (self.checks, self.count))
        if self.checks == 0:
            print("FAILED: nothing was checked")
        sys.exit(1 if self.count or not self.checks else 0)


def wait_for(what, holds, deadline=60):
    """Until holds() is true; the test fails at the deadline, in seconds."""
    end = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > end:
            print("FAILED: waited for", what)
            sys.exit(1)
        time.sleep(0.001)


def workdir():
    path = tempfile.mkdtemp(prefix="libstack-test-")
    import atexit
    atexit.register(shutil.rmtree, path, True)
    return path


def make_core(program, out, args=(), log=None, way=None):
    """The core of a program that dies; skips the test where none can be made."""
    env = dict(os.environ)
    if log:
        env["FIXTURE_LOG"] = log
    if way:
        env["MAKE_CORE"] = way
    made = subprocess.run([os.path.join(SOURCE, "fixtures/make-core.sh"), program, out, *args],
                          env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
    if made.returncode == SKIP:
        skip(made.stderr.decode().strip().splitlines()[-1])
    if made.returncode:
        print("FAILED: make-core.sh", program, made.returncode, made.stderr.decode())
        sys.exit(1)


def corectl(*args, timeout=60, env=None, stdin=b""):
    """(stdout, stderr, status) of corectl. It must end by itself, and by no signal."""
    done = subprocess.run([CORECTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=stdin, timeout=timeout, env=env)
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if done.returncode < 0 or done.returncode == 99 or "Sanitizer" in err:
        print("FAILED: corectl", *args, "ended with", done.returncode)
        print(err[-4000:])
        sys.exit(1)
    return out, err, done.returncode


FRAME = re.compile(r"^[* ]*(\d+)\s+0x([0-9a-f]+) in (.*)$")
THREAD = re.compile(r"^Thread (\d+) \(tid (\d+)")
CALL = re.compile(r"^(.*?)(\((?:[0-9a-fx?_~{}., ]*|\.\.\.)\))$")
WORD = re.compile(r"0x[0-9a-f]+\??|_|~|\.\.\.")


def split_call(text):
    """`name(words)` into the name and the text between the last parentheses."""
    depth_at = text.rfind("(")
    return text[:depth_at], text[depth_at + 1:].rstrip(")")


def remarks(err):
    """What batch mode says on stderr, without the two lines that tell what the core is."""
    return "".join(re.findall(r"^corectl: .*\n", err, re.M))


def parse_bt(text):
    """bt or `thread apply all bt`: {tid or None: [frame]}; a frame has pc, name, words, at."""
    threads, frames = {}, None
    for line in text.splitlines():
        heading, frame = THREAD.match(line), FRAME.match(line)
        if heading:
            frames = threads.setdefault(int(heading.group(2)), [])
        elif frame:
            if frames is None:
                frames = threads.setdefault(None, [])
            name, words = split_call(frame.group(3))
            frames.append({"pc": int(frame.group(2), 16), "name": name, "words": words, "at": ""})
        elif line.lstrip().startswith("at ") and frames:
            frames[-1]["at"] = line.lstrip()[3:]
    return threads


def tail_calls_as_gdb(ours, theirs):
    """Our frames without the tail calls that gdb does not show: it does not know clang's
    (DW_AT_call_pc), and of calls inlined into one it shows the innermost only."""
    def tail(frame):
        return frame["at"].endswith(" (tail call)")

    known = {"%#x" % f[0] for f in theirs if f[1] == "tailcall"}
    return [f for n, f in enumerate(ours)
            if not tail(f) or ("%#x" % f["pc"] in known and
                               not (tail(ours[n - 1]) and ours[n - 1]["pc"] == f["pc"]))]


def parse_trace(text):
    """The trace form: [(heading, [(name, words, location)])]."""
    threads, frames = [], None
    for line in text.splitlines():
        if re.match(r"^threads? [0-9,-]+ \(", line):
            frames = []
            threads.append((line, frames))
        elif line == "" or line.startswith("modules:"):
            frames = None
        elif frames is not None and line.startswith("\t") and frames:
            frames[-1] = frames[-1][:2] + (line[1:],)
        elif frames is not None and line.endswith(")"):
            frames.append(split_call(line) + ("",))
    return threads


HEAD = re.compile(r"^SIG[A-Z0-9+]+: |^no signal$", re.M)


def from_head(text):
    """Without what the program wrote before the report."""
    head = HEAD.search(text)
    return text[head.start():] if head else ""


def check_read_back(t, text, where):
    """What the writers write the parser reads: it understands all but notes in brackets, and writes
    the same text."""
    done = subprocess.run([TRACE_ECHO], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=True)
    foreign = [l for l in done.stderr.decode().splitlines() if not re.match(r"\[.*\]$", l)]
    t.equal(foreign, [], where + ": lines that are not read back")
    t.equal(done.stdout.decode(), text, where + ": read and written again")


def words_match(shown, logged, lossy):
    """Every word that is shown is the logged one; `_` only where the program was optimized."""
    got, wanted = WORD.findall(shown), WORD.findall(logged)
    if lossy and re.sub(WORD, "", shown) != re.sub(WORD, "", logged):
        return False
    if not lossy:
        return shown == logged
    return len(got) == len(wanted) and all(
        g == w or g == "_" or (g.endswith("?") and g[:-1] == w) for g, w in zip(got, wanted))


def gdb_reference(core, program, pid=None):
    """{tid: {"frames": [[pc, type, function, file, line]], "regs": {name: value}}} as gdb sees it;
    of a live process where `pid` is given."""
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    script = os.path.join(SOURCE, "tests/live/gdbref.py")
    done = subprocess.run(
        ["gdb", "-q", "-batch", "-nx", "-ex", "set debuginfod enabled off",
         "-ex", "set backtrace past-main on", "-ex", "set backtrace past-entry on",
         "-ex", "set auto-load off", "-ex", "file " + program,
         "-ex", "attach %d" % pid if pid else "core-file " + core, "-x", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("REFERENCE "):
            return {int(tid): t for tid, t in json.loads(line[10:]).items()}
    print("FAILED: gdb gave no answer:", done.stdout.decode()[-2000:])
    sys.exit(1)


def fingerprint(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest(), os.stat(path).st_mtime_ns
