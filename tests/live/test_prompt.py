"""The prompt, typed into through a pseudo-terminal: history, completion, the pager, Ctrl-C, Ctrl-D, Ctrl-Z.

Everything waits for what must appear, with a deadline; nothing sleeps for luck.
"""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from terminal import PROMPT, Terminal, environment, terminal

ENDLESS = sys.argv[1]  # see endless.c


def basics(t, work):
    core, program = work + "/words.core", os.path.join(s.FIXTURES, "words")
    s.make_core(program, core)
    c = terminal(work, core, program)
    start = c.expect(PROMPT)
    t.check("example({0x" in start and "words.c:18" in start, "start shows", start)
    t.check("=>" in start, "start shows the source line:", start)
    c.type("decode 0x7 u8\n")
    t.check("07   7" in c.expect(PROMPT).replace("    ", "   "), "decode")
    c.type("\x1b[A")
    c.expect("decode 0x7 u8")
    c.type("\n")
    t.check("0000 0111" in c.expect(PROMPT), "up arrow and Enter repeat the command")
    c.type("modu\t")
    c.expect("modules")
    c.type("\n")
    t.check("libc" in c.expect(PROMPT), "completion of a command")
    c.type("ls exam\t")
    c.expect("example")
    c.type("\n")
    t.check("abort();" in c.expect(PROMPT), "completion of a function")
    c.type("ls words.\t")
    c.expect("words.c")
    c.type(":14\n")
    t.check(" 14:" in c.expect(PROMPT), "completion of a file, then a line")
    c.type("backt\t")
    c.expect("backtrace ")
    c.type("1\n")
    t.equal(frames_in(c.expect(PROMPT)), [0], "completion of another spelling")
    c.type("frame 0\n")
    c.expect(PROMPT)
    c.type("up\n")
    t.check(" 1  0x" in c.expect(PROMPT), "up from frame 0")
    c.type("\n")
    t.check(" 2  0x" in c.expect(PROMPT), "Enter repeats")
    c.type("half a li")
    c.expect("half a li")
    c.type("\x03")
    c.expect(PROMPT)
    t.equal(c.leave(), 0, "status after Ctrl-D")
    files = [os.path.join(d, n) for d, _, ns in os.walk(work + "/state") for n in ns]
    t.check(files and "decode 0x7 u8" in open(files[0]).read(), "history file", files)
    c = terminal(work, core, program)
    c.expect(PROMPT)
    c.type("nosuchcommand\n")
    c.expect(PROMPT)
    t.equal(c.leave(), 1, "status after Ctrl-D when a command failed")


def interrupt(t, work):
    core, program = work + "/deep.core", os.path.join(s.FIXTURES, "deep")
    s.make_core(program, core, ["100000"])
    c = terminal(work, core, program)
    c.expect(PROMPT)
    c.type("bt\n")
    c.expect("descend(")
    began = time.monotonic()
    c.type("\x03")
    c.expect(PROMPT)
    t.check(time.monotonic() - began < 10, "Ctrl-C ends a long command")
    c.type("bt 2\n")
    t.check("0x" in c.expect(PROMPT), "the prompt works after Ctrl-C")
    t.check(c.leave() in (0, 1), "Ctrl-D after Ctrl-C")


