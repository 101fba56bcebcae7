"""With libstack as many threads start as without it, and each has an alternate stack with a guard below;
test_crowd.py PROGRAM."""
import re
import subprocess
import sys

import lib
from lib import s

PROGRAM = sys.argv[1]
# A kernel before 6.13.
OLD_KERNEL = """
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int madvise(void *p, size_t n, int advice)
{
	if (advice != 102)
		return (int)syscall(SYS_madvise, p, n, advice);
	errno = EINVAL;
	return -1;
}
"""
# Of 65,530 mappings libc takes two for each.
MANY = 31000
PROTECTED = 1024  # guards by mprotect(2)


def run(n, preload, *more, before=""):
    env = lib.environment(preload)
    if before:
        env["LD_PRELOAD"] = before + " " + env["LD_PRELOAD"]
    done = subprocess.run([PROGRAM, str(n), *more], env=env, timeout=110,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, size, resident = re.split(r"VmSiz (\d+)\nVmRSS (\d+)\n", done.stdout.decode())[:3]
    return done.returncode, out, done.stderr.decode(), int(size), int(resident)


def check_memory(t):
    """A thread of ours costs address space for its alternate stack, nothing of the heap (an arena has
    64 MB), and no memory, locked or not, until somebody uses it."""
    _, _, _, bare, bare_rss = run(200, False)
    rc, out, err, size, rss = run(200, True)
    t.equal((rc, err), (0, ""), "200")
    t.check(size - bare < 200 * 0.5, "address space of 200 threads:", bare, "MB, with libstack", size)
    t.check(rss - bare_rss < 200 * 0.02, "memory of 200 threads:", bare_rss, "MB, with libstack", rss)
    _, bare_out, _, _, bare_rss = run(200, False, "locked")
    if not bare_out.startswith("mlockall 0\n"):
        print("SKIPPED in part: memory cannot be locked here")
        return
    rc, out, err, _, rss = run(200, True, "locked")
    t.equal((rc, err, bare_out.split()[1]), (0, "", out.split()[1]), "locked")
    t.check("made 200 all\ngiven 200 guarded 200 seen 0\n" in out, "locked:", out)
    t.check(rss - bare_rss < 200 * 0.03, "locked memory:", bare_rss, "MB, with libstack", rss)


def main():
    t = s.Failures()
    check_memory(t)
    rc, out, err, _, _ = run(2000, True)
    t.equal((rc, err), (0, ""), "2000")
    t.equal(out, "main: given 1 guarded 1 seen 0\nmade 2000 all\ngiven 2000 guarded 2000 seen 0\n", "2000")
    _, bare, _, _, _ = run(MANY, False)
    if "made %d all" % MANY not in bare:
        print("SKIPPED in part: without libstack, too,", bare)
        t.exit()
    many(t)
    shim = s.workdir() + "/old.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, "-x", "c", "-"], input=OLD_KERNEL.encode(), check=True)
    guarded = many(t, shim)
    t.equal(guarded, PROTECTED - 1, "guarded by mprotect")
    t.exit()


def many(t, before=""):
    rc, out, err, _, _ = run(MANY, True, before=before)
    t.equal((rc, err), (0, ""), "many")
    t.equal(re.sub(r"guarded \d+ seen 0\n$", "", out),
            "main: given 1 guarded 1 seen 0\nmade %d all\ngiven %d " % (MANY, MANY), "many")
    guarded = int(re.findall(r"guarded (\d+)", out)[-1])
    t.check(guarded == MANY or guarded == PROTECTED - 1, "guarded:", guarded)
    return guarded


main()
