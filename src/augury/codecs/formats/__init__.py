"""The codecs, one file each, found by discovery.

A module here has the `NUMBER` that stands for it in stored bytes, the `TYPES` that it takes, and
the functions `encode` and `decode`; nothing else has to know that it is there.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any, Protocol, cast


class Codec(Protocol):
    """One way of writing values; what it cannot restore exactly, it refuses."""

    NUMBER: int
    """Stands for the codec in stored bytes, so it never changes and is never used again."""
    TYPES: frozenset[type | str]
    """Types that it takes, without their subclasses.

    By full name where a library should not be imported before a value of it is met; then `encode`
    looks at the type itself, for anybody can take a name.
    """

    def encode(self, value: Any) -> bytes:
        """Return the value as bytes, or raise `CodecError`."""

    def decode(self, data: memoryview) -> Any:
        """Return a value that shares no memory with `data`.

        The bytes may be anything: what is none of its own raises any exception but runs nothing,
        and takes no more memory than a small multiple of the bytes.
        """


def full_name(kind: type) -> str:
    """Return a type's name with its module's, such as ``numpy.ndarray``."""
    return f"{kind.__module__}.{kind.__qualname__}"


BY_NUMBER: dict[int, Codec] = {}
_BY_TYPE: dict[type | str, Codec] = {}


def codec_of(kind: type) -> Codec | None:
    """Return the codec that takes a type, if there is one."""
    return _BY_TYPE.get(kind) or _BY_TYPE.get(full_name(kind))


def _discover() -> None:
    for found in pkgutil.iter_modules(__path__):
        codec = cast("Codec", import_module(f"{__name__}.{found.name}"))
        if codec.NUMBER in BY_NUMBER:
            raise AssertionError(f"two codecs have the number {codec.NUMBER}")
        BY_NUMBER[codec.NUMBER] = codec
        _BY_TYPE.update(dict.fromkeys(codec.TYPES, codec))


_discover()
