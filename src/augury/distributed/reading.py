"""Reads a log by Spark as `augury.accesslog` reads a trace: the same columns, keys and refusals.

Spark finds files and parts of files; what their bytes mean is decided by the local readers, a batch
of rows at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
import numpy as np

from augury import _native
from augury.accesslog.chunk import NOBODY, Chunk
from augury.accesslog.columns import find_columns
from augury.accesslog.formats import Head, find, recognise
from augury.accesslog.formats.csv import Table
from augury.accesslog.formats.parquet import Batch
from augury.accesslog.lines import BOM, Block
from augury.accesslog.malformed import Malformed
from augury.accesslog.spool import whole_seconds
from augury.distributed.session import each_batch
from augury.errors import ConfigurationError, TraceError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

ORDER = ("file", "block", "row")
"""The columns by which requests of one file are in its order."""

_SCHEMA = (
    "file int, block long, row long, time double, key long, number long, size long, second long, "
    "session long, name binary, part binary"
)
_READ = ("csv", "parquet")
_HEAD_LINES = 100


class Part(msgspec.Struct):
    """What was seen of a part of a file, besides its requests."""

    file: int
    block: int
    lines: int = 0
    """With blank ones and the header."""
    headed: bool = False
    """Whether the header was read, if it begins with one."""
    sized: bool = False
    timed: bool = False
    malformed: Malformed = msgspec.field(default_factory=Malformed)


@dataclass(frozen=True)
class Source:
    """The files of a log, and how to read them."""

    path: str
    files: tuple[str, ...]
    """In the order in which they are read."""
    format: str
    frame: DataFrame
    """Their rows as Spark reads them."""
    to_chunks: Callable[[Any, Part, int], Iterator[Chunk]]
    """Reads rows of one part, given how many of it came before."""

    @property
    def ordered_by_time(self) -> bool:
        """Whether requests are put in the order of time: files do not say how they follow."""
        return len(self.files) > 1

    def requests(self, *, names: bool) -> DataFrame:
        """Return the requests in any order, and a row with a `Part` for each part of a file.

        Parameters
        ----------
        names
            Whether to keep the keys' text.
        """
        number_of = {_plain(file): at for at, file in enumerate(self.files)}
        to_chunks = self.to_chunks

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            parts: dict[tuple[int, int], Part] = {}
            rows: dict[tuple[int, int], int] = {}
            for batch in batches:
                for path, block, first, some in _pieces(batch):
                    at = number_of[_plain(unquote(path))], block
                    part = parts.setdefault(at, Part(*at))
                    before = rows.get(at, 0) if first is None else first
                    rows[at] = before + len(some)
                    for chunk in to_chunks(some, part, before):
                        if len(chunk):
                            yield _table(chunk, part, before, names)
                            before += len(chunk)
            for part in parts.values():
                yield _last(part)

        return each_batch(self.frame, read, _SCHEMA)


def open_source(
    spark: SparkSession, path: str, format: str | None, columns: Mapping[str, str]
) -> Source:
    """Find the files of a log and their format; parameters are as of `augury.read_trace`.

    Raises
    ------
    TraceError
        If there is no file, it is empty, in a format that Spark does not read here, or lacks a
        column.
    ConfigurationError
        If a parameter makes no sense.
    """
    if format is not None and find(format).name not in _READ:
        raise ConfigurationError(f"Spark reads {' and '.join(_READ)} here, not {format}")
    if unknown := [role for role in columns if role not in ("key", "size", "time", "session")]:
        raise ConfigurationError(
            f"columns names {unknown[0]!r}; there are: key, size, time, session"
        )
    files = _files(spark, path)
    first = files[0]
    if format is None:
        format = _format(spark, path, first)
    if find(format).name == "parquet":
        return _parquet(spark, path, files, columns)
    return _csv(spark, path, files, columns)


def _files(spark: SparkSession, path: str) -> tuple[str, ...]:
    listed = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(path)
        .select("path", "length")
        .collect()
    )
    files = sorted(row.path for row in listed if row.length)
    if not files:
        raise TraceError(f"{path}: is empty; a log has at least one request")
    return tuple(files)


def _format(spark: SparkSession, path: str, file: str) -> str:
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(file)
    stream = place.getFileSystem(spark._jsc.hadoopConfiguration()).open(place)
    try:
        magic = bytes(stream.read() & 0xFF for _ in range(4))
    finally:
        stream.close()
    if magic == b"PAR1":
        return "parquet"
    name = re.sub(r"\.(gz|bz2|zst|snappy|lz4|deflate)$", "", Path(file).name.lower())
    lines = _first_lines(spark, file)
    data = b"\n".join(lines).removeprefix(BOM) + b"\n"
    found = recognise(Head(data, name, complete=True)) if any(lines) else None
    if found is None or found.name not in _READ:
        what = "is in no format that is known" if found is None else f"has format {found.name}"
        raise TraceError(
            f"{path}: {what}, and Spark reads {' and '.join(_READ)} here; convert it, name the "
            "format (--format), or learn without Spark"
        )
    return found.name


def _first_lines(spark: SparkSession, file: str) -> list[bytes]:
    rows = spark.read.text(_literal(file), lineSep="\n").selectExpr("cast(value as binary) value")
    return [bytes(row.value) for row in rows.head(_HEAD_LINES)]


def _parquet(
    spark: SparkSession, path: str, files: tuple[str, ...], columns: Mapping[str, str]
) -> Source:
    from pyspark.sql import functions as sql
    from pyspark.sql.types import BinaryType, DecimalType, NumericType, StringType

    rows = spark.read.parquet(*map(_literal, files))
    found = find_columns(Path(path), rows.columns, columns)
    kinds = {role: rows.schema.fields[at].dataType for role, at in found.items()}
    if (
        "session" in found
        and "session" not in columns
        and not isinstance(kinds["session"], NumericType | StringType | BinaryType)
    ):
        del found["session"]  # it is named like one, and is something else

    def column(role: str, at: int) -> Any:
        quoted = rows.columns[at].replace("`", "``")
        read = sql.col(f"`{quoted}`")
        # Unsigned integers of 64 bits are decimals to Spark.
        if role in ("size", "time") and kinds[role] == DecimalType(20, 0):
            read = read.cast("double")
        return read.alias(role)

    place = Path(path)

    def to_chunks(batch: pa.RecordBatch, part: Part, before: int) -> Iterator[Chunk]:
        part.malformed.saw(len(batch))
        part.lines = before + len(batch)
        by_role = {role: batch.column(role) for role in found}
        yield Batch(place, part.malformed, before + 1).chunk(by_role)

    frame = rows.select(
        sql.col("_metadata.file_path").alias("path"),
        sql.lit(0).cast("long").alias("block"),
        sql.col("_metadata.row_index").alias("row"),
        *(column(role, at) for role, at in found.items()),
    )
    empty = frame.limit(0).toArrow().combine_chunks()
    for batch in empty.to_batches() or [_empty_batch(empty.schema)]:
        list(to_chunks(batch, Part(0, 0), 0))  # refuses types of columns
    return Source(path, files, "parquet", frame, to_chunks)


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], each.type) for each in schema], schema=schema)


def _csv(
    spark: SparkSession, path: str, files: tuple[str, ...], columns: Mapping[str, str]
) -> Source:
    from pyspark.sql import functions as sql

    lines = [line for line in _first_lines(spark, files[0]) if line.removeprefix(BOM).strip()]
    if not lines:
        raise TraceError(f"{path}: has no request: it is blank; a log has at least one")
    header = lines[0].removeprefix(BOM).rstrip(b"\r")
    place = Path(path)
    Table(place, header, columns, Malformed())  # refuses it where it lacks a column

    def to_chunks(batch: pa.RecordBatch, part: Part, _: int) -> Iterator[Chunk]:
        values: list[bytes] = batch.column("value").to_pylist()
        if part.block == 0 and not part.headed:
            values = _below_header(place, header, values, part)
        block = Block(b"".join(value + b"\n" for value in values), part.lines + 1)
        part.lines += len(values)
        table = Table(place, header, columns, part.malformed)
        if b'"' in block.data:
            yield from table.read_quoted(block, ())
        else:
            yield table.read_plain(block)

    frame = spark.read.text(list(map(_literal, files)), lineSep="\n").select(
        sql.col("_metadata.file_path").alias("path"),
        sql.col("_metadata.file_block_start").alias("block"),
        sql.col("value").cast("binary").alias("value"),
    )
    return Source(path, files, "csv", frame, to_chunks)


def _below_header(place: Path, header: bytes, values: list[bytes], part: Part) -> list[bytes]:
    """Return the lines after the header, which has to be that of the first file."""
    for at, value in enumerate(values):
        found = value.removeprefix(BOM).rstrip(b"\r")
        if found.strip():
            if found != header:
                raise TraceError(f"{place}: its files have different headers; give them the same")
            part.headed = True
            part.lines += at + 1
            return values[at + 1 :]
    part.lines += len(values)
    return []


def _plain(path: str) -> str:
    """Return a file's path with as many slashes as Spark writes in either of its two ways."""
    return re.sub(r"^(\w+):/+", r"\1:/", path)


