"""The handler under torture: programs in every kind of trouble, each with libstack and without it.

Of each: the header once, the frames, the tier, the last line, the wait status of the same program
without libstack (core flag included), nothing left running, and all of it within the deadline.
crash.py CASE | --list
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import support as s
from crash_readers import in_the_middle, read_nothing, read_nothing_full, read_slowly, signals_meanwhile
from crash_run import Run, read_all

HERE = os.environ.get("TORTURE", os.path.join(s.SOURCE, "build/dev/tests/torture"))
LIBRARY = os.environ.get("LIBSTACK", os.path.join(s.SOURCE, "build/dev/signal/libstack.so.1"))
CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_SYS_RESOURCE": 24}  # linux/capability.h
PR_SET_CHILD_SUBREAPER = 36
SEGV, ABRT, SYS, QUIT = signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS, signal.SIGQUIT
TIER = re.compile(r"^\[.*\]$", re.M)
IN_PROCESS = "[tier 1 failed: %s; continuing in process]"
SECCOMP = "[seccomp filters system calls: thread 1 in process]"
BY_SOCKET = "[the process cannot be read: memory by socket]"
BY_SIGNAL = "[ptrace is not permitted: threads by signal]"
PLAIN = ["boom", "plain"]
USERNS = ["unshare", "-Ur"]
NO_PROC = USERNS + ["-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]


class Case:
    """A row of the table below; what is not given is the ordinary."""
    def __init__(self, args, sig=SEGV, frames=None, **more):
        self.args = args.split() if isinstance(args, str) else args
        self.status = sig           # wait status without the core flag
        self.frames = PLAIN + ["main"] if frames is None else frames  # of thread 1, in a row
        self.notes = []             # lines in brackets, exactly
        self.end = "1 of 1 threads shown"   # the last line; None: the report has no end
        self.heads = 1              # reports
        self.env = {}
        self.user = False           # as an ordinary user
        self.root = False           # needs root
        self.capability = None      # the name of one that it needs
        self.yama = None            # the ptrace_scope it is about
        self.linked = False         # the program links libstack, and is set-uid to this user
        self.setuid = None
        self.registers = True       # are printed
        self.wrap = []              # a command before the program
        self.loader = []            # what starts the program
        self.landlock = False       # the kernel has it
        self.limits = {}
        self.same_status = True     # as without libstack; False: only `status`
        self.reader = read_all      # what is at the other end of stderr
        self.deadline = 20
        self.stderr_fits = True
        self.check = None           # function(t, run, text): what else holds
        self.before = None          # function(run): what the place needs
        self.__dict__.update(more)


# --- more that holds ---

def data_file(t, run, text):
    with open(os.path.join(run.dir, "data")) as f:
        t.equal(f.read(), "data\n", "the program's data file")


def both_threads(t, run, text):
    names = [f[0] for f in s.parse_trace(text)[1][1]]
    t.check("rest" in names, "thread 2 is in rest():", names)


def has(*pieces):
    return lambda t, run, text: [t.check(p in text, "nowhere:", repr(p)) for p in pieces]


def eight_threads(t, run, text):
    """Those that crashed too show where, not that they wait; one may still be about to crash."""
    names = [(h, [f[0] for f in frames]) for h, frames in s.parse_trace(text)]
    where = [h for h, n in names if n == PLAIN + ["crash_at_barrier"] or
             n[0] != "boom" and n[-1] == "crash_at_barrier"]
    t.equal(sum(int((re.search(r"\((\d+) \"", h) or [0, 1])[1]) for h in where), 8, "crashing threads")
    t.check(not re.search(r"^(stk_(?!thread_)|enter|wait_turn)|libstack\.so|/signal/(?!program/(?:altstack|interpose))[\w/]+\.c:",
                          text.split("\nmodules:")[0], re.M), "frames of the handler")


def no_proof(t, run, text):
    t.check(not os.path.exists(run.dir + "/proof"), "LIBSTACK_HELPER was run in a set-uid program")
    no_addresses(t, run, text)


def no_addresses(t, run, text):
    """Of a set-uid program: no word, no register, no address; only how far into a module."""
    t.equal(re.findall(r"^PC=.*?(?= tid)| addr=\S+", text, re.M), ["PC=_", " addr=_"], "the header")
    t.equal(re.findall(r".*(?<![+\da-fx])0x.*", text), [], "lines with an address")
    t.equal(set(re.findall(r"^\S*(?= [0-9a-f]{40} /)", text, re.M)), {"_-_"}, "ranges of modules")
    t.check(re.search(r"^boom\(\.\.\.\)$" if "boom(" in text else r"^\t_$", text, re.M),
            "the first frame\n" + text)


def stopped(reason):
    return lambda t, run, text: t.check("\nstopped: %s\n" % reason in text, "stopped:", reason)


def stdout(text):
    return lambda t, run, _: t.equal(run.stdout(), text, "stdout")


def no_report(t, run, text):
    t.equal(text, "", "stderr")


def filler_only(t, run, text):
    t.equal(text, "\n" * 4096, "the pipe")


def set_uid(uid):
    def before(run):
        if run.preload:
            os.chown(run.work + "/linked", uid, uid)
            os.chmod(run.work + "/linked", 0o4755)
        else:
            os.chown(run.work + "/crasher", uid, uid)
            os.chmod(run.work + "/crasher", 0o4755)
    return before


def no_exec_bit(run):
    if run.preload:
        shutil.copy(run.work + "/crasher", run.work + "/helper-plain")
        os.chmod(run.work + "/helper-plain", 0o644)


def bad_helper(name):
    def before(run):
        if run.preload:
            shutil.copy(run.work + "/crasher", run.work + "/helper-" + name)
    return before


def helper(name, why, **more):
    return Case("plain", env={"LIBSTACK_HELPER": "@WORK/helper-" + name, "LIBSTACK_TIMEOUT": "2"},
                deadline=5, notes=[IN_PROCESS % why] if why else [], before=bad_helper(name), **more)


def spoilt(what, *functions, **more):
    """`what` with instructions that do not exist at the entries of these functions of libstack."""
    case = Case([what], before=lambda run: offsets(run, what, functions), **more)
    return case


def offsets(run, what, functions):
    if not run.preload:
        run.case.args = [{"spoilt": "plain", "spoilt_threads": "undumpable_threads"}.get(what, what)]
        return
    out = subprocess.run(["nm", LIBRARY], stdout=subprocess.PIPE, check=True).stdout.decode()
    table = {line.split()[-1]: line.split()[0] for line in out.splitlines() if line.split()[0] != "U"}
    if any(f not in table for f in functions):
        s.skip("the library has no symbol table")
    run.case.args = [what] + [table[f] for f in functions]


def out_of_handler(t, run, text):
    names = [f[0] for f in s.parse_trace(text)[0][1]]
    t.equal(names[-2:], ["in_handler_onstack", "main"], "what the signal interrupted")
    t.equal(text.count(" (signal frame)\n"), 1, "signal frames")


def has_words(t, run, text):
    t.check("\nboom(0x10)\n" in text, "no argument words:", text[:600])


HIDDEN = ["hidden_boom", "hidden", "unexported", "main"]


def filtered(call, how, notes=()):
    return Case(["filtered", call, how], frames=PLAIN + ["filtered", "main"], notes=[SECCOMP, *notes])


def filtered_threads(call, how, notes, **more):
    return Case(["filtered_threads", call, how], notes=[SECCOMP] + notes, **{
        "frames": PLAIN + ["filtered_threads", "main"],
        "end": "2 of 2 threads shown", "check": both_threads, **more})


STARTED = "[threads are those started by libc: /proc/self/task cannot be read]"
UNKNOWN = "[other threads are not known: /proc/self/task cannot be read]"
DEAD = "its report above is not whole"
NO_HELPER = IN_PROCESS % "the helper cannot be opened: no such file or directory"
NO_EXEC = "the helper cannot be executed: %s"
CASES = {
    # Stacks.
    "overflow_main": Case("overflow_main", frames=["dive"] * 50),
    "overflow_in_process": Case("overflow_main", frames=["dive"] * 50, notes=[NO_HELPER],
                                env={"LIBSTACK_HELPER": "/nowhere"}),
    "overflow_pthread": Case("overflow_pthread", frames=["dive"] * 50, end="2 of 2 threads shown"),
    "overflow_thrd": Case("overflow_thrd", frames=["dive"] * 50, end="2 of 2 threads shown"),
    "overflow_attr": Case("overflow_attr", frames=["dive"] * 50, end="2 of 2 threads shown"),
    # A thread that libstack does not see being made has no other stack: the kernel kills at once.
    "overflow_clone": Case("overflow_clone", heads=0, frames=[], end=None, check=no_report),
    # The program's own handler, on an alternate stack that it does not have: the kernel kills.
    "overflow_handled": Case("overflow_handled", frames=["dive"] * 50),
    "overflow_handled_pthread": Case("overflow_handled_pthread", frames=["dive"] * 50,
                                     end="2 of 2 threads shown"),
    "stack_nowhere": Case("stack_nowhere", frames=["nowhere"]),
    "handled_once": Case("handled_once", frames=PLAIN + ["handled_once", "main"]),
    "crash_clone": Case("crash_clone", frames=PLAIN + ["plain_clone"], end="2 of 2 threads shown"),
    "smashed": Case("smashed", ABRT, ["__stack_chk_fail", "smash_canary", "smashed", "main"]),
    "smashed_return": Case("smashed_return", frames=["smash_return"]),
    "jump_null": Case("jump_null", frames=["??", "call", "jump_null", "main"]),
    "jump_nowhere": Case("jump_nowhere", frames=["??", "call", "jump_nowhere", "main"]),
    # Inside others.
    "malloc_crash": Case("malloc_crash", frames=["malloc", "malloc_crash", "main"]),
    "malloc_abort": Case("malloc_abort", ABRT, ["malloc", "malloc_abort", "main"]),
    "malloc_in_process": Case("malloc_crash", frames=["malloc_crash", "main"],
                              env={"LIBSTACK_HELPER": "/nowhere"},
                              notes=[NO_HELPER]),
    "dlopen": Case("in_dlopen @WORK/plugin.so", frames=["plugin_crash", "start"]),
    "dlopen_in_process": Case("in_dlopen @WORK/plugin.so", frames=["plugin_crash"],
                              env={"LIBSTACK_HELPER": "/nowhere"},
                              notes=[NO_HELPER]),
    "handler": Case("in_handler", frames=PLAIN + ["on_usr1"]),
    "handler_onstack": Case("in_handler_onstack", frames=PLAIN + ["on_usr1"], check=out_of_handler),
    "handler_onstack_in_process": Case("in_handler_onstack", frames=PLAIN + ["on_usr1"], notes=[NO_HELPER],
                                       env={"LIBSTACK_HELPER": "/nowhere"}, check=out_of_handler),
    "handler_altstack": Case("in_handler_altstack", frames=PLAIN + ["on_usr1"]),
    # abort(3) ends the program though its own handler has returned, or the signal is ignored.
    "abort_handled": Case("abort_handled", ABRT, ["abort_with", "abort_handled", "main"],
                          check=stdout("handler 6\n")),
    "abort_handled_once": Case("abort_handled_once", ABRT, ["abort_with", "abort_handled_once", "main"],
                               check=stdout("handler 6\n")),
    "abort_ignored": Case("abort_ignored", ABRT, ["abort_with", "abort_ignored", "main"], check=stdout("")),
    # Processes and threads.
    "fork": Case("in_fork", None, PLAIN + ["in_fork", "main"]),
    "vfork": Case("in_vfork", None, PLAIN + ["in_vfork", "main"]),
    "after_vfork": Case("after_vfork", heads=2, frames=PLAIN + ["after_vfork", "main"]),
    "eight": Case("eight", frames=PLAIN + ["crash_at_barrier"], end="9 of 9 threads shown",
                  check=eight_threads),
    "eight_in_process": Case("eight", frames=PLAIN + ["crash_at_barrier"], end="9 of 9 threads shown",
                             check=eight_threads, env={"LIBSTACK_HELPER": "/nowhere"},
                             notes=[NO_HELPER]),
    "leaderless": Case("leaderless", frames=PLAIN + ["after_leader"]),
    "leaderless_in_process": Case("leaderless", frames=PLAIN + ["after_leader"], notes=[NO_HELPER],
                                  env={"LIBSTACK_HELPER": "/nowhere"}),
    "leaderless_seccomp": Case("leaderless process_vm_readv errno", frames=PLAIN + ["after_leader"],
                               notes=[SECCOMP]),
    # Names that .dynsym has not.
    "static": Case("unexported", frames=HIDDEN, notes=[NO_HELPER], env={"LIBSTACK_HELPER": "/nowhere"}),
    "static_no_files": Case("unexported no_files", frames=HIDDEN, notes=[
        IN_PROCESS % "the helper cannot be put into memory: too many open files"]),
    "static_filtered": Case("unexported filtered", frames=HIDDEN, notes=[SECCOMP]),
    # The helper cannot open files there either.
    "static_chroot_helper": Case("unexported chroot", frames=HIDDEN, wrap=USERNS),
    "static_chroot": Case("unexported chroot", frames=HIDDEN, wrap=USERNS, notes=[NO_HELPER],
                          env={"LIBSTACK_HELPER": "/nowhere"}),
    # Blocked signals.
    "blocked_process": Case("blocked_process", frames=PLAIN + ["block"]),
    "blocked_thread": Case("blocked_thread", frames=PLAIN + ["block"]),
    "blocked_exec": Case("blocked_exec"),
    # Whose memory, whose thread pointer.
    "vfork_resets": Case("vfork_resets", frames=PLAIN + ["block", "vfork_resets", "main"]),
    "foreign_tls": Case("foreign_tls 6", ABRT, frames=["send_self", "foreign_body"],
                        end="2 of 2 threads shown"),
    "foreign_tls_quit": Case("foreign_tls 3", QUIT, frames=["send_self", "foreign_body"],
                             end="2 of 2 threads shown"),
    "no_tls": Case("no_tls 6", ABRT, frames=["send_self", "no_tls", "main"]),
    # Descriptors.
    "stderr_closed": Case("closed", heads=0, frames=[], end=None, check=no_report),
    "stderr_reused": Case("reused data", heads=0, frames=[], end=None, check=data_file),
    "stderr_full": Case("deep", heads=0, frames=[], end=None, check=filler_only, deadline=5,
                        env={"LIBSTACK_TIMEOUT": "2"}, reader=read_nothing_full),
    "stderr_nobody_reads": Case("deep", end=None, frames=[], deadline=5,
                                env={"LIBSTACK_TIMEOUT": "2"}, reader=read_nothing),
    "stderr_nobody_reads_in_process": Case(
        "deep", end=None, frames=[], deadline=5, reader=read_nothing,
        env={"LIBSTACK_TIMEOUT": "2", "LIBSTACK_HELPER": "/nowhere"}),
    # A FIFO that nobody reads: stderr it is.
    "output_fifo": Case("plain", env={"LIBSTACK_OUTPUT": "@DIR/fifo"},
                        before=lambda run: os.mkfifo(run.dir + "/fifo")),
    "stderr_signals": Case("deep", frames=PLAIN + ["down"], reader=signals_meanwhile,
                           env={"LIBSTACK_HELPER": "/nowhere"}, notes=[NO_HELPER]),
    "stderr_slow": Case("deep", frames=PLAIN + ["down"], reader=read_slowly),
    # Resources.
    "no_core": Case("plain", limits={"CORE": (0, 0)}),
    "no_files": Case("no_files", frames=PLAIN + ["no_files"]),
    "no_memory": Case("no_memory", user=True, frames=PLAIN + ["exhaust"],
                      notes=[IN_PROCESS % "the helper died of SIGSEGV"]),
    "no_memory_root": Case("no_memory", root=True, capability="CAP_SYS_RESOURCE", frames=PLAIN + ["exhaust"]),
    "no_data": Case("no_data", user=True, frames=PLAIN + ["exhaust"],
                    notes=[IN_PROCESS % "the helper died of SIGSEGV"]),
    "no_processes": Case("no_processes", user=True, frames=PLAIN + ["no_processes"], notes=[
        IN_PROCESS % "no process can be started: resource temporarily unavailable"]),
    "no_file_size": Case("no_file_size", user=True, frames=PLAIN + ["no_file_size"], notes=[
        IN_PROCESS % "the helper cannot be put into memory: file too large"]),
    # seccomp. With one thread the whole report is made in process: no call that could be the last.
    "seccomp_ptrace": filtered("ptrace", "errno"),
    "seccomp_ptrace_kill": filtered("ptrace", "kill"),
    "seccomp_clone": filtered("clone", "errno"),
    "seccomp_clone_kill": filtered("clone", "kill"),
    "seccomp_threads_ptrace": filtered_threads("ptrace", "errno", []),
    "seccomp_threads_ptrace_kill": filtered_threads("ptrace", "kill", []),
    "seccomp_threads_clone": filtered_threads("clone", "errno", [
        IN_PROCESS % "no process can be started: operation not permitted"]),
    "seccomp_threads_readv": filtered_threads("process_vm_readv", "errno", [BY_SOCKET]),
    "seccomp_threads_readv_kill": filtered_threads("process_vm_readv", "kill", [
        IN_PROCESS % "the helper died of SIGSYS"]),
    "seccomp_threads_memfd": filtered_threads("memfd_create", "errno", [
        IN_PROCESS % "the helper cannot be put into memory: operation not permitted"]),
    "seccomp_threads_memfd_kill": filtered_threads("memfd_create", "kill", [
        IN_PROCESS % "the process that starts the helper died of SIGSYS"]),
    "seccomp_threads_exec": filtered_threads("execveat", "errno", [
        IN_PROCESS % (NO_EXEC % "operation not permitted")]),
    "seccomp_threads_exec_kill": filtered_threads("execveat", "kill", [
        IN_PROCESS % "the helper died of SIGSYS"]),
    "seccomp_threads_tgkill": filtered_threads("tgkill", "errno", []),
    "seccomp_open_trap": filtered("open", "trap"),
    "seccomp_threads_clone_trap": filtered_threads("clone", "trap", [
        IN_PROCESS % "no process can be started: operation not permitted"]),
    "seccomp_threads_memfd_trap": filtered_threads("memfd_create", "trap", [
        IN_PROCESS % "the helper cannot be put into memory: operation not permitted"]),
    # A filter that was there before the program: what a container allows is tried.
    "seccomp_inherited": Case("inherited tgkill errno", frames=PLAIN + ["inherited", "main"],
                              check=has_words),
    "seccomp_inherited_ptrace": Case("inherited process_vm_readv errno", notes=[BY_SOCKET],
                                     frames=PLAIN + ["inherited", "main"], check=has_words),
    # The one that cannot be survived: the call that starts the helper kills, after thread 1.
    "seccomp_threads_clone_kill": Case("filtered_threads clone kill", SYS, end=None,
                                       frames=PLAIN + ["filtered_threads"], same_status=False,
                                       notes=[SECCOMP]),
    # Rights.
    "undumpable": Case("undumpable", user=True, frames=PLAIN + ["undumpable"], notes=[BY_SOCKET]),
    "undumpable_threads": Case("undumpable_threads", user=True, frames=PLAIN + ["undumpable"],
                               notes=[BY_SIGNAL], end="2 of 2 threads shown", check=both_threads),
    "user": Case("threads", user=True, frames=PLAIN + ["threads"], end="2 of 2 threads shown",
                 check=both_threads),
    # Scope 1: only a descendant may attach, or who is declared (PR_SET_PTRACER).
    "yama": Case("threads", user=True, yama="1", frames=PLAIN + ["threads"],
                 end="2 of 2 threads shown", check=both_threads),
    "set_uid_root": Case("plain", root=True, capability="CAP_SYS_PTRACE", linked=True, setuid=0,
                         registers=False, before=set_uid(0), check=no_proof,
                         env={"LIBSTACK_HELPER": "@WORK/helper-proves", "LIBSTACK_TRACEBACK": "none"}),
    "set_uid_user": Case("plain", root=True, linked=True, setuid=1, before=set_uid(1), check=no_proof,
                         registers=False,
                         env={"LIBSTACK_HELPER": "@WORK/helper-proves", "LIBSTACK_TRACEBACK": "none"},
                         notes=[BY_SOCKET]),
    "set_uid_nowhere": Case("jump_nowhere", root=True, linked=True, setuid=1, before=set_uid(1),
                            frames=["??", "call", "jump_nowhere", "main"], notes=[BY_SOCKET],
                            registers=False, check=no_addresses),
    "set_uid_in_process": Case("no_processes", root=True, linked=True, setuid=1, before=set_uid(1),
                               frames=PLAIN + ["no_processes"], registers=False, check=no_addresses,
                               notes=[IN_PROCESS % "no process can be started: "
                                                   "resource temporarily unavailable"]),
    # Namespaces.
    "pid_namespace": Case("child threads", None, wrap=USERNS + ["-pf", "--mount-proc"],
                          frames=PLAIN + ["threads"], end="2 of 2 threads shown", check=both_threads),
    "pid_1": Case("plain", wrap=USERNS + ["-pf", "--mount-proc"]),
    "pid_1_abort": Case("smashed", SEGV, frames=["smash_canary", "smashed", "main"],
                        wrap=USERNS + ["-pf", "--mount-proc"]),
    "pid_namespace_foreign_proc": Case(
        "child threads", None, wrap=USERNS + ["-pf"], frames=PLAIN + ["threads"],
        end="2 of 2 threads shown", check=both_threads,
        notes=[IN_PROCESS % "/proc belongs to another PID namespace"]),
    # Nobody can list threads: the kernel tells whether there are others.
    "pid_1_sent": Case("sent_to_init 3 6 11", 7 << 8, frames=["sent_to_init", "main"], heads=3,
                       wrap=USERNS + ["-pf", "--mount-proc"], check=stdout("1 goes on\n")),
    "new_pid_namespace": Case(
        "new_namespace", 5 << 8, frames=["new_namespace", "main"], root=True,
        env={"LIBSTACK_SIGQUIT": "continue"},
        notes=[IN_PROCESS % "a process would be the first of the new PID namespace"]),
    # What the handler is not used to.
    "own_memory": Case("own_memory", frames=PLAIN + ["own_memory"]),
    "own_memory_in_process": Case("own_memory", frames=PLAIN + ["own_memory"], notes=[NO_HELPER],
                                  env={"LIBSTACK_HELPER": "/nowhere"}),
    "alignment_check": Case("alignment_check", signal.SIGBUS, frames=["alignment_check", "main"]),
    "misaligned": Case("misaligned", frames=["raise", "misaligned", "main"]),
    "no_queue": Case("no_queue", frames=PLAIN + ["no_queue"], user=True, end="2 of 2 threads shown",
                     check=both_threads),
    "no_queue_in_process": Case("no_queue", frames=PLAIN + ["no_queue"], end="2 of 2 threads shown",
                                env={"LIBSTACK_HELPER": "/nowhere"}, check=both_threads,
                                notes=[NO_HELPER]),
    "landlock": Case("landlock", frames=PLAIN + ["landlock"], end="2 of 2 threads shown",
                     check=both_threads, notes=[STARTED], landlock=True),
    "by_loader": Case("plain", loader=["/lib64/ld-linux-x86-64.so.2"]),
    "by_loader_in_process": Case("plain", loader=["/lib64/ld-linux-x86-64.so.2"], notes=[NO_HELPER],
                                 env={"LIBSTACK_HELPER": "/nowhere"},
                                 check=has("\tcrasher+0x", "/crasher\n")),
    "no_proc": Case("plain", wrap=NO_PROC),
    "no_proc_in_process": Case("plain", wrap=NO_PROC, env={"LIBSTACK_HELPER": "/nowhere"},
                               notes=[NO_HELPER]),
    "no_proc_threads": Case("threads", wrap=NO_PROC, frames=PLAIN + ["threads"], notes=[STARTED],
                            end="2 of 2 threads shown", check=both_threads),
    "no_proc_threads_in_process": Case(
        "threads", wrap=NO_PROC, frames=PLAIN + ["threads"], notes=[NO_HELPER, STARTED],
        env={"LIBSTACK_HELPER": "/nowhere"}, end="2 of 2 threads shown", check=both_threads),
    "no_proc_single": Case(
        "threads", wrap=NO_PROC, frames=PLAIN + ["threads"], notes=[UNKNOWN],
        env={"LIBSTACK_TRACEBACK": "single"},
        end="1 of 2 threads shown, at least 1 missing: not asked for"),
    "no_proc_seccomp": Case(
        "filtered unshare errno", wrap=NO_PROC, frames=PLAIN + ["filtered"], notes=[SECCOMP, UNKNOWN],
        end="1 of 2 threads shown, perhaps 1 missing: they cannot be listed"),
    "no_proc_leaderless": Case(
        "leaderless", wrap=NO_PROC, frames=PLAIN + ["after_leader"], notes=[NO_HELPER, UNKNOWN],
        env={"LIBSTACK_HELPER": "/nowhere"},
        end="1 of 2 threads shown, perhaps 1 missing: they cannot be listed"),
    # Threads are not listed for want of a descriptor, and there are none: so it is 1 of 1.
    "no_files_in_process": Case("no_files", frames=PLAIN + ["no_files"], notes=[NO_HELPER],
                                env={"LIBSTACK_HELPER": "/nowhere"}),
    # The helper.
    "helper_missing": Case("plain", env={"LIBSTACK_HELPER": "/nowhere"}, notes=[NO_HELPER]),
    "helper_no_exec": Case("plain", env={"LIBSTACK_HELPER": "@WORK/helper-plain"}, before=no_exec_bit,
                           notes=[IN_PROCESS % (NO_EXEC % "permission denied")]),
    "helper_hangs": helper("hangs", "the helper took too long"),
    "helper_kicks": helper("kicks", "the helper wrote nothing"),
    "helper_killed": Case("deep", frames=PLAIN + ["down"] * 20, notes=[
        IN_PROCESS % ("the helper died of SIGKILL, " + DEAD)],
        reader=in_the_middle(lambda run, pid: os.kill(pid, signal.SIGKILL))),
    "helper_crashes": Case("deep", frames=PLAIN + ["down"] * 20, notes=[
        IN_PROCESS % ("the helper died of SIGSEGV, " + DEAD)],
        reader=in_the_middle(lambda run, pid: os.kill(pid, signal.SIGSEGV))),
    "helper_stopped": Case("deep", frames=PLAIN + ["down"] * 20, deadline=6, notes=[
        IN_PROCESS % ("the helper took too long, " + DEAD)], env={"LIBSTACK_TIMEOUT": "2"},
        reader=in_the_middle(lambda run, pid: os.kill(pid, signal.SIGSTOP))),
    # The program itself is killed while it reports: its helper goes with it.
    "program_killed": Case("deep", signal.SIGKILL, frames=[], end=None, same_status=False,
                           reader=in_the_middle(lambda run, pid: os.kill(run.pid, signal.SIGKILL),
                                                 more=False)),
    # The report crashes.
    "spoilt_launch": spoilt("spoilt", "stk_launch", frames=PLAIN + ["spoilt", "main"],
                            notes=[IN_PROCESS % "the handler itself crashed"]),
    "spoilt_supervisor": spoilt("spoilt", "supervise", frames=PLAIN + ["spoilt", "main"],
                                notes=[IN_PROCESS % "the process that starts the helper died of SIGILL"]),
    "spoilt_exec": spoilt("spoilt", "exec_helper", frames=PLAIN + ["spoilt", "main"],
                                notes=[IN_PROCESS % "the helper died of SIGILL"]),
    "spoilt_collect": spoilt("spoilt_threads", "stk_collect", frames=PLAIN + ["undumpable"], user=True,
                             notes=[IN_PROCESS % "the handler itself crashed"],
                             end="1 of 2 threads shown, 1 missing: the report crashed"),
    "spoilt_stepper": spoilt("spoilt", "stk_step", frames=[], env={"LIBSTACK_HELPER": "/nowhere"},
                             notes=[NO_HELPER],
                             end="0 of 1 threads shown, 1 missing: the report crashed",
                             check=stopped("the report crashed here")),
    "spoilt_stepper_threads": spoilt("spoilt_threads", "stk_step", frames=[], user=True,
                                     env={"LIBSTACK_HELPER": "/nowhere"}, notes=[NO_HELPER],
                                     end="0 of 2 threads shown, 2 missing: the report crashed",
                                     check=stopped("the report crashed here")),
    "spoilt_both": spoilt("spoilt", "stk_launch", "stk_step", frames=[],
                          notes=[IN_PROCESS % "the handler itself crashed"],
                          end="0 of 1 threads shown, 1 missing: the report crashed",
                          check=stopped("the report crashed here")),
    "spoilt_all": spoilt("spoilt", "stk_launch", "stk_fallback_report", "stk_fallback_rest", frames=[],
                         end=None),
    "spoilt_dump": spoilt("spoilt_dump", "stk_launch", "stk_fallback_report", "stk_fallback_rest",
                          sig=3 << 8, heads=2, frames=[], end=None, same_status=False,
                          check=stdout("libstack_dump: -5\n" * 2)),
    "spoilt_quit": spoilt("spoilt_quit", "stk_launch", sig=3 << 8, heads=2, frames=[], same_status=False,
                          env={"LIBSTACK_SIGQUIT": "continue"},
                          notes=[IN_PROCESS % "the handler itself crashed"] * 2),
}


def needs(case):
    if not os.path.exists(LIBRARY):
        s.skip("libstack is not built")
    if (case.root or case.setuid is not None) and os.getuid() != 0:
        s.skip("needs root")
    if case.capability is not None and not s.capable(CAPABILITIES[case.capability]):
        s.skip("needs " + case.capability)
    if case.yama is not None:
        scope = "/proc/sys/kernel/yama/ptrace_scope"
        if not os.path.exists(scope):
            s.skip("this kernel has no Yama")
        with open(scope) as f:
            if f.read().strip() != case.yama:
                s.skip("Yama's ptrace_scope is not " + case.yama)
    # landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION
    if case.landlock and ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        s.skip("this kernel has no Landlock")
    if any(not os.path.exists(p) for p in case.loader):
        s.skip("the loader is somewhere else")
    if case.wrap and case.wrap[0] == "unshare":
        flags = [a for a in case.wrap[1:4] if a.startswith("-")]
        if not shutil.which("unshare") or subprocess.run(
                ["unshare", *flags, "true"], stderr=subprocess.DEVNULL).returncode:
            s.skip("namespaces cannot be made here (unshare %s)" % " ".join(flags))


def place():
    """A directory that ordinary users can read too. Its library knows no installed helper: whether the
    build has been installed changes no report."""
    work = s.workdir()
    os.chmod(work, 0o755)
    with open(LIBRARY, "rb") as f, open(work + "/libstack.so.1", "wb") as copy:
        # The end of the path stays: linkers let other strings share it.
        copy.write(re.sub(rb"/[\x21-\x7e]*(?=/libstack/libstack-helper\0)",
                          lambda path: b"/nowhere".ljust(len(path.group(0)), b"x"), f.read()))
    for name in ("crasher", "linked", "plugin.so"):
        shutil.copy(os.path.join(HERE, name), work + "/" + name)
    shutil.copy(work + "/crasher", work + "/helper-proves")
    return work


def check_text(t, case, text):
    t.equal(len(s.HEAD.findall(text)), case.heads, "headers")
    t.equal(len(re.findall(r"^PC=(?:0x|_ )", text, re.M)), case.heads, "PC lines")
    t.equal(TIER.findall(text), case.notes, "notes on the tiers")
    ends = re.findall(r"^\d+ of \d+ threads shown.*$", text, re.M)
    t.equal(ends, [case.end] * case.heads if case.end else [], "last lines")
    if case.end:
        t.equal(text.rstrip("\n").split("\n")[-1], case.end, "the last line")
        t.equal(len(re.findall(r"^rip    0x", text, re.M)), case.registers * case.heads,
                "blocks of registers")
        if not any(DEAD in n for n in case.notes):
            s.check_read_back(t, s.from_head(text), "the report")
    threads = s.parse_trace(text)
    names = [f[0] for f in threads[-1 if case.heads > 1 else 0][1]] if case.frames else []
    if case.frames:
        whole = [[f[0] for f in frames] for _, frames in threads]
        wanted = case.frames
        t.check(any(n[i:i + len(wanted)] == wanted for n in whole[:1] + whole[-1:]
                    for i in range(len(n))), "frames\n  got    %r\n  wanted %r" % (names, wanted))


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    case = CASES[sys.argv[1]]
    needs(case)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    t = s.Failures()
    work = place()
    run = Run(case, work, True).go()
    text = run.text.decode("utf-8", "replace")
    t.check(not run.late, "no end within %d s" % case.deadline)
    t.equal(run.left, [], "processes left over")
    if case.same_status and not run.late:
        bare = Run(case, work, False).go()
        t.equal(run.status, bare.status, "wait status, core flag included (%s)" % ", ".join(
            str(os.WTERMSIG(x)) if os.WIFSIGNALED(x) else "exit %d" % os.WEXITSTATUS(x)
            for x in (run.status, bare.status)))
    if case.status is not None:
        wanted = case.status if case.status <= 64 or case.status >= 256 else case.status << 8
        t.equal(run.status & ~0x80, wanted, "how it ended")
    check_text(t, case, text)
    if case.check:
        case.check(t, run, text)
    if t.count:
        print(text[-6000:])
        print("stdout:", run.stdout()[-500:])
    t.exit()


if __name__ == "__main__":
    main()
