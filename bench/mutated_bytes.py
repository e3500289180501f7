"""Files whose bytes, or whose zip, differ from an export in one thing, for fuzzing import.

A mutation is a function of an export and a source of chance; it returns a file, and whether an import may take it: what still is what
some store could have exported, byte for byte, is harmless. Digests and the seal are made right again, unless they are what is wrong.
"""

import io
import random
import struct
import warnings
import zipfile

from invented_stores import Export, container, seal

from titans_cli.store.container import SEAL

__all__ = ["RAW", "flip", "mutate_bytes", "mutate_sealed", "mutate_zip", "overwrite"]


# bytes


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] if chance.random() < 0.5 else data[:place] + data[place + chance.randint(1, 100) :]


def put_in(data: bytes, chance: random.Random) -> bytes:
    place = chance.choice((0, len(data), chance.randrange(len(data))))
    return data[:place] + chance.randbytes(chance.randint(1, 100)) + data[place:]


def overwrite(data: bytes, chance: random.Random) -> bytes:
    place, size = chance.randrange(len(data)), chance.choice((1, 2, 4, 8, 64))
    return data[:place] + chance.choice((b"\0", b"\xff", b"PK\5\6", b"\x7f"))[:1] * size + data[place + size :]


def swap(data: bytes, chance: random.Random) -> bytes:
    first, second, size = *sorted(chance.sample(range(len(data)), 2)), chance.randint(1, 200)
    size = min(size, second - first)
    return data[:first] + data[second : second + size] + data[first + size : second] + data[first : first + size] + data[second + size :]


RAW = [flip, cut, put_in, overwrite, swap]


def mutate_bytes(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    whole = export.file()
    changed = chance.choice(RAW)(whole, chance)
    return changed, changed == whole


def mutate_sealed(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    """Bytes of anything but the seal; in shards as well, whose names then do not fit any more."""
    whole = export.file()
    structure = whole[:-SEAL]
    if chance.random() < 0.6:  # most bytes are those of shards: aim at what lies between
        head, tail = chance.choice((0, structure.rindex(b"PK\3\4"))), structure.index(b"PK\1\2")
        part = slice(tail, len(structure)) if head else slice(0, structure.index(b"shards/"))
        changed = structure[: part.start] + chance.choice(RAW)(structure[part], chance) + structure[part.stop :]
    else:
        changed = chance.choice(RAW)(structure, chance)
    return seal(changed + b"0" * SEAL), changed == structure


# zip


def zipped(members: list[tuple[str, bytes]], chance: random.Random, way: str) -> bytes:
    """A zip that Python's own module writes, with one thing that titans does not write."""
    file = io.BytesIO()
    odd = [
        "/etc/passwd",
        "../x",
        "shards/../../x",
        "C:\\x",
        "shards\\x",
        "",
        "a\0b",
        "shards/",
        "x" * 60_000,
        "é",
        "MANIFEST.JSON",
        "manifest.json",
    ]
    odd += [
        "shards/" + "0" * 64 + ".safetensors",
        "shards/" + "0" * 63 + ".safetensors",
        members[-1][0].upper(),
        members[-1][0] + "\n",
        " ",
    ]
    at = chance.randrange(len(members))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        warnings.simplefilter("ignore")
        entries = list(members)
        if way == "name":
            entries[at] = chance.choice(odd), entries[at][1]
        elif way == "more":
            entries.insert(chance.randint(0, len(entries)), (chance.choice(odd), b"more"))
        elif way == "twice":
            entries.insert(chance.randint(0, len(entries)), entries[at])
        elif way == "order":
            chance.shuffle(entries)
        elif way == "missing":
            del entries[at]
        for number, (name, data) in enumerate(entries):
            info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            info.filename = name  # ZipInfo cuts names at a zero byte
            mine = number == at
            if mine and way == "link":
                info.external_attr = chance.choice((0o120777, 0o040755, 0o010644, 0o060644, 0o4755)) << 16 | chance.choice((0, 16))
            if mine and way == "compressed":
                info.compress_type = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            if mine and way == "extra":
                info.extra = struct.pack("<HH4s", chance.choice((1, 0x7075, 0xCAFE)), 4, b"text")
            if mine and way == "comment":
                info.comment = b"a text"
            if mine and way == "date":
                info.date_time = (2020, 1, 1, 0, 0, 0)
            if mine and way == "zip64":
                with archive.open(info, "w", force_zip64=True) as out:
                    out.write(data)
            else:
                archive.writestr(info, data)
        archive.comment = b"0" * SEAL
    return seal(file.getvalue())


WAYS = ["name", "more", "twice", "order", "missing", "link", "compressed", "extra", "comment", "date", "zip64", "stream", "same"]


def mutate_zip(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    members = export.members()
    if chance.random() < 0.5:
        way = chance.choice(WAYS)
        if way == "stream":  # sizes behind the data
            file = Unseekable()
            with zipfile.ZipFile(file, "w") as archive:
                for name, data in members:
                    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
                archive.comment = b"0" * SEAL
            return seal(file.getvalue()), False
        changed = zipped(members, chance, way)
    else:
        changed = mutate_places(container(members), chance)
    return changed, changed == container(members)


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError


def mutate_places(whole: bytes, chance: random.Random) -> bytes:
    """One field of a header, or bytes where none belong."""
    places = {mark: [i for i in range(len(whole)) if whole.startswith(mark, i)] for mark in (b"PK\3\4", b"PK\1\2", b"PK\5\6")}
    changed = bytearray(whole)
    way = chance.choice(("local", "central", "both", "end", "before", "between", "after", "overlap"))
    number = chance.randrange(len(places[b"PK\1\2"]))
    local, central, end = places[b"PK\3\4"][number], places[b"PK\1\2"][number], places[b"PK\5\6"][-1]
    value = struct.pack("<Q", chance.choice((0, 1, 8, 9, 20, 45, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, chance.getrandbits(32))))
    field = chance.choice(((4, 2), (6, 2), (8, 2), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 8)))
    if way in ("local", "both"):
        changed[local + field[0] : local + sum(field)] = value[: field[1]]
    if way in ("central", "both"):  # the same fields lie two bytes further on; then those that it has alone
        place = field[0] + 2 if way == "both" or chance.random() < 0.5 else chance.choice((4, 5, 32, 34, 36, 38, 40, 42))
        size = field[1] if place == field[0] + 2 else 2
        changed[central + place : central + place + size] = value[:size]
    elif way == "end":
        place = chance.choice((4, 6, 8, 10, 12, 16, 20))
        changed[end + place : end + place + 2] = value[:2]
    elif way == "before":
        changed[0:0] = chance.choice((b"\x7fELF", b"#!/bin/sh\n", whole[:-SEAL], b"\0"))
    elif way == "between":
        place = chance.choice((local, central, end))
        changed[place:place] = chance.choice((b"\0", b"PK\3\4", b"PK\5\6", b"a text"))
    elif way == "after":
        changed[-SEAL:-SEAL] = chance.choice((b"\0", whole[end:-SEAL], b"a text"))
    elif way == "overlap":  # an entry that points at another's header
        other = places[b"PK\3\4"][number - 1]
        changed[central + 42 : central + 46] = struct.pack("<I", chance.choice((other, local + 1, end, 0xFFFFFFFF)))
    return seal(bytes(changed))
