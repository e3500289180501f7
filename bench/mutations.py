"""Files that differ from an export in one thing each, for fuzzing import.

A mutation is a function of an export and a source of chance; it returns a file, and whether an import may take it: what still is what
some store could have exported, byte for byte, is harmless. Digests and the seal are made right again, unless they are what is wrong.
"""

import hashlib
import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from invented_stores import SHAPE, Export, container, seal

from titans_cli.store.container import SEAL

__all__ = ["KINDS"]

TYPES = {"weights": "U8", "rows": "U8", "scales": "F16", "pages": "I32", "checksums": "U8", "sentences": "I16", "owners": "I32"}
TYPES |= {"gists": "I8", "gist_scales": "F16", "gist_words": "I64"}
NUMPY = {"U8": "u1", "I8": "i1", "F16": "<f2", "I16": "<i2", "I32": "<i4", "I64": "<i8", "BF16": "<u2", "F32": "<f4", "BOOL": "u1"}
NUMPY |= {"U16": "<u2", "U32": "<u4", "U64": "<u8", "F64": "<f8", "F8_E4M3": "u1", "F4": "u1", "F0": "u1"}


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


# tables

ODD = [None, True, -1, 0, 1.5, 2**63, 2**64, 10**400, 1e308, "", " ", "x", [], {}, [1], {"a": 1}, "\ud800", "a\0b", "\x1b[31m", "n\nn"]
ODD += [float("nan"), float("inf"), "../../x", "0" * 64, "F" * 64, "é", "é" * 5000, "../" * 2000, 2**53, 2**53 + 1, "\u202e"]
TEXTS = ("path", "name")


def is_sound(row: dict) -> bool:
    """What path and name of a document may be, told apart from the importer's own code."""
    return all(isinstance(row[key], str) and 0 < len(row[key]) <= 4096 and all(map(may_stand, row[key])) for key in TEXTS)


def may_stand(letter: str) -> bool:
    code = ord(letter)
    return code >= 32 and not 127 <= code < 160 and not 0xD800 <= code < 0xE000


