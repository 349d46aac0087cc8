"""Frames of pandas and polars as rows of bytes, column by column.

The bytes of a row say what its cells hold: numbers and times as they lie in memory; a mask before
them where cells may be missing; 16 bytes of BLAKE2b for text, so that rows are equally long. Names
and dtypes of the columns are in the signature. A category is its place among the categories, which
go before it as a digest: some models go by the place, others by the value, and only both together
are right for all. Row labels are no part of a row.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from augury.errors import InputError
from augury.inference.adapters.contract import Batch
from augury.inference.arrays import bytes_of

Column: TypeAlias = tuple[str, list[NDArray[Any]]]
"""What its bytes do not say, and these: one or more arrays of a fixed size for each cell."""

_PLAIN = "biufcmM"  # kinds of NumPy's dtypes whose bytes say all
_DIGEST = 16
_MOST_CATEGORIES = 256  # whose digests are remembered

_categories: dict[int, tuple[Any, bytes]] = {}


def batch_of_frame(given: Any) -> Batch | None:
    """Return the rows of a frame as a batch; None if it is no frame.

    Raises
    ------
    InputError
        If a column holds what is neither a number, a time, text nor missing; the column is named.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        names, kind = list(given.columns), "pandas"
        dtypes = list(dict.fromkeys(given.dtypes))
        if len(dtypes) == 1 and isinstance(dtypes[0], np.dtype) and dtypes[0].kind in _PLAIN:
            return _batch_of_one_dtype(given, names, dtypes[0])
        columns = [_of_pandas(label, series) for label, series in given.items()]
    elif polars is not None and isinstance(given, polars.DataFrame):
        names, kind = given.columns, "polars"
        columns = [_of_polars(series) for series in given.get_columns()]
    else:
        return None
    dtype = np.dtype([("", array.dtype) for _, arrays in columns for array in arrays])
    packed = np.empty(len(given), dtype)
    arrays = [array for _, arrays in columns for array in arrays]
    for field, array in zip(dtype.names or (), arrays, strict=True):
        packed[field] = array
    floats = tuple(
        (offset, offset + field.itemsize, field.str)
        for field, offset, *_ in (dtype.fields or {}).values()
        if field.kind == "f"
    )
    return Batch(
        given, bytes_of(packed), _signature(kind, names, [tag for tag, _ in columns]), floats
    )


def select(given: Any, chosen: NDArray[np.int64]) -> Any:
    """Return these rows of a frame, of texts, of an array, or of what can be made one."""
    if hasattr(given, "iloc"):  # pandas
        return given.iloc[chosen]
    if hasattr(given, "get_columns"):  # polars
        return given[chosen]
    if _is_list_of_texts(given):
        return [given[at] for at in chosen.tolist()]
    return np.asarray(given)[chosen]


def join(parts: Sequence[Any]) -> Any:
    """Return as one the rows of frames, texts or arrays, all of one signature.

    Raises
    ------
    InputError
        If columns of pandas differ in their categories: those of all might have other places.
    """
    if hasattr(parts[0], "iloc"):
        if not all(part.dtypes.equals(parts[0].dtypes) for part in parts):
            raise InputError("frames with other categories are no rows of one batch")
        return sys.modules["pandas"].concat(parts, ignore_index=True)
    if hasattr(parts[0], "get_columns"):
        return sys.modules["polars"].concat(parts)
    if _is_list_of_texts(parts[0]):
        return [text for part in parts for text in part]
    return np.concatenate([np.asarray(part) for part in parts])


def _is_list_of_texts(given: Any) -> bool:
    return isinstance(given, list | tuple) and len(given) > 0 and isinstance(given[0], str)


def _batch_of_one_dtype(frame: Any, names: list[Any], dtype: np.dtype[Any]) -> Batch:
    """Return the same batch as column by column, for less."""
    rows = bytes_of(frame.to_numpy())
    floats = ((0, rows.shape[1], dtype.str),) if dtype.kind == "f" else ()
    return Batch(frame, rows, _signature("pandas", names, [dtype.str] * len(names)), floats)


