"""Exports whose tables or tensors differ in one thing, for fuzzing import.

A mutation is a function of an export and a source of chance; it returns a file, and whether an import may take it: what still is what
some store could have exported, byte for byte, is harmless. Digests and the seal are made right again, unless they are what is wrong.
"""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from invented_stores import SHAPE, Export, container
from mutated_bytes import RAW, flip, overwrite

__all__ = ["mutate_documents", "mutate_manifest", "mutate_tensors"]

TYPES = {"weights": "U8", "rows": "U8", "scales": "F16", "pages": "I32", "checksums": "U8", "sentences": "I16", "owners": "I32"}
TYPES |= {"gists": "I8", "gist_scales": "F16", "gist_words": "I64"}
NUMPY = {"U8": "u1", "I8": "i1", "F16": "<f2", "I16": "<i2", "I32": "<i4", "I64": "<i8", "BF16": "<u2", "F32": "<f4", "BOOL": "u1"}
NUMPY |= {"U16": "<u2", "U32": "<u4", "U64": "<u8", "F64": "<f8", "F8_E4M3": "u1", "F4": "u1", "F0": "u1"}

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
