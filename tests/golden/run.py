"""Golden transcripts: a script in, the whole transcript out.

A case is NAME.script and NAME.expected. The script:

    #! ARGS             corectl's operands and options; default: words.core words.bin -batch
    #prep VERB ...      make a file in the case's own directory (see Prep below)
    #env NAME=VALUE
    #stdin              the commands come through a pipe, not as -ex
    # anything else     a comment
    COMMAND             one a line

The directory holds {words,packed,inline,threads}.{core,bin}; paths of the machine are replaced by
{dir} and {src} (the fixtures folder), in both directions. The transcript is stdout, then stderr,
then the exit status.

run.py [--corectl FILE] [--work DIR] [--update] [NAME...]      77: skipped
"""
import argparse
import difflib
import gzip
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
FIXTURES = os.path.join(SOURCE, "fixtures")
PAIRS = ("words", "packed", "inline", "threads")


def unpack(work):
    """The committed pairs, once into the build tree."""
    os.makedirs(work, exist_ok=True)
    for name in os.listdir(os.path.join(FIXTURES, "cores")):
        if name.endswith(".gz"):
            path, packed = os.path.join(work, name[:-3]), os.path.join(FIXTURES, "cores", name)
            if os.path.exists(path) and os.path.getmtime(path) >= os.path.getmtime(packed):
                continue
            with gzip.open(packed) as f, open(path + ".new", "wb") as out:
                shutil.copyfileobj(f, out)
            os.chmod(path + ".new", 0o755 if name.endswith(".bin.gz") else 0o644)
            os.rename(path + ".new", path)


class Prep:
    """The verbs of #prep; sources and results are names in the case's directory."""

    def __init__(self, directory):
        self.dir = directory

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def write(self, name, data):
        if os.path.lexists(self.path(name)):
            os.unlink(self.path(name))
        with open(self.path(name), "wb") as f:
            f.write(data)
        os.chmod(self.path(name), 0o755)

    def copy(self, source, to):
        self.write(to, self.read(source))

    def cut(self, source, to, length):
        self.write(to, self.read(source)[:int(length)])

    def patch(self, source, to, offset, data):
        whole, at, new = self.read(source), int(offset, 0), bytes.fromhex(data)
        self.write(to, whole[:at] + new + whole[at + len(new):])

    def text(self, to, *words):
        self.write(to, " ".join(words).encode() + b"\n" if words else b"")

    def strip(self, source, to, option):
        if not shutil.which("strip"):
            print("SKIPPED: strip is not installed")
            sys.exit(77)
        subprocess.run(["strip", option, "-o", self.path(to), self.path(source)], check=True)

    def remove(self, name):
        os.unlink(self.path(name))


def parse(path):
    case = {"args": "words.core words.bin -batch", "prep": [], "env": {}, "stdin": False,
            "commands": []}
    with open(path) as f:
        for line in f.read().splitlines():
            if line.startswith("#! "):
                case["args"] = line[3:]
            elif line.startswith("#prep "):
                case["prep"].append(shlex.split(line[6:]))
            elif line.startswith("#env "):
                name, _, value = line[5:].partition("=")
                case["env"][name] = value
            elif line == "#stdin":
                case["stdin"] = True
            elif line and not line.startswith("#"):
                case["commands"].append(line)
    return case


def run(case, corectl, work):
    """The transcript of a case."""
    directory = os.path.realpath(tempfile.mkdtemp(prefix="golden-"))
    try:
        for name in PAIRS:
            for kind in (".core", ".bin"):
                os.symlink(os.path.join(work, name + kind), os.path.join(directory, name + kind))
        prep = Prep(directory)
        for verb, *args in case["prep"]:
            getattr(prep, verb)(*args)

        def fill(text):
            return text.replace("{dir}", directory).replace("{src}", FIXTURES)

        command = [corectl] + shlex.split(fill(case["args"]))
        if not case["stdin"]:
            for line in case["commands"]:
                command += ["-ex", fill(line)]
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": directory, "TERM": "dumb",
               "XDG_STATE_HOME": directory, "XDG_CACHE_HOME": directory}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        env.update(case["env"])
        stdin = fill("\n".join(case["commands"]) + "\n") if case["stdin"] else ""
        done = subprocess.run(command, cwd=directory, env=env, input=stdin.encode(), timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        text = "--- stdout\n%s--- stderr\n%s--- status %d\n" % (
            done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
            done.returncode)
        for real, name in ((directory, "{dir}"), (os.path.realpath(work), "{work}"),
                           (FIXTURES, "{src}")):
            text = text.replace(real, name)
        return text
    finally:
        shutil.rmtree(directory, True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corectl", default=os.environ.get("CORECTL"))
    p.add_argument("--work", default=os.environ.get("CORES"))
    p.add_argument("--update", action="store_true")
    p.add_argument("--unpack", action="store_true")
    p.add_argument("names", nargs="*")
    o = p.parse_args()
    work = os.path.abspath(o.work)
    unpack(work)
    if o.unpack:
        return 0
    corectl = os.path.abspath(o.corectl)
    names = o.names or sorted(n[:-7] for n in os.listdir(HERE) if n.endswith(".script"))
    bad = 0
    for name in names:
        got = run(parse(os.path.join(HERE, name + ".script")), corectl, work)
        expected = os.path.join(HERE, name + ".expected")
        wanted = open(expected).read() if os.path.exists(expected) else ""
        if got == wanted:
            continue
        if o.update:
            with open(expected, "w") as f:
                f.write(got)
            print("accepted", name)
        else:
            bad += 1
            print("FAILED: %s (./dev golden --update accepts it)" % name)
            sys.stdout.writelines(difflib.unified_diff(
                wanted.splitlines(True), got.splitlines(True), name + ".expected", "now"))
    print("%d cases, %d failed" % (len(names), bad))
    return 1 if bad else 0


sys.exit(main())
