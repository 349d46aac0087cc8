"""Recorded files back to rows in the order of time, cleaned."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import digest
from augury.accesslog.chunk import NOBODY, Chunk
from augury.accesslog.fields import LARGEST_SIZE
from augury.accesslog.malformed import Malformed
from augury.accesslog.record import OPERATIONS, SUFFIX, Metadata, metadata_of, pyarrow
from augury.accesslog.session_column import sessions_in
from augury.errors import AuguryError, TraceError

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Recorded accesses, as columns."""

    times: NDArray[np.int64]
    """Nanoseconds since 1970."""
    sequences: NDArray[np.uint64]
    is_read: NDArray[np.bool_]
    keys: NDArray[np.uint64]
    """As of a `Chunk`."""
    labels: NDArray[np.object_]
    """The text of a key, the hexadecimal digits of a digest, or None for a number."""
    sizes: NDArray[np.uint64]
    """0 where it is not known."""
    sessions: NDArray[np.uint64]
    """As of a `Chunk`."""

    def __len__(self) -> int:
        return len(self.times)

    def where(self, chosen: NDArray[Any] | slice) -> Rows:
        """Return the chosen rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def names(self) -> list[str] | None:
        """Return the names of keys, as a `Chunk` has them."""
        if all(label is None for label in self.labels):
            return None
        pairs = zip(self.labels, self.keys.tolist(), strict=True)
        return [str(key) if label is None else label for label, key in pairs]

    def known_sessions(self) -> NDArray[np.uint64] | None:
        """Return the sessions, as a `Chunk` has them."""
        return self.sessions if (self.sessions != NOBODY).any() else None

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """Return all rows in the order of time."""
        columns = [
            np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)
        ]
        return Rows(*columns).where(np.argsort(columns[0], kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFile:
    """A file, of which only the footer was read."""

    path: Path
    metadata: Metadata
    rows: int
    largest: int
    """The largest size in it."""
    source: Path | BinaryIO
    """The file, or its decompressed content."""

    @classmethod
    def open(cls, path: Path, source: Path | BinaryIO) -> RecordedFile:
        """Read the footer of a file.

        Raises
        ------
        TraceError
            If it was not recorded, or is corrupt.
        """
        with _reading(path) as pa, pa.parquet.ParquetFile(source) as file:
            found = metadata_of(path, file.schema_arrow.metadata)
            return cls(path, found, file.metadata.num_rows, _largest(file), source)

    def read(self, first: int, malformed: Malformed) -> Rows:
        """Read its rows; count and leave out the malformed ones. `first` is the first's number.

        Raises
        ------
        TraceError
            If it is corrupt.
        """
        with _reading(self.path) as pa:
            file = pa.parquet.ParquetFile(self.source, page_checksum_verification=True)
            with file:
                table = file.read().combine_chunks()
            return _rows(pa, table, self.metadata, first, malformed)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Turn whatever pyarrow makes of a corrupt file into a `TraceError`."""
    pa = pyarrow()
    try:
        yield pa
    except AuguryError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TraceError(f"{path}: is no recorded file, or truncated or corrupt: {first}") from None


def cache_folder(path: Path) -> Path:
    """Return the folder of the one cache that was recorded in this folder, or this is.

    Raises
    ------
    TraceError
        If there is none, or more than one.
    """
    if any(path.glob("*" + SUFFIX)):
        return path
    caches = sorted({file.parent for file in path.glob("*/*" + SUFFIX)})
    if len(caches) > 1:
        raise TraceError(
            f"{path}: has the logs of {len(caches)} caches; name the folder of one of them: "
            f"{', '.join(cache.name for cache in caches)}"
        )
    if not caches:
        raise TraceError(
            f"{path}: is a directory in which nothing was recorded; name a file in it, or a "
            "folder that an augury.accesslog.Recorder writes to"
        )
    return caches[0]


