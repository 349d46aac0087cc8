"""ARC's ``.lis``: start block, number of blocks, an ignored field, request number.

N. Megiddo, D. S. Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from augury.accesslog.chunk import LONGEST, Chunk
from augury.accesslog.compression import ByteStream
from augury.accesslog.fields import Split
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import Lines, read_lines
from augury.accesslog.malformed import Malformed

MOST_BLOCKS = 1 << 20
"""Blocks of one line; more is no request but a mistake."""

_LINE = re.compile(rb"\s*(\d{1,99})\s+(\d{1,99})\s+\d+\s+\d+\s*")


def _likelihood(head: Head) -> float:
    return 0.9 if head.share(_LINE.fullmatch) >= 0.5 else 0.0


def _read(stream: ByteStream, _columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    for lines in read_lines(stream, malformed):
        starts, counts, good = _parse(lines)
        parsed = lines.without(~good, "is not four whole numbers", malformed)
        starts, counts = starts[good], counts[good]
        fits = (counts >= 1) & (counts <= MOST_BLOCKS) & (starts <= ~counts + np.uint64(1))
        parsed.without(~fits, f"is not from 1 to {MOST_BLOCKS:,} blocks", malformed)
        yield from _expand(starts[fits], counts[fits].astype(np.int64))


def _parse(lines: Lines) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    split = Split(lines, b" ")
    good = split.counts == 4
    columns = [np.zeros(len(lines), np.uint64) for _ in range(4)]
    regular = split.where(good)
    for column, values in enumerate(columns):
        values[np.flatnonzero(split.counts == 4)], plain = regular.column(column).unsigned()
        good[np.flatnonzero(split.counts == 4)] &= plain
    # Tabs, several spaces, leading zeros: seldom, so one by one.
    for index in np.flatnonzero(~good):
        match = _LINE.fullmatch(lines.text(int(index)))
        if match and all(int(field) < 2**64 for field in match.groups()):
            columns[0][index], columns[1][index] = map(int, match.groups())
            good[index] = True
    return columns[0], columns[1], good


def _expand(starts: NDArray[np.uint64], counts: NDArray[np.int64]) -> Iterator[Chunk]:
    """Yield each block of each line, for as many lines at a time as memory allows."""
    done = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = int(done[first - 1]) if first else 0
        after = max(first + 1, int(np.searchsorted(done, before + LONGEST, side="right")))
        some = counts[first:after]
        offsets = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield Chunk(np.repeat(starts[first:after], some) + offsets.astype(np.uint64))
        first = after


FORMAT = Format(
    name="arc",
    title="ARC's .lis: start block, number of blocks, ignored, request number",
    likelihood=_likelihood,
    read=_read,
)
