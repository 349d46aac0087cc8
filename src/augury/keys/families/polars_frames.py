"""Frames and series of polars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import polars as pl

from augury.keys.dispatch import parts_encoder
from augury.keys.format import Encoder
from augury.keys.strings import from_polars

FIXED = True

Parts: TypeAlias = Iterator[tuple[str, object]]


def find(kind: type) -> Encoder | None:
    """Return the encoder of a type of polars; a lazy frame has no value yet, so none."""
    if kind is pl.DataFrame:
        return parts_encoder("polars.DataFrame", _frame)
    if kind is pl.Series:
        return parts_encoder("polars.Series", _series)
    return None


def _frame(frame: Any) -> Parts:
    yield "", frame.height
    for series in frame.get_columns():
        yield f"[{series.name!r}]", series


def _series(series: Any) -> Parts:
    yield ".name", series.name
    dtype = series.dtype
    name = str(dtype)
    yield ".dtype", ("Enum", list(dtype.categories)) if dtype == pl.Enum else name
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        lengths, data = from_polars(series.cast(pl.String))
        yield "", lengths
        yield "", data
    elif name in _NUMBERS or dtype.is_temporal():
        yield "", series.is_null().to_numpy() if series.null_count() else None
        # What lies under a null is not part of the value.
        yield "", series.to_physical().fill_null(False if dtype == pl.Boolean else 0).to_numpy()
    else:
        yield "", series.to_list()


_NUMBERS = {
    "Boolean",
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *(f"Float{bits}" for bits in (16, 32, 64)),
}
