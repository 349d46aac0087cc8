"""Pickles of whatever no other codec takes. Who unpickles runs what the bytes say.

So this codec is none of those that are found by discovery and within each other's values:
`Serializer` alone knows it, and calls `decode` only for bytes that were signed with its secret.
"""

from __future__ import annotations

import pickle
from typing import Any

from augury.errors import CodecError

NUMBER = 6
"""As in `augury.codecs.formats`, where none may have it."""


def encode(value: Any) -> bytes:
    """Return the value's pickle."""
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # `__reduce__` is code of the user
        raise CodecError(f"cannot pickle a {type(value).__qualname__}: {error}") from error


def decode(data: memoryview) -> Any:
    """Return the value; only ever of bytes whose signature was verified."""
    return pickle.loads(data)  # nosec B301
