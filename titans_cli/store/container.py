"""The container of an export: a zip file whose bytes are determined by its members, with a checksum at the end.

    local header, data    of each member, one directly after the other; stored, without extra fields
    central directory     without extra fields but the places beyond 2 GiB, comments or links
    end of it             with the seal as its comment: SHA-256 of every byte before

Any zip program can unpack it. The reader goes from member to member, then rebuilds the directory and refuses a file whose directory
differs in a bit. So two readers of zip files cannot disagree about it, and nothing can be hidden in it. ``zipfile`` writes the same
bytes, but reads from the directory and does not see what lies between members.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["SEAL", "Member", "Writer", "is_sealed", "member_at", "read_member", "read_members"]

SEAL = 64
"""Bytes of the checksum at the end, in hexadecimal digits."""
LARGE = 2**31 - 1
"""Offsets beyond this are in an extra field (zip64)."""
MANY = 2**16 - 1
"""More members than this are counted in a record of their own (zip64)."""
DATE = 1 << 5 | 1  # 1 January 1980: equal members make equal bytes
LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s4B4H3I5H2I")
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR = struct.Struct("<4sIQI")
BLOCK = 2**20


@dataclass(frozen=True)
class Member:
    """A file in the container."""

    name: str
    offset: int  # of its local header
    size: int  # bytes
    crc: int

    @property
    def header(self) -> bytes:
        name = self.name.encode("ascii")
        return LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, DATE, self.crc, self.size, self.size, len(name), 0) + name

    @property
    def entry(self) -> bytes:
        """Its entry in the central directory: a regular file, made on Unix."""
        name = self.name.encode("ascii")
        far = self.offset > LARGE
        extra = struct.pack("<HHQ", 1, 8, self.offset) if far else b""
        version = 45 if far else 20
        sizes = self.crc, self.size, self.size, len(name), len(extra), 0, 0, 0, 0o600 << 16
        offset = 0xFFFFFFFF if far else self.offset
        return CENTRAL.pack(b"PK\1\2", version, 3, version, 0, 0, 0, 0, DATE, *sizes, offset) + name + extra

    @property
    def end(self) -> int:
        return self.offset + len(self.header) + self.size


def directory_of(members: Sequence[Member]) -> bytes:
    """All bytes after the last member, without the checksum."""
    start = members[-1].end if members else 0
    entries = b"".join(member.entry for member in members)
    size, count, more = len(entries), len(members), b""
    if count > MANY or start > LARGE or size > LARGE:
        more = END64.pack(b"PK\6\6", END64.size - 12, 45, 45, 0, 0, count, count, size, start)
        more += LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
        count, size, start = min(count, 0xFFFF), min(size, 0xFFFFFFFF), min(start, 0xFFFFFFFF)
    return entries + more + END.pack(b"PK\5\6", 0, 0, count, count, size, start, SEAL)


class Writer:
    """Writes a container to ``file``: call ``add`` for all members, then ``finish``."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.members: list[Member] = []
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self.file.write(data)

    def add(self, name: str, data: bytes) -> None:
        member = Member(name, self.members[-1].end if self.members else 0, len(data), zlib.crc32(data))
        self.members.append(member)
        self.write(member.header)
        self.write(data)

    def finish(self) -> None:
        self.write(directory_of(self.members))
        self.file.write(self.digest.hexdigest().encode())


def is_sealed(file: BinaryIO, size: int) -> bool:
    """Whether the last of ``size`` bytes are the SHA-256 of all bytes before, and nothing follows."""
    file.seek(0)
    digest, left = hashlib.sha256(), size - SEAL
    while left > 0 and (block := file.read(min(left, BLOCK))):
        digest.update(block)
        left -= len(block)
    return file.read(SEAL + 1) == digest.hexdigest().encode()


def read_members(file: BinaryIO, size: int, most: int, check: Callable[[Sequence[Member], Member], None]) -> list[Member]:
    """The members of a container of ``size`` bytes, at most ``most``. Raises ValueError with the reason.

    ``check`` gets the members before and the next one, and raises ValueError if that is not allowed there.
    """
    members: list[Member] = []
    offset = 0
    while (member := member_at(file, offset, size)) is not None:
        if len(members) == most:
            raise ValueError(f"it has more than {most:,} files")
        check(members, member)
        members.append(member)
        offset = member.end
    directory = directory_of(members)
    file.seek(offset)
    if size - offset != len(directory) + SEAL or file.read(len(directory)) != directory:
        raise ValueError("its directory does not match its files, or contains links or attributes")
    return members


def member_at(file: BinaryIO, offset: int, size: int) -> Member | None:
    """The member whose header is at ``offset``, or None where the directory begins. Raises ValueError."""
    file.seek(offset)
    header = file.read(LOCAL.size)
    if header[:4] in (b"PK\1\2", b"PK\5\6"):
        return None
    if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
        raise ValueError("it has extra bytes before or between its files")
    _, _, flags, method, _, _, crc, _, length, name_length, _ = LOCAL.unpack(header)
    for condition, what in ((flags & 1, "is encrypted"), (flags & 8, "has its size after its data"), (method, "is compressed")):
        if condition:
            raise ValueError(f"a file in it {what}")
    name = file.read(name_length)
    member = Member(name.decode("ascii", "replace").replace("\ufffd", "?"), offset, length, crc)
    if member.header != header + name:
        raise ValueError(f"titans does not write such a header for {member.name[:100]!r}")
    if member.end > size:
        raise ValueError(f"{member.name[:100]!r} is larger than the whole file")
    return member


def read_member(file: BinaryIO, member: Member) -> bytes:
    """The data of a member. Raises ValueError if its checksum is wrong."""
    file.seek(member.end - member.size)
    data = file.read(member.size)
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise ValueError(f"the checksum of {member.name} is wrong")
    return data
