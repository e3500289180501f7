"""Follow-up questions ("When was it founded?"): what they leave out is taken from earlier questions and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from titans_cli.services.ask.results import MIN_CONFIDENCE, Answer

if TYPE_CHECKING:  # loads torch
    from titans_cli.services.ask.answer import Assistant

__all__ = ["ask_in_conversation", "readings_of"]

REMEMBERED = 3
"""Earlier answers that a question may speak of."""
MOST = 4
"""Ways to understand a question that are tried."""
MARGIN = 0.1
"""Confidence by which a less likely reading must be better."""

POSSESSIVE = re.compile(r"\b(his|her|its|their)\b(?=\s+\w)", re.IGNORECASE)
PRONOUN = re.compile(r"\b(he|she|it|they|him|her|them|this|that|these|those)\b(?!\s+(?:is|was)\s+that\b)", re.IGNORECASE)
PERSON = re.compile(r"\b(he|she|him|her|his)\b", re.IGNORECASE)
WHO = re.compile(r"\bwho\b", re.IGNORECASE)
PLACE = re.compile(r"\bthere\b(?=\s*[?.!]?$)", re.IGNORECASE)
WHAT_ABOUT = re.compile(r"^\s*(?:and|but|what about|how about|and what about|and how about)\s+(?P<topic>[^?]+?)\s*\??$", re.IGNORECASE)
NAME = re.compile(r"\b[A-Z][\w'’-]*(?:\s+(?:of|the|de|van|von|and|[A-Z][\w'’-]*|\d+))*\s+[A-Z][\w'’-]*|\b[A-Z][\w'’-]+")
ASKING = frozenset(
    re.findall(
        r"\w+", "who whom whose what which when where why how is are was were did does do can could has have had in on at and the a an"
    )
)
THING = re.compile(r"\bthe\s+[a-z][\w-]*(?:\s+(?:of|in|for)\s+(?:the\s+)?[\w-]+)?")


def topics(question: str, answer: str | None, person: bool = False) -> list[str]:
    """What a follow-up may refer to: names in the question, the answer, things in the question.

    A ``person`` is first of all who was answered.
    """
    names = [re.sub(rf"^({'|'.join(ASKING)})\s+", "", m[0], flags=re.IGNORECASE) for m in NAME.finditer(question)]
    names = [name for name in names if name.lower() not in ASKING]
    things = [m[0] for m in THING.finditer(question)]
    said = [answer] if answer and answer.lower() not in ("yes", "no") and len(answer) < 80 else []
    first = said if person and WHO.search(question) else []
    return list(dict.fromkeys([*first, *names, *said, *things]))


def readings_of(question: str, earlier: Sequence[Answer]) -> Iterator[str]:
    """The question with the missing part filled in, likeliest first; none if nothing is missing."""
    asked = list(reversed(earlier))[:REMEMBERED]
    about = WHAT_ABOUT.match(question)
    if about:
        article = r"(?:\bthe\s+)?" if about["topic"].lower().startswith("the ") else ""
        for answer in asked:
            for topic in topics(answer.question, None)[:1]:
                yield re.sub(article + re.escape(topic), lambda _: about["topic"], answer.question)
        return
    pattern = next((p for p in (POSSESSIVE, PLACE, PRONOUN) if p.search(question)), None)
    if pattern is None:
        return
    if NAME.search(re.sub(r"^\W*\w+", "", question)):  # a name of its own: it may stand alone
        yield question
    for answer in asked:
        for topic in topics(answer.question, answer.line, PERSON.search(question) is not None):
            put = f"{topic}'s" if pattern is POSSESSIVE else f"in {topic}" if pattern is PLACE else topic
            yield pattern.sub(put.replace("\\", r"\\"), question, count=1)


def ask_in_conversation(assistant: Assistant, question: str, earlier: Sequence[Answer], least: float = MIN_CONFIDENCE) -> Answer:
    """Answer ``question``; if it leaves something out, try several readings and return the likeliest of the most confident answers.

    The answer's ``question`` is the reading that was used.
    """
    meant = list(dict.fromkeys(readings_of(question, earlier)))[:MOST]
    answers = [assistant.ask(text, least) for text in (meant or [question])]
    values = [len(answer.closest) / 10 - 1 if answer.refused else answer.confidence for answer in answers]
    return next(answer for answer, value in zip(answers, values, strict=True) if value >= max(values) - MARGIN)
