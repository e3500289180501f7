"""Does import refuse whatever titans did not export, and leave no trace? Mutated exports of six kinds, see mutated_bytes.py and
mutated_contents.py.

    python bench/fuzz_import.py --count 2000

Each file is imported into no store, or into one that has memories. Refused: a TitansError of one line that names the file, and every
byte of the store as before. Accepted: the mutation is a harmless one, the store is sound, holds what the file says and exports the
same file again. All else is wrong, and kept in the folder that --keep names.
"""

import argparse
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from invented_stores import SHAPE, Export, add_documents, read_export
from mutated_bytes import mutate_bytes, mutate_sealed, mutate_zip
from mutated_contents import mutate_documents, mutate_manifest, mutate_tensors

from titans_cli.errors import TitansError
from titans_cli.services.maintenance import check
from titans_cli.services.transfer import export_to, import_from
from titans_cli.store import Store, open_index

__all__ = ["KINDS", "Bench", "Verdict"]

KINDS = {
    "bytes": mutate_bytes,
    "bytes, sealed again": mutate_sealed,
    "manifest": mutate_manifest,
    "documents": mutate_documents,
    "tensors": mutate_tensors,
    "zip": mutate_zip,
}
LARGEST = 10**9
REASONS = {
    "checksum": "complete titans export|the checksum of|do not match its name",
    "directory": "its directory",
    "place of a file": "in the wrong place",
    "header of a file": "a file in it|such a header for|extra bytes|than the whole|does not start",
    "manifest": "manifest",
    "newer, older or other model": "newer titans|other model|an older titans",
    "document": "documents.json|of a document|a document|of its documents|its documents",
    "shard's header": "is not a shard|shard's tensors",
    "shard's shapes": "shapes|match each other|no memories|more or fewer rows|more tokens",
    "shard's numbers": "finite|does not write",
    "other": "",
}


@dataclass(frozen=True)
class Verdict:
    """What became of a file: accepted, refused or wrong, and why."""

    outcome: str
    reason: str


def contents(home: Path) -> dict[str, bytes]:
    """Every file of a store but the lock, which is there or not."""
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file() and p.name != ".lock"}


class Bench:
    """Judges imports of files below ``folder``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = folder / "fuzzed.titans"
        with Store.open(folder / "source", create=True) as store:
            documents = [("/a/x.txt", "a/x.txt", 0, 0), ("/a/y.pdf", "a/y.pdf", 1, 7), ("/b/ß\U0001f600.pdf", "b/ß\U0001f600.pdf", 1, 7)]
            snapshot = add_documents(store, [*documents, ("/c/z.pdf", "c/z.pdf", 5, 300)])
            self.export: Export = read_export(store, snapshot)
        self.used = folder / "used"
        with Store.open(self.used, create=True) as store:
            add_documents(store, [("/a/x.txt", "a/x.txt", 8, 0), ("/d/w.txt", "d/w.txt", 2, 0)])
        self.before = contents(self.used)

    def judge(self, data: bytes, may_pass: bool, fresh: bool) -> Verdict:
        """Import ``data`` into a home without a store, or into one with memories."""
        self.file.write_bytes(data)
        home = self.folder / "fresh" if fresh else self.used
        try:
            head = import_from(home, [self.file], SHAPE, LARGEST)
        except TitansError as error:
            return self.judge_refusal(str(error), home, fresh)
        except Exception:
            return Verdict("wrong", f"crashed: {traceback.format_exc()}")
        try:
            if not may_pass:
                return Verdict("wrong", "accepted what no store exports")
            if (problems := check(home, read_data=True)) or not head.digest:
                return Verdict("wrong", f"accepted, and the store is not sound: {problems}")
            with Store.open(home) as store:
                index = open_index(store, head)
                index.read(range(index.memories))
            again = self.folder / "again.titans"
            again.unlink(missing_ok=True)
            export_to(home, again)
            if fresh and again.read_bytes() != data:
                return Verdict("wrong", "accepted, and exported otherwise")
            if not fresh and not {"/a/x.txt", "/d/w.txt"} <= {d["path"] for d in self.documents(home)}:
                return Verdict("wrong", "accepted, and what was there is gone")
        except Exception:
            return Verdict("wrong", f"accepted, and then crashed: {traceback.format_exc()}")
        finally:
            self.reset()
        return Verdict("accepted", "harmless")

    def judge_refusal(self, message: str, home: Path, fresh: bool) -> Verdict:
        if str(self.file) not in message or "\n" in message or len(message) > 600:
            return Verdict("wrong", f"refused unclearly: {message!r}")
        if (home.exists() and any(home.iterdir())) if fresh else contents(home) != self.before:
            self.reset()
            return Verdict("wrong", f"refused with traces: {message}")
        return Verdict("refused", message.replace(str(self.file), "FILE"))

    def documents(self, home: Path) -> list[dict]:
        with Store.open(home) as store:
            return read_export(store, store.require_head()).rows

    def reset(self) -> None:
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        if contents(self.used) != self.before:
            shutil.rmtree(self.used)
            for name, data in self.before.items():
                (self.used / name).parent.mkdir(parents=True, exist_ok=True)
                (self.used / name).write_bytes(data)


def reason_of(message: str) -> str:
    return next(reason for reason, words in REASONS.items() if any(word in message for word in words.split("|")))


def main() -> None:
    from common import report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("wrong-imports"), help="folder for files that were taken wrongly")
    arguments = parser.parse_args()
    rows, wrong, begun = [], [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for kind, mutate in KINDS.items():
            counts: Counter[str] = Counter()
            for number in range(arguments.count):
                chance = random.Random(f"{arguments.seed} {kind} {number}")
                data, may_pass = mutate(bench.export, chance)
                verdict = bench.judge(data, may_pass, fresh=number % 2 == 0)
                counts[reason_of(verdict.reason) if verdict.outcome == "refused" else verdict.outcome] += 1
                if verdict.outcome == "wrong":
                    wrong.append(f"{kind} {number}: {verdict.reason}")
                    arguments.keep.mkdir(exist_ok=True)
                    (arguments.keep / f"{kind.split(',')[0]}-{number}.titans").write_bytes(data)
            rows += [{"kind": kind, "outcome": name, "files": count} for name, count in sorted(counts.items())]
    files, refused = arguments.count * len(KINDS), sum(r["files"] for r in rows if r["outcome"] not in ("accepted", "wrong"))
    accepted = sum(r["files"] for r in rows if r["outcome"] == "accepted")
    seconds = round(time.monotonic() - begun, 1)
    report("fuzz_import", rows, files=files, refused=refused, harmless=accepted, wrong=len(wrong), seconds=seconds)
    if wrong:
        raise SystemExit("\n".join(wrong[:20]))


if __name__ == "__main__":
    main()
