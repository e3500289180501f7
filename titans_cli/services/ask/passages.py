"""Recited sentences as evidence, and the passages that come closest to a question. Writes nothing."""

import re
from collections.abc import Iterable, Sequence

from model import content_words
from titans_cli.services.ask.results import Evidence
from titans_cli.services.ask.retrieve import Recitation, Retrieval

__all__ = ["ABSENT", "Place", "best_places", "closest_passages", "evidence_at", "place_of"]

ABSENT = 0.48
"""Score of the best sentence below which nothing in memory is about the question.

Of 189 questions that the documents of ``bench/everyday.py`` answer (its development half) 0.5 % are below; of 320 questions about
other things 86 % (about companies' reports) to 99 % (about tales).
"""
CLOSEST = 3
"""Passages shown at most."""
LIKELIEST = 2
"""The places of so many readings come before those that fit best: of 137 of these questions 91 % then show the right place, else 85 %."""
LONGEST = 60
"""Words of a passage at most."""
SENTENCES = 3
"""Sentences of a passage at most."""
BEHIND = 0.6
"""A passage is not shown if its best sentence's score is that much below the first passage's."""

LEADERS = re.compile(r"(?:\. ?){8}")
"""Dots that lead to a page number: a table of contents tells nothing."""

Place = tuple[Recitation, int]
"""A sentence: its recitation, and its number in there."""


def evidence_at(run: Recitation, first: int, last: int, spans: Iterable[tuple[int, int]] = (), score: float | None = None) -> Evidence:
    """Sentences ``first`` to ``last`` of ``run`` as evidence; ``spans`` are the characters of the run that are the answer."""
    parts = run.sentences[first : last + 1]
    return piece_of(run, first, last, parts[0].start, parts[-1].end, spans, run.score if score is None else score)


def piece_of(run: Recitation, first: int, last: int, start: int, end: int, spans: Iterable[tuple[int, int]], score: float) -> Evidence:
    """Characters ``start`` to ``end`` of ``run``, in sentences ``first`` to ``last``; … stands where one is cut or goes on."""
    sentences = run.sentences
    whole = run.text[start:end]
    text, begin = whole.strip(), start + len(whole) - len(whole.lstrip())
    before = "… " if start > sentences[first].start else "…" if is_cut(run, first - 1) else ""
    after = " …" if end < sentences[last].end else "…" if is_cut(run, last) else ""
    shift = len(before) - begin
    marked = tuple((max(len(before), a + shift), min(len(before) + len(text), b + shift)) for a, b in spans)
    verbatim = all(run.verbatim[s.memory] for s in sentences[first : last + 1])
    page = run.pages[sentences[first].memory]
    numbers = run.place + first, run.place + last
    return Evidence(f"{before}{text}{after}", run.document, page, verbatim, round(score, 4), run.source, marked, numbers)


def is_cut(run: Recitation, number: int) -> bool:
    """Whether the end of sentence ``number`` (−1: what is before the first) parts a word."""
    if not -1 <= number < len(run.sentences):
        return False
    if number == -1:
        return run.cut[0]
    if number == len(run.sentences) - 1:
        return run.cut[1]
    end, memory, following = run.sentences[number].end, run.sentences[number].memory, run.sentences[number + 1].memory
    return run.pages[memory] == run.pages[following] and bool(re.match(r"\w\w", run.text[end - 1 : end + 1])) and run.text[end] < "\u2e80"


def place_of(run: Recitation, start: int, end: int) -> tuple[int, int]:
    """Numbers of the first and the last sentence of ``run`` that hold some of its characters ``start`` to ``end``."""
    held = [i for i, s in enumerate(run.sentences) if s.start < end and s.end > start]
    return (held[0], held[-1]) if held else (0, 0)


