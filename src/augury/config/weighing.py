"""How many bytes a value counts as, in a cache whose capacity is one of bytes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def value_bytes(_: object, value: Any) -> int:
    """Return the bytes of a value: what it holds, without what Python needs besides.

    Parameters
    ----------
    value
        Bytes and text count as long as they are, collections as what is in them, and other objects
        as Python says.

    Examples
    --------
    >>> value_bytes("key", b"12345"), value_bytes("key", ("text/plain", b"12345"))
    (5, 15)
    """
    return max(1, _bytes_of(value))


def _bytes_of(value: Any) -> int:
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
    if isinstance(value, tuple | list | set | frozenset):
        return sum(map(_bytes_of, value))
    if isinstance(value, Mapping):
        return sum(_bytes_of(name) + _bytes_of(each) for name, each in value.items())
    return sys.getsizeof(value)
