"""A program of musl below a preloaded parent starts, and is as without libstack."""
import os
import shutil
import subprocess

import lib
from lib import s


def main():
    t = s.Failures()
    if not shutil.which("musl-gcc"):
        s.skip("musl-gcc is not installed")
    program = os.path.join(s.workdir(), "musl")
    made = subprocess.run(["musl-gcc", "-g", "-pthread", "-o", program,
                           os.path.join(s.SOURCE, "tests/live/musl.c")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.equal(made.returncode, 0, made.stdout.decode())
    headers = subprocess.run(["readelf", "-l", program], stdout=subprocess.PIPE, check=True)
    t.check(b"ld-musl" in headers.stdout, "a dynamic program of musl")
    for args, status, lines in (([], 3, 11), (["crash"], -11, 0)):
        without = lib.Run([program, *args], lib.environment(False))
        t.equal(without.status, status, "without: " + without.err)
        t.equal(len(without.out.splitlines()), lines, "without: " + without.out)
        r = lib.Run(["/bin/sh", "-c", 'exec "$@"', "sh", program, *args], lib.environment())
        t.equal((r.status, r.out, r.err), (status, without.out, without.err), "below a shell")
    t.exit()


main()
