"""test_install.py WHAT: the installed files, used as somebody else's program would use them."""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["BUILD"]


def cache(name):
    with open(os.path.join(BUILD, "CMakeCache.txt")) as f:
        found = re.search(r"^%s:[A-Z]+=(.*)$" % re.escape(name), f.read(), re.M)
    return found.group(1) if found else ""


# Only where the build was made for a prefix inside it (the presets of the developer) do the paths
# that are compiled in hold; elsewhere the tests that need them skip.
CONFIGURED = cache("CMAKE_INSTALL_PREFIX").startswith(BUILD + "/")
PREFIX = cache("CMAKE_INSTALL_PREFIX") if CONFIGURED else os.path.join(BUILD, "tests/prefix")
LIB = os.path.join(PREFIX, cache("CMAKE_INSTALL_LIBDIR") or "lib")
INCLUDE = os.path.join(PREFIX, "include")
HELPER = os.path.join(PREFIX, cache("CMAKE_INSTALL_LIBEXECDIR") or "libexec",
                      "libstack/libstack-helper")
EMBEDDED = cache("STK_EMBED_STATIC") == "ON"
with open(os.path.join(BUILD, "packaging/libstack.pc")) as f:
    WRAPPED = re.findall(r"--wrap=(\w+)", f.read())
WORDS = [os.path.join(s.SOURCE, "fixtures/words.c"), "-I" + os.path.join(s.SOURCE, "fixtures"),
         "-D_GNU_SOURCE", "-g"]
LAST = "1 of 1 threads shown"


def run(command, env=None, **more):
    """(stdout, stderr, returncode)"""
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("LIBSTACK") and k not in ("LD_PRELOAD", "LD_LIBRARY_PATH")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=dict(clean, **(env or {})), **more)
    return (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
            done.returncode)


def build(t, command, **more):
    out, err, status = run(command, **more)
    return t.check(status == 0, "%s\n%s%s" % (" ".join(command), out, err))


def shared_env(**more):
    return dict({"LD_LIBRARY_PATH": LIB}, **more)


def whole(t, what, err, status, name="example", sig=signal.SIGABRT):
    """The report is the helper's, whole, once, and says what the program's own log says."""
    t.equal(status, -sig, what + ": wait status")
    t.equal(len(re.findall(r"^PC=", err, re.M)), 1, what + ": headers")
    t.check("failed" not in err, what, ": a tier failed:", err)
    t.equal(err.rstrip("\n").split("\n")[-1], LAST, what + ": last line")
    logged = dict(re.findall(r"^ARGS (\w+) (.*)$", err, re.M))
    threads = s.parse_trace(err)
    if not t.equal(len(threads), 1, what + ": threads"):
        return
    frames = {n: w for n, w, _ in threads[0][1]}
    t.check(name in frames and "main" in frames, what, ": frames", frames)
    for function, words in logged.items():
        t.equal(frames.get(function), words, "%s: words of %s" % (what, function))


def needed(path):
    out, _, _ = run(["readelf", "-dW", path])
    return re.findall(r"\(NEEDED\).*\[(.*)\]", out)


def prefix(t):
    """The files, and their components."""
    shutil.rmtree(PREFIX, True)
    for component in ([], ["--component", "relink"]):
        build(t, ["cmake", "--install", BUILD, "--prefix", PREFIX, *component])
    found = set()
    for folder, _, names in os.walk(PREFIX):
        found |= {os.path.relpath(os.path.join(folder, n), PREFIX) for n in names}
    lib = os.path.relpath(LIB, PREFIX)
    wanted = {"bin/corectl", "include/libstack.h", os.path.relpath(HELPER, PREFIX)}
    wanted |= {"share/man/" + n for n in ("man1/corectl.1", "man3/libstack.3", "man7/libstack.7")}
    wanted |= {"share/doc/libstack/" + n for n in
               ("LICENSE", "NOTICE", "licenses/GPL-3", "licenses/LGPL-3", "licenses/LGPL-2.1")}
    wanted |= {os.path.join(lib, n) for n in (
        "libstack.so", "libstack.so.1", "libstack.so.0.1.0", "libstack.a", "libstack-core.a",
        "libstack-anchor.o", "pkgconfig/libstack.pc", "cmake/libstack/libstackConfig.cmake",
        "cmake/libstack/libstackConfigVersion.cmake", "libstack/relink/helper.c.o",
        "libstack/relink/core.c.o", "libstack/relink/hold.c.o",
        "libstack/relink/names.c.o",
        "libstack/relink/libstack-engine.a", "libstack/relink/relink.sh")}
    t.equal(sorted(found - wanted), [], "files that are not known")
    t.equal(sorted(wanted - found), [], "files that are missing")
    t.check(os.access(HELPER, os.X_OK), "the helper can be executed")