def _signature(kind: str, names: Sequence[Any], tags: list[str]) -> bytes:
    return f"{kind} {names!r} {tags!r}".encode("utf-8", "surrogatepass")


def _of_pandas(label: Any, series: Any) -> Column:
    import pandas as pd

    array, dtype = series.array, series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in _PLAIN:
        return dtype.str, [series.to_numpy()]
    if isinstance(dtype, pd.CategoricalDtype):
        return f"category {dtype.ordered}", [
            np.full(len(series), _of_categories(label, dtype.categories), f"V{_DIGEST}"),
            np.asarray(array.codes, np.int64),
        ]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return str(dtype), [np.asarray(array, f"M8[{dtype.unit}]")]
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        # What lies under the mask is not part of the value.
        return str(dtype), [array.isna(), array.to_numpy(dtype.numpy_dtype, na_value=0)]
    return repr(dtype), [_digests(label, array.to_numpy(object).tolist())]


def _of_categories(label: Any, categories: Any) -> NDArray[np.void]:
    """Return a digest of categories, which frames of the same dtype have in common."""
    known = _categories.get(id(categories))
    if known is None or known[0] is not categories:
        cells = _of_pandas(label, categories.to_series())[1][-1]
        digest = blake2b(f"{categories.dtype!r} ".encode() + cells.tobytes(), digest_size=_DIGEST)
        if len(_categories) >= _MOST_CATEGORIES:
            _categories.clear()
        known = _categories[id(categories)] = categories, digest.digest()
    return np.frombuffer(known[1], f"V{_DIGEST}")


def _of_polars(series: Any) -> Column:
    import polars as pl

    dtype, label = series.dtype, series.name
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        categories = list(dtype.categories) if dtype == pl.Enum else ""
        return f"{dtype} {categories}", [_digests(label, series.cast(pl.String).to_list())]
    numbers = dtype.is_integer() or dtype.is_float() or dtype == pl.Boolean or dtype.is_temporal()
    if numbers and not str(dtype).endswith("Int128"):  # which NumPy has not got
        nulls = np.zeros(len(series), bool)
        physical = series.to_physical()
        if series.null_count():
            # What lies under a null is not part of the value.
            nulls = series.is_null().to_numpy()
            physical = physical.fill_null(False if dtype == pl.Boolean else 0)
        values = physical.to_numpy()
        if values.dtype.kind in _PLAIN:
            return str(dtype), [nulls, values]
    if dtype == pl.Null:
        return str(dtype), []
    raise InputError(
        f"column {label!r} is of {dtype}, whose cells cannot be told apart by their bytes; "
        "convert it to numbers or text first"
    )


def _digests(label: Any, cells: list[Any]) -> NDArray[np.void]:
    """Return a digest of each cell; equal ones are digested once."""
    keys = cells if set(map(type, cells)) <= {str} else list(_contents(label, cells))
    table = {key: blake2b(_bytes(key), digest_size=_DIGEST).digest() for key in set(keys)}
    return np.frombuffer(b"".join(map(table.__getitem__, keys)), f"V{_DIGEST}")


def _bytes(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else b"s" + key.encode("utf-8", "surrogatepass")


def _contents(label: Any, cells: list[Any]) -> Iterator[bytes | str]:
    """Return text as it is, and of other cells bytes that begin unlike those of any text."""
    for cell in cells:
        kind = type(cell)
        if kind is str:
            yield cell
        elif kind is float:
            yield b"f" + struct.pack("<d", cell)
        elif kind is int or kind is bool:
            yield f"{kind.__name__[0]}{cell:x}".encode()
        elif kind is NoneType or kind.__name__ in ("NAType", "NaTType"):
            yield kind.__name__.encode()
        elif isinstance(cell, np.generic) and cell.dtype.kind in "biufc":
            yield f"g{cell.dtype.str} ".encode() + cell.tobytes()
        else:
            raise InputError(
                f"column {label!r} holds a {kind.__name__}, whose bytes say nothing about it; "
                "cells are numbers, text or missing"
            )
