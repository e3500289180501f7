"""The JSON of each result, printed with --json. A contract: a test compares it with docs/json.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from titans_cli.output.sanitize import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ingest import SourceError
    from titans_cli.services.ask.results import Answer, Evidence
    from titans_cli.services.history import Listed
    from titans_cli.services.ingest.plan import Plan
    from titans_cli.services.ingest.remember import Remembered
    from titans_cli.services.ingest.result import IngestResult
    from titans_cli.services.llm.write import Written, WrittenAnswer
    from titans_cli.services.maintenance import Forgotten, Problem, Pruned
    from titans_cli.services.migrate import Migration
    from titans_cli.services.novelty.report import Surprise
    from titans_cli.services.recite import Continuation
    from titans_cli.services.snapshots import Difference, ListedSnapshot
    from titans_cli.services.status import Status
    from titans_cli.services.topics import Overview
    from titans_cli.store import Failure, Snapshot, StoredDocument

Facts = dict[str, Any]


def of_snapshot(snapshot: Snapshot) -> Facts:
    return {"name": snapshot.name, "created": snapshot.created, "digest": snapshot.digest}


def of_document(document: StoredDocument) -> Facts:
    return {
        "name": document.name,
        "path": document.path,
        "sha256": document.source_sha256,
        "bytes": document.source_bytes,
        "pages": document.pages,
        "tokens": document.tokens,
        "memories": document.memories,
        "imported": bool(document.imported),
    }


def of_failures(failures: Iterable[Failure | SourceError]) -> list[Facts]:
    return [{"path": str(failure.path), "reason": plain(failure.reason), "kind": failure.kind} for failure in failures]


def of_evidence(evidence: Evidence) -> Facts:
    """``imported`` is present only if true, ``before`` and ``after`` only with --context."""
    facts = {name: getattr(evidence, name) for name in ("text", "document", "page", "verbatim", "score")}
    if evidence.imported:
        facts["imported"] = True
    if evidence.context is not None:
        facts |= {"before": evidence.context.before, "after": evidence.context.after}
    return facts


def of_answer(answer: Answer, why: bool = False) -> Facts:
    facts = {name: getattr(answer, name) for name in ("question", "answer", "refused", "confidence")}
    facts |= {"evidence": [of_evidence(evidence) for evidence in answer.evidence], "elapsed_ms": answer.elapsed_ms}
    facts |= {"answer_kind": answer.kind, "closest": [of_evidence(passage) for passage in answer.closest]}
    if why:
        facts |= {"woken": [asdict(sentence) for sentence in answer.retrieved], "signs": answer.features and asdict(answer.features)}
    return facts


def of_written(result: WrittenAnswer, why: bool = False) -> Facts:
    """``written`` is null if no language model wrote an answer."""
    return {**of_answer(result.answer, why), "written": result.written and of_text(result.written)}


def of_text(written: Written) -> Facts:
    citations = [{"number": q.number, "text": q.text, "document": q.document, "page": q.page} for q in written.citations]
    return {"text": written.text, "model": written.model, "url": written.url, "citations": citations}


def of_continuation(continuation: Continuation) -> Facts:
    facts = {name: getattr(continuation, name) for name in ("text", "document", "page", "verbatim")}
    return facts | ({"imported": True} if continuation.source.imported else {})


def of_ingest(result: IngestResult) -> Facts:
    did = result.did
    counts = ("new", "changed", "moved", "copies", "unchanged", "left_out", "tokens", "memories", "memory_bytes")
    return {
        **{name: getattr(did, name) for name in counts},
        "failed": of_failures(did.failed),
        "forgotten": [document.name for document in did.forgotten],
        "gone": [document.name for document in did.gone],
        "pruned": result.pruned,
        "pages_without_text": [{"document": document, "pages": list(pages)} for document, pages in did.without_text],
        "pages_not_read": [
            {"document": document, "page": page, "reason": plain(why)} for document, unread in did.unread_pages for page, why in unread
        ],
        "encodings": [{"document": document, "encoding": encoding} for document, encoding in did.encodings],
        "seconds": round(result.seconds, 3),
        "interrupted": result.interrupted,
        "snapshot": None if result.snapshot is None else of_snapshot(result.snapshot),
    }


def of_plan(plan: Plan) -> Facts:
    return {
        "new": [str(source.path) for source in plan.new],
        "changed": [str(source.path) for source in plan.changed],
        "moved": [{"from": document.path, "to": str(source.path)} for document, source in plan.moved],
        "copies": [str(source.path) for source, _ in plan.copies],
        "unchanged": [document.path for document in plan.unchanged],
        "gone": [document.path for document in plan.gone],
        "failed": of_failures(plan.failed),
    }


def of_status(status: Status) -> Facts:
    return {
        "home": status.home,
        "snapshot": of_snapshot(status.snapshot),
        "documents": [of_document(document) for document in status.documents],
        "tokens": status.tokens,
        "memories": status.memories,
        "bytes": status.bytes,
        "weight_bytes": status.weight_bytes,
        "budget": status.budget or None,
        "failed": of_failures(status.failures),
        "forgotten": [failure.path for failure in status.forgotten],
    }


def of_snapshots(listed: Sequence[ListedSnapshot]) -> Facts:
    rows = [{**of_snapshot(row.snapshot), "documents": row.documents, "tokens": row.tokens, "head": row.head} for row in listed]
    return {"snapshots": rows}


def of_difference(difference: Difference) -> Facts:
    return asdict(difference)


def of_created(made: Snapshot) -> Facts:
    return {"snapshot": of_snapshot(made)}


def of_restored(restored: Snapshot, before: Snapshot) -> Facts:
    return {"snapshot": of_snapshot(restored), "before": of_snapshot(before)}


def of_deleted(name: str, freed: int) -> Facts:
    return {"snapshot": name, "freed_bytes": freed}


def of_forgotten(result: Forgotten) -> Facts:
    """``dry_run`` is present only if nothing was changed."""
    facts: Facts = {
        "documents": [of_document(document) for document in result.documents],
        "still_in": [snapshot.name for snapshot in result.still_in],
        "freed_bytes": result.freed,
    }
    return facts | ({"dry_run": True} if result.dry_run else {})


def of_pruned(done: Pruned, dry_run: bool) -> Facts:
    return {"snapshots": list(done.snapshots), "files": done.files, "freed_bytes": done.freed, "dry_run": dry_run}


def of_problems(problems: Iterable[Problem]) -> list[Facts]:
    return [{"problem": problem.what, "remedy": problem.remedy, "harmless": problem.harmless} for problem in problems]


def of_check(problems: Sequence[Problem], recited: int, wrong: int) -> Facts:
    sound = not wrong and all(problem.harmless for problem in problems)
    return {"sound": sound, "problems": of_problems(problems), "recited": recited, "recited_wrongly": wrong}


def of_diagnosis(problems: Sequence[Problem], mended: Sequence[str]) -> Facts:
    return {"problems": of_problems(problems), "taken_out": list(mended)}


def of_migrated(done: Migration | None) -> Facts:
    if done is None:
        return {"documents": 0, "before": None, "failed": []}
    return {"documents": done.documents, "before": of_snapshot(done.before), "failed": of_failures(done.failed)}


def of_exported(made: Snapshot, size: int, target: Path) -> Facts:
    return {"file": target, "bytes": size, "snapshot": of_snapshot(made)}


def of_imported(head: Snapshot) -> Facts:
    return {"snapshot": of_snapshot(head)}


def of_history(listed: Listed) -> Facts:
    rows = []
    for turn in listed.turns:
        facts = {name: getattr(turn, name) for name in ("asked", "conversation", "question", "understood", "answer", "confidence")}
        rows.append(facts | {"sources": [{"path": path, "document": name, "page": page} for path, name, page in turn.sources]})
    return {"kept": listed.kept, "turns": rows}


def of_remembered(result: Remembered) -> Facts:
    return {"document": of_document(result.document), "snapshot": of_snapshot(result.snapshot)}


def of_surprise(result: Surprise, least: float = 0.0) -> Facts:
    names = ("text", "page", "kind", "new", "missing", "known")
    told = ((s, asdict(s)) for s in result.sentences if s.surprise >= least)
    sentences = [{**{name: facts[name] for name in names}, "surprise": round(s.surprise, 4)} for s, facts in told]
    return {
        "document": result.document,
        "sentences": sentences,
        "counts": {kind: result.count(kind) for kind in ("verbatim", "partly", "reworded", "new")},
        "mean_surprise": round(result.mean, 4),
        "known_from": [{"document": document, "sentences": count} for document, count in result.known_from],
        "memories_recited": result.recited,
        "pages_without_text": list(result.empty_pages),
        "pages_not_read": [{"page": page, "reason": plain(why)} for page, why in result.failed_pages],
        "elapsed_ms": result.elapsed_ms,
    }


def of_overview(overview: Overview) -> Facts:
    themes = [
        {**asdict(topic), "share": round(topic.share, 4), "documents": [{"document": d, "share": round(s, 4)} for d, s in topic.documents]}
        for topic in overview.topics
    ]
    return {"documents": overview.documents, "sentences": overview.sentences, "memories": overview.memories, "themes": themes}
