"""Columns of strings as two buffers, which are hashed faster than a million small pieces.

Whatever holds the strings, the buffers are the same: the length of each string in bytes, as int64,
-1 where it is missing; and the UTF-8 of all of them, one after the other.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

Buffers: TypeAlias = tuple[np.ndarray[Any, Any], bytes]

_ROWS = 1 << 16
"""How many rows of polars are joined at once: a string of polars ends at 4 GiB."""


def from_python(values: Iterable[str | None]) -> Buffers:
    """Return the buffers of strings of Python."""
    pieces = [None if v is None else v.encode("utf-8", "surrogatepass") for v in values]
    lengths = np.fromiter((-1 if p is None else len(p) for p in pieces), "<i8", len(pieces))
    return lengths, b"".join(filter(None, pieces))


def from_arrow(column: Any) -> Buffers:
    """Return the buffers of an array of pyarrow, chunked or not."""
    pa: Any = importlib.import_module("pyarrow")  # it has no types
    lengths, data = [np.empty(0, "<i8")], []
    for chunk in getattr(column, "chunks", [column]):
        # Filled, a null is the empty string; otherwise anything may lie under it.
        filled = chunk.cast(pa.large_string()).fill_null("")
        _, ends, text = filled.buffers()
        if not len(filled) or ends is None:
            continue
        first = filled.offset
        offsets = np.frombuffer(ends, "<i8")[first : first + len(filled) + 1]
        sizes = np.diff(offsets)
        if chunk.null_count:
            sizes[chunk.is_null().to_numpy(zero_copy_only=False)] = -1
        lengths.append(sizes)
        data.append(memoryview(text or b"")[offsets[0] : offsets[-1]])
    return np.concatenate(lengths), b"".join(data)


def from_polars(series: Any) -> Buffers:
    """Return the buffers of a series of strings of polars."""
    lengths = series.str.len_bytes().cast(int).fill_null(-1).to_numpy()
    parts = (series.slice(start, _ROWS) for start in range(0, len(series), _ROWS))
    return lengths, b"".join((part.str.join("").item() or "").encode() for part in parts)
