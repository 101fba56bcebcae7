"""Each allocation fails in turn, alone and with all that follow, while committed cores are looked at.

Each run must end by itself and by no signal. corectl shows what it shows with memory enough, or says
that memory is short, with a status of 1 or 2. The engine alone has no such word, and its caller ends
the program (corectl/memory.c): here it may go on, but what it shows of a frame is the same or marked.

nomem.py corectl|engine PRELOADED ENGINE
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

COMMANDS = ("thread apply all bt", "frame function main", "info threads", "args", "ls main", "modules", "regs",
            "decode 0x19010001 struct flags", "disass main", "x/4x $sp")
PAIRS = ("threads", "packed", "inline")


class Runs:
    """One command line, with any allocation failing."""

    def __init__(self, what, preload, argv, work):
        self.argv, self.count = argv, os.path.join(work, "count")
        self.env = dict(os.environ, LD_PRELOAD=preload, NOMEM_COUNT=self.count)
        if what == "engine":
            self.env["NOMEM_OWN"] = "1"
        self.sound = self.run()
        with open(self.count) as f:
            self.total = int(f.read())

    def run(self, **failing):
        env = dict(self.env, **{k: str(v) for k, v in failing.items()})
        done = subprocess.run(self.argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              stdin=subprocess.DEVNULL)
        return (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
                done.returncode)


def frames(out):
    """{pc: [(name, words, location)]} of a report with pcs."""
    found = {}
    for _, of_thread in s.parse_trace(out):
        for name, words, at in of_thread:
            place, _, pc = at.partition(" fp=")
            found.setdefault(pc.rpartition("pc=")[2], []).append((name, words, place))
    return found


def is_marked(frame, sound):
    """Is it what stands there with memory enough, but for what it says it does not know? Threads that
    are alike need not be shown as one."""
    name, words, place = frame
    if "(scanned)" in place or "(by frame pointer)" in place:
        return True
    unknown = re.fullmatch(r"[_{}, .]*", words)
    for sound_name, sound_words, sound_place in sound:
        if (name in (sound_name, "??") and (place == sound_place or re.match(r"\S+\+0x[0-9a-f]+( |$)", place))
                and (unknown or "~" in sound_words or s.words_match(words, sound_words, True))):
            return True
    return False


def check_engine(t, where, out, sound):
    for key, got in frames(out).items():
        for frame in got:
            t.check(is_marked(frame, sound.get(key, [])), where, frame, "with memory enough:", sound.get(key))


def check(t, what, runs, name):
    sound = frames(runs.sound[0])
    for at in range(1, runs.total + 1):
        for failing in ({"NOMEM_AT": at}, {"NOMEM_AT": at, "NOMEM_ON": 1}):
            got = runs.run(**failing)
            out, err, status = got
            where = "%s, allocation %d of %d%s" % (name, at, runs.total, " and on" * ("NOMEM_ON" in failing))
            if not t.check(status in (0, 1, 2), where, "status", status, err[-500:]) or got == runs.sound:
                continue
            if what == "engine":
                check_engine(t, where, out, sound)
            else:
                t.check(status in (1, 2) and "memory" in err,
                        "%s: status %d, nothing is said of memory: %s" % (where, status, err[-300:]))


def main():
    what, preload, engine = sys.argv[1:]
    t = s.Failures()
    work = s.workdir()
    os.environ["XDG_CACHE_HOME"] = work
    for name in PAIRS:
        core, program = (os.path.join(os.environ["CORES"], name + suffix) for suffix in (".core", ".bin"))
        argv = [engine, core, program]
        if what == "corectl":
            # The preloaded library counts into a file at the end, which the sandbox forbids.
            argv = [s.CORECTL, "--no-sandbox", core, program, "-batch", *[a for c in COMMANDS for a in ("-ex", c)]]
        runs = Runs(what, preload, argv, work)
        t.check(runs.sound[0] and runs.total > 20, name, runs.total, runs.sound)
        check(t, what, runs, name)
    t.exit()


main()
