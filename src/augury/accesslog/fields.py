"""Reads the fields of many lines at once: keys, sizes and times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import digest
from augury.accesslog.lines import Lines

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
        return digest.numbers_of(self.texts())

    def sizes(self) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return the fields as bytes, and which of them are bad.

        A whole number, from 0 to 2**53; also written ``"12.0"``, as columns with gaps are.
        """
        values, plain = self.unsigned()
        for index in np.flatnonzero(~plain):
            number = _number(self.data[self.starts[index] : self.ends[index]])
            if 0 <= number <= LARGEST_SIZE and number.is_integer():
                values[index] = int(number)
                plain[index] = True
        return values, ~plain | (values > LARGEST_SIZE)

    def times(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the fields as seconds, and which of them are bad.

        A finite number, or a date and time as in ISO 8601, in UTC if it names no zone.
        """
        values, plain = self.unsigned()
        seconds = values.astype(np.float64)
        for index in np.flatnonzero(~plain):
            seconds[index] = _seconds(self.data[self.starts[index] : self.ends[index]])
        return seconds, ~np.isfinite(seconds)


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
