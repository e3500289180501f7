"""Synthetic training questions: stories in which order matters, identifiers and numbers in real text, text broken as in PDFs."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Story", "babi_stories", "break_text", "identifiers", "invent_story", "numbers"]

HELD_OUT = 10
"""One in so many bAbI stories is never trained on."""

NAMES = (
    "Mary", "John", "Sandra", "Daniel", "Fred", "Bill", "Jeff", "Julie", "Anna", "Peter", "Omar", "Lucy", "Ivan", "Grace",
    "Tom", "Nora", "Hugo", "Alice", "Karl", "Wendy",
)  # fmt: skip
PLACES = (
    "kitchen", "hallway", "garden", "bathroom", "bedroom", "office", "park", "school", "cinema", "cellar", "library", "attic",
    "barn", "station", "chapel", "market",
)  # fmt: skip
THINGS = (
    "apple", "football", "milk", "lamp", "book", "knife", "letter", "coin", "basket", "key", "drum", "violin", "map", "cup",
    "ring", "ladder",
)  # fmt: skip
WENT = ("moved to", "went to", "journeyed to", "travelled to", "went back to")
TOOK = ("took", "got", "grabbed", "picked up")
LEFT = ("dropped", "left", "discarded", "put down")
GAVE = ("gave", "handed", "passed")
SIDES = ("north", "south", "east", "west")
OPPOSITE = dict(zip(SIDES, ("south", "north", "west", "east"), strict=True))


@dataclass(frozen=True)
class Story:
    """Facts in their order, a question, its answer, and the numbers of the facts that tell it."""

    facts: list[str]
    question: str
    answer: str
    support: list[int]


def babi_stories(folder: Path, held_out: bool, tasks: str = "12345") -> list[tuple[int, Story]]:
    """(Task, story) of bAbI's tasks in all their sizes; one file's every tenth story is held out."""
    stories = []
    for path in sorted(folder.rglob(f"qa[{tasks}]_*_train.txt")):
        number = -1
        facts: list[str] = []
        lines: dict[str, int] = {}
        for row in path.read_text().splitlines():
            line, _, rest = row.strip().partition(" ")
            if line == "1":
                number, facts, lines = number + 1, [], {}
            if "\t" not in rest:
                lines[line] = len(facts)
                facts.append(rest)
            elif (number % HELD_OUT == 0) == held_out:
                question, answer, support = rest.split("\t")
                stories.append((int(path.name[2]), Story(list(facts), question.strip(), answer, [lines[s] for s in support.split()])))
    return stories


@dataclass
class World:
    """What an invented story has told so far."""

    rng: random.Random
    facts: list[str] = field(default_factory=list)
    where: dict[str, tuple[str, int]] = field(default_factory=dict)  # of a person: place, fact
    held: dict[str, tuple[str, int]] = field(default_factory=dict)  # of a thing: person, fact
    trail: dict[str, list[tuple[str, list[int]]]] = field(default_factory=dict)  # of a thing: places in order, with their facts
    gifts: list[tuple[str, str, str, int]] = field(default_factory=list)  # giver, thing, receiver, fact

    def tell(self, text: str) -> int:
        self.facts.append(text + ".")
        return len(self.facts) - 1

    def reach(self, thing: str, person: str) -> None:
        """The thing is where the person is who holds it."""
        place, fact = self.where[person]
        trail = self.trail.setdefault(thing, [])
        if not trail or trail[-1][0] != place:
            trail.append((place, [self.held[thing][1], fact]))

    def go(self, person: str, place: str) -> None:
        self.where[person] = (place, self.tell(f"{person} {self.rng.choice(WENT)} the {place}"))
        for thing, (holder, _) in self.held.items():
            if holder == person:
                self.reach(thing, person)

    def take(self, person: str, thing: str) -> None:
        there = self.rng.choice(("", " there"))
        self.held[thing] = (person, self.tell(f"{person} {self.rng.choice(TOOK)} the {thing}{there}"))
        self.reach(thing, person)

    def leave(self, person: str, thing: str) -> None:
        there = self.rng.choice(("", " there"))
        self.tell(f"{person} {self.rng.choice(LEFT)} the {thing}{there}")
        del self.held[thing]

    def give(self, person: str, thing: str, receiver: str) -> None:
        fact = self.tell(f"{person} {self.rng.choice(GAVE)} the {thing} to {receiver}")
        self.gifts.append((person, thing, receiver, fact))
        self.held[thing] = (receiver, fact)
        self.reach(thing, receiver)


def invent_story(rng: random.Random) -> Story:
    """A story of people, places and things after bAbI's tasks 1 to 5, with a question whose answer the facts hold."""
    if rng.random() < 0.08:
        return invent_map(rng)
    world = World(rng)
    people, places, things = (rng.sample(words, count) for words, count in ((NAMES, rng.randint(2, 5)), (PLACES, 6), (THINGS, 3)))
    for person in people:
        world.go(person, rng.choice(places))
    for _ in range(2 + int(54 * rng.random() ** 1.5)):  # short ones more often: more stories in the same time
        step(world, rng.choice(people), people, places, things)
    return ask(world)


