"""Questions as people ask them, made by rules: options, definitions and settings of manuals, facts of fact books, cells of tables.

Each maker yields records {title, context, question, answers, answer_start} like those of the question sets; ``answers`` is empty
where the context does not answer. ``rough`` writes a question as it is typed in a hurry.
"""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["definitions", "facts", "options", "rough", "settings", "table_questions"]

Record = dict


def record(context: str, question: str, answer: str | None, at: int = -1) -> Record:
    answers = [] if answer is None else [answer]
    return {"title": "", "context": context, "question": question, "answers": answers, "answer_start": [at] if answers else []}


def rough(question: str, rng: random.Random) -> str:
    """The question in lower case, without its mark, with a slip of a key, or as it is; typing habits in their shares."""
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


def asked(forms: Sequence[str], rng: random.Random) -> str:
    question = rng.choice(forms)
    return rough(keywords(question) if rng.random() < 0.12 else question, rng)


OPTION = re.compile(
    r"(?:^|\n)((?:-{1,2}[\w-]+(?:[= ]?<[^>\n]+>|\[=<[^>\n]+>\])?::\n)+)((?:[ \t]+\S[^\n]*\n|\+\n|[^\s-][^\n]*\n)+)",
)


def options(text: str, rng: random.Random) -> Iterator[Record]:
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
            forms = (f"Which option is there to {does}?", f"how do i {does}", f"What is the flag to {does}?", f"option to {does}")
            yield record(context, asked(forms, rng), name, context.find(name + "\n"))
        else:
            form = rng.choice(names).split("=")[0].split(" ")[0]
            forms = (f"What does {form} do?", f"What is {form} for?", f"meaning of {form}", f"What happens with {form}?")
            yield record(context, asked(forms, rng), first, context.find(first))
        others = [o for o in found if o not in some]
        if others and rng.random() < 0.25:
            form = rng.choice(rng.choice(others)[0]).split("=")[0].split(" ")[0]
            if form not in context:
                yield record(context, asked((f"What does {form} do?", f"What is {form} for?"), rng), None)


def entries(text: str, kind: str) -> list[tuple[str, str]]:
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


def definitions(text: str, kind: str, rng: random.Random) -> Iterator[Record]:
    """What is X, X's definition among those of others; also words that the passage does not define."""
    found = entries(text, kind)
    for i, (word, said) in enumerate(found):
        first = re.split(r"(?<=[a-z)][.;:]) ", said)[0].rstrip(".;: ")
        if not 4 <= len(first.split()) <= 40:
            continue
        some = [(word, said), *rng.sample(found[max(0, i - 40) : i + 40], min(rng.randint(0, 3), len(found[max(0, i - 40) : i + 40])))]
        rng.shuffle(some)
        context = rng.choice(("\n", "\n\n", " ")).join(f"{w}{rng.choice((': ', chr(10), ' - '))}{s}" for w, s in dict(some).items())
        if context.count(first) != 1:
            continue
        forms = (
            f"What is {word}?",
            f"What does {word} mean?",
            f"define {word}",
            f"{word} meaning",
            f"what's {word}?",
            f"What is a {word}?",
        )
        absent = found[(i + 200) % len(found)][0]
        if rng.random() < 0.15 and absent not in context:
            yield record(context, asked((f"What is {absent}?", f"What does {absent} mean?"), rng), None)
        else:
            yield record(context, asked(forms, rng), first, context.find(first))


SETTING = re.compile(r"\n([a-z]\w*_\w+) \((\w+)\)\n\n((?:[ ]{8}[^\n]+\n|\n(?=[ ]{8}))+)")
DEFAULT = re.compile(r"[Tt]he default(?: value| setting)?(?: is| of)(?: typically)? ([^.,;()]{1,40}?)(?=[.,;(]| \(|$| which| and)")


