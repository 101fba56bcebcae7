"""Small hand-made ELF cores, sound and damaged: seeds for fuzz_core."""
import struct

from corewriter import NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, core, note, nt_file, prstatus, siginfo

STACK, CODE = 0x7ffd00000000, 0x400000


def stack(words):
    return struct.pack("<%dQ" % len(words), *words)


def seeds():
    code = b"\x90" * 16 + b"\xe8\x00\x00\x00\x00" + b"\x90" * 43
    chain = stack([0, STACK + 32, CODE + 21, 0, STACK + 32, CODE + 21, 0, 0])
    info = note(NT_PRPSINFO, b"\0" * 136)
    sig = note(NT_SIGINFO, siginfo())
    files = note(NT_FILE, nt_file([(CODE, CODE + 4096, 0, b"/nonexistent/program")]))
    auxv = note(NT_AUXV, struct.pack("<QQQQ", 9, CODE, 0, 0))
    one = note(NT_PRSTATUS, prstatus(10, rip=CODE + 4, rsp=STACK, rbp=STACK + 8))
    two = note(NT_PRSTATUS, prstatus(11, rsp=STACK + 16, rbp=STACK + 32))
    maps = [(CODE, code, 4096, 5), (STACK, chain, 4096, 6)]
    yield "sound", core(one + info + sig + auxv + files + two, maps)
    yield "no-notes", core(b"", maps)
    yield "no-memory", core(one + files, [])
    yield "rip-null", core(two + info, maps)
    yield "loop", core(one, [maps[0], (STACK, stack([STACK, STACK + 8, CODE + 21] * 4), 4096, 6)])
    yield "overlap", core(one + files, maps + [(STACK - 8, chain, 1 << 60, 7)])
    yield "wrap", core(one, [(2 ** 64 - 16, chain, 4096, 6)] + maps)
    yield "short-prstatus", core(note(NT_PRSTATUS, b"\0" * 50), maps)
    yield "long-note", core(one + struct.pack("<III", 5, 0xfffffff0, 1), maps)
    yield "file-count", core(one + note(NT_FILE, struct.pack("<QQ", 2 ** 61, 1)), maps)
    yield "file-order", core(one + note(NT_FILE, nt_file([(CODE + 4096, CODE, 2 ** 63, b"")])), maps)
    remark = note(1, b"one\ntwo\x1b[31m\n\n" + b"x" * 2000, b"libstack\0")
    names = note(2, struct.pack("<i16s", 10, b"a" * 16) + struct.pack("<i", 11), b"libstack\0")
    yield "own-notes", core(names + one + two + names + remark + note(3, b"", b"libstack\0"), maps)
    yield "arm", core(one, maps, machine=183)
    yield "executable", core(one, maps, kind=2)
    whole = core(one + info + sig + auxv + files + two, maps)
    for n in (0, 3, 16, 63, 64, 100, 200, 400, 700, 1000, len(whole) - 1):
        yield "cut-%d" % n, whole[:n]
