"""cpython.py [TEST...]: CPython's own tests of signals, of its fault handler and of its children, without and
with libstack preloaded. Each must end alike. Those of Debian's package libpython3.11-testsuite."""
import concurrent.futures
import os
import subprocess
import sys

import lib
from lib import s

PYTHON = "/usr/bin/python3.11"
TESTS = ("test_signal", "test_faulthandler", "test_threadsignals", "test_subprocess")
# They want that nothing but the fault handler of CPython writes, and that it writes to a file of its own: our
# report is what they find on stderr.
WANT_SILENCE = {"test.test_faulthandler.FaultHandlerTests.test_enable_fd",
                "test.test_faulthandler.FaultHandlerTests.test_enable_file"}
# One line for each test in the file that is its first argument.
RUNNER = r"""
import sys, unittest

class Result(unittest.TestResult):
    def put(self, test, how):
        print(test.id(), how, sep='\t', file=to, flush=True)
    def addSuccess(self, test):
        self.put(test, 'ok')
    def addFailure(self, test, e):
        self.put(test, 'failure')
        super().addFailure(test, e)
    def addError(self, test, e):
        self.put(test, 'error')
        super().addError(test, e)
    def addSkip(self, test, why):
        self.put(test, 'skipped')
    def addExpectedFailure(self, test, e):
        self.put(test, 'expected failure')
    def addSubTest(self, test, sub, e):
        super().addSubTest(test, sub, e)
        if e:
            self.put(sub, 'failure')

to = open(sys.argv[1], 'w')
result = Result()
unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:]).run(result)
for test, e in result.failures + result.errors:
    print(test.id(), e, sep='\n', file=sys.stderr)
"""


def results(names, preload):
    """{name of a test: how it ended}, the interpreter's status, what it wrote."""
    work = s.workdir()
    env = lib.environment(preload, PYTHONDONTWRITEBYTECODE="1", TMPDIR=work, HOME=work)
    with open(work + "/out", "w") as out:
        done = subprocess.run([PYTHON, "-c", RUNNER, work + "/results", *names], env=env, cwd=work,
                              stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=500,
                              start_new_session=True)
    with open(work + "/results") as f:
        found = dict(line.rstrip("\n").rsplit("\t", 1) for line in f)
    with open(work + "/out", errors="replace") as f:
        return found, done.returncode, f.read()


def both(names):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda preload: results(names, preload), (False, True)))


def compare(t, test):
    (bare, status, text), (got, with_status, with_text) = both(["test." + test])
    t.check(len(bare) > 3, test, "only", len(bare), "results:", text[-500:])
    t.equal(with_status, status, test + ": status of the interpreter " + with_text[-500:])
    t.equal(sorted(set(bare) ^ set(got)), [], test + ": tests that ran in one of both only")
    alike = 0
    for name in sorted(set(bare) & set(got)):
        if bare[name] != got[name]:
            # Some measure time: once more, with nothing beside them.
            (bare[name], _, _), (got[name], _, with_text) = ((r[0].get(name), *r[1:]) for r in (
                results([name.split(" ")[0]], preload) for preload in (False, True)))
        alike += bare[name] == got[name]
        if name in WANT_SILENCE:
            t.equal(got[name], "failure", name + " with a report on stderr")
            t.check("AssertionError: 'SIGSEGV: segmentation violation" in with_text, name, with_text[-1500:])
        else:
            t.check(bare[name] == got[name], name, "without:", bare[name], "with:", got[name], with_text[-3000:])
    print("%s: %d tests, %d alike" % (test, len(bare), alike))


def main():
    have = os.path.exists(PYTHON) and not subprocess.run(
        [PYTHON, "-c", "import test.test_signal"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode
    if not have:
        s.skip("package libpython3.11-testsuite is not installed")
    t = s.Failures()
    for test in sys.argv[1:] or TESTS:
        compare(t, test)
    t.exit()


main()
