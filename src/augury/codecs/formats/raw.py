"""Bytes as they are."""

from __future__ import annotations

NUMBER = 0
TYPES = frozenset({bytes})


def encode(value: bytes) -> bytes:
    """Return the bytes."""
    return value


def decode(data: memoryview) -> bytes:
    """Return a copy of the bytes."""
    return bytes(data)