def shared(t):
    """libstack.so.1 needs libc only, binds at once, and exports its own names and libc's."""
    library = os.path.join(LIB, "libstack.so.1")
    t.equal(needed(library), ["libc.so.6"], "NEEDED of libstack.so.1")
    out, _, _ = run(["readelf", "-dW", library])
    t.check(re.search(r"FLAGS_1\).*\bNOW\b", out), "not bound at load:", out)
    t.check(re.search(r"FLAGS_1\).*\bNODELETE\b", out), "can be unloaded:", out)
    out, _, _ = run(["nm", "-D", "--defined-only", "-P", library])
    names = {line.split()[0].split("@")[0] for line in out.splitlines()}
    public = {"libstack_install", "libstack_uninstall", "libstack_dump", "libstack_version"}
    jumps = {"__sigsetjmp", "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk",
             "__libc_start_main"}  # not in libstack.a
    t.equal(sorted(names - public - jumps - set(WRAPPED)), [], "exported beyond the contract")
    t.equal(sorted((public | set(WRAPPED)) - names), [], "not exported")
    t.check(re.search(r"GNU_STACK\s.* RW ", run(["readelf", "-lW", library])[0]),
            "the stack is executable")


def linkers(t):
    """-lstack with --as-needed (and --gc-sections) keeps the library, with every linker there is."""
    work = s.workdir()
    tried = 0
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            print("not installed:", compiler)
            continue
        for linker in ("", "bfd", "gold", "lld"):
            if linker and not shutil.which("ld." + linker):
                print("not installed: ld." + linker)
                continue
            for options in (["-Wl,--as-needed"], ["-Wl,--as-needed", "-Wl,--gc-sections",
                                                 "-ffunction-sections", "-fdata-sections"]):
                what = " ".join([compiler, linker or "default", *options])
                app = os.path.join(work, "app")
                command = [compiler, *options, *WORDS, "-o", app, "-L" + LIB, "-lstack"]
                if not build(t, command + ["-fuse-ld=" + linker] * bool(linker)):
                    continue
                tried += 1
                t.check("libstack.so.1" in needed(app), what, ": was dropped")
                _, err, status = run([app], shared_env())
                whole(t, what, err, status)
    t.check(tried >= 2, "only %d links tried" % tried)


def pkg_config(*options, lib=LIB):
    out, err, status = run(["pkg-config", *options, "libstack"],
                           {"PKG_CONFIG_PATH": os.path.join(lib, "pkgconfig")})
    return out.split() if status == 0 else [err]


def pkgconfig(t):
    if not shutil.which("pkg-config"):
        s.skip("pkg-config is not installed")
    got = pkg_config("--cflags", "--libs")
    real = [f[:2] + os.path.realpath(f[2:]) if f[:2] in ("-I", "-L") else f for f in got]
    t.equal(real, ["-I" + os.path.realpath(INCLUDE), "-L" + os.path.realpath(LIB), "-lstack"],
            "pkg-config --cflags --libs")
    t.equal([f for f in pkg_config("--static", "--libs") if f.startswith("-Wl")],
            ["-Wl,--wrap=" + n for n in WRAPPED], "pkg-config --static --libs")
    t.equal(pkg_config("--modversion"), ["0.1.0"], "version")


