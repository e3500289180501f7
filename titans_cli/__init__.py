"""The program ``titans``: commands, use cases and the store."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("titans")
