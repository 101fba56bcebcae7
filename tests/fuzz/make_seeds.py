"""make_seeds.py FOLDER: what the fuzz targets begin with, a folder for each below FOLDER."""
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../torture")]
import make_cores
import wrong_rows  # noqa: F401: fills ROWS
from dwarfwriter import expr, operand
from wrong_program import ROWS, Program

LARGE = 1 << 16


def dwarf():
    """The programs of tests/torture/wrong.py, but for the large ones."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (change, *_) in ROWS.items():
            p = Program()
            change(p)
            program, core = (open(path, "rb").read() for path in p.write(folder))
            if len(program) < LARGE:
                yield name, struct.pack("<I", len(core)) + core + program


def decode():
    words = struct.pack("<8Q", 0x19010001, 2 ** 64 - 1, *range(6))
    for n, spec in enumerate(("bool,bool,bool,uint8", "int[4]", "char[8],double", "unsigned long long int",
                              "i8,i16,i32,i64", "float , char *", "long[99999]", "struct s", "u8[", ",,", "")):
        yield "spec%d" % n, b"\x08" + words + spec.encode()
    yield "none", b"\0" + b"int"


def evaluate():
    def op(atom, n1=0, n2=0, kind=0, size=0, length=0):
        return struct.pack("<BBBQQB", atom, kind, size, n1 % 2 ** 64, n2, length)
    blocks = {"add": expr(("breg7", 8), ("breg16", 0), "plus"), "memory": expr(("breg7", 0), "deref", "deref"),
              "circle": expr("lit0", ("skip", -4)), "branch": expr("lit1", ("bra", 1), "lit0", "dup")}
    for name, block in blocks.items():
        yield "frame-" + name, b"\0" + operand("block", block) + bytes(32)
    lists = {"value": [op(0x75, 8), op(0x9f)], "pieces": [op(0x50), op(0x93, 4), op(0x93, 4), op(0x51), op(0x93, 8)],
             "entry": [op(0xa3, length=1), op(0x9f)], "bytes": [op(0x9e, 8)], "fb": [op(0x91, -16)],
             "typed": [op(0xa5, 3, kind=1, size=4), op(0xa8, kind=3, size=8), op(0x9f)],
             "circle": [op(0x30, length=0), op(0x2f, -4, length=2)], "call": [op(0x99, 4)]}
    for name, ops in lists.items():
        yield "place-" + name, b"\1" + b"".join(ops)


def unpack():
    core = dict(make_cores.seeds())["sound"]
    packed = {"gzip": gzip.compress(core, mtime=0), "xz": lzma.compress(core), "alone": lzma.compress(core, lzma.FORMAT_ALONE)}
    if shutil.which("zstd"):
        packed["zstd"] = subprocess.run(["zstd", "-q", "-c"], input=core, stdout=subprocess.PIPE, check=True).stdout
    packed["members"] = packed["gzip"] * 2
    for name, data in packed.items():
        yield name, data
        yield name + "-cut", data[:len(data) // 2]
    yield "lz4", b"\x04\x22\x4d\x18" + core[:64]
    yield "bzip2", b"BZh9" + core[:64]


def main():
    for target, seeds in (("core", make_cores.seeds), ("dwarf", dwarf), ("decode", decode), ("eval", evaluate),
                          ("unpack", unpack)):
        folder = os.path.join(sys.argv[1], target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


main()
