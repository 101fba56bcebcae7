"""Cores changed on purpose: their notes, their program headers, their ELF header."""
import struct

PHDR = "<IIQQQQQQ"
NOTE, LOAD = 4, 1


class Edit:
    """A core in memory; notes are lists [owner, type, contents], headers lists of struct PHDR."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = bytearray(f.read())
        self.phoff, = struct.unpack_from("<Q", self.data, 32)
        self.phnum, = struct.unpack_from("<H", self.data, 56)
        self.headers = [list(struct.unpack_from(PHDR, self.data, self.phoff + 56 * i))
                        for i in range(self.phnum)]
        self.at = next(i for i, h in enumerate(self.headers) if h[0] == NOTE)
        self.notes, off = [], self.headers[self.at][2]
        end = off + self.headers[self.at][5]
        while off < end:
            namesz, descsz, kind = struct.unpack_from("<III", self.data, off)
            off += 12
            owner = bytes(self.data[off:off + namesz])
            off += namesz + 3 & ~3
            self.notes.append([owner, kind, bytes(self.data[off:off + descsz])])
            off += descsz + 3 & ~3

    def note(self, kind):
        return next(n for n in self.notes if n[1] == kind)

    def drop(self, *kinds):
        self.notes = [n for n in self.notes if n[1] not in kinds]

    def patch(self, kind, off, form, value):
        note = self.note(kind)
        desc = bytearray(note[2])
        struct.pack_into(form, desc, off, value)
        note[2] = bytes(desc)

    def segment(self, addr):
        """The index of the header of the loaded segment that holds `addr`."""
        return next(i for i, h in enumerate(self.headers)
                    if h[0] == LOAD and h[3] <= addr < h[3] + h[6])

    def write(self, path, align=4, claimed=None):
        """The notes padded to `align`; the header says `claimed`."""
        blob = b""
        for owner, kind, desc in self.notes:
            blob += struct.pack("<III", len(owner), len(desc), kind) + owner
            blob += b"\0" * (-len(blob) % align) + desc
            blob += b"\0" * (-len(blob) % align)
        data = self.data + b"\0" * (-len(self.data) % 4096)
        h = self.headers[self.at]
        h[2], h[5], h[7] = len(data), len(blob), claimed or align
        for i, header in enumerate(self.headers):
            struct.pack_into(PHDR, data, self.phoff + 56 * i, *header)
        with open(path, "wb") as f:
            f.write(data + blob)
        return path
