"""Training rounds: mixes the questions of all sources and synthetic ones, and makes reading groups of them."""

import random
from pathlib import Path

from model.training.invented import Story, break_text, identifiers, invent_story, numbers
from model.training.library import Library
from model.training.questions import Example, prepare, read_jsonl
from model.training.windows import Group, group, story_group

__all__ = ["Inventor"]

INVENTED = {"stories": 40_000, "babi": 16_000, "identifiers": 3_000, "numbers": 3_000, "broken": 2_000}
"""Invented questions of a round, made anew each time, but for numbers and broken text."""


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
