"""The file of a snapshot: blocks that are checked one by one and all together.

::

    bytes  what
    8      magic, ``AUGURYSN``
    4      version of the format, little-endian, as are all numbers
    16     the file's own random name: a block of another file is not taken for one of this
    ...    blocks: 4 bytes length, 4 bytes how many entries, and an envelope of augury.codecs
    ...    at the end 4 bytes of ones, 4 bytes length, and an envelope of xxh3-128 of all before

The first block is the header, the others hold entries, those first that would leave last.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from struct import Struct
from typing import Any, BinaryIO

import msgspec
from xxhash import xxh3_128

from augury.codecs import Serializer
from augury.errors import CodecError, CorruptValueError, SnapshotError

MAGIC = b"AUGURYSN"
VERSION = 1
"""Version of the format that this Augury writes, and the only one that it reads."""

_PREFIX = Struct("<8sI16s")
_BLOCK = Struct("<II")
_END = 0xFFFFFFFF
_NUMBER = Struct("<I")


class Header(msgspec.Struct):
    """What is known of a cache besides its entries."""

    saved: float
    """When, in seconds since 1970."""
    policy: str
    weighed: bool
    """Whether a weigher weighed its entries."""
    entries: int
    """About how many follow: those that could not be encoded are among them."""
    machine: str
    """The order of bytes in `memory`."""
    features: str
    """The schema of the features in `memory`."""
    memory: bytes
    """What the policy has found out."""
    model: bytes
    """The artefact in use; empty if there was none."""


class Writer:
    """Writes a file as a whole or not at all.

    Parameters
    ----------
    path
        Where it is to be, with mode 0600.
    serializer
        Makes the envelopes.

    Raises
    ------
    SnapshotError
        If there is something else than a file at the path, such as a device.
    """

    def __init__(self, path: Path, serializer: Serializer) -> None:
        if path.exists() and not path.is_file():
            raise SnapshotError(f"{path}: is not a file; save to another path")
        self._path = path
        self._serializer = serializer
        self._name = os.urandom(16)
        self._blocks = 0
        self._digest = xxh3_128()
        self.bytes = 0
        """Written so far."""

    def __enter__(self) -> Writer:
        # Without a buffer, which a child that is forked meanwhile would write once more.
        self._file = tempfile.NamedTemporaryFile(
            dir=self._path.parent, prefix=".augury-", delete=False, buffering=0
        )
        try:
            self._write(_PREFIX.pack(MAGIC, VERSION, self._name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def add(self, content: object, entries: int) -> int:
        """Write a block; return its length.

        Raises
        ------
        CodecError
            If the serializer does not carry the content, or it takes 4 GiB or more; nothing was
            written then.
        """
        sealed = self._serializer.dumps(content, self._name + _NUMBER.pack(self._blocks))
        if len(sealed) >= _END:
            raise CodecError(f"it takes {len(sealed):,} bytes, and {_END - 1:,} are the most")
        self._write(_BLOCK.pack(len(sealed), entries) + sealed)
        self._blocks += 1
        return len(sealed)

    def commit(self) -> None:
        """End the file and put it in its place, where it survives a loss of power."""
        sealed = self._serializer.dumps(self._digest.digest(), self._name)
        self._write(_BLOCK.pack(_END, len(sealed)) + sealed)
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._file.name, self._path)
        _sync_folder(self._path.parent)

    def __exit__(self, *_: object) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file.name)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._digest.update(data)
        self.bytes += len(data)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system opens folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


class Reader:
    """Reads a file once, from the beginning to the end.

    Parameters
    ----------
    file
        The file, opened.
    path
        What errors call it.
    serializer
        Opens the envelopes.

    Raises
    ------
    SnapshotError
        If it is no snapshot, or its beginning is damaged or cannot be read with the serializer.
    """

    def __init__(self, file: BinaryIO, path: Path, serializer: Serializer) -> None:
        self._file = file
        self._path = path
        self._serializer = serializer
        self._left = self.size = os.fstat(file.fileno()).st_size
        self._digest = xxh3_128()
        self._blocks = 0
        self._entries = 0
        prefix = self._read(min(_PREFIX.size, self._left))
        self._digest.update(prefix)
        if prefix[: len(MAGIC)] != MAGIC[: len(prefix)] or not prefix:
            raise self._error("is no snapshot of a cache")
        if len(prefix) < _PREFIX.size:
            raise self._cut()
        _, version, self._name = _PREFIX.unpack(prefix)
        if version != VERSION:
            raise self._error(f"is of format version {version}, and this Augury reads {VERSION}")
        block = self._next()
        if block is None:
            raise self._error("is damaged (it has no header)")
        try:
            self.header = msgspec.convert(self.decode(block), Header)
        except (CorruptValueError, msgspec.ValidationError) as error:
            raise self._error(f"cannot be read: {error}") from error
        if not math.isfinite(self.header.saved):
            raise self._error(f"cannot be read: it was saved at {self.header.saved}")

    @property
    def share(self) -> float:
        """How much of the file was read, from 0 to 1."""
        return 1 - self._left / self.size

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks after the header: how many entries, and what `decode` takes.

        A block is to be decoded before the next one is asked for. Only after the last one is known
        that nothing is damaged, for not all have to be decoded.

        Raises
        ------
        SnapshotError
            If the file is damaged or truncated.
        """
        while (block := self._next()) is not None:
            yield self._entries, block
        expected = self._digest.digest()
        sealed = self._read(self._end)
        try:
            intact = self._serializer.loads(sealed, self._name) == expected and not self._left
        except CorruptValueError:
            intact = False
        if not intact:
            raise self._error("is damaged (its checksum differs)")

    def decode(self, block: bytes) -> Any:
        """Return the content of the block that was read last.

        Raises
        ------
        CorruptValueError
            If it is damaged, or the serializer does not read it.
        """
        return self._serializer.loads(block, self._name + _NUMBER.pack(self._blocks - 1))

    def _next(self) -> bytes | None:
        """Read a block, or the beginning of the end."""
        lengths = self._read(_BLOCK.size)
        length, self._entries = _BLOCK.unpack(lengths)
        if length == _END:
            self._end = self._entries
            return None
        block = self._read(length)
        self._digest.update(lengths)
        self._digest.update(block)
        self._blocks += 1
        return block

    def _read(self, length: int) -> bytes:
        data = self._file.read(length) if length <= self._left else b""
        if len(data) != length:
            raise self._cut()
        self._left -= length
        return data

    def _cut(self) -> SnapshotError:
        return self._error(f"is truncated or damaged ({self.size:,} bytes)")

    def _error(self, what: str) -> SnapshotError:
        return SnapshotError(f"{self._path}: {what}; begin without it, or save another one")


@contextlib.contextmanager
def reading(path: Path, serializer: Serializer) -> Iterator[Reader]:
    """Open a snapshot.

    Raises
    ------
    SnapshotError
        As `Reader`, or if this is no file.
    OSError
        If it cannot be read.
    """
    # Before it is opened: a pipe would wait for someone to write.
    if not S_ISREG(os.stat(path).st_mode):
        raise SnapshotError(f"{path}: is not a file; begin without it, or save another one")
    with open(path, "rb") as file:
        yield Reader(file, path, serializer)
