"""The result of an ingest: what happened to each file, and counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest import SourceError
from titans_cli.services.ingest.plan import Plan
from titans_cli.store import NewDocument, Snapshot, StoredDocument

__all__ = ["Done", "IngestResult", "Learned", "Outcome", "Tally", "tally_of"]


@dataclass(frozen=True)
class Learned:
    """What is recorded and reported of a memorized document. Small, so that one machine can send it to another."""

    document: NewDocument
    shard_bytes: int
    memory_bytes: int  # of weights and scales
    empty_pages: tuple[int, ...] = ()
    failed_pages: tuple[tuple[int, str], ...] = ()
    encoding: str | None = None  # of a text file


@dataclass(frozen=True)
class Done:
    """A file whose document is in memory."""

    kind: Literal["new", "changed", "moved", "copy", "unchanged"]
    document: StoredDocument
    learned: Learned | None = None  # of new and changed ones
    replaces: StoredDocument | None = None  # of moved ones: the document under its earlier path


Outcome = Done | SourceError
"""What became of a file: it is in memory, or could not be memorized."""


@dataclass(frozen=True)
class Tally:
    """What an ingest did. Documents are counted once, tokens and memories only if they were newly memorized."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    copies: int = 0
    unchanged: int = 0
    left_out: int = 0  # dropped before, to stay within the budget
    tokens: int = 0
    memories: int = 0
    memory_bytes: int = 0  # of weights and scales
    failed: tuple[SourceError, ...] = ()
    forgotten: tuple[StoredDocument, ...] = ()  # to stay within the budget
    gone: tuple[StoredDocument, ...] = ()  # their files are not there any more
    without_text: tuple[tuple[str, tuple[int, ...]], ...] = ()  # document, its pages that had none
    unread_pages: tuple[tuple[str, tuple[tuple[int, str], ...]], ...] = ()  # document, pages and why
    encodings: tuple[tuple[str, str], ...] = ()  # document that is not UTF-8, its encoding


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did, how long it took, and what is memorized now."""

    did: Tally
    pruned: bool  # whether what is gone was taken out
    seconds: float
    snapshot: Snapshot | None
    interrupted: bool


def tally_of(plan: Plan, outcomes: Sequence[Outcome], forgotten: Sequence[StoredDocument]) -> Tally:
    """The counts of an ingest that carried out ``plan`` up to the given ``outcomes``."""
    kinds = Counter(outcome.kind for outcome in outcomes if isinstance(outcome, Done))
    learned = [outcome.learned for outcome in outcomes if isinstance(outcome, Done) and outcome.learned]
    return Tally(
        new=kinds["new"],
        changed=kinds["changed"],
        moved=kinds["moved"],
        copies=kinds["copy"],
        unchanged=kinds["unchanged"],
        left_out=len(plan.left_out),
        tokens=sum(one.document.tokens for one in learned),
        memories=sum(one.document.memories for one in learned),
        memory_bytes=sum(one.memory_bytes for one in learned),
        failed=(*plan.failed, *(outcome for outcome in outcomes if isinstance(outcome, SourceError))),
        forgotten=tuple(forgotten),
        gone=plan.gone,
        without_text=tuple((one.document.name, one.empty_pages) for one in learned if one.empty_pages),
        unread_pages=tuple((one.document.name, one.failed_pages) for one in learned if one.failed_pages),
        encodings=tuple((one.document.name, one.encoding) for one in learned if one.encoding not in (None, "utf-8", "ascii")),
    )
