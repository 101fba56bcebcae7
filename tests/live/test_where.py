"""Where no core is: corectl says where this machine leaves them."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

NONE = "corectl: core: no such file or directory\n"
LIMIT = ("corectl: programs that are started here leave no core, because its size is limited to 0: run "
         "`ulimit -c unlimited' first\n")
SYSTEMD = ("corectl: systemd keeps the cores of this machine: `coredumpctl list' shows them, "
           "`coredumpctl -o core dump' writes the newest here\n")
CASES = {
    "core.%p": "corectl: the kernel leaves cores as `core.%p' in the folder where the program works "
               "(kernel.core_pattern)\n" + LIMIT,
    "/cores/%e": "corectl: the kernel leaves cores as `/cores/%e' (kernel.core_pattern)\n" + LIMIT,
    "|/usr/lib/systemd/systemd-coredump %P %u": SYSTEMD,
    "|/opt/keep %P": "corectl: the kernel gives the cores of this machine to /opt/keep %P (kernel.core_pattern)\n",
    "": LIMIT,
}


def look(work, pattern):
    """With another core_pattern, in mounts of its own."""
    with open(os.path.join(work, "pattern"), "w") as f:
        f.write(pattern + "\n")
    script = 'mount --bind ../pattern /proc/sys/kernel/core_pattern && ulimit -c 0 && "$1" core'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", s.CORECTL],
                          cwd=os.path.join(work, "empty"), stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL)
    return done.stderr, done.returncode


def main():
    t = s.Failures()
    work = s.workdir()
    os.mkdir(os.path.join(work, "empty"))
    if subprocess.run(["unshare", "-m", "mount", "--bind", work, work], stderr=subprocess.DEVNULL).returncode:
        s.skip("no mounts of our own are permitted")
    for pattern, says in CASES.items():
        t.equal(look(work, pattern), (NONE + says, 2), "core_pattern " + pattern)
    t.exit()


main()
