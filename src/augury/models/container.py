"""The file that models come in: a header and arrays, checked as a whole, without any code.

====== ========================================================================
bytes  what
====== ========================================================================
8      magic, which says of what the file is
4      version of the format, little-endian, as are all numbers
4      length of the header
8      length of the whole file
...    header (MessagePack), which describes the arrays
...    the arrays, one after the other, in the header's order
32     BLAKE2b of all that comes before
====== ========================================================================
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from struct import Struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury.errors import ArtefactError

UNFINISHED = ".augury-"
"""What the name of a file begins with as long as it is written."""

MOST = 1 << 30
"""Bytes: the largest forest has less than half of that."""

PREFIX = Struct("<8sIIQ")
_CHECKSUM = 32


class Described(msgspec.Struct, frozen=True):
    """One array, as the header has it."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of such files."""

    magic: bytes
    version: int
    """Of the format: what is written, and all that is read."""
    dtypes: tuple[str, ...]
    """Types of arrays that it holds."""
    title: str
    """What is in it: ``a model of Augury``."""
    origin: str
    """What makes one: ``augury learn``."""
    remedy: str
    """What to do about a bad one."""

    def pack(self, header: bytes, arrays: Iterable[NDArray[Any]]) -> bytes:
        """Return the file of a header and the arrays that it describes."""
        body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        length = PREFIX.size + len(header) + len(body) + _CHECKSUM
        content = PREFIX.pack(self.magic, self.version, len(header), length) + header + body
        return content + blake2b(content, digest_size=_CHECKSUM).digest()

    def unpack(self, content: bytes, name: str) -> tuple[bytes, ArrayReader]:
        """Return the header, and what reads the arrays in its order.

        Raises
        ------
        ArtefactError
            If it is no such file, of another version, truncated or damaged; `name` is what it is
            called then.
        """
        remedy = self.remedy
        if content[: len(self.magic)] != self.magic:
            raise ArtefactError(f"{name}: is not {self.title}; make one with: {self.origin}")
        if len(content) < PREFIX.size:
            raise ArtefactError(f"{name}: is truncated; copy it again, or {remedy}")
        _, version, header_length, length = PREFIX.unpack_from(content)
        if version != self.version:
            raise ArtefactError(
                f"{name}: is of format version {version}, and this Augury reads {self.version}; "
                f"{remedy}"
            )
        if length > MOST:
            raise ArtefactError(f"{name}: is damaged (no model has {length:,} bytes); {remedy}")
        if len(content) < length:
            raise ArtefactError(
                f"{name}: is truncated ({len(content):,} of {length:,} bytes); copy it again, "
                f"or {remedy}"
            )
        checked = content[:-_CHECKSUM]
        if blake2b(checked, digest_size=_CHECKSUM).digest() != content[-_CHECKSUM:]:
            raise ArtefactError(f"{name}: is damaged (its checksum differs); {remedy}")
        body = PREFIX.size + header_length
        return checked[PREFIX.size : body], ArrayReader(checked, body, self.dtypes)

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """Return what a file holds, but no more of one of another kind than its beginning.

        Raises
        ------
        ArtefactError
            If it is no file.
        OSError
            If it cannot be read.
        """
        # Before it is opened: a pipe would wait for someone to write, and a device may never end.
        if not S_ISREG(os.stat(path).st_mode) and not Path(path).is_dir():
            raise ArtefactError(f"{path}: is not a file; make a model with: {self.origin}")
        with open(path, "rb") as file:
            content = file.read(PREFIX.size)
            # Only what begins as a model is read, and no more than it needs and one byte to tell.
            if content.startswith(self.magic) and len(content) == PREFIX.size:
                length = min(PREFIX.unpack(content)[-1], MOST, os.fstat(file.fileno()).st_size)
                content += file.read(max(0, length - PREFIX.size) + 1)
        return content


class ArrayReader:
    """Takes one array after the other from the body of a file."""

    def __init__(self, content: bytes, start: int, dtypes: tuple[str, ...]) -> None:
        self._content = content
        self._at = start
        self._dtypes = dtypes

    def array(self, described: Described) -> NDArray[Any]:
        """Return the next array, or raise a `ValueError` if it cannot be that."""
        if described.dtype not in self._dtypes:
            raise ValueError(f"array {described.name} is of type {described.dtype}")
        count = int(np.prod(described.shape, dtype=object)) if described.shape else 1
        size = count * np.dtype(described.dtype).itemsize
        if count < 0 or self._at + size > len(self._content):
            raise ValueError(f"array {described.name} is longer than the file")
        array = np.frombuffer(self._content, described.dtype, count, self._at)
        self._at += size
        return array.reshape(described.shape)


def save(content: bytes, path: str | os.PathLike[str]) -> None:
    """Write a file as a whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = Path(path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=UNFINISHED, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)  # a temporary file is its owner's alone
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