def relocated(t):
    """The prefix moved elsewhere: pkg-config and CMake follow, libstack.a's helper is named."""
    if not shutil.which("pkg-config"):
        s.skip("pkg-config is not installed")
    work = s.workdir()
    moved = os.path.join(work, "elsewhere")
    shutil.copytree(PREFIX, moved, symlinks=True)
    lib = os.path.join(moved, os.path.relpath(LIB, PREFIX))
    app = os.path.join(work, "app")
    if build(t, ["cc", *WORDS, "-o", app, *pkg_config("--cflags", "--libs", lib=lib)]):
        _, err, status = run([app], {"LD_LIBRARY_PATH": lib})
        whole(t, "shared", err, status)
    flags = pkg_config("--static", "--cflags", "--libs", lib=lib)
    if build(t, ["cc", "-static-pie", *WORDS, "-o", app, *flags]):
        helper = os.path.join(moved, os.path.relpath(HELPER, PREFIX))
        _, err, status = run([app], {"LIBSTACK_HELPER": helper})
        whole(t, "static, LIBSTACK_HELPER", err, status)
        _, err, status = run([app], {"LIBSTACK_HELPER": "/nowhere/helper"})
        t.equal(status, -signal.SIGABRT, "static without a helper: wait status")
        t.check("\n[tier 1 failed: the helper cannot be opened: no such file or directory; continuing in process]\n"
                in err, "static without a helper:", err)
        t.equal(err.rstrip("\n").split("\n")[-1], LAST, "static without a helper: last line")
    cmake_project(t, work, lib)


def static_programs(t, what, flags, env=None):
    work = s.workdir()
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            print("not installed:", compiler)
            continue
        for mode in ("-static", "-static-pie"):
            app = os.path.join(work, "app")
            if not build(t, [compiler, mode, *WORDS, "-o", app, *flags]):
                continue
            t.equal(needed(app), [], "%s %s: NEEDED" % (compiler, mode))
            _, err, status = run([app], env)
            whole(t, "%s %s %s" % (what, compiler, mode), err, status)


def static(t):
    """libstack.a finds the helper as an installed file (or has it, where the build embeds it)."""
    if not CONFIGURED and not EMBEDDED:
        s.skip("the build was made for another prefix")
    static_programs(t, "pkg-config --static", pkg_config("--static", "--cflags", "--libs"))
    static_programs(t, "without --wrap", ["-L" + LIB, "-lstack"])


def embedded(t):
    """STK_EMBED_STATIC: the same archive with the helper's bytes in it needs no file."""
    work = s.workdir()
    archive = os.path.join(work, "libstack-core.a")
    shutil.copy(os.path.join(LIB, "libstack-core.a"), archive)
    bare = os.path.getsize(archive)
    if EMBEDDED:
        t.check(bare > os.path.getsize(HELPER), "the helper is not in libstack.a")
    else:
        t.check(bare < 2 << 20, "libstack.a has %d bytes" % bare)
        held = os.path.join(BUILD, "signal/CMakeFiles/stack_embed.dir/helper/embed.S.o")
        build(t, ["ar", "r", archive, held])
    for name in ("libstack.a", "libstack-anchor.o"):
        shutil.copy(os.path.join(LIB, name), work)
    wraps = ["-Wl,--wrap=" + n for n in WRAPPED]
    app = os.path.join(work, "app")
    if build(t, ["cc", "-static", *WORDS, "-o", app, "-L" + work, "-lstack", *wraps]):
        out, _, _ = run(["strings", "-a", app])
        t.check("libstack-helper is started by libstack" in out, "the helper is not inside")
        _, err, status = run([app])
        whole(t, "embedded", err, status)