def second_interrupt(t, work):
    """What does not look at Ctrl-C is ended by the second one, at a command and inside a line, and the
    terminal is as it was; at the prompt and in a pager it may come as often as it likes."""
    preload = {"LD_PRELOAD": ENDLESS,
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    for line in ("disass\n", "ls ex\t"):
        c = terminal(work, work + "/words.core", os.path.join(s.FIXTURES, "words"), **preload)
        c.expect(PROMPT)
        c.type(line)
        c.expect("no end")
        os.kill(c.pid, signal.SIGINT)
        s.wait_for("the first Ctrl-C", lambda: not c.pending())
        t.equal(os.waitpid(c.pid, os.WNOHANG), (0, 0), "ended by the first Ctrl-C: %r" % line)
        c.type("\x03")
        t.equal(c.wait(), 130, "status after the second Ctrl-C: %r" % line)
        t.check(c.canonical(), "the terminal after the second Ctrl-C: %r" % line)
    c = terminal(work, work + "/words.core", os.path.join(s.FIXTURES, "words"),
                 PAGER="trap 'echo not yet' INT; echo in the pager; until read x </dev/tty; do :; done; cat")
    c.resize(5, 100)
    c.expect(PROMPT)
    for _ in range(5):
        c.type("\x03")
        c.expect(PROMPT)
    c.type("maps\n")
    c.expect("in the pager")
    for _ in range(2):
        c.type("\x03")
        c.expect("not yet")
    c.type("\n")
    c.expect(PROMPT)
    t.equal(c.leave(), 0, "status after Ctrl-C in the pager")


def frames_in(text):
    return [int(n) for n in re.findall(r"^ *(\d+)  0x", text, re.M)]


def paging(t, work):
    """$PAGER shows what is longer than the screen; nothing is lost where it cannot be run."""
    core, program = work + "/deeper.core", os.path.join(s.FIXTURES, "deep")
    s.make_core(program, core, ["2000"])
    shown, marker = {}, work + "/paged"
    for pager in ("cat", "tee %s | cat" % marker, "no-such-pager", program + ".o", "head -5", ""):
        c = terminal(work, core, program, PAGER=pager)
        c.resize(20, 100)
        c.expect(PROMPT)
        c.type("bt 40\n")
        few = frames_in(c.expect(PROMPT))
        c.type("bt\n")
        shown[pager] = few, frames_in(c.expect(PROMPT))
        c.type("bt 2\n")
        t.equal(frames_in(c.expect(PROMPT)), [0, 1], "the next command, PAGER=" + pager)
        t.equal(c.leave(), 0, "status, PAGER=" + pager)
    t.check(os.path.exists(marker), "the pager did not run")
    few, whole = shown[""]
    t.equal(few, list(range(40)), "bt 40 without a pager")
    t.check(len(whole) > 2000 and whole == list(range(len(whole))), "bt without a pager")
    t.equal(shown.pop("head -5"), ([0, 1, 2], [0, 1, 2]), "what a pager that leaves early shows")
    for pager, got in shown.items():
        t.check(got == (few, whole), "PAGER=%s shows %d and %d frames" % (
            pager, len(got[0]), len(got[1])))


def questions(t, work):
    """Ctrl-C where readline waits for a key inside a line: the line goes, nothing else."""
    # readline does not free the matches of a completion that is aborted, Ctrl-G does the same.
    asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    c = terminal(work, work + "/words.core", os.path.join(s.FIXTURES, "words"), ASAN_OPTIONS=asan)
    c.expect(PROMPT)
    for _ in range(2):
        c.type("ls \t\t")
        c.expect("possibilities? (y or n)")
        c.type("\x03")
        c.expect(PROMPT)
        c.type("ls \t\ty")
        c.expect("--More--")
        c.type("\x03")
        c.expect(PROMPT)
        c.type("\x12")
        c.expect("i-search)")
        c.type("\x03")
        c.expect(PROMPT)
    c.type("decode 0x5 u\x03")
    c.expect("^C")
    c.expect(PROMPT)
    c.type("ls exam\t")
    c.expect("example")
    c.type("\n")
    t.check("abort();" in c.expect(PROMPT), "completion still works")
    t.equal(c.leave(), 0, "status after questions")


def job_control(t, work):
    """Ctrl-Z and fg: the prompt is there again, with the line; SIGTERM gives the terminal back."""
    if not os.path.exists("/bin/bash"):
        return
    c = Terminal(["/bin/bash", "--norc", "--noediting", "-i"],
                 environment(work, PS1="shell> ", HISTFILE=""))
    c.expect("shell> ")
    c.type("%s %s %s\n" % (s.CORECTL, work + "/words.core", os.path.join(s.FIXTURES, "words")))
    c.expect(PROMPT)
    c.type("decode 0x7")
    c.expect("decode 0x7")
    c.type("\x1a")
    c.expect("shell> ")
    t.check(c.canonical(), "the terminal after Ctrl-Z")
    c.type("fg\n")
    c.expect(PROMPT + "decode 0x7")
    c.type(" u8\n")
    t.check("0000 0111" in c.expect(PROMPT), "the line goes on after fg")
    c.type("\x04")
    c.expect("shell> ")
    c.type("exit\n")
    c.wait()
    c = terminal(work, work + "/words.core", os.path.join(s.FIXTURES, "words"))
    c.expect(PROMPT)
    t.check(not c.canonical(), "the terminal at the prompt")
    os.kill(c.pid, signal.SIGTERM)
    t.equal(c.wait(), -signal.SIGTERM, "wait status after SIGTERM")
    t.check(c.canonical(), "the terminal after SIGTERM")


def main():
    t = s.Failures()
    work = s.workdir()
    basics(t, work)
    interrupt(t, work)
    second_interrupt(t, work)
    paging(t, work)
    questions(t, work)
    job_control(t, work)
    t.exit()


main()
