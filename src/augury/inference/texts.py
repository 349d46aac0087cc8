"""Texts as rows."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from augury.errors import InputError
from augury.inference.adapters.contract import Batch
from augury.inference.arrays import batch_of

_BYTES = 32  # of a digest; nobody can construct two texts that share one


def texts_of(given: Any) -> Sequence[Any] | None:
    """Return what is in a list, tuple or array of texts; None if there is no text in it."""
    texts: Sequence[Any] = given if isinstance(given, list | tuple) else []
    if isinstance(given, np.ndarray) and given.ndim == 1 and given.dtype.kind in "UOT":
        texts = given.tolist()
    return texts if any(isinstance(text, str) for text in texts) else None


def batch_of_texts(given: Any) -> Batch | None:
    """Return the texts of a list, tuple or array as a batch; None if there are none in it.

    The bytes of a row are a cryptographic digest of the text, so that rows are equally long
    whatever the texts of a batch are.

    Raises
    ------
    InputError
        If only some of it are texts.
    """
    texts = texts_of(given)
    if texts is None:
        return None
    try:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    except AttributeError as error:
        raise InputError("the input holds texts and other things; pass texts only") from error
    digests = b"".join([blake2b(text, digest_size=_BYTES).digest() for text in encoded])
    rows = np.frombuffer(digests, np.uint8).reshape(len(texts), _BYTES)
    # A model may return texts in an array as wide as the one that it was given.
    fixed = isinstance(given, np.ndarray) and given.dtype.kind == "U"
    return batch_of(rows, given, f"text {given.dtype.str}" if fixed else "text")