def files_of(folder: Path, malformed: Malformed) -> Iterator[RecordedFile]:
    """Yield the files of a folder; one that is none is counted as a malformed row."""
    for path in sorted(folder.glob("*" + SUFFIX)):
        try:
            yield RecordedFile.open(path, path)
        except TraceError as error:
            malformed.saw(1)
            malformed.add(1, path.name, str(error))


def merged(files: Sequence[RecordedFile], malformed: Malformed) -> Iterator[Rows]:
    """Yield the rows of all files in the order of time.

    The files of each process that records into one folder follow each other. Of
    those that overlap a file each is in memory.
    """
    processes: dict[str, list[RecordedFile]] = {}
    for file in files:
        processes.setdefault(file.metadata.session, []).append(file)
    pending = sorted(map(_Process, processes.values()), key=lambda s: s.started, reverse=True)
    active: list[tuple[Rows, Iterator[Rows]]] = []
    first = _Counter()
    while pending or active:
        while pending and (
            not active or pending[-1].started <= min(rows.times[-1] for rows, _ in active)
        ):
            following = pending.pop().read(first, malformed)
            if (rows := next(following, None)) is not None:
                active.append((rows, following))
        if not active:
            continue
        horizon = min(rows.times[-1] for rows, _ in active)
        parts: list[Rows] = []
        left: list[tuple[Rows, Iterator[Rows]]] = []
        for rows, following in active:
            cut = int(np.searchsorted(rows.times, horizon, "right"))
            parts.append(rows.where(slice(cut)))
            rest: Rows | None = rows.where(slice(cut, None))
            if not cut < len(rows):
                rest = next(following, None)
            if rest is not None:
                left.append((rest, following))
        active = left
        yield Rows.joined(parts)


@dataclass(slots=True)
class _Counter:
    """Numbers the rows of all files, for the examples of malformed ones."""

    value: int = 1


class _Process:
    """The files of one process."""

    def __init__(self, files: list[RecordedFile]) -> None:
        self._files = sorted(files, key=lambda file: file.metadata.file)
        # The clock is most likely right at the end: it is set when the machine finds the network.
        self._offset = self._files[-1].metadata.offset
        self.started = min(self._corrected(file) + file.metadata.started for file in files)

    def _corrected(self, file: RecordedFile) -> int:
        return self._offset - file.metadata.offset

    def read(self, first: _Counter, malformed: Malformed) -> Iterator[Rows]:
        """Yield the rows of each file, in the order of time; none that are empty."""
        latest = -1  # sequence
        time = 0
        offset = self._files[0].metadata.offset
        for file in self._files:
            if abs(file.metadata.offset - offset) > _SECOND:
                malformed.clock_jumps += 1
            offset = file.metadata.offset
            try:
                rows = file.read(first.value, malformed)
            except TraceError as error:
                malformed.saw(file.rows)
                malformed.add(first.value, file.path.name, str(error), lines=file.rows)
                continue
            finally:
                first.value += file.rows
            new = _grows(rows.sequences.astype(np.int64), latest)
            malformed.duplicates += int((~new).sum())
            rows = rows.where(new)
            if not len(rows):
                continue
            latest = int(rows.sequences[-1])
            times = rows.times + self._corrected(file)
            malformed.clock_jumps += int((np.diff(times, prepend=max(time, times[0])) < 0).sum())
            times = np.maximum.accumulate(np.maximum(times, time))
            time = int(times[-1])
            yield replace(rows, times=times)


def _grows(numbers: NDArray[np.int64], before: int) -> NDArray[np.bool_]:
    """Return which numbers are larger than all before them."""
    largest = np.maximum.accumulate(np.append(before, numbers))[:-1]
    return numbers > largest


