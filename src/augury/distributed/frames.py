"""Rows of features as MLlib takes them, and what its models predict of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from augury.learning.labels import Training

# Sums of two parts do not depend on which comes first, and those of more do, in their last bits.
_PARTS = 2
_MOST_ROWS = 1 << 20  # of a part


@contextlib.contextmanager
def training_frame(training: Training, rows: NDArray[np.float32]) -> Iterator[DataFrame]:
    """Give rows with ``time``, ``again`` and ``weight`` of a training to the cluster.

    Parameters
    ----------
    training
        What there is to learn.
    rows
        Its rows, or what was made of them.
    """
    frame = _frame(
        rows,
        time=training.time.astype(np.float64),
        again=training.again.astype(np.float64),
        weight=training.weight.astype(np.float64),
    )
    frame = frame.coalesce(max(_PARTS, len(rows) // _MOST_ROWS)).persist()
    try:
        yield frame
    finally:
        frame.unpersist()


def predictions(model: Any, rows: NDArray[np.float32], column: str) -> NDArray[np.float64]:
    """Return what a model of MLlib says of each row, by the name of the column it says it in.

    Returns
    -------
    array
        A number a row, or a row of numbers if the column is of vectors.
    """
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as sql

    if not len(rows):
        return np.empty(0)
    said = model.transform(_frame(rows))
    numbers = column == "prediction"
    array = sql.col(column) if numbers else vector_to_array(sql.col(column))
    values = said.select(array.alias("said")).toArrow()["said"].combine_chunks()
    flat: NDArray[np.float64] = (values if numbers else values.flatten()).to_numpy()
    return flat.reshape(len(rows), -1)[:, 0] if numbers else flat.reshape(len(rows), -1)


def _frame(rows: NDArray[np.float32], **columns: NDArray[np.float64]) -> DataFrame:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as sql

    spark = SparkSession.getActiveSession()
    if spark is None:
        raise ConfigurationError("models of MLlib live as long as their session of Spark")
    flat = pa.array(rows.astype(np.float64).ravel())
    offsets = pa.array(np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32))
    table = pa.table({"row": pa.ListArray.from_arrays(offsets, flat), **columns})
    frame = spark.createDataFrame(table)
    return frame.select(array_to_vector(sql.col("row")).alias("features"), *columns)
