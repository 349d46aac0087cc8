"""The byte format of keys: how each piece is written so that it says where it ends.

========  ====================================================
``n``     None
``t f``   True, False
``i``     int: hexadecimal, sign first, ended by ``;``
``d``     float: 8 bytes, little-endian IEEE 754
``c``     complex: 16 bytes, real then imaginary
``s``     str: length in bytes, ``:``, UTF-8
``b``     bytes: length, ``:``, the bytes
``( )``   tuple: its items in order
``[ ]``   list: its items in order
``{ }``   dict: key, value, key, value ..., by the bytes of the encoded keys
``< >``   set: its encoded items in order of their bytes
``@``     any other type: length of its name, ``:``, its name, then one item, its content
========  ====================================================

A first byte `FORMAT` tells formats apart: whatever changes the bytes of any value changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

FORMAT = b"\x01"

Chunk: TypeAlias = bytes | memoryview
"""Bytes, or a flat view of bytes."""


class Output(list[Chunk]):
    """Collects what encoders write; `append` takes small pieces, `stream` large buffers."""

    __slots__ = ()

    def stream(self, chunk: Chunk) -> None:
        """Take a buffer, which must not change before the encoding ends."""
        self.append(chunk)


Encoder: TypeAlias = Callable[[Any, Output, int], None]
"""Writes a value that may hold `room` more levels of values: ``encoder(value, output, room)``."""


_HEADS = tuple(b"s%d:" % size for size in range(256))


def text(value: str) -> bytes:
    """Return the encoding of a str; half a surrogate pair is encoded as if it were whole."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    return (_HEADS[size] if size < 256 else b"s%d:" % size) + data


def named(name: str) -> bytes:
    """Return what precedes the content of a value of the named type."""
    data = name.encode("utf-8", "surrogatepass")
    return b"@%d:%b" % (len(data), data)


def type_name(kind: type | Callable[..., Any]) -> str:
    """Return the name of a class or function; the colon keeps it apart from names given here."""
    return f"{kind.__module__}:{kind.__qualname__}"


def write_buffer(chunk: Chunk, output: Output) -> None:
    """Write bytes without copying them."""
    output.append(b"b%d:" % len(chunk))
    output.stream(chunk)
