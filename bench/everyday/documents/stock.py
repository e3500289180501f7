"""Keep a small stock of spare parts in a file of JSON."""

import json
from pathlib import Path

STOCK_FILE = Path("parts.json")
REORDER_LEVEL = 15
MAX_PER_ORDER = 240


class OutOfStockError(Exception):
    """Raised when more parts are taken than there are."""


def load(path: Path = STOCK_FILE) -> dict[str, int]:
    """Return the number of pieces of each part; an absent file is an empty stock."""
    return json.loads(path.read_text()) if path.exists() else {}


def take(stock: dict[str, int], part: str, pieces: int = 1) -> int:
    """Take pieces out and return how many are left."""
    left = stock.get(part, 0) - pieces
    if left < 0:
        raise OutOfStockError(f"{part}: {-left} pieces short")
    stock[part] = left
    return left


def to_order(stock: dict[str, int]) -> list[str]:
    """Names of the parts of which there are fewer than REORDER_LEVEL, in alphabetical order."""
    return sorted(part for part, pieces in stock.items() if pieces < REORDER_LEVEL)


def order_size(pieces: int, weekly_use: float, weeks: int = 6) -> int:
    """Pieces to order so that the stock lasts for some weeks, never more than MAX_PER_ORDER."""
    return min(MAX_PER_ORDER, max(0, round(weekly_use * weeks) - pieces))


def save(stock: dict[str, int], path: Path = STOCK_FILE) -> None:
    """Write to a temporary file first, so that a crash never leaves half a stock behind."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(stock, indent=2, sort_keys=True))
    temporary.replace(path)
