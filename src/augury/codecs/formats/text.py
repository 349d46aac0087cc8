"""Strings as UTF-8, lone surrogates included: Python has them in names of files."""

from __future__ import annotations

NUMBER = 1
TYPES = frozenset({str})


def encode(value: str) -> bytes:
    """Return the string as UTF-8."""
    return value.encode("utf-8", "surrogatepass")


def decode(data: memoryview) -> str:
    """Return the string."""
    return str(data, "utf-8", "surrogatepass")
