"""Kills and faults at many moments of an operation, and what became of the store."""

import random
from dataclasses import dataclass, field, replace

from lab import COUNT, FAULTS, KILLS, Ended
from operations import Operation, Workshop

__all__ = ["Tally", "inject", "kill"]

CODES = {1, 10, 11, 12}
"""Exit codes that an operation may end with when its disk fails."""


@dataclass
class Tally:
    """Experiments of one operation. ``wrong`` says what failed, a line each."""

    operation: str
    what: str
    runs: int = 0
    finished: int = 0  # in spite of it, or before it came
    sound: int = 0  # ``check`` with every byte read finds nothing but leftovers, before anything else is done
    old_or_new: int = 0  # what is memorized is then what it was before, or what it was to become
    equal: int = 0  # all is as if nothing had happened, once the command was run again
    wrong: list[str] = field(default_factory=list)


def kill(workshop: Workshop, operation: Operation, count: int, chance: random.Random) -> Tally:
    """Kill the operation at ``count`` moments, half of them chosen by time and half by number of the write-like call."""
    tally = Tally(operation.name, "kill -9")
    expected = workshop.expected[operation.name]
    for number in range(count):
        if number % 2:
            moment = chance.uniform(0, 1.1 * expected["seconds"])
            ended, name = workshop.run(operation, seconds=moment), f"killed after {moment:.4f} s"
        else:
            at, fault = chance.randint(1, expected["calls"]), chance.choice(KILLS)
            ended, name = workshop.run(operation, fault, at), f"{fault.name} {at}"
        tally.finished += ended.code == operation.code
        if ended.code not in (-9, operation.code):
            tally.wrong.append(f"{name}: ended with {ended.code}: {ended.said}")
        judge(workshop, operation, tally, name)
    return tally


def inject(workshop: Workshop, operation: Operation, count: int | None, chance: random.Random) -> list[Tally]:
    """Let calls of the operation meet each kind of fault in turn: ``count`` of them by chance, or every one."""
    result = []
    for fault in FAULTS:
        tally = Tally(operation.name, fault.name)
        result.append(tally)
        calls = range(1, workshop.run(operation, replace(fault, action=COUNT)).calls + 1)
        for at in calls if count is None else chance.sample(calls, min(count, len(calls))):
            ended = workshop.run(operation, fault, at)
            name = f"{fault.name}, {at}"
            tally.finished += ended.code == operation.code
            told = complaint(ended)
            if ended.code != operation.code and told:
                tally.wrong.append(f"{name}: {told}")
            judge(workshop, operation, tally, name)
    return result


def complaint(ended: Ended) -> str:
    """What is not right in how a failure is told."""
    lines = [line for line in ended.said.splitlines() if line.strip()]
    if ended.code not in CODES or not lines or "Traceback" in ended.said:
        return f"ended with {ended.code}: {ended.said}"
    if not any("again" in line or "titans" in line or "--home" in line for line in lines):
        return f"names no next step: {ended.said}"
    return ""


def judge(workshop: Workshop, operation: Operation, tally: Tally, name: str) -> None:
    """Look at the store, run the command again and look once more."""
    expected = workshop.expected[operation.name]
    tally.runs += 1
    found = workshop.look(operation)
    tally.sound += not found["wrong"]
    heads = (expected["before"], expected["state"]["head"])
    between = found["state"] is None or found["state"]["head"] not in heads
    tally.old_or_new += not between
    wrong = found["wrong"] + (["what is memorized is neither old nor new"] if between else [])
    again = workshop.repeat(operation)
    tally.equal += not again
    tally.wrong += [f"{name}: {line}" for line in wrong + again]