CMAKE = """cmake_minimum_required(VERSION 3.18)
project(user C)
find_package(libstack 0.1 REQUIRED)
foreach(name shared static)
  add_executable(${name} %s)
  target_include_directories(${name} PRIVATE %s)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_compile_options(${name} PRIVATE -g)
endforeach()
target_link_libraries(shared PRIVATE libstack::stack)
target_link_libraries(static PRIVATE libstack::stack_static)
add_executable(full %s)
target_compile_definitions(full PRIVATE _GNU_SOURCE)
target_link_libraries(full PRIVATE libstack::stack_static)
target_link_options(full PRIVATE -static)
file(WRITE ${CMAKE_BINARY_DIR}/helper "${libstack_HELPER}")
"""


def cmake_project(t, work, lib):
    source, out = os.path.join(work, "project"), os.path.join(work, "project-build")
    os.mkdir(source)
    with open(os.path.join(source, "CMakeLists.txt"), "w") as f:
        f.write(CMAKE % (WORDS[0], WORDS[1][2:], os.path.join(HERE, "wrapped.c")))
    where = "-DCMAKE_PREFIX_PATH=" + lib[:len(lib) - len(os.path.relpath(LIB, PREFIX))]
    if not build(t, ["cmake", "-S", source, "-B", out, where]) or \
            not build(t, ["cmake", "--build", out]):
        return
    with open(os.path.join(out, "helper")) as f:
        helper = f.read()
    t.check(os.access(helper, os.X_OK), "libstack_HELPER:", helper)
    t.check("libstack.so.1" in needed(os.path.join(out, "shared")), "shared: was dropped")
    _, err, status = run([os.path.join(out, "shared")])
    whole(t, "libstack::stack", err, status)
    app = os.path.join(out, "static")
    t.equal(needed(app), ["libc.so.6"], "libstack::stack_static: NEEDED")
    _, err, status = run([app], {"LIBSTACK_HELPER": helper})
    whole(t, "libstack::stack_static", err, status)
    out, _, status = run([os.path.join(out, "full")])
    t.equal((out, status), (SEEN, 0), "libstack::stack_static with -static")


def cmake(t):
    cmake_project(t, s.workdir(), LIB)


def cplusplus(t):
    if not shutil.which("c++"):
        s.skip("c++ is not installed")
    app = os.path.join(s.workdir(), "steer")
    for standard in ("c++11", "c++20"):
        if not build(t, ["c++", "-std=" + standard, "-Wall", "-Wextra", "-Werror", "-g", "-I" +
                         INCLUDE, os.path.join(HERE, "steer.cpp"), "-o", app, "-L" + LIB, "-lstack"]):
            continue
        out, err, status = run([app], shared_env())
        t.equal(out, "0.1.0 0\n-9\n", standard + ": what the functions returned")
        whole(t, standard, err, status, "place::Thing::crash", signal.SIGSEGV)


API = """version 0.1.0
at start 0
%sdump 0
dump of a bad descriptor -9
install with a bad value -22
then 0
install 0
SEGV 1 QUIT 0
again with all 0
SEGV 1 QUIT 1
uninstall 0
SEGV 0 QUIT 0
"""


def api(t):
    """The functions, with the constructor off by the environment and by LIBSTACK_MANUAL."""
    work = s.workdir()
    app = os.path.join(work, "api")
    source = [os.path.join(HERE, "api.c"), "-D_GNU_SOURCE", "-g", "-I" + INCLUDE, "-Wall", "-Werror"]
    wraps = ["-Wl,--wrap=" + n for n in WRAPPED]
    static_env = {"LIBSTACK_HELPER": HELPER}
    for what, flags, env in (
            ("off", ["-L" + LIB, "-lstack"], shared_env(LIBSTACK_TRACEBACK="off")),
            ("manual", ["-DMANUAL", "-L" + LIB, "-lstack"], shared_env()),
            ("static, off", ["-static", "-L" + LIB, "-lstack", *wraps],
             dict(static_env, LIBSTACK_TRACEBACK="off")),
            ("static, manual", ["-DMANUAL", "-static", "-L" + LIB, "-lstack", *wraps], static_env)):
        if not build(t, ["cc", *source, "-o", app, *flags]):
            continue
        out, err, status = run([app], env)
        report = re.search(r"at start 0\n(.*?)dump 0\n", out, re.S)
        if t.check(report, what, ": no dump:", out):
            frames = [n for n, _, _ in s.parse_trace(report.group(1))[0][1]]
            t.equal(frames[-2:], ["dump", "main"], what + ": frames of the dump")
            t.equal(report.group(1).rstrip("\n").split("\n")[-1], LAST, what + ": dump's end")
            t.equal(out, API % report.group(1), what + ": what the functions returned")
        t.equal(status, -signal.SIGSEGV, what + ": wait status, uninstalled")
        t.equal(err, "", what + ": stderr, uninstalled")
        out, err, status = run([app, "crash"], env)
        whole(t, what + ", installed again", err, status, "main", signal.SIGSEGV)