def step(world: World, person: str, people: Sequence[str], places: Sequence[str], things: Sequence[str]) -> None:
    rng, holding = world.rng, [thing for thing, (holder, _) in world.held.items() if holder == person]
    lying = [t for t in things if t not in world.held and (t not in world.trail or world.trail[t][-1][0] == world.where[person][0])]
    near = [other for other in people if other != person and world.where[other][0] == world.where[person][0]]
    choice = rng.random()
    if choice < 0.2 and lying:
        world.take(person, rng.choice(lying))
    elif choice < 0.32 and holding:
        world.leave(person, rng.choice(holding))
    elif choice < 0.5 and holding and near:
        world.give(person, rng.choice(holding), rng.choice(near))
    else:
        world.go(person, rng.choice([place for place in places if place != world.where[person][0]]))


def ask(world: World) -> Story:
    rng = world.rng
    moved = [thing for thing, trail in world.trail.items() if len(trail) > 1]
    choice = rng.random()
    if choice < 0.4 and moved:
        thing = rng.choice(moved)
        trail = world.trail[thing]
        at = rng.choice([i for i in range(1, len(trail)) if trail[i][0] not in [place for place, _ in trail[i + 1 :]]])
        support = sorted({*trail[at - 1][1], *trail[at][1]})
        return Story(world.facts, f"Where was the {thing} before the {trail[at][0]}?", trail[at - 1][0], support)
    if choice < 0.65 and world.trail:
        thing = rng.choice(list(world.trail))
        place, support = world.trail[thing][-1]
        return Story(world.facts, f"Where is the {thing}?", place, sorted(set(support)))
    if choice < 0.9 and world.gifts:
        giver, thing, receiver, _ = rng.choice(world.gifts)
        kinds = (  # question, which gifts it speaks of, which part of the gift answers it
            (f"Who gave the {thing} to {receiver}?", lambda g: g[1:3] == (thing, receiver), 0),
            (f"Who gave the {thing}?", lambda g: g[1] == thing, 0),
            (f"What did {giver} give to {receiver}?", lambda g: (g[0], g[2]) == (giver, receiver), 1),
            (f"Who did {giver} give the {thing} to?", lambda g: g[:2] == (giver, thing), 2),
            (f"Who received the {thing}?", lambda g: g[1] == thing, 2),
        )
        question, meant, part = rng.choice(kinds)
        last = [gift for gift in world.gifts if meant(gift)][-1]  # the last of its kind counts
        return Story(world.facts, question, last[:3][part], [last[3]])
    person = rng.choice(list(world.where))
    return Story(world.facts, f"Where is {person}?", world.where[person][0], [world.where[person][1]])


def invent_map(rng: random.Random) -> Story:
    """Two or three rooms and their sides (task 4)."""
    rooms = rng.sample(PLACES, rng.randint(3, 4))
    sides = rng.sample(SIDES, len(rooms) - 1)
    facts = [f"The {rooms[i + 1]} is {sides[i]} of the {rooms[0]}." for i in range(len(rooms) - 1)]
    at = rng.randrange(len(facts))
    question, answer = rng.choice(
        (
            (f"What is {sides[at]} of the {rooms[0]}?", rooms[at + 1]),
            (f"What is the {rooms[at + 1]} {sides[at]} of?", rooms[0]),
            (f"What is the {rooms[0]} {OPPOSITE[sides[at]]} of?", rooms[at + 1]),
        )
    )
    return Story(facts, question, answer, [at])