def settings(text: str, rng: random.Random) -> Iterator[Record]:
    """Settings of a server manual: their defaults, and what they set."""
    found = [(m[1], " ".join(m[3].split())) for m in SETTING.finditer(text)]
    for i, (name, said) in enumerate(found):
        some = found[max(0, i - rng.randint(0, 1)) : i + 1 + rng.randint(0, 1)]
        context = "\n\n".join(f"{n}\n    {s[:450]}" for n, s in some)
        spoken = name.replace("_", " ")
        here = context.find(name + "\n")
        default = DEFAULT.search(said[:440])
        if default:
            at = context.find(default[0], here) + default.start(1) - default.start(0)
            forms = (
                f"What is the default of {name}?",
                f"default {spoken}",
                f"what is {name} set to by default?",
                f"What's the default {spoken}?",
            )
            yield record(context, asked(forms, rng), default[1], at)
        first = re.split(r"(?<=[a-z)])[.] ", said)[0].rstrip(".")
        if 4 <= len(first.split()) <= 40 and context.find(first, here) >= 0:
            forms = (f"What does {name} do?", f"What is {spoken} for?", f"what does the setting {name} control?")
            yield record(context, asked(forms, rng), first, context.find(first, here))


FACT = re.compile(r"(?:^|\n)([A-Z][\w ,()/-]{3,50}): ((?:[^\n:]{2,90}))(?=\n)")


def facts(text: str, rng: random.Random) -> Iterator[Record]:
    """``Name: value`` lines of a fact book: the value asked by the name, and names that the passage lacks."""
    lines = [line for line in text.splitlines() if line.strip()]
    names = [m[1] for m in FACT.finditer(text)]
    for i in range(0, len(lines) - 12, 6):
        context = "\n".join(lines[i : i + rng.randint(8, 16)])[:1100]
        found = [m for m in FACT.finditer(context) if context.count(m[1]) == 1]
        for match in rng.sample(found, min(2, len(found))):
            name = match[1].lower() if match[1][1:].islower() else match[1]
            forms = (f"What is the {name}?", f"{name}", f"how much is the {name}", f"What's the {name}?")
            yield record(context, asked(forms, rng), match[2].strip(), match.start(2))
        absent = rng.choice(names) if names else None
        if absent and absent.lower() not in context.lower() and rng.random() < 0.2:
            yield record(context, asked((f"What is the {absent}?", f"What's the {absent}?"), rng), None)


ITEMS = [
    "cable",
    "lamp",
    "desk",
    "chair",
    "monitor",
    "keyboard",
    "mouse",
    "printer",
    "router",
    "battery",
    "charger",
    "folder",
    "stapler",
    "mug",
    "backpack",
    "bottle",
    "tent",
    "stove",
    "rope",
    "helmet",
    "drill",
    "hammer",
    "saw",
    "ladder",
    "paint",
    "brush",
    "bolt",
    "screw",
    "filter",
    "pump",
    "valve",
    "sensor",
    "fan",
    "motor",
    "switch",
    "fuse",
    "bulb",
    "carpet",
    "curtain",
    "mirror",
]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
PEOPLE = [
    "Anna Berg",
    "Tom Reed",
    "Lena Fox",
    "Omar Aziz",
    "Mia Chen",
    "Paul Novak",
    "Sara Lind",
    "Jack Moore",
    "Eva Klein",
    "Raj Patel",
    "Nina Rossi",
    "Luis Vega",
    "Kate Shaw",
    "Ben Cole",
    "Ida Holm",
    "Max Weber",
]
CITIES = [
    "Oslo",
    "Lyon",
    "Graz",
    "Porto",
    "Leeds",
    "Turin",
    "Ghent",
    "Malmo",
    "Cork",
    "Basel",
    "Gdansk",
    "Bergen",
    "Aarhus",
    "Bath",
    "Split",
    "Delft",
]
MODES = ["fast", "slow", "off", "on", "auto", "manual", "debug", "strict", "none", "full"]


