"""Gives every key and session a 64-bit number that is the same in every process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from augury.accesslog.chunk import NOBODY

_LARGEST = 2**64 - 1
# Keeps an integer outside of 64 bits apart from the same digits as text.
_INTEGER_SEED = 1


def number_of(text: bytes) -> int:
    """Return the number of a key that is written as text.

    It is the integer itself where the text is the plain form of one from 0 to 2**64 - 1 (digits, no
    leading zero), so that ``"7"`` and ``"07"`` stay two keys; else XXH3's digest of the bytes.

    Examples
    --------
    >>> number_of(b"42"), number_of(b"/index.html")
    (42, 12290069032777152552)
    """
    if is_plain_integer(text):
        return int(text)
    return xxhash.xxh3_64_intdigest(text)


def is_plain_integer(text: bytes) -> bool:
    """Whether the text is the plain decimal form of an integer from 0 to 2**64 - 1."""
    return (
        text.isdigit()
        and len(text) <= 20
        and (text[0] != 0x30 or len(text) == 1)
        and int(text) <= _LARGEST
    )


def numbers_of(texts: Sequence[bytes]) -> tuple[NDArray[np.uint64], list[str] | None]:
    """Return the numbers of keys that are written as text, and their names.

    The names are None if every key is an integer; bytes that are no UTF-8 are surrogate-escaped.
    """
    plain = list(map(is_plain_integer, texts))
    if not any(plain):
        return digests_of(texts), names_of(texts)
    numbers = np.fromiter(map(number_of, texts), np.uint64, len(texts))
    return numbers, None if all(plain) else names_of(texts)


def digests_of(texts: Sequence[bytes]) -> NDArray[np.uint64]:
    """Return the numbers of keys none of which is an integer."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, texts), np.uint64, len(texts))


def sessions_of(texts: Sequence[bytes]) -> NDArray[np.uint64]:
    """Return the numbers of sessions that are written as text; `NOBODY` where there is none."""
    numbers = (number_of(text) if text else NOBODY for text in texts)
    return np.fromiter(numbers, np.uint64, len(texts))


def session_number(who: str | bytes | int) -> int:
    """Return the number of a session that `augury.session` was told."""
    if isinstance(who, int):
        return number_of_integer(who)
    return number_of_text(who) if isinstance(who, str) else xxhash.xxh3_64_intdigest(who)


def names_of(texts: Sequence[bytes]) -> list[str]:
    """Return keys as `str`; bytes that are no UTF-8 are surrogate-escaped."""
    if not texts:
        return []
    # At once it takes half the time. What is no UTF-8 cannot reach beyond a line feed.
    names = b"\n".join(texts).decode("utf-8", "surrogateescape").split("\n")
    if len(names) == len(texts):
        return names
    return [text.decode("utf-8", "surrogateescape") for text in texts]


def number_of_integer(value: int) -> int:
    """Return the number of an integer key: itself, or a digest if it is not from 0 to 2**64 - 1."""
    if 0 <= value <= _LARGEST:
        return value
    return xxhash.xxh3_64_intdigest(b"%d" % value, seed=_INTEGER_SEED)


def number_of_text(value: str) -> int:
    """Return the number of a `str` key, which is never an integer even if it looks like one."""
    return xxhash.xxh3_64_intdigest(value.encode("utf-8", "surrogatepass"))
