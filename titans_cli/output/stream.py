"""Text that comes in pieces, made fit for the terminal: an escape sequence may lie across two of them."""

import re

from titans_cli.output.terminal import ESCAPES, plain

__all__ = ["PlainStream"]

BEGUN = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?P<string>(?:(?!\x1b\\|[\x07\x9c]).)*)\Z"  # OSC, DCS, SOS, PM, APC without their end
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z"  # CSI
    r"|\x1b[ -/]*\Z"
)
SEQUENCE = re.compile(f"(?P<begun>{BEGUN})|{ESCAPES.pattern}", re.DOTALL)


class PlainStream:
    """``plain`` for text that streams in: all that ``feed`` and ``finish`` return is, put together, ``plain`` of the whole."""

    def __init__(self) -> None:
        self.held = ""  # the beginning of a sequence whose end has not come

    def feed(self, text: str) -> str:
        """What of the text so far can be shown."""
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
        """What was held back, now that nothing follows."""
        text, self.held = self.held, ""
        return plain(text)
