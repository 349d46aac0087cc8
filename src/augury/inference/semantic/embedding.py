"""Texts as vectors of length one."""

from __future__ import annotations

import reprlib
import threading
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import InputError, OutputError
from augury.parameters import check_function

Embed = Callable[[list[str]], Any]
"""Takes texts and returns a vector for each: an array, or what NumPy makes one of."""


def check_text(text: object) -> None:
    """Raise an `InputError` unless this is a text that means something."""
    if not isinstance(text, str):
        raise InputError(f"a question must be a str, not {reprlib.repr(text)}")
    if not text.strip():
        raise InputError(f"a question must not be empty, as {text!r} is")


def normalised(text: str) -> str:
    r"""Return a text without what seldom matters: case, white space and how letters are encoded.

    The rule: Unicode's compatibility form NFKC, then full case folding, then each run of white
    space as one space, and none at the ends. Punctuation stays.

    Examples
    --------
    >>> normalised("  Where IS\n my order?")
    'where is my order?'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class Embedding:
    """A function that embeds texts, and the checks of what it returns."""

    def __init__(self, embed: Embed) -> None:
        check_function("embed", embed)
        self._embed = embed
        self._lock = threading.Lock()
        self._dimensions: int | None = None

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector of length one for each text.

        Raises
        ------
        OutputError
            If it returned no vector for each, one with NaN or infinity, of zeros only, or of
            another dimension than before.
        """
        returned = self._embed(list(texts))
        if isinstance(returned, np.ma.MaskedArray):
            raise OutputError("the embedding is masked; have it return numbers only")
        try:
            # Not from complex numbers, half of which would be lost.
            vectors = np.asarray(returned).astype(np.float64, casting="same_kind", copy=False)
        except (ValueError, TypeError) as error:
            raise OutputError("the embedding is no array of numbers") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or vectors.shape[1] == 0:
            raise OutputError(
                f"the embedding of {len(texts)} texts has shape {vectors.shape}, "
                f"not ({len(texts)}, dimensions)"
            )
        with self._lock:
            if self._dimensions is None:
                self._dimensions = vectors.shape[1]
            expected = self._dimensions
        if vectors.shape[1] != expected:
            raise OutputError(
                f"the embedding has {vectors.shape[1]} dimensions, not {expected} as before"
            )
        # The largest first, or the squares of huge or tiny numbers overflow or vanish.
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        for text, size in zip(texts, largest[:, 0].tolist(), strict=True):
            if not np.isfinite(size):
                raise OutputError(f"the embedding of {reprlib.repr(text)} has NaN or infinity")
            if size == 0.0:
                raise OutputError(f"the embedding of {reprlib.repr(text)} is zero everywhere")
        scaled = vectors / largest
        unit: NDArray[np.float64] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
        return unit.astype(np.float32)