def column(rng: random.Random, rows: int) -> tuple[str, str, list[str]]:
    """A column's header, how people speak of it, and its values."""

    def money(sign: str) -> list[str]:
        return [rng.choice((f"{sign}{v:,.2f}", f"{sign}{v:,.0f}")) for v in (rng.uniform(2, 3000) for _ in range(rows))]

    return rng.choice(
        (
            lambda: ("Price", "price", money(rng.choice("$€£"))),
            lambda: ("Quantity", "quantity", [str(rng.randint(1, 500)) for _ in range(rows)]),
            lambda: ("Stock", "stock", [str(rng.randint(0, 900)) for _ in range(rows)]),
            lambda: ("Electricity (kWh)", "electricity use", [f"{rng.uniform(80, 900):.1f}" for _ in range(rows)]),
            lambda: ("Gas (m3)", "gas use", [str(rng.randint(5, 300)) for _ in range(rows)]),
            lambda: ("Rainfall mm", "rainfall", [str(rng.randint(0, 240)) for _ in range(rows)]),
            lambda: ("Revenue (USD millions)", "revenue", [f"{rng.randint(100, 9999):,}" for _ in range(rows)]),
            lambda: ("Owner", "owner", [rng.choice(PEOPLE) for _ in range(rows)]),
            lambda: ("City", "city", [rng.choice(CITIES) for _ in range(rows)]),
            lambda: ("Phone", "phone number", [f"+44 {rng.randint(1000, 9999)} {rng.randint(100000, 999999)}" for _ in range(rows)]),
            lambda: (
                "Default",
                "default",
                [rng.choice((*MODES, str(rng.choice((0, 1, 8, 16, 64, 128, 1024, 8080))))) for _ in range(rows)],
            ),
            lambda: ("Weight", "weight", [f"{rng.uniform(0.1, 90):.1f} kg" for _ in range(rows)]),
            lambda: (
                "Due",
                "due date",
                [f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}" for _ in range(rows)],
            ),
            lambda: ("Latency ms", "latency", [str(rng.randint(1, 900)) for _ in range(rows)]),
            lambda: ("Score", "score", [f"{rng.uniform(0, 100):.1f}" for _ in range(rows)]),
        )
    )()


def table_questions(count: int, rng: random.Random) -> Iterator[Record]:
    """Cells of invented tables by row and column, largest and smallest values, rows and columns that are not there."""
    for _ in range(count):
        rows = rng.randint(3, 9)
        kind, names = rng.choice(
            (
                ("Item", rng.sample(ITEMS, rows)),
                (
                    "Month",
                    [
                        f"{m} {y}"
                        for y, m in ((rng.choice((2023, 2024, 2025)), m) for m in sorted(rng.sample(MONTHS, rows), key=MONTHS.index))
                    ],
                ),
                ("Name", rng.sample(PEOPLE, rows)),
                ("City", rng.sample(CITIES, rows)),
                ("Parameter", [f"{rng.choice(MODES)}_{item}" for item in rng.sample(ITEMS, rows)]),
                ("Year", [str(y) for y in range(2010, 2010 + rows)]),
            )
        )
        columns: list[tuple[str, str, list[str]]] = []
        wanted = rng.randint(1, 5)
        while len(columns) < wanted:
            new = column(rng, rows)
            if new[0] not in [c[0] for c in columns] + [kind]:
                columns.append(new)
        context, places = write_table(kind, names, columns, rng)
        header, spoken, values = columns[which := rng.randrange(len(columns))]
        row = rng.randrange(rows)
        name, value = names[row], values[row]
        choice = rng.random()
        numeric = (
            [float(re.sub(r"[^\d.]", "", v) or "nan") for v in values] if header not in ("Owner", "City", "Phone", "Due", "Default") else []
        )
        if choice < 0.14 and len(set(numeric)) == rows:
            largest = rng.random() < 0.5
            row = numeric.index((max if largest else min)(numeric))
            most = rng.choice(("highest", "largest", "most")) if largest else rng.choice(("lowest", "smallest", "least"))
            forms = (f"Which {kind.lower()} has the {most} {spoken}?", f"{kind.lower()} with the {most} {spoken}")
            yield record(context, asked(forms, rng), names[row], places[row][0])
        elif choice < 0.26:
            absent = next(n for n in rng.sample([*ITEMS, *CITIES, *PEOPLE], 30) if n.lower() not in context.lower())
            other = next(
                c for c in (column(rng, rows) for _ in iter(int, 1)) if c[0].lower() not in context.lower() and c[1] not in context.lower()
            )
            question = f"What is the {spoken} of {absent}?" if rng.random() < 0.5 else f"What is the {other[1]} of {name}?"
            yield record(context, rough(question, rng), None)
        elif choice < 0.36 and values.count(value) == 1:
            forms = (
                f"Which {kind.lower()} has {spoken} {value}?",
                f"{kind.lower()} with {spoken} of {value}",
                f"what has a {spoken} of {value}?",
            )
            yield record(context, asked(forms, rng), name, places[row][0])
        else:
            forms = (
                f"What is the {spoken} of {name}?", f"What was the {spoken} for {name}?", f"{name} {spoken}", f"{spoken} {name}",
                f"how much {spoken} in {name}", f"What {spoken} does {name} have?", f"tell me the {spoken} for {name}",
            )  # fmt: skip
            yield record(context, rough(rng.choice(forms), rng), value, places[row][1 + which])


