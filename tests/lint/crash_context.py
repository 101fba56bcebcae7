"""crash_context.py symbols|comments|stack|calls|rooms|circles: what may run in the signal handler of a broken program.

symbols   the objects of crash context refer to nothing but themselves and functions of signal/ whose
          comment says CRASH or ANY; libstack.so.1 takes no memory function from elsewhere
comments  every function in signal/ says NORMAL, CRASH or ANY, or the head of its file does
stack     the frames of each path on a borrowed or small stack fit it (-fstack-usage)
calls     docs/SIGNAL-SAFETY.md tells of every system call that signal/ makes, and of no other
rooms     a room of signal/ includes only those before it in ROOMS; what is of one processor lies in its folder
circles   no files of libstack.so.1 need each other in a circle
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

BUILD = os.environ["BUILD"]
SIGNAL = os.path.join(s.SOURCE, "signal")
ALLOWED = {"_GLOBAL_OFFSET_TABLE_"}
# Compilers call them by themselves; the program's may be its own (base/mem_names.h).
MEMORY = {"memcpy", "memset", "memmove", "memcmp"}
CONTEXT = re.compile(r"\b(NORMAL|CRASH|ANY) context\b")
DEFINITION = re.compile(r"^(?!static const|typedef|struct [a-z_0-9]+ \{|extern)[A-Za-z_][^;=\n]*"
                        r"\b(\w+)\)?\([^;=]*?\)\n\{", re.M)


def sources(kind):
    return sorted(glob.glob(os.path.join(SIGNAL, "**/*." + kind), recursive=True))


def objects(target):
    """An old build folder has objects of files that are gone."""
    found = glob.glob(os.path.join(BUILD, "**/CMakeFiles/%s.dir/**/*.o" % target), recursive=True)
    return sorted(path for path in found
                  if any(os.path.exists(os.path.join(s.SOURCE, below, path.split(".dir/")[1][:-2]))
                         for below in ("", "signal", "tests")))


def crash_objects():
    base = objects("stack_base_plain") or objects("stack_base")
    return objects("stack_handler") + objects("stack_sys") + objects("stack_crash") + base


def nm(path, *options):
    """(undefined, defined) names of an object."""
    out = subprocess.run(["nm", "-P", *options, path], stdout=subprocess.PIPE, check=True).stdout.decode()
    names = [line.split()[:2] for line in out.splitlines() if len(line.split()) > 1]
    return {n for n, k in names if k in "Uwv"}, {n for n, k in names if k not in "Uwv"}


def read(path):
    with open(path) as f:
        return f.read()


def comment_before(text, at):
    """The comment that ends directly before offset `at`, or nothing."""
    found = re.search(r"/\*((?:(?!\*/).)*)\*/\s*$", text[:at], re.S)
    return found.group(1) if found else ""


def one_context(comment):
    """The context that a comment gives to all it stands for; two of them give none."""
    kinds = set(CONTEXT.findall(" ".join(comment.replace("*", " ").split())))
    return kinds.pop() if len(kinds) == 1 else None


def head(path):
    """The context by the first comment of a file: before any code, #include apart."""
    if not os.path.exists(path):
        return None
    found = re.match(r"\s*(?:#\s*(?:include|ifndef|define)[^\n]*\s+)*/\*(.*?)\*/\n", read(path), re.S)
    return one_context(found.group(1)) if found else None


def functions():
    """{name: (context or None, file)} of every function that is defined in signal/."""
    found, declared = {}, {}
    for path in sources("h"):
        text = read(path)
        for m in re.finditer(r"^[a-z][^;{}()#]*\b(\w+)\([^;{}]*\);", text, re.M):
            declared[m.group(1)] = one_context(comment_before(text, m.start())) or head(path)
    for path in sources("c"):
        text = read(path)
        whole = head(path) or head(path[:-1] + "h")
        for m in DEFINITION.finditer(text):
            name = m.group(1)
            context = one_context(comment_before(text, m.start())) or declared.get(name) or whole
            found.setdefault(name, (context, os.path.relpath(path, SIGNAL)))
    return found