def closest_passages(question: str, retrieval: Retrieval, read: Sequence[Place], shown: Sequence[Evidence] = ()) -> tuple[Evidence, ...]:
    """The passages that come closest to ``question``, best first; none if nothing in memory is about it.

    They stand around the sentences ``read`` (where the likeliest answers are, best first) and those that fit best, and share no
    sentence with each other or with what is ``shown`` already; both together are at most ``CLOSEST``.
    """
    if not len(retrieval.fits) or retrieval.fits.max() < ABSENT:
        return ()
    asked = set(content_words(question))
    taken = {number for piece in shown for number in range(piece.sentences[0], piece.sentences[1] + 1)}
    texts = {" ".join(piece.text.split()) for piece in shown}
    found: list[Evidence] = []
    for run, number in [*read[:LIKELIEST], *best_places(retrieval), *read[LIKELIEST:]]:
        if len(found) + len(shown) >= CLOSEST:
            break
        if run.place + number in taken or (found and LEADERS.search(text_of(run, number))):
            continue
        first, last = around(run, number, retrieval, taken)
        score = max(float(retrieval.fits[run.place + i]) for i in range(first, last + 1))
        start, end = stretch(run, number, asked) if first == last else (run.sentences[first].start, run.sentences[last].end)
        piece = piece_of(run, first, last, start, end, (), score)
        key = " ".join(piece.text.split())
        if not key or key in texts or (found and score < found[0].score - BEHIND):
            continue
        found.append(piece)
        texts.add(key)
        taken |= set(range(run.place + first, run.place + last + 1))
    return tuple(found)


def best_places(retrieval: Retrieval) -> list[Place]:
    """The sentences that fit, best first; neither those that are only like them nor tables of contents, unless there is nothing else."""
    runs = retrieval.run_of()
    hits = (hit for hit in retrieval.hits if hit.sentence not in retrieval.associated)
    places = [(runs[hit.memory], hit.sentence - runs[hit.memory].place) for hit in sorted(hits, key=lambda hit: -hit.score)]
    return [(run, number) for run, number in places if not LEADERS.search(text_of(run, number))] or places


def around(run: Recitation, number: int, retrieval: Retrieval, taken: set[int]) -> tuple[int, int]:
    """First and last of the sentences of a passage around sentence ``number``: on one page, and not too long."""
    first = last = number
    size = words_in(run, number)
    while last - first + 1 < SENTENCES:
        near = [i for i in (last + 1, first - 1) if 0 <= i < len(run.sentences) and run.place + i not in taken]
        near = [i for i in near if run.pages[run.sentences[i].memory] == run.pages[run.sentences[number].memory]]
        near = [i for i in near if size + words_in(run, i) <= LONGEST]
        if not near:
            break
        best = max(near, key=lambda i: (i > last and is_heading(run, last), float(retrieval.fits[run.place + i])))
        size += words_in(run, best)
        first, last = min(first, best), max(last, best)
    return first, last


def text_of(run: Recitation, number: int) -> str:
    sentence = run.sentences[number]
    return run.text[sentence.start : sentence.end]


def words_in(run: Recitation, number: int) -> int:
    return len(text_of(run, number).split())


def is_heading(run: Recitation, number: int) -> bool:
    """Whether a sentence leads on to the next: a question, a heading, words with a colon."""
    return not text_of(run, number).rstrip().endswith((".", "!", "…", "。"))


def stretch(run: Recitation, number: int, asked: set[str]) -> tuple[int, int]:
    """Characters of at most ``LONGEST`` words of a sentence: those that hold most of the words ``asked``, whole lines where it has some."""
    sentence, text = run.sentences[number], text_of(run, number)
    tokens = [match.span() for match in re.finditer(r"\S+", text)]
    if len(tokens) <= LONGEST:
        return sentence.start, sentence.end
    held = [bool(asked & set(content_words(text[a:b]))) for a, b in tokens]
    starts = [i for i, (a, _) in enumerate(tokens) if "\n" in text[tokens[i - 1][1] if i else 0 : a]] or list(range(0, len(tokens), 5))
    starts = [0, *(i for i in starts if i)]
    counts = {i: sum(held[i : i + LONGEST]) for i in starts}
    most = max(counts.values())
    fitting = [i for i in starts if counts[i] == most]
    begin = fitting[len(fitting) // 2]
    ends = [i for i in [*starts, len(tokens)] if begin < i <= begin + LONGEST]
    end = ends[-1] if ends and sum(held[begin : ends[-1]]) == most else min(len(tokens), begin + LONGEST)
    first = sentence.start if begin == 0 else sentence.start + tokens[begin][0]
    return first, sentence.end if end == len(tokens) else sentence.start + tokens[end - 1][1]
