"""Files to segments: finding, extracting and cutting text. No torch, no SQL, no printing."""

from ingest.errors import SourceError
from ingest.segment import segments
from ingest.sources import SUFFIXES, digest_of_file, find_sources, read_document
from ingest.types import Document, Limits, Options, Page, Segment, Source

__all__ = [
    "SUFFIXES",
    "Document",
    "Limits",
    "Options",
    "Page",
    "Segment",
    "Source",
    "SourceError",
    "digest_of_file",
    "find_sources",
    "read_document",
    "segments",
]
