"""The program ``titans``: commands, services, what they print, and the store."""

import os
from typing import Any

# Waiting threads of OpenMP sleep: by default they spin, which makes answers 5 to 35 times as slow where other programs run.
# libgomp reads this when torch is loaded, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # takes a while, which --help need not wait for

    return version("titans-cli")
