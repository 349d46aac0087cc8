"""The codecs, one file each, found by discovery.

A module here has the `NUMBER` that stands for it in stored bytes, the full names of the `TYPES`
that it takes, and the functions `encode` and `decode`; nothing else has to know that it is there.
Names and not the types themselves, so that a library is imported when a value of it is met.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any, Protocol, cast


class Codec(Protocol):
    """One way of writing values; what it cannot restore exactly, it refuses."""

    NUMBER: int
    """Stands for the codec in stored bytes, so it never changes and is never used again."""
    TYPES: frozenset[str]
    """Full names of the types that it takes; their subclasses are not meant."""

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
BY_NAME: dict[str, Codec] = {}


def _discover() -> None:
    for found in pkgutil.iter_modules(__path__):
        codec = cast("Codec", import_module(f"{__name__}.{found.name}"))
        if codec.NUMBER in BY_NUMBER:
            raise AssertionError(f"two codecs have the number {codec.NUMBER}")
        BY_NUMBER[codec.NUMBER] = codec
        BY_NAME.update(dict.fromkeys(codec.TYPES, codec))


_discover()
