"""Everything that is printed."""

from titans_cli.render.answers import print_answer, print_continuation
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
from titans_cli.render.memory import print_difference, print_ingest, print_plan, print_snapshots, print_sources, print_status
from titans_cli.render.progress import IngestBar
from titans_cli.render.seeing import must_not_exist, print_overview, print_surprise, write_heat
from titans_cli.render.terminal import megabytes, mode, plain, print_error, print_json, print_note, say, some

__all__ = [
    "IngestBar",
    "megabytes",
    "mode",
    "must_not_exist",
    "plain",
    "print_answer",
    "print_check",
    "print_continuation",
    "print_created",
    "print_deleted",
    "print_diagnosis",
    "print_difference",
    "print_error",
    "print_exported",
    "print_forgotten",
    "print_imported",
    "print_ingest",
    "print_json",
    "print_merged",
    "print_migrated",
    "print_note",
    "print_overview",
    "print_plan",
    "print_pruned",
    "print_restored",
    "print_snapshots",
    "print_sources",
    "print_status",
    "print_surprise",
    "say",
    "some",
    "write_heat",
]
