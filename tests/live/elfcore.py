"""An ELF core, read by the book (elf(5), linux/elfcore.h): threads, notes, memory."""
import mmap
import struct

PRSTATUS, FPREGSET, PRPSINFO, AUXV, SIGINFO, FILES, XSTATE = (
    1, 2, 3, 6, 0x53494749, 0x46494c45, 0x202)


class Core:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.bytes = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        (phoff,) = struct.unpack_from("<Q", self.bytes, 32)
        (phnum,) = struct.unpack_from("<H", self.bytes, 56)
        self.loads, self.threads, self.once, self.names, self.remarks = [], {}, {}, {}, ""
        for i in range(phnum):
            kind, flags, off, vaddr, _, filesz, memsz, _ = struct.unpack_from(
                "<IIQQQQQQ", self.bytes, phoff + 56 * i)
            if kind == 1:
                self.loads.append((vaddr, memsz, filesz, off, flags))
            elif kind == 4:
                self.notes(self.bytes[off:off + filesz])

    def notes(self, data):
        at, thread = 0, None
        while at + 12 <= len(data):
            namesz, descsz, kind = struct.unpack_from("<III", data, at)
            name = data[at + 12:at + 12 + namesz]
            at += 12 + (namesz + 3 & ~3)
            desc = data[at:at + descsz]
            at += descsz + 3 & ~3
            if name == b"libstack\0" and kind == 1:
                self.remarks += desc.rstrip(b"\0").decode()
            elif name == b"libstack\0":
                self.names = {struct.unpack_from("<i", desc, i)[0]:
                              desc[i + 4:i + 20].rstrip(b"\0").decode()
                              for i in range(0, len(desc), 20)}
            elif kind == PRSTATUS:
                thread = self.threads.setdefault(struct.unpack_from("<i", desc, 32)[0], {})
                thread.update(cursig=struct.unpack_from("<H", desc, 12)[0], regs=desc[112:328],
                              blocked=struct.unpack_from("<Q", desc, 24)[0],
                              ids=struct.unpack_from("<4i", desc, 32))
            elif kind in (FPREGSET, XSTATE):
                thread[kind] = desc
            else:
                self.once.setdefault(kind, desc)

    def process(self):
        """{field: value} of NT_PRPSINFO, but for state and flags, which come of dumping."""
        row = struct.unpack_from("<6I16s80s", self.once[PRPSINFO], 16)
        row = [*row[:6], row[6].rstrip(b"\0"), row[7].rstrip(b"\0 ")]
        return dict(zip(("uid", "gid", "pid", "ppid", "pgrp", "sid", "name", "args"), row))

    def files(self):
        """[(start, end, byte offset, path)] of NT_FILE."""
        desc = self.once[FILES]
        count, page = struct.unpack_from("<QQ", desc)
        names = desc[16 + 24 * count:].split(b"\0")
        rows = [struct.unpack_from("<QQQ", desc, 16 + 24 * i) for i in range(count)]
        return [(start, end, off * page, names[i].decode())
                for i, (start, end, off) in enumerate(rows)]

    def mapped(self):
        return {vaddr: vaddr + memsz for vaddr, memsz, _, _, _ in self.loads}

    def pages(self):
        """{address: offset in the file} of every page whose bytes are there."""
        return {vaddr + k: off + k for vaddr, _, filesz, off, _ in self.loads
                for k in range(0, filesz, 4096)}

    def page(self, off):
        return self.bytes[off:off + 4096]

    def read(self, addr, length):
        """The bytes, or None where the core does not hold them."""
        for vaddr, _, filesz, off, _ in self.loads:
            if vaddr <= addr and addr + length <= vaddr + filesz:
                return self.bytes[off + addr - vaddr:off + addr - vaddr + length]
        return None
