"""What a trace format is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from augury.accesslog.chunk import Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.malformed import Malformed

HEAD = 1 << 16
"""Bytes from which a format is recognised."""

# Escape is text: terminals' colours are found in logs.
_CONTROL = bytes({*range(32), 127} - set(b"\t\n\r\x1b"))


@dataclass(frozen=True)
class Head:
    """The beginning of a trace, by which its format is recognised."""

    data: bytes
    """The first `HEAD` decompressed bytes, without a byte order mark."""
    name: str
    """The file's name in lower case, without directory and compression suffix."""
    complete: bool
    """Whether `data` is the whole file."""

    @cached_property
    def is_text(self) -> bool:
        """Whether it is text in an encoding that extends ASCII; stray control bytes may pass."""
        control = len(self.data) - len(self.data.translate(None, _CONTROL))
        return control <= len(self.data) / 20

    @cached_property
    def lines(self) -> list[bytes]:
        """The first 100 complete lines that are not blank; none if it is no text."""
        if not self.is_text:
            return []
        lines = self.data.splitlines()
        if not self.complete and len(lines) > 1:
            lines.pop()
        return [line for line in lines if line.strip()][:100]

    def share(self, is_one: Callable[[bytes], object]) -> float:
        """Return the share of `lines` for which `is_one` is true; 0.0 without lines."""
        return sum(map(bool, map(is_one, self.lines))) / len(self.lines) if self.lines else 0.0


@dataclass(slots=True)
class Folder:
    """A folder of files that are one trace."""

    path: Path
    share: float = 0.0
    """How much of it has been consumed, from 0.0 to 1.0."""


@dataclass(frozen=True, slots=True)
class Format:
    """A trace format. Each module of this package has one, as `FORMAT`."""

    name: str
    """As in ``--format``."""
    title: str
    """A line that says what it is."""
    likelihood: Callable[[Head], float]
    """From 0.0 (it cannot be) to 1.0 (it must be); the likeliest format is read."""
    read: Callable[[ByteStream, Mapping[str, str], Malformed], Iterator[Chunk]]
    """Reads a stream from its beginning, given the names of columns; counts what is malformed.
    Chunks may have any length."""
    has_columns: bool = False
    """Whether its columns are named, so that the user may say which is the key."""
    read_folder: Callable[[Folder, Malformed], Iterator[Chunk]] | None = None
    """Reads a folder as one trace, if the format has such."""
