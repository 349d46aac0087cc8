"""CSV with a header line that names its columns, quoted as by RFC 4180 or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np

from augury.accesslog.chunk import Chunk
from augury.accesslog.columns import USUAL, find_columns, plain
from augury.accesslog.compression import ByteStream
from augury.accesslog.fields import Fields, Split, chunk_of
from augury.accesslog.formats.contract import Format, Head
from augury.accesslog.lines import Block, Lines, have_nul, lines_of, read_blocks
from augury.accesslog.malformed import Malformed

DELIMITERS = ",\t;|"
"""What separates columns: the one of these that the header has most of."""

_ROWS = 1 << 16
# Bytes pass through the csv module as characters of this encoding, one for one.
_BYTES = "latin-1"


def _header(line: bytes) -> tuple[list[str], str]:
    """Return the columns' names and the delimiter."""
    text = line.decode("utf-8", "surrogateescape")
    delimiter = max(DELIMITERS, key=text.count)
    try:
        names = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        names = text.split(delimiter)
    return [name.strip() for name in names], delimiter


def _likelihood(head: Head) -> float:
    if not head.lines:
        return 0.0
    names, delimiter = _header(head.lines[0])
    known = any(plain(name) in USUAL["key"] for name in names)
    if (known and len(names) > 1) or head.name.endswith((".csv", ".tsv")):
        return 0.8
    # A table, if each line has as many commas: reading it then says which columns there are, which
    # is better than to take whole lines for keys.
    commas = {line.count(delimiter.encode()) for line in head.lines}
    if len(head.lines) > 1 and delimiter in ",\t" and len(commas) == 1 and commas != {0}:
        return 0.4
    return 0.05


def _read(stream: ByteStream, columns: Mapping[str, str], malformed: Malformed) -> Iterator[Chunk]:
    blocks = read_blocks(stream, malformed)
    table: Table | None = None
    for block in blocks:
        if table is None:
            header = lines_of(block, Malformed())
            if not len(header):
                continue
            table = Table(stream.path, header.text(0), columns, malformed)
            skipped = int(header.numbers[0]) - block.first + 1
            rest = b"".join(block.data.splitlines(keepends=True)[skipped:])
            body = Block(rest, block.first + skipped)
        else:
            body = block
        if b'"' in body.data:
            # A quoted field may go on in the next block, so from here on all is read one by one.
            yield from table.read_quoted(body, blocks)
            return
        yield table.read_plain(body)


class Table:
    """What the header says, and how to read the lines below it."""

    def __init__(
        self, path: Path, header: bytes, columns: Mapping[str, str], malformed: Malformed
    ) -> None:
        names, self._delimiter = _header(header)
        self._width = len(names)
        self._found = find_columns(path, names, columns)
        self._malformed = malformed
        self._wrong_width = f"has not {self._width} columns, as the header has"

    def read_plain(self, block: Block) -> Chunk:
        """Read lines without quotes, all at once."""
        split = Split(lines_of(block, self._malformed), self._delimiter.encode())
        complete = split.counts == self._width
        split.lines.without(~complete, self._wrong_width, self._malformed)
        split = split.where(complete)
        return self._chunk(split.lines, [split.column(i) for i in range(self._width)])

    def read_quoted(self, block: Block, following: Iterable[Block]) -> Iterator[Chunk]:
        """Read rows, which may go over several lines, by the csv module."""
        lines = chain.from_iterable(
            io.StringIO(one.data.decode(_BYTES), newline="") for one in chain((block,), following)
        )
        reader = csv.reader(lines, delimiter=self._delimiter)
        ended = False
        while not ended:
            rows: list[list[str]] = []
            numbers = [block.first + reader.line_num]  # where each row begins, and the next one
            error = None
            try:
                for row in islice(reader, _ROWS):
                    rows.append(row)
                    numbers.append(block.first + reader.line_num)
                ended = len(rows) < _ROWS
            except csv.Error as reason:
                error = reason
            yield self._rows(rows, numbers)
            if error is not None:
                swallowed = max(1, block.first + reader.line_num - numbers[-1])
                self._malformed.saw(swallowed)
                self._malformed.add(numbers[-1], "", f"is no CSV ({error})", lines=swallowed)

    def _rows(self, rows: list[list[str]], numbers: list[int]) -> Chunk:
        """Make a chunk of the rows of the header's width."""
        good: list[tuple[int, list[str]]] = []
        for number, row in zip(numbers, rows, strict=False):
            if len(row) == self._width and (len(row) > 1 or row[0]):
                good.append((number, row))
            elif any(map(str.strip, row)):
                self._malformed.saw(1)
                text = self._delimiter.join(row).encode(_BYTES)
                self._malformed.add(number, text, self._wrong_width)
        self._malformed.saw(len(good))
        fields = [field for _, row in good for field in row]
        data = self._delimiter.join(fields).encode(_BYTES)
        lengths = np.fromiter(map(len, fields), np.int64, len(fields))
        ends = np.cumsum(lengths + 1) - 1
        starts = ends - lengths
        step = self._width
        lines = Lines(
            data,
            starts[::step],
            ends[step - 1 :: step],
            np.fromiter((number for number, _ in good), np.int64, len(good)),
        )
        bad = have_nul(lines)
        columns = [Fields(data, starts[i::step], ends[i::step]).where(~bad) for i in range(step)]
        return self._chunk(lines.without(bad, "has a NUL byte", self._malformed), columns)

    def _chunk(self, lines: Lines, columns: list[Fields]) -> Chunk:
        found = {role: columns[position] for role, position in self._found.items()}
        return chunk_of(
            lines,
            self._malformed,
            key=found["key"],
            sizes=[found["size"]] if "size" in found else [],
            time=found.get("time"),
            session=found.get("session"),
        )


FORMAT = Format(
    name="csv",
    title="CSV with named columns: key, and if there are size, time and session",
    likelihood=_likelihood,
    read=_read,
    has_columns=True,
)
