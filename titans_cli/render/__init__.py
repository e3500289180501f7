"""Everything that is printed."""

from titans_cli.render.answers import print_answer, print_continuation, print_evidence, print_why
from titans_cli.render.care import (
    print_check,
    print_created,
    print_deleted,
    print_diagnosis,
    print_exported,
    print_forgotten,
    print_imported,
    print_merged,
    print_migrated,
    print_pruned,
    print_restored,
)
from titans_cli.render.history import print_history, print_remembered
from titans_cli.render.memory import print_difference, print_ingest, print_plan, print_snapshots, print_sources, print_status
from titans_cli.render.progress import IngestBar
from titans_cli.render.terminal import copy_text, megabytes, mode, plain, print_error, print_json, print_note, say, some, words, working

__all__ = [
    "IngestBar",
    "copy_text",
    "megabytes",
    "mode",
    "plain",
    "print_answer",
    "print_check",
    "print_continuation",
    "print_created",
    "print_deleted",
    "print_diagnosis",
    "print_difference",
    "print_error",
    "print_evidence",
    "print_exported",
    "print_forgotten",
    "print_history",
    "print_imported",
    "print_ingest",
    "print_json",
    "print_merged",
    "print_migrated",
    "print_note",
    "print_plan",
    "print_pruned",
    "print_remembered",
    "print_restored",
    "print_snapshots",
    "print_sources",
    "print_status",
    "print_why",
    "say",
    "some",
    "words",
    "working",
]
