"""The container of exports: a zip that other programs read, and of which titans takes not a bit else."""

import io
import zipfile

import pytest
from invented_stores import container

from titans_cli.store.container import SEAL, Member, directory_of, is_sealed, read_member, read_members

MEMBERS = [("manifest.json", b"{}"), ("documents.json", b""), ("shards/x", bytes(range(256)))]


def members_of(data: bytes, most: int = 100) -> list[Member]:
    return read_members(io.BytesIO(data), len(data), most, lambda before, member: None)


@pytest.mark.parametrize("most", [65_535, 2])
def test_it_is_what_python_writes(most, monkeypatch):
    monkeypatch.setattr("zipfile.ZIP_FILECOUNT_LIMIT", most)  # as if a plain zip could count no further
    monkeypatch.setattr("titans_cli.store.container.MANY", most)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in MEMBERS:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        archive.comment = b"0" * SEAL
    assert container(MEMBERS)[:-SEAL] == file.getvalue()[:-SEAL]


def test_members_come_back():
    data = container(MEMBERS)
    file = io.BytesIO(data)
    assert is_sealed(file, len(data))
    assert [(m.name, read_member(file, m)) for m in members_of(data)] == MEMBERS
    with pytest.raises(ValueError, match="more than 2"):
        members_of(data, 2)


def test_no_bit_can_differ():
    whole = container(MEMBERS)
    first = whole.index(bytes(range(256)))
    data = {*range(43, 45), *range(first, first + 256)}  # {} and the numbers, which their checksums guard
    for place in range(len(whole) - SEAL):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            if place in data:
                file = io.BytesIO(changed)
                with pytest.raises(ValueError, match="checksum"):
                    [read_member(file, member) for member in members_of(bytes(changed))]
            else:
                with pytest.raises(ValueError, match=r"its|in it|such a header|larger than the whole file|extra bytes"):
                    members_of(bytes(changed))


def test_beyond_two_gigabytes_it_is_read_by_others_and_by_us(tmp_path):
    path, size = tmp_path / "large.zip", 2**30
    members = []
    for number in range(5):
        members.append(Member(f"hole{number}", members[-1].end if members else 0, size, 0))
    small = Member("small", members[-1].end, 5, 0x3610A686)  # CRC-32 of hello
    with path.open("wb") as file:  # the holes take no room on the disk
        for member in (*members, small):
            file.seek(member.offset)
            file.write(member.header)
        file.write(b"hello" + directory_of([*members, small]) + b"0" * SEAL)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 6 and archive.read("small") == b"hello"
        assert archive.getinfo("hole4").header_offset == members[4].offset > 2**32
    with path.open("rb") as file:
        found = read_members(file, path.stat().st_size, 6, lambda before, member: None)
        assert found == [*members, small] and read_member(file, small) == b"hello"
