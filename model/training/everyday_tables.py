"""Questions about the cells of invented tables, made by rules."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from model.training.everyday import Record, add_typing_noise, phrase, record

__all__ = ["table_questions"]

ITEMS = (
    "cable", "lamp", "desk", "chair", "monitor", "keyboard", "mouse", "printer", "router", "battery", "charger", "folder", "stapler",
    "mug", "backpack", "bottle", "tent", "stove", "rope", "helmet", "drill", "hammer", "saw", "ladder", "paint", "brush", "bolt", "screw",
    "filter", "pump", "valve", "sensor", "fan", "motor", "switch", "fuse", "bulb", "carpet", "curtain", "mirror",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
PEOPLE = (
    "Anna Berg", "Tom Reed", "Lena Fox", "Omar Aziz", "Mia Chen", "Paul Novak", "Sara Lind", "Jack Moore", "Eva Klein", "Raj Patel",
    "Nina Rossi", "Luis Vega", "Kate Shaw", "Ben Cole", "Ida Holm", "Max Weber",
)  # fmt: skip
CITIES = (
    "Oslo", "Lyon", "Graz", "Porto", "Leeds", "Turin", "Ghent", "Malmo", "Cork", "Basel", "Gdansk", "Bergen", "Aarhus", "Bath", "Split",
    "Delft",
)  # fmt: skip
MODES = ("fast", "slow", "off", "on", "auto", "manual", "debug", "strict", "none", "full")
NOT_NUMERIC = ("Owner", "City", "Phone", "Due", "Default")
"""Headers of columns whose values have no order."""


class Column(NamedTuple):
    """A column's header, how people speak of it, and its values."""

    header: str
    spoken: str
    values: list[str]


@dataclass(frozen=True)
class Table:
    """``places`` says where in ``text`` each cell of each row stands, the row's name first."""

    kind: str  # header of the rows' names
    names: list[str]
    columns: list[Column]
    text: str
    places: list[list[int]]


def invent_column(rng: random.Random, rows: int) -> Column:
    def money(sign: str) -> list[str]:
        return [rng.choice((f"{sign}{v:,.2f}", f"{sign}{v:,.0f}")) for v in (rng.uniform(2, 3000) for _ in range(rows))]

    def default() -> str:
        return rng.choice((*MODES, str(rng.choice((0, 1, 8, 16, 64, 128, 1024, 8080)))))

    def date() -> str:
        return f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"

    makers = (
        lambda: Column("Price", "price", money(rng.choice("$€£"))),
        lambda: Column("Quantity", "quantity", [str(rng.randint(1, 500)) for _ in range(rows)]),
        lambda: Column("Stock", "stock", [str(rng.randint(0, 900)) for _ in range(rows)]),
        lambda: Column("Electricity (kWh)", "electricity use", [f"{rng.uniform(80, 900):.1f}" for _ in range(rows)]),
        lambda: Column("Gas (m3)", "gas use", [str(rng.randint(5, 300)) for _ in range(rows)]),
        lambda: Column("Rainfall mm", "rainfall", [str(rng.randint(0, 240)) for _ in range(rows)]),
        lambda: Column("Revenue (USD millions)", "revenue", [f"{rng.randint(100, 9999):,}" for _ in range(rows)]),
        lambda: Column("Owner", "owner", [rng.choice(PEOPLE) for _ in range(rows)]),
        lambda: Column("City", "city", [rng.choice(CITIES) for _ in range(rows)]),
        lambda: Column("Phone", "phone number", [f"+44 {rng.randint(1000, 9999)} {rng.randint(100000, 999999)}" for _ in range(rows)]),
        lambda: Column("Default", "default", [default() for _ in range(rows)]),
        lambda: Column("Weight", "weight", [f"{rng.uniform(0.1, 90):.1f} kg" for _ in range(rows)]),
        lambda: Column("Due", "due date", [date() for _ in range(rows)]),
        lambda: Column("Latency ms", "latency", [str(rng.randint(1, 900)) for _ in range(rows)]),
        lambda: Column("Score", "score", [f"{rng.uniform(0, 100):.1f}" for _ in range(rows)]),
    )
    return rng.choice(makers)()


def month_names(rng: random.Random, rows: int) -> list[str]:
    months = sorted(rng.sample(MONTHS, rows), key=MONTHS.index)
    return [f"{month} {rng.choice((2023, 2024, 2025))}" for month in months]


