"""Cuts a text into blocks of whole lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.accesslog.compression import ByteStream
from augury.accesslog.malformed import Malformed

LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read; longer ones are malformed."""
BOM = b"\xef\xbb\xbf"

_BLOCK = 1 << 20
_TOO_LONG = f"longer than {LONGEST_LINE:,} bytes; is this a text of lines?"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines as they are in the file."""

    data: bytes
    first: int
    """The number of the first line, from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Some lines of a block, which need not be all of them."""

    data: bytes
    starts: NDArray[np.int64]
    """Where in `data` each begins."""
    ends: NDArray[np.int64]
    """Where it ends, without what ends the line."""
    numbers: NDArray[np.int64]
    """Its number in the file, from 1."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def buffer(self) -> NDArray[np.uint8]:
        """The bytes of `data` as an array."""
        return np.frombuffer(self.data, np.uint8)

    def text(self, index: int) -> bytes:
        """Return one of the lines."""
        return self.data[self.starts[index] : self.ends[index]]

    def texts(self) -> list[bytes]:
        """Return all of the lines."""
        pairs = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.data[start:end] for start, end in pairs]

    def where(self, chosen: NDArray[np.bool_]) -> Lines:
        """Return those of the lines that are chosen."""
        if chosen.all():
            return self
        return Lines(self.data, self.starts[chosen], self.ends[chosen], self.numbers[chosen])

    def without(self, bad: NDArray[np.bool_], reason: str, malformed: Malformed) -> Lines:
        """Count the bad ones of the lines as malformed and return the others."""
        if not bad.any():
            return self
        refused = self.where(bad)
        malformed.add_each(refused.numbers, refused.text, reason)
        return self.where(~bad)


def read_blocks(stream: ByteStream, malformed: Malformed) -> Iterator[Block]:
    """Read a text in blocks of whole lines, without a byte order mark.

    A line that ends beyond its own block and is longer than `LONGEST_LINE` is counted as malformed
    and left out. Lines end with LF, CR LF or CR, also mixed.
    """
    tail = b""
    number = 1
    while True:
        read = stream.read(_BLOCK)
        if stream.position == len(read):
            read = read.removeprefix(BOM)
        data = tail + read
        ended = not read
        cut = len(data) if ended else _last_line_end(data)
        if cut:
            yield Block(data[:cut], number)
            number += _count_lines(data[:cut])
        tail = data[cut:]
        if len(tail) > LONGEST_LINE:
            malformed.saw(1)
            malformed.add(number, tail, _TOO_LONG)
            number += 1
            tail = _skip_line(stream)
        if ended:
            return


def read_lines(stream: ByteStream, malformed: Malformed) -> Iterator[Lines]:
    """Read a text in blocks of lines that are not blank, counting them as seen.

    Lines that are too long or have a NUL byte are counted as malformed and left out.
    """
    for block in read_blocks(stream, malformed):
        yield lines_of(block, malformed)


def lines_of(block: Block, malformed: Malformed) -> Lines:
    """Find the lines of a block, as `read_lines` does."""
    data = block.data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    buffer = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(buffer == ord("\n"))
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    lines = Lines(data, starts, ends, np.arange(block.first, block.first + len(ends)))
    lines = lines.where(_not_blank(lines))
    malformed.saw(len(lines))
    lines = lines.without(lines.ends - lines.starts > LONGEST_LINE, _TOO_LONG, malformed)
    return lines.without(have_nul(lines), "has a NUL byte", malformed)


def have_nul(lines: Lines) -> NDArray[np.bool_]:
    """Return which of the lines have a NUL byte."""
    if b"\0" not in lines.data:
        return np.zeros(len(lines), bool)
    nul = np.flatnonzero(lines.buffer == 0)
    return np.searchsorted(nul, lines.starts) < np.searchsorted(nul, lines.ends)


def _not_blank(lines: Lines) -> NDArray[np.bool_]:
    filled = lines.ends > lines.starts
    # Only what begins with white space may be blank and yet have a length.
    first = lines.buffer[lines.starts[filled]]
    suspects = np.flatnonzero(filled)[(first == ord(" ")) | (first == ord("\t"))]
    for index in suspects:
        filled[index] = bool(lines.text(index).strip())
    return filled


def _last_line_end(data: bytes) -> int:
    # A CR at the very end may be the first half of CR LF.
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1


def _count_lines(data: bytes) -> int:
    lines = data.count(b"\n")
    if b"\r" in data:
        lines += data.count(b"\r") - data.count(b"\r\n")
    return lines


def _skip_line(stream: ByteStream) -> bytes:
    """Read to the end of a line and return what follows it."""
    while read := stream.read(_BLOCK):
        ends = [end for end in (read.find(b"\n"), read.find(b"\r")) if end >= 0]
        if ends:
            end = min(ends)
            return read[end + (2 if read[end : end + 2] == b"\r\n" else 1) :]
    return b""
