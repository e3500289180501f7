"""What kind of answer a question asks for, told from its words alone."""

import re
from dataclasses import dataclass

__all__ = ["Wanted", "wanted_by"]

OPENER = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|so|and|but|well|please|now|then|um|actually|by the way|excuse me|sorry|question|quick question|"
    r"(?:can|could|would|will) you (?:please |kindly )?(?:tell|say|explain to|show|remind) (?:me|us)(?: (?:if|whether))?|"
    r"(?:please )?(?:tell|remind) (?:me|us)(?: (?:if|whether))?|"
    r"do you (?:happen to )?know(?: (?:if|whether))?|i(?: woul|')d like to know(?: (?:if|whether))?|i wonder(?: (?:if|whether))?)"
    r"\b[\s,!.:;–—-]*)+",
    re.IGNORECASE,
)
"""Words before the question itself."""
INDIRECT = re.compile(r"\b(?:if|whether)[\s,!.:;–—-]*$", re.IGNORECASE)
VERB = r"(?:is|are|am|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had)"
POLAR = re.compile(
    rf"^{VERB}(?:n['’]t|not)?\s+(?!\d)\S+\s+\S|^(?:is|are|was|were|does|do|did|has|have|can)(?:n['’]t)?\s+\S+\W*$", re.IGNORECASE
)
AFTER_CLAUSE = re.compile(rf"^(?:if|when|after|before|while|as|once|in|on|at|for|with|without|under)\b[^?]*,\s*(?={VERB}\b)", re.IGNORECASE)
"""A clause before the question: "If I lose my card, must I pay?" """
OR_NOT = re.compile(r"\bor (?:not|no)\W*$", re.IGNORECASE)
CHOICE = re.compile(r"\bor\b(?! (?:not|no)\b)", re.IGNORECASE)
HOW_OR_WHY = re.compile(
    r"^(?:how (?:do|does|did|can|could|to|should|shall|must|is|are|was|were|would|will|would|may|might|have|has)\b|how come\b|why\b"
    r"|what should (?:i|we|you|one) do\b)",
    re.IGNORECASE,
)
SEVERAL = re.compile(
    r"^(?:what|which|who|whom|where|when)\b(?: (?:are|were|is|was|do|does|did|has|have|can))? (?:all|every|each)\b"
    r"|^(?:what|which|who)\b.* (?:are|were) all\b"
    r"|^(?:list|name|enumerate)\b|\b(?:list|name|enumerate) (?:the|all)\b|^give (?:me )?(?:a list of|the names|all)\b"
    r"|^(?:what|which|who) (?:are|were) (?:the|all|my|your|our|his|her|its|their|some)\b"
    r"|\b(?:which|what|the) (?:two|three|four|five|six|seven|eight|nine|ten|several|other|\d+) [\w-]+"
    r"|\b(?:what|which) (?:ingredients|steps|things)\b|^(?:the )?(?:ingredients|steps)\b|\b(?:ingredients|steps)\W*$",
    re.IGNORECASE,
)
PLURAL = re.compile(
    r"\b(?:which|what)\s+(?:(?!is\b|are\b|was\b|were\b|does\b|do\b|did\b|has\b|have\b|of\b|in\b|the\b)[\w-]+\s+){0,2}?(?P<noun>[\w-]+s)\s+"
    r"(?:are|were|do|did|does|can|could|may|might|must|should|will|would|have|has|had|of|in|on|for|from|with)\b",
    re.IGNORECASE,
)
"""Which tools has …, what kinds of …: a noun in the plural behind which or what."""
SINGULAR = re.compile(r"(?:ss|us|is|was|does|has|this)$", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """The kind of answer that a question asks for."""

    yes_no: bool  # yes or no
    choice: bool  # one of the things that it names: "Is it longer or shorter?"
    several: bool  # more than one thing
    clause: bool  # a clause or sentence: how to do something, or why


def wanted_by(question: str) -> Wanted:
    """The kind of answer that ``question`` asks for."""
    opener = OPENER.match(question)
    indirect = opener is not None and INDIRECT.search(opener[0]) is not None
    asked = question[opener.end() :] if opener else question.strip()
    asked = AFTER_CLAUSE.sub("", asked)
    polar = indirect or OR_NOT.search(asked) is not None or POLAR.match(asked) is not None
    clause = not polar and HOW_OR_WHY.match(asked) is not None
    choice = polar and CHOICE.search(asked) is not None
    several = not polar and not clause and (SEVERAL.search(asked) is not None or names_plural(asked))
    return Wanted(polar and not choice, choice, several, clause)


def names_plural(question: str) -> bool:
    match = PLURAL.search(question)
    return match is not None and SINGULAR.search(match["noun"]) is None
