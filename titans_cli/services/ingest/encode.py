"""Turns a document's text into a shard: write, recite back, compute sentence vectors. Stores nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from operator import itemgetter

import numpy as np

from ingest import Document, Segment, SourceError, segments
from model import MemorizeError, Memory, SentenceVectors, encode_sentences, memorize, sentence_texts
from titans_cli.models import Models
from titans_cli.services.ingest.request import Progress
from titans_cli.services.ingest.result import Learned
from titans_cli.services.threads import in_order, parallel, release_memory
from titans_cli.store import NewDocument, Shard, pack_shard

__all__ = ["Memorized", "learn", "memorize_documents", "segment_groups"]

GROUP = 32
"""Segments that are written in one batch. Groups never mix documents, so that a document's memories depend on it alone."""

Job = tuple[Document | SourceError, list[Segment]]


@dataclass(frozen=True)
class Memorized:
    """A document's memories, each of which was recited word for word."""

    document: Document
    shard: Shard
    tokens: int


@dataclass(frozen=True)
class Group:
    """Consecutive memories of a document."""

    shard: Shard
    tokens: int
    characters: int


def memorize_documents(
    models: Models, documents: Iterable[Document | SourceError], progress: Progress
) -> Iterator[Memorized | SourceError]:
    """Yield the memories of ``documents`` in order, or a SourceError for each that is one or whose text cannot be written.

    Groups of segments, also of different documents, are written in parallel, one per core.
    """
    with parallel(models.device) as threads:
        results = in_order(partial(write_group, models), groups_of(models, documents), threads)
        for document, parts in groupby(results, itemgetter(0)):
            yield document if isinstance(document, SourceError) else gather(document, (part for _, part in parts), progress)
            release_memory()


def segment_groups(models: Models, document: Document) -> Iterator[list[Segment]]:
    """The segments of ``document``, in groups that are written and encoded at once: a sentence's vector depends on its group."""
    stream = segments(document, models.tokenizer.encode_ordinary, models.memorizer.config.segment)
    return iter(lambda: list(islice(stream, GROUP)), [])


def groups_of(models: Models, documents: Iterable[Document | SourceError]) -> Iterator[Job]:
    for document in documents:
        if isinstance(document, SourceError):
            yield document, []
        else:
            for group in segment_groups(models, document):
                yield document, group


def write_group(models: Models, job: Job) -> tuple[Document | SourceError, Group | SourceError]:
    document, group = job
    if isinstance(document, SourceError):
        return document, document
    try:
        memories = memorize(models.memorizer, models.tokenizer, [[list(s) for s in segment.sentences] for segment in group])
    except MemorizeError as error:
        return document, SourceError(document.source.path, str(error))
    pages = [group[m.segment].page or 0 for m in memories]
    texts, text_pages = [], []
    for memory, page in zip(memories, pages, strict=True):
        texts += sentence_texts(models.tokenizer, memory.tokens, memory.sentences)
        text_pages += [page] * len(memory.sentences)
    shard = shard_of(memories, pages, encode_sentences(models.encoder, texts, text_pages))
    return document, Group(shard, sum(len(m.tokens) for m in memories), sum(map(len, texts)))


def shard_of(memories: Sequence[Memory], pages: Sequence[int], vectors: SentenceVectors) -> Shard:
    """The arrays of a shard, see ``titans_cli.store.shards``; ``vectors`` are those of the memories' sentences."""
    return Shard(
        weights=np.concatenate([m.weights.numpy() for m in memories]),
        rows=np.array([len(m.weights) for m in memories], np.uint8),
        scales=np.array([m.scale.numpy() for m in memories], np.float16),
        pages=np.array(pages, np.int32),
        checksums=np.array([list(m.checksum) for m in memories], np.uint8),
        sentences=np.array([size for m in memories for size in m.sentences], np.int16),
        owners=np.array([i for i, m in enumerate(memories) for _ in m.sentences], np.int32),
        gists=vectors.vectors,
        gist_scales=vectors.scales,
        gist_words=vectors.words.view(np.int64),
    )


def gather(document: Document, parts: Iterable[Group | SourceError], progress: Progress) -> Memorized | SourceError:
    """Join a document's groups into one shard, or return the first error."""
    progress.file(document.source.name, document.pages[-1].number, document.size)
    characters, written = sum(len(page.text) for page in document.pages), 0
    groups: list[Group] = []
    for part in parts:
        if isinstance(part, SourceError):
            return part
        groups.append(part)
        written += part.characters
        progress.page(int(part.shard.pages[-1]) or None, part.tokens, written / characters)
    return Memorized(document, Shard.join([group.shard for group in groups]), sum(group.tokens for group in groups))


def learn(memorized: Memorized, fingerprint: str) -> tuple[Learned, bytes]:
    """What to record of a document, and its shard as stored."""
    document, shard = memorized.document, memorized.shard
    digest, data = pack_shard(shard, fingerprint)
    row = NewDocument(
        path=str(document.source.path),
        name=document.source.name,
        source_sha256=document.sha256,
        source_bytes=document.size,
        pages=document.pages[-1].number,
        tokens=memorized.tokens,
        memories=shard.memories,
        fingerprint=fingerprint,
        shard=digest,
    )
    size = shard.weights.nbytes + shard.rows.nbytes + shard.scales.nbytes
    return Learned(row, len(data), size, document.empty_pages, document.failed_pages, document.encoding), data