def invent_table(rng: random.Random) -> Table:
    """3 to 9 rows and 1 to 5 columns beside the rows' names."""
    rows = rng.randint(3, 9)
    kind, names = rng.choice(
        (
            ("Item", rng.sample(ITEMS, rows)),
            ("Month", month_names(rng, rows)),
            ("Name", rng.sample(PEOPLE, rows)),
            ("City", rng.sample(CITIES, rows)),
            ("Parameter", [f"{rng.choice(MODES)}_{item}" for item in rng.sample(ITEMS, rows)]),
            ("Year", [str(year) for year in range(2010, 2010 + rows)]),
        )
    )
    columns: list[Column] = []
    wanted = rng.randint(1, 5)
    while len(columns) < wanted:
        column = invent_column(rng, rows)
        if column.header not in [kind, *(c.header for c in columns)]:
            columns.append(column)
    return Table(kind, names, columns, *write_table([kind, *(c.header for c in columns)], names, columns, rng))


def write_table(headers: list[str], names: list[str], columns: list[Column], rng: random.Random) -> tuple[str, list[list[int]]]:
    """The table as text in one of five styles, and where each cell of each row stands (the row's name first)."""
    title = rng.choice(("", "", f"Table {rng.randint(1, 9)}. ", "Overview\n", f"{rng.choice(CITIES)} {rng.randint(2018, 2026)}\n"))
    style = rng.choice(("csv", "bars", "pairs", "sentences", "tabs"))
    text, places = title, []
    separator = {"csv": ",", "bars": " | ", "pairs": "; ", "sentences": "; ", "tabs": "  "}[style]
    if style in ("csv", "bars", "tabs"):
        text += separator.join(headers) + "\n"
    for row, name in enumerate(names):
        place = []
        for number, cell in enumerate([name, *(c.values[row] for c in columns)]):
            if number:
                text += ": " if style == "sentences" and number == 1 else separator
            if style == "pairs" or (style == "sentences" and number):
                text += headers[number] + ": "
            quote = '"' if style == "csv" and "," in cell else ""
            place.append(len(text) + len(quote))
            text += f"{quote}{cell}{quote}"
        places.append(place)
        text += "\n"
    return text, places


def absent_question(table: Table, spoken: str, name: str, rng: random.Random) -> Record:
    """A question after a row or a column that the table lacks."""
    said = table.text.lower()
    absent = next(n for n in rng.sample([*ITEMS, *CITIES, *PEOPLE], 30) if n.lower() not in said)
    other = invent_column(rng, len(table.names))
    while other.header.lower() in said or other.spoken in said:
        other = invent_column(rng, len(table.names))
    question = f"What is the {spoken} of {absent}?" if rng.random() < 0.5 else f"What is the {other.spoken} of {name}?"
    return record(table.text, add_typing_noise(question, rng), None)


def extreme_question(table: Table, spoken: str, numbers: list[float], rng: random.Random) -> Record:
    """Which row has a column's largest or smallest of ``numbers``."""
    kind, largest = table.kind.lower(), rng.random() < 0.5
    row = numbers.index((max if largest else min)(numbers))
    most = rng.choice(("highest", "largest", "most")) if largest else rng.choice(("lowest", "smallest", "least"))
    templates = (f"Which {kind} has the {most} {spoken}?", f"{kind} with the {most} {spoken}")
    return record(table.text, phrase(templates, rng), table.names[row], table.places[row][0])


def table_question(table: Table, rng: random.Random) -> Record:
    """A cell by row and column, a row by its value, the largest or smallest value's row, or what is not there."""
    header, spoken, values = table.columns[which := rng.randrange(len(table.columns))]
    row = rng.randrange(len(table.names))
    kind, name, value = table.kind.lower(), table.names[row], values[row]
    choice = rng.random()
    numbers = [] if header in NOT_NUMERIC else [float(re.sub(r"[^\d.]", "", v)) for v in values]
    if choice < 0.14 and len(set(numbers)) == len(values):
        return extreme_question(table, spoken, numbers, rng)
    if choice < 0.26:
        return absent_question(table, spoken, name, rng)
    templates: tuple[str, ...]
    if choice < 0.36 and values.count(value) == 1:
        templates = (f"Which {kind} has {spoken} {value}?", f"{kind} with {spoken} of {value}", f"what has a {spoken} of {value}?")
        return record(table.text, phrase(templates, rng), name, table.places[row][0])
    templates = (
        f"What is the {spoken} of {name}?", f"What was the {spoken} for {name}?", f"{name} {spoken}", f"{spoken} {name}",
        f"how much {spoken} in {name}", f"What {spoken} does {name} have?", f"tell me the {spoken} for {name}",
    )  # fmt: skip
    return record(table.text, add_typing_noise(rng.choice(templates), rng), value, table.places[row][1 + which])


def table_questions(count: int, rng: random.Random) -> Iterator[Record]:
    """One question about each of ``count`` invented tables."""
    for _ in range(count):
        yield table_question(invent_table(rng), rng)
