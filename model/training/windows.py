"""Builds training windows of the reader: a question's passage among others, packed as for answering, and stories."""

import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from model.bert import SEPARATOR, START, wordpieces
from model.reader.network import NOTHING
from model.reader.windows import LONGEST_SENTENCE, SENTENCES_WINDOW, WINDOW, pack
from model.training.invented import NAMES, PLACES, THINGS, Story
from model.training.questions import LONGEST_PASSAGE, Example, Passage
from model.training.tracking import SUPPORT, TokenLink, track

__all__ = ["Group", "Window", "batches", "crop", "group", "make_window", "story_group", "tokens"]

STEP_TOKENS = 3_000
"""Tokens of a reading step, padding included."""
WITHOUT = 0.08
"""Share of answerable questions that are asked without their passage."""


@dataclass(frozen=True)
class Window:
    """One reading window's ids, kinds and pieces (number of the piece of each token, −1 for none), and a story's links."""

    ids: list[int]
    kinds: list[int]
    pieces: list[int]
    links: tuple[TokenLink, ...] = ()


@dataclass(frozen=True)
class Group:
    """A question's windows. ``spans`` are (window, first token, last token) of its answers, none with a ``kind``."""

    windows: list[Window]
    spans: tuple[tuple[int, int, int], ...]
    kind: int | None = None
    noisy: bool = False

    @property
    def longest(self) -> int:
        return max(len(window.ids) for window in self.windows)


def make_window(contents: list[list[int]], question: list[int]) -> tuple[Window, list[int]]:
    """[START pieces, each with a separator behind it, question SEPARATOR], and where each piece starts."""
    ids, pieces, starts = [START], [-1], []
    for number, content in enumerate(contents):
        starts.append(len(ids))
        ids += [*content, SEPARATOR]
        pieces += [*[number] * len(content), -1]
    asked = [*question, SEPARATOR]
    return Window([*ids, *asked], [0] * len(ids) + [1] * len(asked), [*pieces, *[-1] * len(asked)]), starts


def crop(passage: Passage, low: int, high: int, rng: random.Random) -> tuple[int, int]:
    """A stretch of the passage's tokens, as long as recitations are, that holds ``low`` to ``high``."""
    length = min(max(rng.randint(90, LONGEST_PASSAGE), high - low), len(passage.ids))
    first = rng.randint(max(0, high - length), min(low, len(passage.ids) - length))
    return first, first + length


def group(example: Example, found: list[tuple[Passage, float]], rng: random.Random) -> Group:
    """The example's passage among those found that do not hold its answer, packed as they are for answering."""
    kind, passage = example.kind, example.passage
    answers = [passage.text[passage.offsets[a][0] : passage.offsets[z][1]].lower() for a, z in example.spans]
    others = [(p, score) for p, score in found if p.text != passage.text and not any(a in p.text.lower() for a in answers)]
    others = others[: rng.choices((0, rng.randint(1, 2), rng.randint(3, 6)), (0.35, 0.4, 0.25))[0]]
    right = next((score for p, score in found if p.text == passage.text), others[-1][1] if others else 0.0)
    offered = []
    for p, score in others:
        middle = rng.randrange(len(p.ids))
        offered.append((p, score, crop(p, middle, middle + 1, rng)))
    if kind is None and rng.random() < WITHOUT and offered:
        kind = NOTHING
    else:
        start, end = rng.choice(example.spans) if kind is None else (0, min(len(passage.ids), LONGEST_PASSAGE) - 1)
        offered.append((passage, right, crop(passage, start, end + 1, rng)))
    room = WINDOW - len(example.question) - 2
    offered.sort(key=lambda offer: -offer[1])
    windows, spans = [], []
    for number, chosen in enumerate(pack([after - first for _, _, (first, after) in offered], room)):
        contents = [(offered[i][0], *offered[i][2]) for i in chosen]
        rng.shuffle(contents)
        window, starts = make_window([p.ids[first:after] for p, first, after in contents], example.question)
        windows.append(window)
        for (p, first, after), at in zip(contents, starts, strict=True):
            if p is passage and kind is None:
                spans += [(number, a - first + at, z - first + at) for a, z in example.spans if a >= first and z < after]
    return Group(windows, tuple(spans), kind, example.noisy)


@lru_cache(maxsize=20_000)
def tokens(sentence: str) -> tuple[int, ...]:
    return tuple(wordpieces([sentence])[0].ids)


def story_group(story: Story, fillers: list[str], rng: random.Random) -> Group:
    """The story's facts in order, each a piece, with ``fillers`` between them; where there is no room, the less related go."""
    room = SENTENCES_WINDOW - len(tokens(story.question)) - 2
    related = mentioned(story)
    fillers = [f for f in fillers if not re.search(rf"\b{story.answer}\b", f, re.I)]
    kept = set(story.support)
    room -= sum(len(tokens(story.facts[i])) + 1 for i in kept)
    spare = [i for i in range(len(story.facts)) if i not in kept]
    spare.sort(key=lambda i: (not related & words(story.facts[i])) + rng.random() * 0.5)
    if rng.random() < 0.3:  # as found by vectors that find not all
        spare = [i for i in spare if related & words(story.facts[i]) or rng.random() < 0.5]
    for i in spare:
        room -= len(tokens(story.facts[i])) + 1
        if room < 0:
            break
        kept.add(i)
    pieces: list[tuple[str, int | None]] = [(story.facts[i], i) for i in sorted(kept)]
    for filler in fillers:
        room -= min(len(tokens(filler)), LONGEST_SENTENCE) + 1
        if room < 0:
            break
        pieces.insert(rng.randint(0, len(pieces)), (filler, None))
    window, starts = make_window([list(tokens(text)[:LONGEST_SENTENCE]) for text, _ in pieces], list(tokens(story.question)))
    answer = list(tokens(story.answer))
    place = {fact: at for (_, fact), at in zip(pieces, starts, strict=True) if fact is not None}
    spans = []
    for fact in story.support:
        ids = list(tokens(story.facts[fact]))
        at = place[fact]
        spans += [(0, at + i, at + i + len(answer) - 1) for i in range(len(ids)) if ids[i : i + len(answer)] == answer]
    return Group([replace(window, links=story_links(story, place))], tuple(spans))


def story_links(story: Story, place: dict[int, int]) -> tuple[TokenLink, ...]:
    """The story's links between tokens of its window, of the facts that are there; ``place`` is each one's first token."""

    def token(fact: int, word: str) -> int:
        return place[fact] + tokens(story.facts[fact]).index(tokens(word)[0])

    links: list[TokenLink] = [(SUPPORT, 0, tuple(place[fact] for fact in story.support))]
    for relation, origin, targets in track(story.facts):
        if origin[0] in place and all(fact in place for fact, _ in targets):
            links.append((relation, token(*origin), tuple(token(*target) for target in targets) or (0,)))
    return tuple(links)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def mentioned(story: Story) -> set[str]:
    """People and things of the question and of the facts that answer it; rooms where there are neither."""
    said = set().union(words(story.question), *(words(story.facts[i]) for i in story.support))
    return {name.lower() for name in (*NAMES, *THINGS)} & said or set(PLACES) & said


def batches(groups: list[Group], rng: random.Random) -> list[list[Group]]:
    """Groups of like length together, ``STEP_TOKENS`` with padding in each batch."""
    made: list[list[Group]] = []
    count = 0
    for g in sorted(groups, key=lambda g: g.longest):
        count += len(g.windows)
        if not made or count * g.longest > STEP_TOKENS:
            made.append([])
            count = len(g.windows)
        made[-1].append(g)
    rng.shuffle(made)
    return made
