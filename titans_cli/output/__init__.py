"""The only package that prints."""

from titans_cli.output.progress import IngestBar
from titans_cli.output.sanitize import plain, words
from titans_cli.output.terminal import (
    copy_text,
    counted,
    megabytes,
    mode,
    no_color,
    print_error,
    print_json,
    print_note,
    say,
    some,
    working,
)
from titans_cli.output.views.ask import print_answer, print_evidence, print_why
from titans_cli.output.views.chat import print_help, print_turn, transcript
from titans_cli.output.views.history import print_history
from titans_cli.output.views.ingest import print_ingest, print_plan
from titans_cli.output.views.llm import AnswerStream, print_written
from titans_cli.output.views.maintenance import print_check, print_diagnosis, print_forgotten, print_pruned
from titans_cli.output.views.migrate import print_migrated
from titans_cli.output.views.recite import print_continuation
from titans_cli.output.views.remember import print_remembered
from titans_cli.output.views.snapshot import print_created, print_deleted, print_difference, print_restored, print_snapshots, print_undone
from titans_cli.output.views.status import print_documents, print_status
from titans_cli.output.views.surprise import must_not_exist, print_surprise, write_heat
from titans_cli.output.views.topics import print_overview
from titans_cli.output.views.transfer import print_exported, print_imported, print_merged

__all__ = [
    "AnswerStream",
    "IngestBar",
    "copy_text",
    "counted",
    "megabytes",
    "mode",
    "must_not_exist",
    "no_color",
    "plain",
    "print_answer",
    "print_check",
    "print_continuation",
    "print_created",
    "print_deleted",
    "print_diagnosis",
    "print_difference",
    "print_documents",
    "print_error",
    "print_evidence",
    "print_exported",
    "print_forgotten",
    "print_help",
    "print_history",
    "print_imported",
    "print_ingest",
    "print_json",
    "print_merged",
    "print_migrated",
    "print_note",
    "print_overview",
    "print_plan",
    "print_pruned",
    "print_remembered",
    "print_restored",
    "print_snapshots",
    "print_status",
    "print_surprise",
    "print_turn",
    "print_undone",
    "print_why",
    "print_written",
    "say",
    "some",
    "transcript",
    "words",
    "working",
    "write_heat",
]
