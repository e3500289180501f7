"""Questions as people ask them, made by rules from texts: options, definitions and settings of manuals, facts of fact books.

Each maker yields records {title, context, question, answers, answer_start} like those of the question sets; ``answers`` is empty
where the context does not answer. Questions about tables are in ``everyday_tables.py``.
"""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.training.corpus import is_held_out

__all__ = [
    "Record",
    "add_typing_noise",
    "definition_questions",
    "fact_questions",
    "option_questions",
    "phrase",
    "questions_from_texts",
    "record",
    "setting_questions",
]

Record = dict


def record(context: str, question: str, answer: str | None, at: int = -1) -> Record:
    """The question with its answer at character ``at`` of the context, or without one."""
    answers = [] if answer is None else [answer]
    return {"title": "", "context": context, "question": question, "answers": answers, "answer_start": [at] if answers else []}


def add_typing_noise(question: str, rng: random.Random) -> str:
    """The question as it is typed in a hurry: often in lower case or without its mark, at times with a slip of a key."""
    if rng.random() < 0.5:
        question = question.lower()
    if rng.random() < 0.4:
        question = question.rstrip("?. ")
    if rng.random() < 0.12:
        places = [i for i in range(1, len(question) - 2) if question[i : i + 2].isalpha()]
        if places:
            at = rng.choice(places)
            slips = (question[at + 1] + question[at], question[at], question[at] + question[at] + question[at + 1])
            question = question[:at] + rng.choice(slips) + question[at + 2 :]
    return question


def keywords(question: str) -> str:
    """The question's content words alone."""
    drop = r"\b(what|which|how|is|are|the|a|an|of|do|does|did|i|you|to|in|for|was|were|there|can|option|makes?|much|many|it|mean)\b"
    return " ".join(re.sub(drop, " ", question.lower().rstrip("?")).split())


def phrase(templates: Sequence[str], rng: random.Random) -> str:
    """One of the templates, some as keywords, with typing noise."""
    question = rng.choice(templates)
    return add_typing_noise(keywords(question) if rng.random() < 0.12 else question, rng)


OPTION = re.compile(
    r"(?:^|\n)((?:-{1,2}[\w-]+(?:[= ]?<[^>\n]+>|\[=<[^>\n]+>\])?::\n)+)((?:[ \t]+\S[^\n]*\n|\+\n|[^\s-][^\n]*\n)+)",
)


def option_questions(text: str, rng: random.Random) -> Iterator[Record]:
    """Options of a manual in AsciiDoc: which one does this, what does that one do; also one that the passage does not list."""
    found = [(m[1].replace("::", "").split("\n")[:-1], " ".join(m[2].replace("+\n", " ").split())) for m in OPTION.finditer(text)]
    found = [(names, said) for names, said in found if len(said) > 20]
    for i in range(len(found) - 2):
        some = found[i : i + rng.randint(2, 5)]
        context = "\n".join(f"{', '.join(names)}\n    {said[:400]}" for names, said in some)
        names, said = rng.choice(some)
        first = re.split(r"(?<=[.;:]) |, ", said)[0].rstrip(".;:")
        if not 3 <= len(first.split()) <= 25:
            continue
        name = ", ".join(names)
        does = first[0].lower() + first[1:]
        if rng.random() < 0.6:
            templates = (f"Which option is there to {does}?", f"how do i {does}", f"What is the flag to {does}?", f"option to {does}")
            yield record(context, phrase(templates, rng), name, context.find(name + "\n"))
        else:
            form = rng.choice(names).split("=")[0].split(" ")[0]
            templates = (f"What does {form} do?", f"What is {form} for?", f"meaning of {form}", f"What happens with {form}?")
            yield record(context, phrase(templates, rng), first, context.find(first))
        others = [o for o in found if o not in some]
        if others and rng.random() < 0.25:
            form = rng.choice(rng.choice(others)[0]).split("=")[0].split(" ")[0]
            if form not in context:
                yield record(context, phrase((f"What does {form} do?", f"What is {form} for?"), rng), None)


def dictionary_entries(text: str, kind: str) -> list[tuple[str, str]]:
    """Headword and definition of a dictionary's entries; ``kind`` is foldoc, gcide or jargon."""
    pattern = {
        "foldoc": r"\n([^\s][^\n]{1,40})\n\n((?:   [^\n]+\n|\n(?=   ))+)",
        "gcide": r"\n([A-Z][\w'-]+(?: [a-z][\w'-]+)?) \\[^\n]*\n((?:   [^\n]+\n)+)",
        "jargon": r"\n([^\s][^\n]{1,40})\n /[^\n]*\n\n((?:    [^\n]+\n|\n(?=    ))+)",
    }[kind]
    result = []
    for match in re.finditer(pattern, text):
        said = re.sub(r"[{}]|<[\w, ]+> ?|\[[^\]]{0,60}\]", "", " ".join(match[2].split())).strip()
        said = re.sub(r"^(?:1\. |\([\w. ]{1,40}\) )+", "", said)
        if len(said) > 40:
            result.append((match[1].strip(), said[:500]))
    return result


