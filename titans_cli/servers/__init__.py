"""Servers that let other programs use the memory. They print nothing: what people should see they hand to the command."""

__all__ = ["valid"]


def valid(text: str) -> str:
    """``text`` with question marks for lone surrogates: file names and clients' JSON may hold them, what goes out must not."""
    return text.encode("utf-8", "replace").decode()
