"""Runs inside gdb: prints one line of JSON with each thread's frames and registers."""
import json

import gdb

KINDS = {gdb.NORMAL_FRAME: "normal", gdb.INLINE_FRAME: "inline", gdb.SIGTRAMP_FRAME: "signal",
         gdb.TAILCALL_FRAME: "tailcall"}
NAMES = ("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs "
         "fs_base gs_base").split()
MASK = (1 << 64) - 1


def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        sal, function = frame.find_sal(), frame.function()
        yield [frame.pc(), KINDS.get(frame.type(), "other"), frame.name(),
               sal.symtab.filename if sal.symtab else None, sal.line if sal.symtab else 0,
               function is not None]
        try:
            frame = frame.older()
        except gdb.error:
            return


def main():
    answer = {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        newest = gdb.newest_frame()
        answer[thread.ptid[1]] = {
            "frames": list(frames()),
            "regs": {n: int(newest.read_register(n)) & MASK for n in NAMES}}
    print("REFERENCE " + json.dumps(answer))


main()