SEEN = """SEGV default
signal default
then a handler
sysv_signal ours
then default
BUS blocked 1
pthread_create 1
thrd_create 1
"""


def wrapped(t):
    """The library stands before libc's functions, shared and static."""
    app = os.path.join(s.workdir(), "wrapped")
    source = [os.path.join(HERE, "wrapped.c"), "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    wraps = ["-Wl,--wrap=" + n for n in WRAPPED]
    for what, flags in (("shared", []), ("static", ["-static", *wraps]),
                        ("static-pie", ["-static-pie", *wraps])):
        if build(t, ["cc", *source, "-o", app, "-L" + LIB, "-lstack", *flags]):
            out, _, status = run([app], shared_env())
            t.equal((out, status), (SEEN, 0), what)
    if build(t, ["cc", *source, "-static", "-o", app, "-L" + LIB, "-lstack"]):
        out, _, status = run([app])
        t.check(out.startswith("SEGV a handler\n") and status == 0, "without --wrap:", out)


def chroot(t):
    """Copied alone beside libc, the library still gives the full report."""
    if os.getuid() != 0:
        s.skip("only root can chroot")
    root = s.workdir()
    app = os.path.join(root, "app")
    if not build(t, ["cc", *WORDS, "-o", app]):
        return
    shutil.copy(os.path.join(LIB, "libstack.so.1"), root)
    out, _, _ = run(["ldd", app])
    files = re.findall(r"(/\S+) \(0x", out)
    t.check(len(files) == 2, "libc and its loader:", files)
    for path in files:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    for what, proc in (("without /proc", False), ("with /proc", True)):
        if proc:
            os.mkdir(root + "/proc")
            if run(["mount", "-t", "proc", "proc", root + "/proc"])[2] != 0:
                print("proc cannot be mounted here")
                break
        try:
            _, err, status = run(["chroot", root, "/app"], {"LD_PRELOAD": "/libstack.so.1"})
        finally:
            if proc:
                run(["umount", root + "/proc"])
        whole(t, what, err, status)
        # The kernel tells that there is no other thread.
        t.check("\n1 of 1 threads shown" in err and "[other threads" not in err, what, err[-300:])


def archives():
    """{archive: members} that went into the helper, by the linker's map."""
    found = {}
    with open(os.path.join(BUILD, "signal/libstack-helper.map")) as f:
        for line in f:
            # Discarded and absolute parts aside, each input stands in its line as PATH.a(MEMBER).
            for archive, member in re.findall(r"(\S+/lib[\w+-]+\.a)\(([^)]+)\)", line):
                found.setdefault(os.path.basename(archive), set()).add(member)
    return found


def notice(t):
    """Every library inside the helper stands in NOTICE, with a version where it has one."""
    with open(os.path.join(PREFIX, "share/doc/libstack/NOTICE")) as f:
        text = f.read()
    inside = archives()
    t.check("libdw.a" in inside, "the map is not understood:", inside.keys())
    for archive in inside:
        name = archive[:-2]
        if name != "libstack_engine_plain":
            t.check(re.search(r"\b%s\b" % re.escape(name), text), "NOTICE is silent about", name)
    t.equal(re.findall(r"@\w+@", text), [], "left unfilled")
    for name in ("elfutils", "GNU C library", "zlib", "bzip2", "XZ Utils", "libdeflate"):
        t.check(re.search(r"^%s \d+\.\d+\S*:" % name, text, re.M), "NOTICE: no version of", name)
    for named in re.findall(r"licenses/[A-Z0-9.-]*\d", text):
        t.check(os.path.exists(os.path.join(PREFIX, "share/doc/libstack", named)), named, "is absent")


def relink(t):
    """The helper linked anew from the objects, by the script beside them, works."""
    work = s.workdir()
    out, app = os.path.join(work, "helper"), os.path.join(work, "app")
    build(t, [os.path.join(LIB, "libstack/relink/relink.sh"), "-o", out])
    t.check(os.path.exists(out) and not needed(out), "not a static program")
    if build(t, ["cc", *WORDS, "-o", app, "-L" + LIB, "-lstack"]):
        _, err, status = run([app], shared_env(LIBSTACK_HELPER=out))
        whole(t, "with the helper linked anew", err, status)
        os.unlink(out)
        _, err, status = run([app], shared_env(LIBSTACK_HELPER=out))
        t.check("[tier 1 failed: the helper cannot be opened" in err, "LIBSTACK_HELPER is not used:", err)


def page(name):
    with open(os.path.join(PREFIX, "share/man/man%s" % name[-1], name)) as f:
        return f.read()


def manual(t):
    """The pages tell of each variable, function and option there is, and are clean."""
    variables = set()
    for name in ("options.c", "follow.c"):
        with open(os.path.join(s.SOURCE, "signal/program", name)) as f:
            variables |= set(re.findall(r'"(LIBSTACK_[A-Z]+)"', f.read()))
    t.check(len(variables) >= 8, "variables:", variables)
    t.equal(set(re.findall(r"^\.B (LIBSTACK_[A-Z]+)$", page("libstack.7"), re.M)), variables,
            "variables of libstack(7)")
    with open(os.path.join(INCLUDE, "libstack.h")) as f:
        header = f.read()
    for variable in variables:
        t.check(variable in header, "libstack.h is silent about", variable)
    functions = set(re.findall(r"\b(libstack_\w+)\(.*\);", header))
    t.equal(set(re.findall(r"^\.B (libstack_\w+)\(\)$", page("libstack.3"), re.M)), functions,
            "functions of libstack(3)")
    fields = re.search(r"struct libstack_options \{(.*?)\n\}", header, re.S).group(1)
    told = re.search(r"struct libstack_options \{(.*?)\n\}", page("libstack.3"), re.S).group(1)
    names = [re.findall(r"\b(\w+);", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
             for text in (fields, told)]
    t.equal(names[1], names[0], "options of libstack(3)")
    if shutil.which("man"):
        for name in ("corectl.1", "libstack.3", "libstack.7"):
            _, err, _ = run(["man", "--warnings", "-l", os.path.join(PREFIX, "share/man/man" + name[-1],
                                                                    name)])
            t.equal(err, "", "man " + name)


def run_installed(t):
    """corectl run finds the library from where it is installed."""
    app = os.path.join(s.workdir(), "app")
    if build(t, ["cc", *WORDS, "-o", app]):
        _, err, status = run([os.path.join(PREFIX, "bin/corectl"), "run", app])
        whole(t, "corectl run", err, status)


def musl(t):
    """Where the C library is not glibc, configure says so in its first words."""
    if not shutil.which("musl-gcc"):
        s.skip("musl-gcc is not installed")
    out, err, status = run(["cmake", "-S", s.SOURCE, "-B", s.workdir(), "-DCMAKE_C_COMPILER=musl-gcc"])
    t.check(status != 0, "configured")
    t.check("This C library is not glibc. musl and others are not supported yet."
            in " ".join(err.split()), err)


def main():
    t = s.Failures()
    tests = {f.__name__: f for f in (prefix, shared, linkers, pkgconfig, relocated, static, embedded,
                                     cmake, cplusplus, api, wrapped, chroot, notice, relink, manual, musl)}
    tests["run"] = run_installed
    tests[sys.argv[1]](t)
    t.exit()


main()
