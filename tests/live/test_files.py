"""Files that cannot be checked against the core, or that are not those that crashed."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

UNCHECKED = "have no build-id in the core: whether their files are those that crashed could not be checked"


def core_of(program, work, coredump_filter):
    """The kernel's core with what coredump_filter chooses (core(5))."""
    runner = os.path.join(work, "run")
    with open(runner, "w") as f:
        f.write("#!/bin/sh\necho %s >/proc/self/coredump_filter\nexec %s\n" % (coredump_filter, program))
    os.chmod(runner, 0o755)
    core = os.path.join(work, "core." + coredump_filter)
    s.make_core(runner, core, way="kernel")
    return core


def main():
    t = s.Failures()
    work = s.workdir()
    program = os.path.join(work, "program")
    shutil.copy(os.path.join(s.FIXTURES, "words"), program)
    bare, whole = core_of(program, work, "0x01"), core_of(program, work, "0x33")

    out, err, status = s.corectl(whole, program, "-batch", "-ex", "bt")
    err = s.remarks(err)
    t.equal((err, status), ("", 0), "all build-ids are there and right")
    out, err, status = s.corectl(bare, "-batch", "-ex", "bt")
    err = s.remarks(err)
    t.check(" in example({" in out, "the files by their paths: " + out)
    t.equal((err.count(UNCHECKED), err.count("\n"), status), (1, 1, 0), "one line: " + err)

    # The program was built anew where it crashed, and is given by another name of the same file.
    os.unlink(program)
    shutil.copy(os.path.join(s.FIXTURES, "packed"), program)
    os.link(program, work + "/again")
    out, err, status = s.corectl(whole, work + "/again", "-batch", "-ex", "bt")
    err = s.remarks(err)
    t.check(" in example" not in out and " in packed" not in out, out)
    t.equal((err.count("is another build than the one that crashed"), err.count("\n"), status), (1, 1, 1),
            "one line: " + err)
    t.exit()


main()