def _literal(path: str) -> str:
    """Return a pattern that is of this one file."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[str, int, int | None, pa.RecordBatch]]:
    """Yield path, block and first row of consecutive rows of one part, and these."""
    paths = batch.column("path").dictionary_encode()
    codes, blocks = paths.indices.to_numpy(), batch.column("block").to_numpy()
    breaks = (np.diff(codes) != 0) | (np.diff(blocks) != 0)
    rows: NDArray[np.int64] | None = None
    if "row" in batch.schema.names:
        rows = batch.column("row").to_numpy()
        breaks |= np.diff(rows) != 1
    bounds = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(batch)]
    for start, end in pairwise(bounds):
        if start < end:
            path = paths.dictionary[int(codes[start])].as_py()
            first = None if rows is None else int(rows[start])
            yield path, int(blocks[start]), first, batch.slice(start, end - start)


def _table(chunk: Chunk, part: Part, first: int, names: bool) -> pa.RecordBatch:
    import pyarrow as pa

    count = len(chunk)
    part.sized = part.sized or chunk.sizes is not None
    part.timed = part.timed or chunk.times is not None
    nothing = np.zeros(count, np.int64)
    times = np.zeros(count) if chunk.times is None else chunk.times
    numbers = chunk.keys if chunk.names is None else _native.key_numbers(list(chunk.names))
    texts = None
    if names:
        written = map(str, chunk.keys.tolist()) if chunk.names is None else chunk.names
        texts = [text.encode("utf-8", "surrogateescape") for text in written]
    columns: dict[str, Any] = {
        "file": np.full(count, part.file, np.int32),
        "block": np.full(count, part.block, np.int64),
        "row": np.arange(first, first + count, dtype=np.int64),
        "time": times,
        "key": chunk.keys.view(np.int64),
        "number": numbers.view(np.int64),
        "size": nothing if chunk.sizes is None else chunk.sizes.view(np.int64),
        "second": nothing if chunk.times is None else whole_seconds(times).astype(np.int64),
        "session": _sessions(chunk).view(np.int64),
        "name": pa.nulls(count, pa.binary()) if texts is None else pa.array(texts, pa.binary()),
        "part": pa.nulls(count, pa.binary()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _sessions(chunk: Chunk) -> NDArray[np.uint64]:
    if chunk.sessions is None:
        return np.full(len(chunk), NOBODY, np.uint64)
    return chunk.sessions


def _last(part: Part) -> pa.RecordBatch:
    """Return the row of a part."""
    import pyarrow as pa

    row: dict[str, Any] = {name: pa.array([0], pa.int64()) for name in _names()}
    row["file"] = pa.array([part.file], pa.int32())
    row["block"] = pa.array([part.block], pa.int64())
    row["time"] = pa.array([0.0])
    row["name"] = pa.nulls(1, pa.binary())
    row["part"] = pa.array([msgspec.msgpack.encode(part)], pa.binary())
    return pa.RecordBatch.from_pydict(row)


def _names() -> list[str]:
    return [column.split()[0] for column in _SCHEMA.split(", ")]