def symbols(t):
    if not shutil.which("nm"):
        s.skip("nm is not installed")
    wanted, own = {}, set()
    paths = crash_objects()
    t.check(len(paths) > 15, "only %d objects of crash context" % len(paths))
    for path in paths:
        undefined, defined = nm(path)
        own |= defined
        for name in undefined:
            wanted.setdefault(name, os.path.basename(path))
    t.equal(sorted({n.split("@")[0] for n in nm(os.path.join(BUILD, "signal/libstack.so.1"), "-D")[0]} & MEMORY), [],
            "memory functions that libstack.so.1 takes from elsewhere")
    known = functions()
    data = {"stk_g", "stk_helper_start", "stk_helper_end"}
    for name, path in sorted(wanted.items()):
        context, where = known.get(name, (None, None))
        t.check(name in own or name in ALLOWED or name in data or context in ("CRASH", "ANY"),
                "%s needs %s%s" % (path, name, ", which is %s context in %s" % (context, where)
                                   if where else ""))


def comments(t):
    known = functions()
    t.check(len(known) > 150, "only %d functions found in signal/" % len(known))
    for name, (context, path) in sorted(known.items(), key=lambda item: item[1][1]):
        t.check(context, "%s: %s() does not say in which context it runs" % (path, name))


def frame_sizes():
    """{function: bytes} by the compiler; the greatest of those with the same name."""
    sizes = {}
    for path in glob.glob(os.path.join(BUILD, "**/*.su"), recursive=True):
        if not re.search(r"CMakeFiles/(stack|stack_handler|stack_sys|stack_crash|stack_base\w*)\.dir/", path):
            continue
        for line in read(path).splitlines():
            place, size, kind = line.split("\t")[:3]
            name = place.split(":")[-1]
            bounded = kind == "static" or "bounded" in kind
            sizes[name] = max(sizes.get(name, 0), int(size) if bounded else 1 << 30)
    return sizes


