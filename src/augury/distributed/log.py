"""A log in its order, in blocks that lie on the cluster's disks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from augury.accesslog.malformed import KEPT, Example, Malformed
from augury.closing import Closing
from augury.distributed.reading import ORDER, Part, Source, open_source
from augury.distributed.session import each_batch
from augury.errors import TraceError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

BLOCK = 1 << 20
"""Requests of a block, about: what a worker has in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class LogBlock:
    """Consecutive requests, where they are worked on."""

    start: int
    """The number of the first in the whole log."""
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


class Log(Closing):
    """The requests of a log, cleaned, in order and numbered.

    A single file has the order of its rows, several have that of time. Use it as a context manager,
    or `close` it.

    Parameters
    ----------
    spark
        The session.
    path
        A Parquet or CSV file, a folder of such or a pattern (``logs/2024-*``), on any file system
        that Spark knows.
    format, columns, max_malformed
        As of `augury.read_trace`.
    names
        Whether the keys' text is kept.
    block
        About how many requests a worker has in memory at once.

    Raises
    ------
    TraceError
        If the log cannot be read, has no request, or too much of it is malformed.
    ConfigurationError
        If a parameter makes no sense.
    """

    requests: int
    """How many."""
    sized: bool
    """Whether the log says how large each requested value is."""
    timed: bool
    """Whether it says when it was requested."""
    malformed: Malformed
    """What could not be read."""
    several_keys: bool
    """Whether there is more than one key."""

    def __init__(
        self,
        spark: SparkSession,
        path: str,
        *,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        max_malformed: float = 0.01,
        names: bool = False,
        block: int = BLOCK,
    ) -> None:
        from pyspark import StorageLevel
        from pyspark.sql import functions as sql

        self.path = path
        self._spark = spark
        source = open_source(spark, path, format, columns or {})
        # Sorting looks at all rows twice, to find out where to cut; reading them is what costs.
        read = source.requests(names=names).persist(StorageLevel.DISK_ONLY)
        try:
            rows = read.count()
            order = (("time",) if source.ordered_by_time else ()) + ORDER
            by = [sql.col("part").isNotNull(), *map(sql.col, order)]
            wanted = max(spark.sparkContext.defaultParallelism, -(-rows // block))
            self._frame = (
                read.repartitionByRange(wanted, *by)
                .sortWithinPartitions(*by)
                .select("key", "number", "size", "second", "time", "session", "name", "part")
                .persist(StorageLevel.DISK_ONLY)
            )
            parts = self._frame.where("part is not null").select("part").collect()
        finally:
            read.unpersist()
        try:
            self._describe(source, [msgspec.msgpack.decode(row.part, type=Part) for row in parts])
            self.malformed.check(path, max_malformed)
            self._starts = self._number()
            if not self.requests:
                raise TraceError(
                    f"{path}: has no request in format {source.format} ({self.malformed.total:,} "
                    f"rows: {self.malformed.count:,} malformed)"
                )
        except BaseException:
            self.close()
            raise

    def _describe(self, source: Source, parts: list[Part]) -> None:
        parts.sort(key=lambda part: (part.file, part.block))
        self.sized = any(part.sized for part in parts)
        self.timed = any(part.timed for part in parts)
        self.malformed = Malformed()
        before: dict[int, int] = {}  # lines, by file
        for part in parts:
            self.malformed.total += part.malformed.total
            self.malformed.count += part.malformed.count
            skipped = before.get(part.file, 0) if source.format == "csv" else 0
            self.malformed.examples += [
                Example(each.line + skipped, each.text, each.reason)
                for each in part.malformed.examples
            ]
            before[part.file] = skipped + part.lines
        del self.malformed.examples[KEPT:]

    def _number(self) -> dict[int, int]:
        """Count requests and return the number of the first of each partition."""

        def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            keys = []
            partition = 0
            for batch in batches:
                keys.append(batch.column("key"))
                partition = batch.column("partition")[0].as_py()
            if not keys:
                return
            yield pa.RecordBatch.from_pydict(
                {
                    "at": pa.array([partition], pa.int64()),
                    "rows": pa.array([sum(map(len, keys))], pa.int64()),
                    "few": pa.array([pa.chunked_array(keys, pa.int64()).unique()[:2].to_pylist()]),
                }
            )

        columns = "at long, rows long, few array<long>"
        counted = each_batch(self._numbered("key"), count, columns).collect()
        starts: dict[int, int] = {}
        self.requests = 0
        for row in sorted(counted, key=lambda row: row.at):
            starts[row.at] = self.requests
            self.requests += row.rows
        self.several_keys = len({key for row in counted for key in row.few}) > 1
        return starts

    def _requests(self, *columns: str) -> DataFrame:
        return self._frame.where("part is null").select(*columns)

    def _numbered(self, *columns: str) -> DataFrame:
        """Return requests with the number of their partition, which tasks may number otherwise."""
        from pyspark.sql import functions as sql

        return self._requests(*columns).withColumn("partition", sql.spark_partition_id())

    def each_block(
        self,
        columns: tuple[str, ...],
        function: Callable[[LogBlock], Iterator[pa.RecordBatch]],
        schema: str,
    ) -> DataFrame:
        """Return what a function makes of each block, which it gets as a whole.

        Parameters
        ----------
        columns
            What it needs of ``key``, ``number``, ``size``, ``second``, ``time`` and ``session``:
            all of 64 bits, keys, numbers and sessions unsigned.
        """
        starts = self._starts

        def of_block(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            parts = []
            partition = 0
            for batch in batches:
                parts.append([_array(batch, name) for name in columns])
                partition = batch.column("partition")[0].as_py()
            if parts:
                whole = dict(
                    zip(columns, map(np.concatenate, zip(*parts, strict=True)), strict=True)
                )
                yield from function(LogBlock(starts[partition], whole))

        return each_batch(self._numbered(*columns), of_block, schema)

    def in_order(self, *columns: str) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the requests from the first, a batch at a time, in this process."""

        def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            for batch in batches:
                arrays = [_array(batch, name).tobytes() for name in columns]
                yield pa.RecordBatch.from_pydict(
                    {name: [data] for name, data in zip(columns, arrays, strict=True)}
                )

        schema = ", ".join(f"{name} binary" for name in columns)
        rows = each_batch(self._requests(*columns), packed, schema)
        for row in rows.toLocalIterator(prefetchPartitions=True):
            yield {name: np.frombuffer(row[name], _DTYPES[name]) for name in columns}

    def names(self, keys: Collection[int]) -> dict[int, str]:
        """Return the text of some keys, which are signed here; the log has to be read with it."""
        from pyspark.sql import functions as sql

        rows = self._requests("key", "name").where(sql.col("key").isin(list(keys)))
        found = rows.groupBy("key").agg(sql.first("name").alias("name")).collect()
        return {row.key: bytes(row.name).decode("utf-8", "surrogateescape") for row in found}

    def close(self) -> None:
        """Give the disks' room back."""
        self._frame.unpersist()


_DTYPES: dict[str, type[np.generic]] = {
    "key": np.uint64,
    "number": np.uint64,
    "session": np.uint64,
    "size": np.uint64,
    "second": np.int64,
    "time": np.float64,
}


def _array(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    array: NDArray[Any] = batch.column(name).to_numpy(zero_copy_only=False)
    return array.view(_DTYPES[name])
