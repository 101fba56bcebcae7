"""Writes ELF cores (elf(5), linux/elfcore.h) from their parts: notes, registers, memory."""
import struct

NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE, NT_SIGINFO = 1, 3, 6, 0x46494c45, 0x53494749
# Where registers stand in struct user_regs_struct (sys/user.h).
REGS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
        "fs_base gs_base ds es fs gs").split()


def note(kind, payload, name=b"CORE\0"):
    def pad(b):
        return b + b"\0" * (-len(b) % 4)
    return struct.pack("<III", len(name), len(payload), kind) + pad(name) + pad(payload)


def prstatus(tid, **regs):
    values = [regs.get(name, 0) for name in REGS]
    return (struct.pack("<iii h", 11, 0, 0, 11).ljust(32, b"\0") + struct.pack("<i", tid)
            ).ljust(112, b"\0") + struct.pack("<27Q", *values) + b"\0" * 8


def siginfo(signo=11, code=1):
    return struct.pack("<iii", signo, 0, code).ljust(128, b"\0")


def nt_file(entries):
    """[(start, end, offset in pages, path)]"""
    head = struct.pack("<QQ", len(entries), 4096)
    return (head + b"".join(struct.pack("<QQQ", *e[:3]) for e in entries)
            + b"".join(e[3] + b"\0" for e in entries))


def core(notes, segments, machine=62, kind=4):
    """`segments`: [(address, bytes that are there, size in memory, flags)]"""
    phnum = 1 + len(segments)
    offset = 64 + 56 * phnum
    headers = bytearray(struct.pack("<IIQQQQQQ", 4, 0, offset, 0, 0, len(notes), 0, 4))
    body, at = bytearray(notes), offset + len(notes)
    for address, data, memsz, flags in segments:
        headers += struct.pack("<IIQQQQQQ", 1, flags, at, address, 0, len(data), memsz, 1)
        body += data
        at += len(data)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, phnum, 0, 0,
                               0) + headers + body
