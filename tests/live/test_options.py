"""Every verb with every option that all verbs take, before it and behind it; options that are of no use
to a verb; what belongs to a program that is run; files that are named like verbs."""
import gzip
import os
import struct

import process
from process import s

DECODE = ["-ex", "decode 0x1 bool"]
DECODED = "Bits    Binary      Hex   Value\n00-07   0000 0001   01    true\n"
ALL_VERBS = (["-batch"], ["--batch"], ["--debug-dir", "/nowhere"], ["-debug-dir=/nowhere"], ["--sysroot", "/"],
             ["--no-cache"], ["--color", "never"], ["--color=never"],
             ["--no-cache", "-batch", "--color", "never"])
ET_CORE = 4


def unpack(work):
    for name in ("words.core", "words.bin"):
        with gzip.open(os.path.join(s.SOURCE, "fixtures/cores", name + ".gz")) as f, \
                open(os.path.join(work, name), "wb") as out:
            out.write(f.read())


def check_dump(t, path, what):
    if not t.check(os.path.exists(path), what, "no core"):
        return
    with open(path, "rb") as f:
        t.equal(struct.unpack("<16xH", f.read(18))[0], ET_CORE, what + ": ELF type")
    os.unlink(path)


def everywhere(t, work, pid):
    files = [os.path.join(work, "words.core"), os.path.join(work, "words.bin")]
    dump = os.path.join(work, "dump")
    operands = {"": files + DECODE, "core": files + DECODE, "stack": files, "attach": [str(pid)] + DECODE,
                "gcore": ["-o", dump, str(pid)], "run": ["echo", "fine", "-batch", "--all", "-p"]}
    for verb, rest in operands.items():
        for option in ALL_VERBS:
            for args in (option + [verb] + rest, [verb] + option + rest):
                args = [a for a in args if a]
                what = " ".join(args)
                out, err, status = s.corectl(*args)
                t.equal(status, 0, what + ": " + err)
                if verb in ("", "core", "attach"):
                    t.equal(out, DECODED, what)
                elif verb == "stack":
                    t.check(out.endswith("\n1 of 1 threads shown\n"), what, out[-200:])
                elif verb == "gcore":
                    check_dump(t, dump, what)
                else:
                    t.equal(out, "fine -batch --all -p\n", what)
        for option, head in ("--help", "usage: corectl [OPTIONS] " + verb), ("-h", "usage:"), (
                "--version", "corectl "):
            for args in ([option, verb], [verb, option]) if verb else ([option],):
                out, err, status = s.corectl(*args)
                t.equal((out.startswith(head), err, status), (True, "", 0), " ".join(args))


def behind_operands(t, work, pid):
    core, program = os.path.join(work, "words.core"), os.path.join(work, "words.bin")
    for args in ([core, "-batch", program] + DECODE, [program] + DECODE + [core], [program, "-c", core] + DECODE,
                 ["-p", str(pid)] + DECODE, ["--pid=%d" % pid] + DECODE, ["-p=%d" % pid] + DECODE,
                 [str(pid)] + DECODE, DECODE + ["--", core, program],
                 [core, program, "--eval-command=decode 0x1 bool"]):
        t.equal(s.corectl(*args)[::2], (DECODED, 0), " ".join(args))
    dump = os.path.join(work, "dump")
    for args in (["-p", str(pid), "gcore", "-o", dump], ["-o", dump, "gcore", str(pid)],
                 ["gcore", str(pid), "-o=" + dump], ["gcore", "--stacks-only", "--", str(pid), "-o"]):
        out, err, status = s.corectl(*args)
        if args[-1] == "-o":
            t.equal((out, status), ("", 64), "-- ends the options")
        else:
            t.equal(status, 0, " ".join(args) + err)
            check_dump(t, dump, " ".join(args))
    out, _, status = s.corectl("run", "--", "echo", "--", "-x")
    t.equal((out, status), ("-- -x\n", 0), "run -- PROG")


def wrong(t, work, pid):
    core = os.path.join(work, "words.core")
    for verb, args, says in (
            ("gcore", ["-ex", "bt", "gcore", str(pid)], "the option has no meaning here: -ex"),
            ("gcore", ["gcore", "--hold", str(pid)], "the option has no meaning here: --hold"),
            ("run", ["-p", "1", "run", "echo"], "the option has no meaning here: -p"),
            ("run", ["--full", "run", "echo"], "the option has no meaning here: --full"),
            ("stack", ["stack", core, "-ex", "bt"], "the option has no meaning here: -ex"),
            ("attach", ["-c", core, "attach", "1"], "the option has no meaning here: -c"),
            ("", [core, "--stacks-only"], "the option has no meaning here: --stacks-only"),
            ("", ["--no-cach", core], "unknown option: --no-cach"),
            ("", ["-e", "bt", core], "unknown option: -e"),
            ("", ["--batch=1", core], "the option takes no value: --batch=1"),
            ("", [core, "-ex"], "the option needs a value: -ex"),
            ("", ["-p"], "the option needs a value: -p"),
            ("", ["-:", core], "unknown option: -:"),
            ("", ["-p", "0"], "-p takes the number of a process, not: 0"),
            ("", ["--color", "red", core], "--color takes auto, always or never, not: red"),
            ("attach", ["attach"], "no process given"),
            ("attach", ["attach", "1", "one", "two"], "too many files: two"),
            ("run", ["run", "-batch"], "no program given"),
            ("run", ["run", "--nofollow", "echo"], "unknown option: --nofollow")):
        t.equal(s.corectl(*args),
                ("", "corectl: %s%s; see corectl %s--help\n" % (verb and verb + ": ", says, verb and verb + " "), 64),
                " ".join(args))


def named_like_verbs(t, work):
    os.chdir(work)
    for name in ("core", "stack", "attach", "gcore", "run"):
        os.symlink("words.core", name)
        _, err, status = s.corectl("./" + name, "words.bin", "-batch")
        t.check(err.startswith("Core ./%s of " % name) and status == 0, "./" + name, err)
        _, err, status = s.corectl("-batch", "core", name, "words.bin")
        t.check(err.startswith("Core %s of " % name) and status == 0, "core", name, err)
        _, err, status = s.corectl("-batch", "--", name, "words.bin")
        t.check(err.startswith("Core %s of " % name) and status == 0, "--", name, err)
        os.unlink(name)


def main():
    t = s.Failures()
    work = s.workdir()
    unpack(work)
    with process.Target([process.fixture("watch"), "1", "1"]) as p:
        err, status = process.fail_text(["stack", str(p.pid)])
        if status == 2:
            s.skip("no right to ptrace here: " + err)
        everywhere(t, work, p.pid)
        behind_operands(t, work, p.pid)
        wrong(t, work, p.pid)
    named_like_verbs(t, work)
    t.exit()


main()
