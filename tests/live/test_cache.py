"""corectl says the same whether it inflates libc's debug file, keeps it, or finds it kept."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s


def main():
    t = s.Failures()
    work = s.workdir()
    program, core = os.path.join(s.FIXTURES, "words"), os.path.join(work, "core")
    s.make_core(program, core)

    def run(cache, *options, **variables):
        env = dict(os.environ, HOME=os.path.join(work, "home"), **variables)
        if cache:
            env["XDG_CACHE_HOME"] = cache
        else:
            del env["XDG_CACHE_HOME"]
        out, _, status = s.corectl(core, program, "-batch", *options, "-ex", "bt", env=env)
        t.equal(status, 0, "status")
        return out

    def entries(folder):
        return sorted(glob.glob(os.path.join(folder, "**/*"), recursive=True))

    cache = os.path.join(work, "cache")
    wanted = run(cache, "--no-cache")
    t.equal(entries(cache), [], "what --no-cache leaves")
    if "pthread_kill.c" not in wanted:
        s.skip("libc has no debug file here")
    t.equal(run(cache), wanted, "bt, first run")
    names = entries(os.path.join(cache, "libstack"))
    if not names:
        out, _, _ = s.corectl(core, program, "-batch", "-ex", "modules")
        debug = re.search(r"libc\.so\.6 \(debug ([^)]+)\)", out).group(1)
        sections = subprocess.run(["readelf", "-SW", debug], stdout=subprocess.PIPE, check=True).stdout
        if not re.search(rb"\.debug_info .* C +\d", sections):
            s.skip("libc's debug file is not compressed here")
    t.check(len(names) == 1 and names[0].endswith(".elf"), "one entry:", names)
    before = os.stat(names[0]).st_ino
    t.equal(run(cache), wanted, "bt, second run")
    t.equal(os.stat(names[0]).st_ino, before, "the entry of the second run")

    # It is the entry that is read: without its sections libc's frames have no lines. --no-cache
    # does not look at it.
    with open(names[0], "r+b") as f:
        f.seek(0x28)  # e_shoff
        f.write(bytes(8))
    t.check("pthread_kill.c" not in run(cache), "the entry is not read")
    t.equal(run(cache, "--no-cache"), wanted, "bt --no-cache beside an entry")
    os.truncate(names[0], 5000)
    t.equal(run(cache), wanted, "bt, truncated entry")
    t.check(os.stat(names[0]).st_ino != before and os.stat(names[0]).st_size > 1 << 20,
            "the truncated entry was not replaced")
    t.equal(run(cache), wanted, "bt, after the truncated entry")

    # Where it goes without the variable, or with a relative one; and where nothing can go.
    home = os.path.join(work, "home")
    t.equal(run(None), wanted, "bt without a home")
    t.check(not os.path.exists(home), "the home was created")
    os.mkdir(home)
    t.equal(run("relative"), wanted, "bt with a relative XDG_CACHE_HOME")
    t.equal([os.path.basename(n) for n in entries(os.path.join(home, ".cache/libstack"))],
            [os.path.basename(names[0])], "entries in the home")
    t.check(not os.path.exists("relative"), "a relative folder was created")
    t.equal(run("/proc/none"), wanted, "bt where nothing can be written")
    t.exit()


main()
