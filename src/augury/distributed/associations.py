"""Which keys are asked for together, by FP-growth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury.accesslog.chunk import NOBODY
from augury.distributed.log import Log
from augury.distributed.session import session as spark_session
from augury.errors import ConfigurationError
from augury.parameters import check_integer

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql import DataFrame, SparkSession

    from augury.distributed.log import LogBlock

_NOBODY = int(np.uint64(NOBODY).view(np.int64))


@dataclass(frozen=True, slots=True)
class Association:
    """Two keys of which the second is often asked for with the first."""

    key: str
    """As in the log."""
    partner: str
    """The other key."""
    support: float
    """Share of the windows that have both."""
    confidence: float
    """Share of the windows with `key` that have `partner`, too."""
    lift: float
    """That, over the share of all windows that have `partner`; 1.0 is chance."""


def associations(
    path: str,
    *,
    master: str = "local[*]",
    window: int = 8,
    support: float = 0.001,
    confidence: float = 0.3,
    most: int = 1000,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_malformed: float = 0.01,
    session: SparkSession | None = None,
    progress: Callable[[float], object] | None = None,
) -> list[Association]:
    """Find pairs of keys that are asked for together, by MLlib's FP-growth.

    (J. Han, J. Pei, Y. Yin, "Mining frequent patterns without candidate generation", SIGMOD 2000.)
    What is asked for together is a good candidate to be fetched together: see docs/spark.md.

    Parameters
    ----------
    path, master, format, columns, max_malformed, session, progress
        As of `augury.distributed.learn`.
    window
        How many consecutive requests are "together", from 2 to 64: of one session where the log
        says who asked, else of all.
    support
        Least share of the windows that have both keys, above 0.0. Few give many pairs.
    confidence
        Least share of the windows with the one that have the other, above 0.0 and up to 1.0.
    most
        How many pairs are returned at most: those with the greatest confidence, then support.

    Raises
    ------
    TraceError
        If the log cannot be read.
    ConfigurationError
        If a parameter makes no sense, or Spark cannot be started.
    MissingExtraError
        If PySpark is not installed.
    """
    check_integer("window", window)
    check_integer("most", most)
    if not 2 <= window <= 64:
        raise ConfigurationError(f"window must be from 2 to 64, not {window}")
    for name, share in (("support", support), ("confidence", confidence)):
        if not 0.0 < share <= 1.0:
            raise ConfigurationError(f"{name} must be above 0 and up to 1, not {share!r}")
    tell = progress or (lambda _: None)
    with (
        spark_session(master, session) as spark,
        Log(
            spark,
            path,
            format=format,
            columns=columns,
            max_malformed=max_malformed,
            names=True,
        ) as log,
    ):
        tell(0.5)
        found = _mined(_windows(log, window), support, confidence, most)
        tell(0.9)
        names = log.names({key for row in found for key in (row[0], row[1])})
        return [Association(names[row[0]], names[row[1]], *row[2:]) for row in found]


def _windows(log: Log, window: int) -> DataFrame:
    """Return the distinct keys of each window."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    def placed(block: LogBlock) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        yield pa.RecordBatch.from_pydict(
            {
                "session": block.columns["session"].view(np.int64),
                "key": block.columns["key"].view(np.int64),
                "at": np.arange(block.start, block.start + len(block), dtype=np.int64),
            }
        )

    requests = log.each_block(("session", "key"), placed, "session long, key long, at long")
    # Requests of nobody are numbered as they are: sorting them as one session would take one task.
    unknown = requests.where(sql.col("session") == _NOBODY)
    turn = sql.row_number().over(Window.partitionBy("session").orderBy("at")) - 1
    known = requests.where(sql.col("session") != _NOBODY).withColumn("at", turn.cast("long"))
    return (
        known.unionByName(unknown)
        .groupBy("session", sql.floor(sql.col("at") / window))
        .agg(sql.collect_set("key").alias("items"))
        .select("items")
    )


def _mined(
    windows: DataFrame, support: float, confidence: float, most: int
) -> list[tuple[int, int, float, float, float]]:
    from pyspark.ml.fpm import FPGrowth
    from pyspark.sql import functions as sql

    miner = FPGrowth(itemsCol="items", minSupport=support, minConfidence=confidence)
    windows = windows.persist()
    try:
        pairs = (
            miner.fit(windows)
            .associationRules.where(sql.size("antecedent") == 1)
            .select(
                sql.col("antecedent")[0].alias("key"),
                sql.col("consequent")[0].alias("partner"),
                "support",
                "confidence",
                "lift",
            )
            .orderBy(sql.desc("confidence"), sql.desc("support"), "key", "partner")
            .limit(most)
            .collect()
        )
    finally:
        windows.unpersist()
    return [tuple(row) for row in pairs]