def call_graph():
    """Direct calls and jumps: {address: addresses}, and {address: name}; names are not unique."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn",
                          os.path.join(BUILD, "signal/libstack.so.1")],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    calls, names, at = {}, {}, None
    for line in out.splitlines():
        start = re.match(r"^0*([0-9a-f]+) <([^>]+)>:", line)
        to = re.search(r"\b(?:call|jmp)\s+([0-9a-f]+) <[^>+]+>", line)
        if start:
            at = start.group(1)
            # What the compiler has put aside (.cold) is no function of its own.
            names[at] = re.sub(r"\.(?!cold).*", "", start.group(2))
            calls[at] = set()
        elif to and to.group(1) != at:
            calls[at].add(to.group(1))
    return calls, names


# Root, bytes there are. Pointers to functions are not followed: 1 KB is left for what they call, and
# in a report as much as the events of the text take (text_… of base/trace_write.c).
TEXT = 4096
PATHS = [
    ("stk_handler", 8192, "the thread's alternate stack, until the handler has its own"),
    ("stk_entry_arrange", 10240, "the thread's alternate stack, before a handler of the program's begins"),
    ("on_collect", 8192, "the alternate stack of every other thread"),
    ("stk_report", 65536 - TEXT - 1024, "own_stack of report/handler.c"),
    ("supervise", 32768 - 1024, "supervisor_stack of tiers/supervise.c"),
    ("exec_helper", 16384 - 1024, "exec_stack of tiers/supervise.c"),
] + [("text_" + event, TEXT, "what a report leaves for the text") for event in
     "head why thread frame elided stopped reg module end note flush".split()]


def stack(t):
    if not shutil.which("objdump"):
        s.skip("objdump is not installed")
    sizes = frame_sizes()
    calls, names = call_graph()
    if not sizes:
        s.skip("the compiler wrote no .su files")
    deepest = {}

    def depth(at, above=()):
        name = names.get(at, "?")
        if at in above or "@plt" in name:
            return 256, [name]  # libc's own four; a recursion is looked at by its first turn
        if at not in deepest:
            below = max((depth(to, above + (at,)) for to in calls[at]), key=lambda d: d[0],
                        default=(0, []))
            deepest[at] = sizes.get(name, 256) + 8 + below[0], [name] + below[1]
        return deepest[at]

    for root, limit, what in PATHS:
        starts = [at for at, name in names.items() if name == root]
        if t.equal(len(starts), 1, "functions called " + root):
            total, path = depth(starts[0])
            shown = " > ".join("%s %d" % (n, sizes.get(n, 256)) for n in path)
            print("%s: %d of %d bytes: %s" % (root, total, limit, shown))
            t.check(total <= limit, root, "takes more than there is on", what)


def calls(t):
    made = set()
    for path in sources("[ch]"):
        made |= set(re.findall(r"\bSYS_([a-z]\w+)", read(path)))
    table = read(os.path.join(s.SOURCE, "docs/SIGNAL-SAFETY.md")).split("\n## System calls\n")[1]
    told = set()
    for row in re.findall(r"^\| (`.*?) \|", table.split("\n## ")[0], re.M):
        told |= set(re.findall(r"`(\w+)`", row))
    t.equal(sorted(made - told), [], "made, and not in docs/SIGNAL-SAFETY.md")
    t.equal(sorted(told - made), [], "in docs/SIGNAL-SAFETY.md, and not made")


# From the bottom up. A folder of one processor stands beside them: it holds the other half of files of any room.
ROOMS = ["kernel", "images", "state", "channel", "tiers", "report", "program"]
MACHINES = ["x86_64"]
# The helper is a program of its own: it shares two headers with the others.
HELPER = {"signal/crash.h", "signal/images/images.h"}
# Registers by name, instructions, places in a signal frame.
OF_A_MACHINE = re.compile(r"\bREG_[A-Z]|__asm__|\bgregs\[\d|__x86_64__|\b[re](?:ax|bx|cx|dx|sp|bp|ip)\b")


def code(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def rooms(t):
    seen = set()
    for path in sources("[ch]"):
        name = os.path.relpath(path, s.SOURCE)
        room = name.split("/")[1] if name.count("/") == 2 else None
        seen.add(room)
        for included in re.findall(r'#include "(signal/[^"]+)"', read(path)):
            other = included.split("/")[1]
            if room == "helper":
                t.check(other == room or included in HELPER, "%s includes %s" % (name, included))
            elif room in ROOMS and other in ROOMS + MACHINES:
                t.check(other in ROOMS and ROOMS.index(other) <= ROOMS.index(room),
                        "%s includes %s, which is above it" % (name, included))
        if room not in MACHINES:
            found = OF_A_MACHINE.search(code(read(path)))
            t.check(not found, "%s: %s is of one processor" % (name, found and found.group(0)))
    t.equal(sorted(seen - {None}), sorted(ROOMS + MACHINES + ["helper"]), "the rooms of signal/")


def reached(graph, start):
    todo, found = list(graph[start]), set()
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += graph[node]
    return found


def circles(t):
    """stk_handler() is an address to those below it: our actions are known by it."""
    defined, wanted = {}, {}
    for target in ("stack", "stack_handler", "stack_sys", "stack_crash", "stack_images"):
        for path in objects(target):
            name = re.search(r"\.dir/(.*)\.o$", path).group(1)
            needs, has = nm(path)
            wanted[name] = needs - {"stk_handler"}
            defined.update({n: name for n in has})
    t.check(len(wanted) > 40, "only %d objects" % len(wanted))
    graph = {name: {defined[n] for n in needs if n in defined and defined[n] != name
                    and defined[n].split("/")[0] not in MACHINES}
             for name, needs in wanted.items()}
    for name in sorted(graph):
        back = sorted(n for n in reached(graph, name) if name in reached(graph, n))
        t.check(not back, "in a circle: " + " ".join(back))


def main():
    t = s.Failures()
    {f.__name__: f for f in (symbols, comments, stack, calls, rooms, circles)}[sys.argv[1]](t)
    t.exit()


main()
