"""Reads the fields of many lines at once: keys, sizes, times and sessions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import digest
from augury.accesslog.chunk import Chunk
from augury.accesslog.lines import Lines
from augury.accesslog.malformed import Malformed

LARGEST_SIZE = 1 << 53
"""Bytes; more is no size but a mistake."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """One field of each of some lines: a column."""

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def whole(cls, lines: Lines) -> Fields:
        """Return the lines themselves as fields."""
        return cls(lines.data, lines.starts, lines.ends)

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, chosen: NDArray[np.bool_]) -> Fields:
        """Return the fields of the chosen lines."""
        return self if chosen.all() else Fields(self.data, self.starts[chosen], self.ends[chosen])

    def texts(self) -> list[bytes]:
        """Return the fields' bytes."""
        pairs = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.data[start:end] for start, end in pairs]

    def unsigned(self) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return the values of plain integers from 0 to 2**64 - 1, and which fields are such.

        The rule is that of `digest.is_plain_integer`. The value of any other field means nothing.
        """
        buffer = np.frombuffer(self.data, np.uint8)
        lengths = self.ends - self.starts
        plain = (lengths >= 1) & (lengths <= 20)
        values = np.zeros(len(self), np.uint64)
        if not plain.any():
            return values, plain
        if lengths[plain].min() < (longest := int(lengths[plain].max())):
            first = buffer[np.where(plain, self.starts, 0)]
            plain &= (first != ord("0")) | (lengths == 1)
        elif longest > 1:
            plain &= buffer[np.where(plain, self.starts, 0)] != ord("0")
        for place in range(longest):
            within = lengths > place
            at = np.where(within, self.ends - 1 - place, 0)
            digits = buffer[at] - np.uint8(ord("0"))
            plain &= (digits <= 9) | ~within
            if place == 19:
                # 2**64 = 18446744073709551616: the first of 20 digits is 1, and the sum must not
                # have wrapped around.
                fits = (digits == 1) & (values <= np.uint64(8446744073709551615))
                plain &= ~within | fits
            values += np.where(within, digits, 0).astype(np.uint64) * np.uint64(10**place)
        return values, plain

    def keys(self) -> tuple[NDArray[np.uint64], list[str] | None]:
        """Return the fields as keys, and their names unless all are integers."""
        values, plain = self.unsigned()
        if plain.all():
            return values, None
        values[~plain] = digest.digests_of(self.where(~plain).texts())
        return values, digest.names_of(self.texts())

    def sessions(self) -> NDArray[np.uint64]:
        """Return the fields as sessions; `NOBODY` for empty ones."""
        values, plain = self.unsigned()
        if not plain.all():
            values[~plain] = digest.sessions_of(self.where(~plain).texts())
        return values

    def sizes(self) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return the fields as bytes, and which of them are bad.

        A whole number, from 0 to 2**53; also written ``"12.0"``, as columns with gaps are.
        """
        values, plain = self.unsigned()
        bad = values > LARGEST_SIZE
        if not plain.all():
            numbers = np.array([_number(text) for text in self.where(~plain).texts()])
            good = (numbers >= 0) & (numbers <= LARGEST_SIZE) & (numbers == np.floor(numbers))
            values[~plain] = np.where(good, numbers, 0).astype(np.uint64)
            bad[~plain] = ~good
        return values, bad

    def times(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the fields as seconds, and which of them are bad.

        A finite number, or a date and time as in ISO 8601, in UTC if it names no zone.
        """
        values, plain = self.unsigned()
        seconds = values.astype(np.float64)
        if not plain.all():
            seconds[~plain] = [_seconds(text) for text in self.where(~plain).texts()]
        return seconds, ~np.isfinite(seconds)


class Split:
    """Lines split into fields at each occurrence of one byte."""

    def __init__(self, lines: Lines, delimiter: bytes) -> None:
        self.lines = lines
        self._positions = np.flatnonzero(lines.buffer == ord(delimiter))
        self._first = np.searchsorted(self._positions, lines.starts)
        self.counts = np.searchsorted(self._positions, lines.ends) - self._first + 1
        """How many fields each line has."""

    def where(self, chosen: NDArray[np.bool_]) -> Split:
        """Return the chosen lines, split."""
        if chosen.all():
            return self
        part = object.__new__(Split)
        part.lines = self.lines.where(chosen)
        part._positions = self._positions
        part._first = self._first[chosen]
        part.counts = self.counts[chosen]
        return part

    def column(self, first: int, last: int | None = None) -> Fields:
        """Return a field of each line, or all from `first` to `last` as if they were one.

        Negative numbers count from each line's end. Every line must have that many fields.
        """
        starts = self._boundary(first, 0) + 1
        ends = self._boundary(first if last is None else last, 1)
        return Fields(self.lines.data, starts, ends)

    def _boundary(self, column: int, right: int) -> NDArray[np.int64]:
        number = (column if column >= 0 else self.counts + column) + right
        # The delimiter before field 0 is thought to be before the line, the last at its end.
        inner = (number > 0) & (number < self.counts)
        at = np.where(inner, self._first + number - 1, 0)
        found = self._positions[at] if len(self._positions) else at
        return np.where(inner, found, self.lines.ends if right else self.lines.starts - 1)


def chunk_of(
    lines: Lines,
    malformed: Malformed,
    *,
    key: Fields,
    sizes: Sequence[Fields] = (),
    time: Fields | None = None,
    session: Fields | None = None,
) -> Chunk:
    """Make a chunk of the columns of some lines, without the lines that are malformed.

    A request's size is the sum of `sizes`, if there are any.
    """
    good = key.ends > key.starts
    lines.without(~good, "has no key", malformed)

    def keep(bad: NDArray[np.bool_], reason: str) -> None:
        nonlocal good
        lines.where(good).without(bad[good], reason, malformed)
        good = good & ~bad

    total = np.zeros(len(lines), np.uint64)
    for size in sizes:
        values, bad = size.sizes()
        keep(bad, f"its size is no whole number of bytes from 0 to {LARGEST_SIZE:,}")
        total += values
    seconds = np.zeros(len(lines))
    if time is not None:
        seconds, bad = time.times()
        keep(bad, "its time is no number of seconds")
    keys, names = key.where(good).keys()
    return Chunk(
        keys,
        total[good] if sizes else None,
        seconds[good] if time is not None else None,
        names,
        session.where(good).sessions() if session is not None else None,
    )


def _number(text: bytes) -> float:
    if b"_" in text:  # Python's own spelling
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: bytes) -> float:
    number = _number(text)
    if not math.isnan(number):
        return number
    try:
        moment = datetime.fromisoformat(text.decode("ascii").strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