def definition_questions(text: str, kind: str, rng: random.Random) -> Iterator[Record]:
    """What is X, X's definition among those of others; also words that the passage does not define."""
    found = dictionary_entries(text, kind)
    for i, (word, said) in enumerate(found):
        first = re.split(r"(?<=[a-z)][.;:]) ", said)[0].rstrip(".;: ")
        if not 4 <= len(first.split()) <= 40:
            continue
        near = found[max(0, i - 40) : i + 40]
        some = [(word, said), *rng.sample(near, min(rng.randint(0, 3), len(near)))]
        rng.shuffle(some)
        context = rng.choice(("\n", "\n\n", " ")).join(f"{w}{rng.choice((': ', chr(10), ' - '))}{s}" for w, s in dict(some).items())
        if context.count(first) != 1:
            continue
        templates = (
            f"What is {word}?",
            f"What does {word} mean?",
            f"define {word}",
            f"{word} meaning",
            f"what's {word}?",
            f"What is a {word}?",
        )
        absent = found[(i + 200) % len(found)][0]
        if rng.random() < 0.15 and absent not in context:
            yield record(context, phrase((f"What is {absent}?", f"What does {absent} mean?"), rng), None)
        else:
            yield record(context, phrase(templates, rng), first, context.find(first))


SETTING = re.compile(r"\n([a-z]\w*_\w+) \((\w+)\)\n\n((?:[ ]{8}[^\n]+\n|\n(?=[ ]{8}))+)")
DEFAULT = re.compile(r"[Tt]he default(?: value| setting)?(?: is| of)(?: typically)? ([^.,;()]{1,40}?)(?=[.,;(]| \(|$| which| and)")


def setting_questions(text: str, rng: random.Random) -> Iterator[Record]:
    """Settings of a server manual: their defaults, and what they set."""
    templates: tuple[str, ...]
    found = [(m[1], " ".join(m[3].split())) for m in SETTING.finditer(text)]
    for i, (name, said) in enumerate(found):
        some = found[max(0, i - rng.randint(0, 1)) : i + 1 + rng.randint(0, 1)]
        context = "\n\n".join(f"{n}\n    {s[:450]}" for n, s in some)
        spoken = name.replace("_", " ")
        here = context.find(name + "\n")
        default = DEFAULT.search(said[:440])
        if default:
            at = context.find(default[0], here) + default.start(1) - default.start(0)
            templates = (
                f"What is the default of {name}?",
                f"default {spoken}",
                f"what is {name} set to by default?",
                f"What's the default {spoken}?",
            )
            yield record(context, phrase(templates, rng), default[1], at)
        first = re.split(r"(?<=[a-z)])[.] ", said)[0].rstrip(".")
        if 4 <= len(first.split()) <= 40 and context.find(first, here) >= 0:
            templates = (f"What does {name} do?", f"What is {spoken} for?", f"what does the setting {name} control?")
            yield record(context, phrase(templates, rng), first, context.find(first, here))


FACT = re.compile(r"(?:^|\n)([A-Z][\w ,()/-]{3,50}): ((?:[^\n:]{2,90}))(?=\n)")


def fact_questions(text: str, rng: random.Random) -> Iterator[Record]:
    """``Name: value`` lines of a fact book: the value asked by the name, and names that the passage lacks."""
    lines = [line for line in text.splitlines() if line.strip()]
    names = [m[1] for m in FACT.finditer(text)]
    for i in range(0, len(lines) - 12, 6):
        context = "\n".join(lines[i : i + rng.randint(8, 16)])[:1100]
        found = [m for m in FACT.finditer(context) if context.count(m[1]) == 1]
        for match in rng.sample(found, min(2, len(found))):
            name = match[1].lower() if match[1][1:].islower() else match[1]
            templates = (f"What is the {name}?", f"{name}", f"how much is the {name}", f"What's the {name}?")
            yield record(context, phrase(templates, rng), match[2].strip(), match.start(2))
        absent = rng.choice(names) if names else None
        if absent and absent.lower() not in context.lower() and rng.random() < 0.2:
            yield record(context, phrase((f"What is the {absent}?", f"What's the {absent}?"), rng), None)


def questions_from_texts(root: Path, limit: int, rng: random.Random) -> list[Record]:
    """Rule-made questions from the training files of a text folder, ``limit`` of each kind at most."""
    files = [path for path in sorted(root.rglob("*.txt")) if not is_held_out(path.name)]
    rng.shuffle(files)
    kinds: dict[str, list[Record]] = {"options": [], "settings": [], "facts": [], "definitions": []}
    for path in files:
        folder = path.relative_to(root).parts[0]
        text = path.read_text("utf-8", errors="replace")
        if folder == "git-doc_txt":
            kinds["options"] += option_questions(text, rng)
        elif folder == "postgresql-doc_txt":
            kinds["settings"] += setting_questions(text, rng)
        elif folder == "factbook_txt":
            kinds["facts"] += fact_questions(text, rng)
        elif path.stem in ("foldoc", "gcide", "jargon"):
            kinds["definitions"] += definition_questions(text[:6_000_000], path.stem, rng)
    return [r for records in kinds.values() for r in rng.sample(records, min(limit, len(records)))]
