"""lint.py WHAT: one rule of the house each; see RULES at the end. 77: a tool is missing."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

LAYERS = ["base", "step", "targets", "symbols", "unwind", "values", "output"]

# A header that only some places may include.
RESERVED = [
    (r"(elfutils/|libelf\.h|gelf\.h|dwarf\.h|libdw)", r"^libstack/(symbols|unwind)/"),
    (r"capstone", r"^libstack/symbols/disasm\.c$"),
    (r"readline/", r"^corectl/"),
    (r"libunwind", r"^libstack/unwind/"),
    (r"jansson", r"^libstack/output/json\.c$"),
]

# What freestanding code may leave to the compiler's own calls.
FREESTANDING = {"memcpy", "memset", "memmove", "memcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
SANITIZERS = re.compile(r"^__(start___|stop___)?(asan|ubsan|sanitizer|sancov|tsan)_")

# Folders in which no files call each other in a circle.
ONE_WAY = ("corectl", "libstack")

LIBRARIES = ("libc.so libdw.so libelf.so libunwind libcapstone.so libreadline.so libtinfo.so "
             "ld-linux linux-vdso libz.so libdeflate.so liblzma.so libbz2.so libzstd.so libm.so libasan libubsan "
             "libgcc_s libpthread.so libdl.so librt.so libstdc++").split()


def tracked(*patterns):
    if not os.path.exists(os.path.join(s.SOURCE, ".git")) or not shutil.which("git"):
        s.skip("not a git checkout")
    out = subprocess.run(["git", "-c", "safe.directory=*", "-C", s.SOURCE, "ls-files", "-z", "--",
                          *patterns], stdout=subprocess.PIPE, check=True).stdout
    return [n for n in out.decode().split("\0") if n and os.path.exists(os.path.join(s.SOURCE, n))]


def text(name):
    with open(os.path.join(s.SOURCE, name), errors="replace") as f:
        return f.read()


def layers(t):
    for name in tracked("libstack/*.[ch]", "corectl/*.[ch]"):
        folder = name.split("/")[1] if name.startswith("libstack/") else None
        t.check(folder in LAYERS + ["include", None], "%s: a folder without a place among the others" % name)
        for included in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', text(name), re.M):
            for header, allowed in RESERVED:
                if re.search(header, included) and not is_own(included):
                    t.check(re.search(allowed, name), "%s includes <%s>" % (name, included))
            other = included.split("/")[0]
            if folder in LAYERS and "/" in included and other in LAYERS:
                t.check(LAYERS.index(other) <= LAYERS.index(folder),
                        "%s (%s) includes %s, which is above it" % (name, folder, included))


def inside(t):
    """A header whose head says "Inside FOLDER/ only" is included there alone (and by tests)."""
    folder, found = {}, 0
    for name in tracked("libstack/*.h", "signal/*.h", "corectl/*.h"):
        said = re.search(r"\bInside (\w+)/ only\b", re.sub(r"\n \* ", " ", text(name).split("*/")[0]))
        if said:
            t.check(said.group(1) in os.path.dirname(name).split("/"), "%s is not inside %s/" % (name, said.group(1)))
            folder[re.sub("^libstack/", "", name)] = os.path.dirname(name)
    for name in tracked("libstack/*.[ch]", "signal/*.[ch]", "corectl/*.[ch]"):
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(name), re.M):
            if included in folder:
                found += 1
                t.check(os.path.dirname(name) == folder[included],
                        "%s includes %s, which is for %s/ only" % (name, included, folder[included]))
    t.check(len(folder) > 5 and found > 10, "headers for one folder: %s" % sorted(folder))


def is_own(included):
    return os.path.exists(os.path.join(s.SOURCE, "libstack", included))


def objects(t, *targets):
    """(source file, object file) of each file in CMake targets."""
    if not shutil.which("nm"):
        s.skip("nm is not installed")
    for target in targets:
        found = []
        for below in ("", "signal"):
            start = os.path.join(os.environ["BUILD"], below, "CMakeFiles/%s.dir" % target)
            for folder, _, names in os.walk(start):
                found += [(os.path.join(below, os.path.relpath(folder, start), n[:-2]),
                           os.path.join(folder, n)) for n in names if n.endswith(".o")]
        # An old build folder has objects of files that are gone.
        found = [(os.path.normpath(source), path) for source, path in found
                 if os.path.exists(os.path.join(s.SOURCE, source))]
        t.check(found, "no objects of " + target)
        yield from found


def names_of(path):
    """What an object file defines for others, and what it wants (nm(1): lower case is its own)."""
    out = subprocess.run(["nm", "-P", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    kinds = [line.split()[:2] for line in out.splitlines()]
    return ({name for name, kind in kinds if kind in "ui" or (kind.isupper() and kind != "U")},
            {name for name, kind in kinds if kind in "Uvw"})


def symbols(t, *targets):
    """What the objects of CMake targets define, and what they want: a name to one that wants it."""
    defined, wanted = set(), {}
    for source, path in objects(t, *targets):
        has, wants = names_of(path)
        defined |= has
        for name in wants:
            wanted.setdefault(name, os.path.basename(source))
    return defined, wanted


def freestanding(t, *targets):
    defined, wanted = symbols(t, *targets)
    for name, path in wanted.items():
        t.check(name in defined or name in FREESTANDING or SANITIZERS.match(name),
                "%s needs %s" % (path, name))


def base(t):
    """base/ needs nothing but itself."""
    freestanding(t, "stack_base")


def circle(calls, start):
    """The shortest way along `calls` (file to {file: name}) from a file back to it, or None."""
    ways, seen = [[start]], set()
    for way in ways:
        for other in sorted(calls.get(way[-1], ())):
            if other == start:
                return way + [start]
            if other not in seen:
                seen.add(other)
                ways.append(way + [other])
    return None


def circles(t):
    """No files of one folder call each other in a circle: each can be read after those it calls."""
    folders = {}
    files = set(tracked(*(folder + "/*.c" for folder in ONE_WAY)))
    for source, path in objects(t, "corectl", "stack_base", "stack_engine_objects"):
        if source in files:  # not what an older build has left
            folders.setdefault(os.path.dirname(source), {})[os.path.basename(source)] = names_of(path)
    t.equal(sorted(folders), sorted({os.path.dirname(name) for name in files}), "folders with objects")
    for folder, names in sorted(folders.items()):
        home = {name: file for file, (defined, _) in names.items() for name in defined}
        calls = {file: {home[name]: name for name in sorted(wanted) if name in home}
                 for file, (_, wanted) in names.items()}
        told = set()
        for file in sorted(calls):
            way = circle(calls, file) if file not in told else None
            told.update(way or ())
            t.check(not way, "%s: a circle: %s" % (folder, way and file + "".join(
                " -> %s (%s)" % (b, calls[a][b]) for a, b in zip(way, way[1:]))))


def wraps(t):
    """libstack.a and the linker options that go with it name the same functions."""
    archive = os.path.join(os.environ["BUILD"], "signal/libstack-core.a")
    out = subprocess.run(["nm", "--defined-only", archive], stdout=subprocess.PIPE, check=True).stdout.decode()
    with open(os.path.join(os.environ["BUILD"], "packaging/libstack.pc")) as f:
        options = re.findall(r"--wrap=(\w+)", f.read())
    t.equal(sorted(options), sorted(set(re.findall(r" T __wrap_(\w+)", out))), "--wrap and __wrap_")


def crash(t):
    """What runs in crash context needs nothing but itself and base/."""
    freestanding(t, "stack_base", "stack_crash", "stack_sys")


def format(t):
    if not shutil.which("clang-format"):
        s.skip("clang-format is not installed")
    for name in tracked("*.c", "*.h", "*.cpp"):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", name], cwd=s.SOURCE,
                              stderr=subprocess.PIPE)
        t.check(done.returncode == 0, done.stderr.decode().split("\n")[0])


def docs(t):
    out, _, status = s.corectl("--dump-commands")
    t.equal(status, 0, "status of corectl --dump-commands")
    t.check(out == text("docs/commands.md"),
            "docs/commands.md is stale: corectl --dump-commands > docs/commands.md")
    usage, manual = s.corectl("--help")[0], text("docs/man/corectl.1").replace("\\-", "-")
    names = re.findall(r"^  (-\S+)", usage, re.M) + re.findall(r"^ *corectl \[OPTIONS\] ([a-z]+) ", usage, re.M)
    t.check(len(names) > 20, "options and verbs in corectl --help: %s" % names)
    for name in names:
        t.check(re.search(r"^\.(B|BI|BR)\b.*?[ ,]%s\b" % re.escape(name), manual, re.M),
                "docs/man/corectl.1 does not have %s" % name)


# Pages that name files; the folders that a name may begin in, besides those named before it in its passage.
PAGES = ("docs/ARCHITECTURE.md", "docs/SIGNAL-SAFETY.md", "CONTRIBUTING.md")
STARTS = ("", "libstack", "signal")
A_PATH = re.compile(r"[\w.][\w./*-]*(?:/|\.(?:c|h|S|py|md|sh|in|txt))")


def passages(page):
    """Rows, items and paragraphs."""
    return re.split(r"\n(?=\s*(?:\||[-*] |\d+\. |\n))", page)


def named(t):
    """What a page or a comment calls a file of ours is there. NAME, X and * stand for any name."""
    found = 0
    for page in PAGES:
        for passage in passages(text(page)):
            starts = list(STARTS)
            for path in re.findall(r"`([^`\n]+)`", passage):
                if not A_PATH.fullmatch(path):
                    continue
                found += 1
                pattern = re.sub(r"NAME|(?<=[_/])X(?=[/.])", "*", path)
                there = [start for start in starts if glob.glob(os.path.join(s.SOURCE, start, pattern))]
                t.check(there, "%s: no `%s`: %s" % (page, path, " ".join(passage.split())[:60]))
                starts += [os.path.join(start, os.path.dirname(path)) for start in there]
    t.check(found > 80, "%d paths found" % found)
    files = {os.path.basename(name) for name in tracked("*.c")}
    for name in tracked("libstack/*.[ch]", "signal/*.[ch]", "corectl/*.[ch]"):
        for comment in re.findall(r"/\*.*?\*/", text(name), re.S):
            for file in re.findall(r"(?<![\w/.-])[a-z]\w*\.c\b", comment):
                t.check(file in files or "NAME" in file, "%s: a comment names %s" % (name, file))


def paths(t):
    machine = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/tmp/bu" + "ild"]))
    for name in tracked():
        if not name.endswith(".gz"):
            for number, line in enumerate(text(name).splitlines(), 1):
                t.check(not machine.search(line), "%s:%d: %s" % (name, number, line.strip()))


def scripts(t):
    found = 0
    for name in tracked():
        first = text(name).split("\n", 1)[0] if not name.endswith(".gz") else ""
        shell = re.match(r"#!\s*/(?:usr/)?bin/(?:env )?(sh|bash)\b", first)
        if shell:
            found += 1
            done = subprocess.run([shell.group(1), "-n", name], cwd=s.SOURCE, stderr=subprocess.PIPE)
            t.check(done.returncode == 0, done.stderr.decode())
            t.check(os.access(os.path.join(s.SOURCE, name), os.X_OK), name, "is not executable")
        if name.endswith(".py"):
            try:
                compile(text(name), name, "exec")
            except SyntaxError as e:
                t.check(False, name, e)
    t.check(found >= 3, "only %d shell scripts found" % found)


def links(t):
    out = subprocess.run(["ldd", s.CORECTL], stdout=subprocess.PIPE, check=True).stdout.decode()
    for line in out.splitlines():
        library = os.path.basename(line.split()[0])
        t.check(library.startswith(tuple(LIBRARIES)), "corectl links", library)


def readelf(*arguments):
    if not shutil.which("readelf"):
        s.skip("readelf is not installed")
    return subprocess.run(["readelf", "-W", *arguments], stdout=subprocess.PIPE, check=True,
                          stderr=subprocess.DEVNULL).stdout.decode()


def cached(name):
    with open(os.path.join(os.environ["BUILD"], "CMakeCache.txt")) as f:
        found = re.search(r"^%s:\w+=(.*)$" % name, f.read(), re.M)
    return found.group(1) if found else ""


def hardened(t):
    """What reads files of strangers: everything is bound and made read-only at the start, arrays on
    the stack are guarded, branches land where they may, functions of libc know sizes."""
    helper = os.path.join(os.environ["BUILD"], "signal/libstack-helper")
    for program in (s.CORECTL, helper):
        name = os.path.basename(program)
        dynamic = readelf("-d", program)
        t.check(re.search(r"FLAGS_1\).*\bNOW\b", dynamic), name, "is not bound at its start")
        t.check(re.search(r"FLAGS_1\).*\bPIE\b", dynamic), name, "is not position-independent")
        t.check("GNU_RELRO" in readelf("-l", program), name, "has no RELRO")
        t.check(re.search(r"GNU_STACK .* RW ", readelf("-l", program)), name, "has an executable stack")
    fortified = cached("CMAKE_BUILD_TYPE") != "Debug" and cached("STK_SANITIZE") != "ON"
    for targets in (("corectl", "stack_engine_objects"), ("stack_helper",)):
        wanted = symbols(t, *targets)[1]
        t.check("__stack_chk_fail" in wanted, targets, "have no stack protector")
        t.check(not fortified or targets == ("stack_helper",) or any(re.match("__.*_chk$", w) for w in wanted),
                targets, "are not fortified")
    if cached("STK_HAS_BRANCH_MARKS"):
        for source, path in objects(t, "corectl", "stack_base", "stack_engine_objects", "stack_helper"):
            t.check("IBT, SHSTK" in readelf("-n", path), source, "has no branch marks")


def size(t):
    """A file has one job: 600 lines are the end."""
    for name in tracked("libstack/*.[ch]", "corectl/*.[ch]", "signal/*.[ch]"):
        lines = text(name).count("\n")
        t.check(lines <= 600, "%s has %d lines" % (name, lines))


# What is of one processor, and who may know it besides its own files.
OF_A_MACHINE = re.compile(r'"r(?:[abcd]x|[sb]p|[sd]i|ip|flags)"|\bREG_[A-Z]|user_regs_struct|\bNT_X86|\bEM_(?!NONE)|x86|__asm__|cpuid'
                          r'|#define PAGE')
MAY_KNOW = {"libstack/symbols/disasm.c": "capstone's own types",
            "libstack/unwind/second.c": "libunwind's library of one machine",
            "libstack/base/mem_names.h": "names for the assembler of any machine"}


def machines(t):
    """What differs between processors stands in base/arch_NAME.c; of signal/ crash_context.py knows."""
    for name in tracked("libstack/*.[ch]", "corectl/*.[ch]"):
        if re.match(r"libstack/base/arch", name) or name in MAY_KNOW:
            continue
        code = re.sub(r"/\*.*?\*/", "", text(name), flags=re.S)
        for found in OF_A_MACHINE.findall(code):
            t.check(False, "%s: %s is of one processor" % (name, found))
    t.check(os.path.exists(os.path.join(s.SOURCE, "libstack/base/arch_x86_64.c")), "no architecture")


# What opens a file by a path, and who may: whoever names the path in all other places, it goes by
# stk_foreign_open() (targets/foreign.h).
OPENS = re.compile(r"\b(f?re?open|fopen|open|fopen64|open64|openat|openat64|openat2|creat|opendir|mkostemps?|mkstemps?"
                   r"|dwarf_begin|elf_open)\s*\(")
MAY_OPEN = {"libstack/targets/foreign.c": "the door itself",
            "libstack/targets/folder.c": "our own folders, step by step",
            "libstack/symbols/cache.c": "what lies in one",
            "corectl/history.c": "what lies in one",
            "libstack/targets/dump_file.c": "the core that is written",
            "corectl/unpack.c": "a new file without a name in TMPDIR",
            "corectl/sandbox.c": "/proc/PID/status",
            "corectl/answer.c": "-x FILE, which may be a pipe",
            "libstack/symbols/folders.c": "the folders of --debug-dir, which are listed",
            "corectl/cores.c": "the folder where we stand; /proc/sys", "corectl/cut.c": "/proc/self/maps",
            "libstack/targets/procfs.c": "/proc/PID", "libstack/targets/copy.c": "/proc/PID/mem",
            "libstack/targets/rights.c": "/proc, /etc/passwd", "libstack/targets/look.c": "/dev/cpu_dma_latency",
            "signal/helper/core.c": "/proc/sys", "signal/helper/helper.c": "/proc/PID/maps"}


def doors(t):
    """Files of others are opened in one place, and what may name them is told in one."""
    used = set()
    for name in tracked("libstack/*.c", "corectl/*.c", "signal/helper/*.c"):
        code = re.sub(r"/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", "", text(name), flags=re.S)
        found = OPENS.search(code)
        used |= {name} if found else set()
        t.check(not found or name in MAY_OPEN, "%s: %s opens a path past stk_foreign_open()"
                % (name, found and found.group(1)))
        if name.startswith("corectl/") and name != "corectl/say.c":
            t.check(not re.search(r"\b(fprintf|fputs|fputc|perror|vfprintf)\s*\((?:[^;]*,\s*)?stderr|\bperror\s*\(", code),
                    "%s: writes to stderr past say()" % name)
    t.equal(sorted(set(MAY_OPEN) - used), [], "no longer open anything")


RULES = {f.__name__: f for f in (layers, inside, base, circles, wraps, crash, format, docs, named, paths, scripts, links,
                                  hardened, size, machines, doors)}


def main():
    t = s.Failures()
    RULES[sys.argv[1]](t)
    t.exit()


main()
