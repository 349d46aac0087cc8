"""Frames, series, indexes, extension arrays and scalars of pandas."""

from __future__ import annotations

import datetime
import operator
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from augury.keys.dispatch import Unencodable, content_encoder, parts_encoder
from augury.keys.format import Encoder
from augury.keys.strings import from_arrow, from_python

FIXED = True

Parts: TypeAlias = Iterator[tuple[str, object]]


def find(kind: type) -> Encoder | None:
    """Return the encoder of a type of pandas."""
    name = f"pandas.{kind.__name__}"
    if kind is pd.DataFrame:
        return parts_encoder(name, _frame)
    if kind is pd.Series:
        return parts_encoder(name, _series)
    if kind is pd.RangeIndex:
        return parts_encoder(name, _range_index)
    if kind is pd.MultiIndex:
        return parts_encoder(name, _multi_index)
    if issubclass(kind, pd.Index):
        return parts_encoder(name, _index)
    if issubclass(kind, pd.api.extensions.ExtensionArray):
        return parts_encoder("pandas.array", _array)
    if kind in (type(pd.NaT), type(pd.NA)):
        return content_encoder(name, lambda _: None)
    content = _SCALARS.get(kind.__name__)
    return content and content_encoder(name, content)


def _frame(frame: Any) -> Parts:
    yield ".columns", frame.columns
    yield ".index", frame.index
    for label, series in frame.items():
        yield f"[{label!r}]", series.array


def _series(series: Any) -> Parts:
    yield ".name", series.name
    yield ".index", series.index
    yield "", series.array


def _index(index: Any) -> Parts:
    yield ".names", list(index.names)
    yield "", index.array


def _range_index(index: Any) -> Parts:
    yield ".names", list(index.names)
    yield "", range(index.start, index.stop, index.step)


def _multi_index(index: Any) -> Parts:
    yield ".names", list(index.names)
    for level in range(index.nlevels):  # as seen: codes and unused levels are how it is stored
        yield f".levels[{level}]", index.get_level_values(level).array


def _array(array: Any) -> Parts:
    dtype = array.dtype
    if isinstance(dtype, np.dtype) or type(array) is pd.arrays.NumpyExtensionArray:
        yield "", np.asarray(array)
    elif isinstance(dtype, pd.CategoricalDtype):
        yield "", "category"
        yield ".ordered", bool(array.ordered)
        yield ".categories", array.categories
        yield "", np.asarray(array.codes)
    elif isinstance(dtype, pd.StringDtype):
        # Where the strings lie, in Python or in Arrow, depends on what is installed.
        yield "", "string" if dtype.na_value is pd.NA else "str"
        lengths, data = (
            from_arrow(array.__arrow_array__())
            if dtype.storage == "pyarrow"
            else from_python(array.to_numpy(object, na_value=None))
        )
        yield "", lengths
        yield "", data
    elif isinstance(dtype, pd.DatetimeTZDtype):
        yield "", _zone(dtype.tz)
        yield "", np.asarray(array, dtype=f"M8[{dtype.unit}]")
    elif isinstance(dtype, pd.PeriodDtype):
        yield "", dtype.name
        yield "", array.asi8
    elif isinstance(dtype, pd.IntervalDtype):
        yield "", "interval"
        yield ".closed", array.closed
        yield ".left", array.left.array
        yield ".right", array.right.array
    elif isinstance(dtype, pd.SparseDtype):
        yield "", "sparse"
        yield ".fill_value", dtype.fill_value
        yield "", array.to_dense()
    elif isinstance(dtype, pd.ArrowDtype):
        yield "", dtype.name
        yield "", array.to_numpy(object, na_value=None)
    elif isinstance(
        array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray
    ):
        yield "", dtype.name
        yield "", array.isna()
        # What lies under the mask is not part of the value.
        yield "", array.to_numpy(dtype.numpy_dtype, na_value=0)
    else:
        raise Unencodable(
            array, f"cannot make a stable key from {dtype!r}; convert it to a dtype of pandas"
        )


def _zone(zone: datetime.tzinfo) -> str:
    # A fixed offset may have any name, and two offsets the same: unnamed, it is its own name.
    if isinstance(zone, datetime.timezone):
        zone = datetime.timezone(zone.utcoffset(None))
    return str(zone)


_SCALARS: dict[str, Any] = {
    "Timestamp": lambda value: value.isoformat(timespec="nanoseconds"),
    "Timedelta": operator.attrgetter("days", "seconds", "microseconds", "nanoseconds"),
    "Period": operator.attrgetter("freqstr", "ordinal"),
    "Interval": operator.attrgetter("left", "right", "closed"),
}