IDENTIFIER_FACTS = (
    ("The access code for {key} is {value}.", "What is the access code for {key}?"),
    ("Please note that {key} was registered under number {value}.", "Under which number was {key} registered?"),
    ("{key} has the serial number {value}.", "Which serial number does {key} have?"),
    ("The secret of {key} is {value}, as everyone agreed.", "What is the secret of {key}?"),
    ("Parcel {key}: reference {value}.", "What is the reference of parcel {key}?"),
    ("For {key} we measured {value}.", "What was measured for {key}?"),
    ("The word to remember for {key} is: {value}.", "Which word is to be remembered for {key}?"),
)


def identifier(rng: random.Random, words: Sequence[str]) -> str:
    return rng.choice(
        (
            lambda: str(rng.randrange(10 ** rng.randrange(2, 9))),
            lambda: f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-{rng.getrandbits(16):04x}-{rng.getrandbits(48):012x}",
            lambda: f"{rng.choice(words)}-{rng.choice(words)}",
            lambda: f"{rng.choice('ABCDEFGHKMNPRSTX')}{rng.choice('ABCDEFGHKMNPRSTX')}-{rng.randrange(10000):04}",
            lambda: f"{rng.choice(words)} {rng.choice(words)}",
            lambda: rng.choice(words),
        )
    )()


def insert(text: str, facts: Sequence[str], rng: random.Random) -> str:
    """The facts at ends of sentences of the text."""
    ends = [m.end() for m in re.finditer(r"[.!?] ", text)] or [0]
    for at, fact in sorted(((rng.choice(ends), fact) for fact in facts), reverse=True):
        text = f"{text[:at]}{fact} {text[at:]}"
    return text


def record(context: str, question: str, answer: str, at: int) -> dict:
    return {"title": "", "context": context, "question": question, "answers": [answer], "answer_start": [at]}


def identifiers(texts: Sequence[str], count: int, rng: random.Random) -> list[dict]:
    """Questions after one of several keyed facts that stand in a real text, as records."""
    words = [word for text in texts[:400] for word in re.findall(r"\b[a-z]{4,10}\b", text)]
    records = []
    for text in rng.choices(texts, k=count):
        fact, question = rng.choice(IDENTIFIER_FACTS)
        keys = list(dict.fromkeys(identifier(rng, words) for _ in range(rng.randint(1, 4))))
        values = [identifier(rng, words) for _ in keys]
        facts = [fact.format(key=key, value=value) for key, value in zip(keys, values, strict=True)]
        context = insert(text[:700], facts, rng)
        if context.count(facts[0]) == 1:
            at = context.find(facts[0]) + facts[0].rindex(values[0])
            records.append(record(context, question.format(key=keys[0]), values[0], at))
    return records


NUMBER = re.compile(r"(?<![\w.,$€£-])([$€£]?\d[\d,]*(?:\.\d+)?)(?![\w-]|[.,]\d)")


def numbers(texts: Sequence[str], count: int, rng: random.Random) -> list[dict]:
    """Sentences of real texts with one number, asked with the number's place left open, as records."""
    records = []
    for text in rng.sample(texts, len(texts)):
        for sentence in re.finditer(r"(?<=[.!?] )[A-Z][^.!?]{30,160}\.(?= )", text):
            found = list(NUMBER.finditer(sentence[0]))
            if len(found) != 1:
                continue
            value, at = found[0][1], found[0].start(1)
            year = re.fullmatch(r"1[0-9]{3}|20[0-2][0-9]", value)
            open_word = (
                "how much" if value[0] in "$€£" else "which year" if year else "how many" if sentence[0][at + len(value)] == " " else "what"
            )
            question = sentence[0][:at] + open_word + sentence[0][at + len(value) : -1] + "?"
            records.append(record(text, question, value, sentence.start() + at))
            break
        if len(records) == count:
            break
    return records


def break_text(given: dict, rng: random.Random, share: float = 0.06) -> dict:
    """The record with some of its context's longer words broken by a hyphen and a line end, outside the answer."""
    context, at = given["context"], given["answer_start"][0]
    answer = range(at, at + len(given["answers"][0]))
    places = [m.start() + rng.randint(2, 5) for m in re.finditer(r"\b[a-z]{8,}\b", context) if rng.random() < share * 5]
    places = [place for place in places if place not in answer and place - 6 not in answer and place + 6 not in answer]
    for place in reversed(places):
        context = f"{context[:place]}-\n{context[place:]}"
        at += 2 * (place < answer.start)
    return {**given, "context": context, "answers": given["answers"][:1], "answer_start": [at]}
