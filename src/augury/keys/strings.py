"""Columns of strings as two buffers, which are hashed faster than a million small pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def string_column(values: Iterable[str | None]) -> tuple[np.ndarray[Any, Any], bytes]:
    """Return the length of each string in bytes, -1 where it is missing, and all their UTF-8."""
    import numpy as np

    pieces = [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    lengths = np.fromiter((-1 if p is None else len(p) for p in pieces), "<i8", len(pieces))
    return lengths, b"".join(filter(None, pieces))
