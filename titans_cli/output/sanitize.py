"""Removes terminal control sequences and invisible characters from untrusted text, also from streamed text."""

import re

__all__ = ["PlainStream", "plain", "words"]

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x1b\\|[\x07\x9c]|$)"  # OSC, DCS, SOS, PM, APC, to their end
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def plain(text: str) -> str:
    """``text`` without terminal control and invisible characters.

    Removed are escape sequences with their content, C0 and C1 controls except newline and tab, bidirectional controls, line separators, tag
    characters and lone surrogates.
    """
    return CONTROLS.sub("", ESCAPES.sub("", text))


def words(text: str) -> str:
    """``plain`` text on one line."""
    return " ".join(plain(text).split())


BEGUN = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?P<string>(?:(?!\x1b\\|[\x07\x9c]).)*)\Z"  # OSC, DCS, SOS, PM, APC without their end
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z"  # CSI
    r"|\x1b[ -/]*\Z"
)
SEQUENCE = re.compile(f"(?P<begun>{BEGUN})|{ESCAPES.pattern}", re.DOTALL)


class PlainStream:
    """``plain`` for streamed text: the joined results of ``feed`` and ``finish`` equal ``plain`` of the whole text."""

    def __init__(self) -> None:
        self.held = ""  # the beginning of a sequence whose end has not come

    def feed(self, text: str) -> str:
        """The part of the text so far that can be shown."""
        text = self.held + text
        begun = next((match for match in SEQUENCE.finditer(text) if match["begun"]), None)
        if begun is None:
            self.held = ""
            return plain(text)
        self.held = text[begun.start() :]
        if begun["string"]:  # what it holds is never shown, however long it is; its last character may begin its end
            self.held = text[begun.start() : begun.start("string")] + text[-1]
        return plain(text[: begun.start()])

    def finish(self) -> str:
        """The rest of the text, after the end of the stream."""
        text, self.held = self.held, ""
        return plain(text)