def write_table(kind: str, names: list[str], columns: list[tuple[str, str, list[str]]], rng: random.Random) -> tuple[str, list[list[int]]]:
    """The table as text in one of five forms, and where each cell of each row stands (the row's name first)."""
    title = rng.choice(("", "", f"Table {rng.randint(1, 9)}. ", "Overview\n", f"{rng.choice(CITIES)} {rng.randint(2018, 2026)}\n"))
    headers = [kind, *(c[0] for c in columns)]
    style = rng.choice(("csv", "bars", "pairs", "sentences", "tabs"))
    text, places = title, []
    separator = {"csv": ",", "bars": " | ", "pairs": "; ", "sentences": "; ", "tabs": "  "}[style]
    if style in ("csv", "bars", "tabs"):
        text += separator.join(headers) + "\n"
    for row, name in enumerate(names):
        place = []
        for number, cell in enumerate([name, *(c[2][row] for c in columns)]):
            if number:
                text += ": " if style == "sentences" and number == 1 else separator
            if style == "pairs" or (style == "sentences" and number):
                text += headers[number] + ": "
            if style == "csv" and "," in cell:
                place.append(len(text) + 1)
                text += f'"{cell}"'
            else:
                place.append(len(text))
                text += cell
        places.append(place)
        text += "\n"
    return text, places


def from_texts(root: Path, limit: int, rng: random.Random, allowed) -> list[Record]:
    """Rule-made questions from the training files of a text folder, ``limit`` of each kind at most."""
    files = [path for path in sorted(root.rglob("*.txt")) if allowed(path.name)]
    rng.shuffle(files)
    kinds: dict[str, list[Record]] = {"options": [], "settings": [], "facts": [], "definitions": []}
    for path in files:
        folder = path.relative_to(root).parts[0]
        text = path.read_text("utf-8", errors="replace")
        if folder == "git-doc_txt":
            kinds["options"] += options(text, rng)
        elif folder == "postgresql-doc_txt":
            kinds["settings"] += settings(text, rng)
        elif folder == "factbook_txt":
            kinds["facts"] += facts(text, rng)
        elif path.stem in ("foldoc", "gcide", "jargon"):
            kinds["definitions"] += definitions(text[:6_000_000], path.stem, rng)
    return [r for records in kinds.values() for r in rng.sample(records, min(limit, len(records)))]
