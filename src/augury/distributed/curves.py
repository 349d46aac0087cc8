"""Miss-ratio curves of logs on a cluster, by SHARDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from augury import _native
from augury.distributed.log import Log
from augury.distributed.session import session as spark_session
from augury.errors import ConfigurationError
from augury.policies import check_seed
from augury.sizing.curve import Curve
from augury.sizing.stack import depth_curve

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql import SparkSession

    from augury.distributed.log import LogBlock

_SCHEMA = (
    "keys binary, sizes binary, others long, bytes double, ranks binary, first double, last double"
)


def curve(
    path: str,
    *,
    master: str = "local[*]",
    sample: float = 0.01,
    by_bytes: bool = False,
    capacities: Sequence[str | float] | None = None,
    seed: int = 1,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_malformed: float = 0.01,
    session: SparkSession | None = None,
    progress: Callable[[float], object] | None = None,
) -> Curve:
    """Measure LRU's miss ratio by capacity from a sample of the keys of a log.

    It is the curve that ``augury.sizing.curve(trace, method="shards", sample=sample)`` measures:
    blocks of the log choose the requests for sampled keys side by side, and these few pass, in
    order, through the stack in this process.

    Parameters
    ----------
    path, master, format, columns, max_malformed, session, progress
        As of `augury.distributed.learn`.
    sample
        Share of the keys to look at, above 0.0 and up to 1.0. The stack takes about 75 bytes for
        each of them.
    by_bytes, capacities, seed
        As of `augury.sizing.curve`.

    Returns
    -------
    Curve
        With the error of the sample.

    Raises
    ------
    TraceError
        If the log cannot be read.
    ConfigurationError
        If a parameter makes no sense, no key is in the sample, or Spark cannot be started.
    MissingExtraError
        If PySpark is not installed.
    """
    if not 0.0 < sample <= 1.0:
        raise ConfigurationError(f"sample must be above 0 and up to 1, not {sample!r}")
    check_seed(seed)
    tell = progress or (lambda _: None)
    with (
        spark_session(master, session) as spark,
        Log(spark, path, format=format, columns=columns, max_malformed=max_malformed) as log,
    ):
        if by_bytes and not log.sized:
            raise ConfigurationError("the trace has no sizes; measure by entries, not by bytes")
        tell(0.5)
        counted = _native.StackDistances(sample, 0, seed, weighed=by_bytes)
        earliest, latest = np.inf, -np.inf
        chosen = log.each_block(("key", "size", "time"), _chooser(sample, seed), _SCHEMA)
        for row in chosen.toLocalIterator(prefetchPartitions=True):
            sizes = np.frombuffer(row.sizes, np.uint64) if log.sized else None
            counted.feed(np.frombuffer(row.keys, np.uint64), sizes)
            counted.leave_out(row.others, row.bytes, np.frombuffer(row.ranks, np.uint8))
            earliest, latest = min(earliest, row.first), max(latest, row.last)
            tell(0.5 + 0.5 * counted.requests / log.requests)
        found = depth_curve(counted, "shards", by_bytes, log.sized, capacities)
        return replace(found, seconds=latest - earliest if log.timed else None)


def _chooser(sample: float, seed: int) -> Callable[[LogBlock], Iterator[pa.RecordBatch]]:
    def choose(block: LogBlock) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        keys, sizes, times = (block.columns[name] for name in ("key", "size", "time"))
        among = _native.KeySample(sample, seed)
        taken = among.takes(keys)
        yield pa.RecordBatch.from_pydict(
            {
                "keys": [keys[taken].tobytes()],
                "sizes": [sizes[taken].tobytes()],
                "others": pa.array([int((~taken).sum())], pa.int64()),
                "bytes": [float(sizes[~taken].sum(dtype=np.float64))],
                "ranks": [among.ranks().tobytes()],
                "first": [float(times.min())],
                "last": [float(times.max())],
            }
        )

    return choose