def _rows(pa: Any, table: Any, metadata: Metadata, first: int, malformed: Malformed) -> Rows:
    count = len(table)
    malformed.saw(count)
    good = np.ones(count, bool)

    def keep(fits: NDArray[np.bool_], reason: str) -> None:
        nonlocal good
        bad = np.flatnonzero(good & ~fits)
        malformed.add_each(
            first + bad, lambda i: str(table.slice(int(bad[i]), 1).to_pylist()[0]), reason
        )
        good = good & fits

    def numbers(name: str, kind: Any) -> Any:
        column = table[name].cast(kind).fill_null(0)
        return column.to_numpy()

    times = numbers("time", pa.int64())
    keep(
        (times >= metadata.started) & (times <= metadata.ended),
        "its time is not within those of its file",
    )
    sizes = numbers("size", pa.uint64())
    keep(sizes <= LARGEST_SIZE, f"its size is more than {LARGEST_SIZE:,}")
    keys, labels, has_key = _keys(table)
    keep(has_key, "it has not just one key")
    operations = np.array(table["operation"].cast(pa.string()).to_pylist(), object)
    keep(np.isin(operations, OPERATIONS), "its operation is unknown")
    rows = Rows(
        times,
        numbers("sequence", pa.uint64()),
        operations == "get",
        keys,
        labels,
        sizes,
        sessions_in(table),
    )
    rows = rows.where(good)
    return replace(rows, sizes=_with_next_sizes(rows.keys, rows.sizes))


def reads_of(batch: Any) -> Chunk | None:
    """Return the reads of a batch of rows that is about to be written; None if it has none."""
    table = pyarrow().Table.from_batches([batch])
    keys, labels, _ = _keys(table)
    sizes = _with_next_sizes(keys, table["size"].fill_null(0).to_numpy())
    times = table["time"].cast("int64").to_numpy()
    is_read = np.array(table["operation"].to_pylist(), object) == "get"
    sequences = table["sequence"].to_numpy()
    rows = Rows(times, sequences, is_read, keys, labels, sizes, sessions_in(table)).where(is_read)
    if not len(rows):
        return None
    return Chunk(rows.keys, rows.sizes, rows.times / _SECOND, rows.names(), rows.known_sessions())


def _keys(table: Any) -> tuple[NDArray[np.uint64], NDArray[np.object_], NDArray[np.bool_]]:
    """Return keys as numbers, their labels, and which rows have just one key."""
    kinds = {name: table[name].is_valid().to_numpy() for name in ("number", "text", "digest")}
    keys = table["number"].fill_null(0).to_numpy().astype(np.uint64)
    labels = np.full(len(table), None, object)
    texts = table["text"].drop_null().to_pylist()
    labels[kinds["text"]] = texts
    keys[kinds["text"]] = [digest.number_of_text(text) for text in texts]
    digests = table["digest"].drop_null().to_pylist()
    labels[kinds["digest"]] = [each.hex() for each in digests]
    keys[kinds["digest"]] = [int.from_bytes(each[:8], "little") for each in digests]
    return keys, labels, sum(kind.astype(int) for kind in kinds.values()) == 1


def _with_next_sizes(keys: NDArray[np.uint64], sizes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return sizes, where they are not known those of the key's next access that knows it.

    So a read that has missed has the size of what was then stored.
    """
    order = np.argsort(keys, kind="stable")
    sorted_keys, sorted_sizes = keys[order], sizes[order]
    count = len(keys)
    here = np.where(sorted_sizes > 0, np.arange(count), count - 1)
    following = np.minimum.accumulate(here[::-1])[::-1]
    same = sorted_keys[following] == sorted_keys
    filled = np.empty_like(sizes)
    filled[order] = np.where(same, sorted_sizes[following], sorted_sizes)
    return filled


def _largest(file: Any) -> int:
    """Return the largest size, from the statistics of the row groups."""
    at = file.schema_arrow.names.index("size")
    largest = 0
    for group in range(file.metadata.num_row_groups):
        statistics = file.metadata.row_group(group).column(at).statistics
        if statistics is not None and statistics.has_min_max:
            largest = max(largest, int(statistics.max))
    return largest
