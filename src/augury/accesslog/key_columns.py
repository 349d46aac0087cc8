"""Keys of a live cache to columns of a file: numbers, text, and digests of whatever else."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from augury import _native, keys

_LARGEST = 2**64 - 1


def key_columns(pa: Any, sought: Sequence[object], secret: bytes) -> tuple[dict[str, Any], Any]:
    """Return the columns ``number``, ``text`` and ``digest``, and which keys are in one of them.

    Parameters
    ----------
    pa
        The module pyarrow.
    sought
        The keys. Equal keys get equal rows, as far as they are numbers or text: `True` is 1, and so
        is 1.0.
    secret
        If it is not empty every key is a digest, keyed with it.
    """
    numbers: Any = None
    texts: Any = None
    kinds = set(map(type, sought))
    count = len(sought)
    if not secret and kinds == {int}:
        with contextlib.suppress(OverflowError):  # of one that is negative or too large
            numbers = pa.array(np.array(sought, np.uint64))
    elif not secret and kinds == {str}:
        with contextlib.suppress(UnicodeError):  # of a lone surrogate
            texts = pa.array(sought, pa.string())
    digests: list[bytes | None] = [None] * count
    good = np.ones(count, bool)
    if numbers is None and texts is None:
        rows = [_row(key, secret) for key in sought]
        numbers = pa.array([row if isinstance(row, int) else None for row in rows], pa.uint64())
        texts = pa.array([row if isinstance(row, str) else None for row in rows], pa.string())
        digests = [row if isinstance(row, bytes) else None for row in rows]
        good = np.fromiter((row is not None for row in rows), bool, count)
    return {
        "number": pa.nulls(count, pa.uint64()) if numbers is None else numbers,
        "text": pa.nulls(count, pa.string()) if texts is None else texts,
        "digest": pa.array(digests, pa.binary(16)),
    }, good


def _row(key: object, secret: bytes) -> int | str | bytes | None:
    """Return what a key is in a file, or None if it has no stable encoding."""
    key = _plain(key)
    if not secret:
        if isinstance(key, int) and 0 <= key <= _LARGEST:
            return key
        if isinstance(key, str) and _is_utf8(key):
            return key
    try:
        return keys.digest(key, secret=secret)
    except Exception:  # KeyEncodingError, or whatever a type's own encoder raises
        return None


def _plain(key: object) -> object:
    """Return what stands for all keys that are equal to this one, as far as that is known."""
    if isinstance(key, int | np.integer):
        return int(key)
    if isinstance(key, float | np.floating):
        return int(key) if float(key).is_integer() else float(key)
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, _native.CallKey):
        module = getattr(key.space, "module", None)
        return module, str(key.space), key.arguments, key.keywords
    return key


def _is_utf8(text: str) -> bool:
    return text.isascii() or text == text.encode("utf-8", "replace").decode()
