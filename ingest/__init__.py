"""Finds files, extracts their text and cuts it into segments. No torch, no SQL, no printing."""

from ingest.errors import SourceError
from ingest.formats import read_document
from ingest.segment import segments
from ingest.sources import SUFFIXES, digest_of_file, find_sources
from ingest.types import Document, Limits, Options, Page, Segment, Source
from ingest.workers import Extractor

__all__ = [
    "SUFFIXES",
    "Document",
    "Extractor",
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