def mutate_documents(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    rows = [dict(row) for row in export.rows]
    number = chance.randrange(len(rows))
    row = rows[number]
    way = chance.choice(("value", "value", "value", "value", "missing", "extra", "twice", "gone", "no object", "order", "text", "table"))
    if way == "value":
        key = chance.choice(list(row))
        before, row[key] = row[key], chance.choice(ODD)
        number_fits = type(row[key]) is int and 0 <= row[key] <= 2**53
        fits = is_sound(row) if key in TEXTS else key == "source_bytes" and number_fits
        fits = fits or (key == "source_sha256" and row[key] == "0" * 64)  # some file might have it
        if key == "pages":  # as many as the shard's memories lie on, or more
            last = int(unpack(export.shards[row["shard"]])[1]["pages"].max())
            fits = (row[key] is None and last == 0) or (number_fits and row[key] >= max(1, last))
        fits = fits or (row[key] == before and type(row[key]) is type(before))
        if fits and len({tuple(r[f] for f in ("path", "name", "source_sha256", "shard")) for r in rows}) < len(rows):
            fits = False
        return replace(export, rows=rows).file(), fits
    if way == "missing":
        del row[chance.choice(list(row))]
    elif way == "extra":
        row[chance.choice(("id", "text", "__class__", ""))] = chance.choice(ODD)
    elif way == "twice":
        rows.append(dict(row))
    elif way == "gone":
        del rows[number]
        return replace(export, rows=rows).file(), row["shard"] in {r["shard"] for r in rows}
    elif way == "no object":
        rows[number] = chance.choice([5, None, "x", [], [["path", "a"]]])
        table = b"[\n" + b",\n".join(json.dumps(r).encode() for r in rows) + b"\n]\n"
        return replace(export, rows=export.rows, table=table).file(), False
    else:
        return mutate_table(export, way, chance)
    return replace(export, rows=rows).file(), False


def mutate_table(export: Export, way: str, chance: random.Random) -> tuple[bytes, bool]:
    """The text of documents.json."""
    table = export.members()[1][1]
    if way == "order":
        lines = table[2:-3].split(b",\n")
        shuffled = chance.sample(lines, len(lines))
        changed = b"[\n" + b",\n".join(shuffled) + b"\n]\n"
    elif way == "text":
        changed = chance.choice(RAW)(table, chance)
    else:
        deep = b"[" * 100_000
        choices = [
            b"",
            b"[]",
            b"{}",
            b"null",
            deep,
            b"[\n" + deep + b"\n]\n",
            b"[\n]\n",
            b"\xff\xfe",
            b"[\n" + b"{}" * 9 + b"\n]\n",
            b"[\n\n]\n",
        ]
        choices += [table.replace(b'"tokens": ', b'"tokens": 1, "tokens": '), table.replace(b": ", b":"), b" " + table, table * 2]
        choices += [table.replace(b'"path"', b'"\\u0070ath"'), b"[\n" + b"9" * 100_000 + b"\n]\n", b"[\n" + b"{},\n" * 200_001 + b"{}\n]\n"]
        changed = chance.choice(choices)
    return replace(export, table=changed).file(), changed == table


def mutate_manifest(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    members = export.members()
    manifest = json.loads(members[0][1])
    if chance.random() < 0.7:
        key = chance.choice([*manifest, "name", "text"])
        value = chance.choice([*ODD, ..., 3, 99, "a" * 64, "A" * 64])
        return replace(export, manifest={key: value}).file(), value is ... and key not in manifest
    text = members[0][1]
    choices = [
        b"",
        b"[]",
        b"null",
        b"3",
        b"{" * 50_000,
        b"[" * 4_000,
        text[:-1],
        text + b" ",
        text.replace(b": ", b":"),
        b"\xff" + text,
        text * 2,
    ]
    choices += [text.replace(b'"format"', b'"format": 2, "format"'), text.replace(b" 2,", b" 2.0,"), b'{"format": ' + b"9" * 4_000 + b"}"]
    changed = chance.choice([*choices, chance.choice(RAW)(text, chance)])
    return container([("manifest.json", changed), *members[1:]]), changed == text


# tensors


def unpack(shard: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Metadata and arrays, in the order of the file."""
    length = int.from_bytes(shard[:8], "little")
    header = json.loads(shard[8 : 8 + length])
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        arrays[name] = np.frombuffer(shard[8 + length + first : 8 + length + last], NUMPY[entry["dtype"]]).reshape(entry["shape"]).copy()
    return metadata, arrays


def pack(metadata: dict, arrays: dict[str, np.ndarray], types: dict[str, str], change: Callable[[dict], None] | None = None) -> bytes:
    header: dict = {"__metadata__": metadata}
    data = b""
    for name, array in arrays.items():
        raw = array.tobytes()
        header[name] = {"dtype": types[name], "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    if change is not None:
        change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def set_values(arrays: dict[str, np.ndarray], pages: int, chance: random.Random) -> bool:
    """Change one number of a shard whose document has ``pages`` pages; returns whether it may be so."""
    name = chance.choice(list(arrays))
    array = arrays[name]
    place = tuple(chance.randrange(n) for n in array.shape)
    before = array[place]
    if array.dtype.kind == "f":
        array[place] = chance.choice((np.nan, np.inf, -np.inf, -0.1, 0.0, -0.0, 6e4, 0.1, 2e-7))
    else:
        limits = np.iinfo(array.dtype)
        array[place] = chance.choice((limits.min, limits.max, 0, 1, int(before) ^ 1, int(before) ^ 8))
    return may_be(name, arrays, pages)


def may_be(name: str, arrays: dict[str, np.ndarray], pages: int) -> bool:
    """What the numbers of a shard may be, written a second time, apart from the importer's own code."""
    a = arrays[name]
    if name in ("weights", "checksums", "gist_words"):
        return True
    if name in ("scales", "gist_scales", "gists"):
        lengths = np.linalg.norm(arrays["gists"].astype(np.float64), axis=1) * arrays["gist_scales"].astype(np.float64)
        positive = all(np.isfinite(arrays[k]).all() and (arrays[k] > 0).all() for k in ("scales", "gist_scales"))
        return bool(positive and (arrays["gists"] > -128).all() and (lengths < 1.02).all())
    if name == "pages":
        return bool((a >= 0).all() and a.max() <= pages)
    if name == "rows":
        return bool(a.sum() == len(arrays["weights"]) and (a > 0).all() and (a <= 128).all() and (a % 8 == 0).all())
    owners, sentences = arrays["owners"].astype(np.int64), arrays["sentences"]
    steps = np.diff(owners)
    if owners[0] != 0 or owners[-1] != len(arrays["rows"]) - 1 or ((steps != 0) & (steps != 1)).any() or (sentences <= 0).any():
        return False
    return bool((np.bincount(owners, sentences) <= 128).all())


def change_shape(arrays: dict[str, np.ndarray], types: dict[str, str], chance: random.Random) -> None:
    """Change a type or shape, or what tensors there are."""
    name = chance.choice(list(arrays))
    array = arrays[name]
    way = chance.choice(("type", "cast", "flat", "row", "column", "extra", "missing", "empty", "all empty", "rank"))
    if way == "type":  # of the same size
        same = [t for t, n in NUMPY.items() if np.dtype(n).itemsize == array.itemsize and t != types[name]]
        types[name] = chance.choice(same)
    elif way == "cast":
        types[name] = chance.choice([t for t, n in NUMPY.items() if np.dtype(n).itemsize != array.itemsize])
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(NUMPY[types[name]])
    elif way == "flat":
        arrays[name] = array.reshape(-1) if array.ndim > 1 else array[None]
    elif way == "row":
        arrays[name] = array[:-1] if chance.random() < 0.5 else np.concatenate([array, array[-1:]])
    elif way == "column":
        arrays[name] = array[..., :-1] if array.ndim > 1 else array[:, None]
    elif way == "extra":
        arrays["text"], types["text"] = np.frombuffer(b"a text", "u1"), "U8"
    elif way == "missing":
        del arrays[name]
    elif way == "empty":
        arrays[name] = array[:0]
    elif way == "all empty":
        for key in arrays:
            arrays[key] = arrays[key][:0]
    else:
        arrays[name] = array[None, ..., None]


def change_header(chance: random.Random, shard: bytes) -> bytes:
    """Bytes of the header that differ from what titans writes."""
    metadata, arrays = unpack(shard)
    length = int.from_bytes(shard[:8], "little")
    text, data = shard[8 : 8 + length], shard[8 + length :]
    name = chance.choice(list(arrays))

    def entry(header: dict) -> None:
        key, value = chance.choice(
            [
                ("dtype", chance.choice(ODD)),
                ("shape", chance.choice([[], [0], [-1], [2**63], [2**64], [2**32, 2**32], [1.5], "x", None, {}, [True], [[1]]])),
                (
                    "data_offsets",
                    chance.choice([[0, 0], [5, 1], [0, 2**63], [0, 2**64], [-1, 4], [], [0], None, "x", [0, len(data)], [1, 2, 3]]),
                ),
                ("text", "a text"),
            ]
        )
        header[name][key] = value

    odd = [{}, {"titans": "2 " + SHAPE.fingerprint}, {"titans": "1 " + "0" * 64}, {"titans": "1"}, {"titans": 5}, {"titans": "x y"}]
    odd += [{**metadata, "text": "a text"}, {"titans": metadata["titans"] + " "}, {"titans": "01 " + SHAPE.fingerprint}, None, [], "x"]
    choices: list[bytes] = [
        pack(metadata, arrays, TYPES, entry),
        pack(metadata, arrays, TYPES, entry),
        pack(chance.choice(odd), arrays, TYPES),
        pack(metadata, arrays, TYPES, lambda header: header.pop(name)),
        chance.choice((0, 1, 2**20, 2**63, 2**64 - 1, length - 8, length + 8)).to_bytes(8, "little") + shard[8:],
        (length + 8).to_bytes(8, "little") + text + b" " * 8 + data,
        (length + 8_000).to_bytes(8, "little") + text + b" " * 8_000 + data,
        shard + b"a text",
        shard[:-1],
        shard[: 8 + length],
        shard[:4],
        b"",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (4_000).to_bytes(8, "little") + b"[" * 4_000,
        length.to_bytes(8, "little") + text.replace(b'"dtype":"U8"', b'"dtype":"u8"') + data,
        length.to_bytes(8, "little") + chance.choice((flip, overwrite))(text, chance)[:length] + data,
    ]
    return chance.choice(choices)


def mutate_tensors(export: Export, chance: random.Random) -> tuple[bytes, bool]:
    """A shard, with its name, the documents and all digests made right."""
    digest = chance.choice(sorted(export.shards))
    shard = export.shards[digest]
    way, fits, told = chance.choice(("value", "value", "shape", "header")), False, {}
    if way == "header":
        changed = change_header(chance, shard)
    else:
        metadata, arrays = unpack(shard)
        types = dict(TYPES)
        if way == "value":
            fits = set_values(arrays, min(row["pages"] or 0 for row in export.rows if row["shard"] == digest), chance)
        else:
            change_shape(arrays, types, chance)
        changed = pack(metadata, arrays, types)
        told = (
            {"memories": len(arrays.get("rows", ())), "tokens": int(arrays["sentences"].astype(np.float64).sum())}
            if "sentences" in arrays
            else {}
        )
    name = hashlib.sha256(changed).hexdigest()
    shards = {key: value for key, value in export.shards.items() if key != digest} | {name: changed}
    rows = [row | {"shard": name} | told if row["shard"] == digest else row for row in export.rows]
    return replace(export, rows=rows, shards=shards).file(), fits or changed == shard


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


Mutation = Callable[[Export, random.Random], tuple[bytes, bool]]

KINDS: dict[str, Mutation] = {
    "bytes": mutate_bytes,
    "bytes, sealed again": mutate_sealed,
    "manifest": mutate_manifest,
    "documents": mutate_documents,
    "tensors": mutate_tensors,
    "zip": mutate_zip,
}
