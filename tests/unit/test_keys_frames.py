"""Keys of pandas and polars frames, and of torch tensors."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from augury import keys
from augury.errors import KeyEncodingError

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


def pandas_columns() -> dict[str, Any]:
    return {
        "int": pd.Series([1, 2, 4]),
        "float": pd.Series([1.0, np.nan, 3.0]),
        "str": pd.Series(["a", None, "é"]),
        "string": pd.Series(["a", None, "c"], dtype="string"),
        "object": pd.Series([1, "x", None], dtype=object),
        "category": pd.Series(pd.Categorical(["a", None, "b"])),
        "ordered": pd.Series(pd.Categorical(["a", None, "b"], ordered=True)),
        "Int64": pd.Series([1, None, 3], dtype="Int64"),
        "Float64": pd.Series([1.5, None, 3], dtype="Float64"),
        "boolean": pd.Series([True, None, False], dtype="boolean"),
        "time": pd.Series(pd.to_datetime(["2020", "2021", None])),
        "zone": pd.Series(pd.date_range("2020", periods=3, tz="Europe/Rome")),
        "span": pd.Series(pd.to_timedelta([1, 2, 3], unit="s")),
        "period": pd.Series(pd.period_range("2020", periods=3, freq="D")),
        "interval": pd.Series(pd.interval_range(0, 3)),
        "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    }


@pytest.mark.parametrize("name", sorted(pandas_columns()))
def test_pandas_columns(name: str) -> None:
    column, again = pandas_columns()[name], pandas_columns()[name]
    assert keys.encode(column) == keys.encode(again)
    moved = column.iloc[[2, 0, 1]].reset_index(drop=True)
    assert keys.encode(moved) != keys.encode(column)
    index = pd.Index(column)
    assert keys.encode(index) == keys.encode(pd.Index(again)) != keys.encode(column)
    assert keys.encode(column.array) == keys.encode(again.array)


def test_every_pandas_dtype_makes_another_key() -> None:
    values = [
        pd.Series([1, 2], dtype=dtype)
        for dtype in ("int64", "int32", "Int64", "Int32", "float64", "Float64", "category", object)
    ]
    values += [pd.Series(["1", "2"], dtype=dtype) for dtype in ("str", "string", "category")]
    assert len({keys.encode(value) for value in values}) == len(values)


def test_pandas_frames() -> None:
    frame, again = pd.DataFrame(pandas_columns()), pd.DataFrame(pandas_columns())
    key = keys.encode(frame)
    assert keys.encode(again) == key
    assert keys.encode(frame[::-1][::-1].set_axis(frame.index)) == key
    different = [
        frame,
        frame[frame.columns[::-1]],
        frame.rename(columns={"int": "INT"}),
        frame.set_index("int"),
        frame.set_index(["int", "str"]),
        frame.iloc[:2],
        frame.rename_axis("rows"),
        frame.assign(int=frame["int"].astype("int32")),
    ]
    assert len({keys.encode(value) for value in different}) == len(different)


def test_how_pandas_stores_values_does_not_count() -> None:
    hidden = pd.array([1, 2, 3], dtype="Int64")
    hidden[1] = None
    assert keys.encode(hidden) == keys.encode(pd.array([1, None, 3], dtype="Int64"))
    wide = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    assert keys.encode(wide) == keys.encode(wide.copy())
    split = pd.DataFrame({"a": wide["a"].to_list(), "b": wide["b"].to_list()})
    assert keys.encode(wide) == keys.encode(split)
    levels = pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)])
    fewer = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    assert keys.encode(levels[:2]) == keys.encode(fewer)
    python, arrow = (pd.array(["a", None], dtype=pd.StringDtype(s)) for s in ("python", "pyarrow"))
    assert keys.encode(python) == keys.encode(arrow)


def test_fixed_offsets_of_one_name_differ() -> None:
    def at(hours: int, *name: str) -> bytes:
        zone = dt.timezone(dt.timedelta(hours=hours), *name)
        return keys.encode(
            pd.Series(pd.date_range("2020", periods=3, tz="UTC")).dt.tz_convert(zone)
        )

    assert at(1, "local") != at(2, "local")
    assert at(1, "local") == at(1)


def test_pandas_scalars() -> None:
    def values() -> list[Any]:
        return [
            pd.Timestamp("2020"),
            pd.Timestamp("2020", tz="UTC"),
            pd.Timestamp("2020-01-01T00:00:00.000000001"),
            dt.datetime(2020, 1, 1),
            pd.Timedelta(1, "s"),
            dt.timedelta(seconds=1),
            pd.NaT,
            pd.NA,
            pd.Period("2020-01", "M"),
            pd.Period("2020-01-01", "D"),
            pd.Interval(0, 1),
            pd.Interval(0, 1, closed="left"),
            pd.RangeIndex(3),
            pd.Index([0, 1, 2]),
        ]

    assert [keys.encode(v) for v in values()] == [keys.encode(v) for v in values()]
    assert len({keys.encode(v) for v in values()}) == len(values())
    assert keys.encode(pd.Timestamp("2020").as_unit("s")) == keys.encode(
        pd.Timestamp("2020").as_unit("ns")
    )


def polars_columns() -> dict[str, Any]:
    return {
        "int": pl.Series([1, None, 3]),
        "full": pl.Series([1, 2, 3]),
        "float": pl.Series([1.0, float("nan"), None]),
        "str": pl.Series(["a", None, "é"]),
        "category": pl.Series(["a", None, "é"], dtype=pl.Categorical),
        "enum": pl.Series(["a", None, "é"], dtype=pl.Enum(["a", "é"])),
        "enum2": pl.Series(["a", None, "é"], dtype=pl.Enum(["é", "a"])),
        "bool": pl.Series([True, None, False]),
        "date": pl.Series([dt.date(2020, 1, 1), None, dt.date(2020, 1, 3)]),
        "time": pl.Series([dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 3)]),
        "span": pl.Series([dt.timedelta(1), None, dt.timedelta(3)]),
        "clock": pl.Series([dt.time(1), None, dt.time(3)]),
        "list": pl.Series([[1], None, [2, 3]]),
        "struct": pl.Series([{"a": 1}, {"a": None}, {"a": 3}]),
        "decimal": pl.Series([Decimal("1.5"), None, Decimal("2.5")]),
        "bytes": pl.Series([b"x", None, b""]),
        "wide": pl.Series([1, None, 2**100], dtype=pl.Int128),
    }


def test_polars_series_and_frames() -> None:
    columns, again = polars_columns(), polars_columns()
    assert [keys.encode(c) for c in columns.values()] == [keys.encode(c) for c in again.values()]
    assert len({keys.encode(c) for c in columns.values()}) == len(columns)
    for column in columns.values():
        assert keys.encode(column[[2, 0, 1]]) != keys.encode(column)
        chunks = column[:1].append(column[1:])
        assert keys.encode(chunks) == keys.encode(column)
    frame = pl.DataFrame(columns)
    assert keys.encode(frame) == keys.encode(pl.DataFrame(again))
    assert keys.encode(frame) != keys.encode(frame.rename({"int": "INT"}))
    with pytest.raises(KeyEncodingError, match="LazyFrame"):
        keys.encode(frame.lazy())


def test_the_place_in_a_frame_is_named() -> None:
    with pytest.raises(KeyEncodingError, match=r"value\['x'\]\[1\]: cannot make"):
        keys.encode(pd.DataFrame({"x": [1, object()]}))
    with pytest.raises(KeyEncodingError, match=r"value\['x'\]\[1\]: cannot make"):
        keys.encode(pl.DataFrame({"x": pl.Series([1, object()], dtype=pl.Object)}))


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    assert keys.encode(tensor) == keys.encode(tensor.clone())
    assert keys.encode(tensor) == keys.encode(tensor.T.contiguous().T)
    assert keys.encode(tensor) == keys.encode(tensor.clone().requires_grad_())
    conjugate = tensor.to(torch.complex64).mul(1j).conj()
    assert keys.encode(conjugate) == keys.encode(conjugate.resolve_conj())
    different = [
        tensor,
        tensor.T,
        tensor.int(),
        tensor.half(),
        tensor.bfloat16(),
        tensor.to(torch.float8_e5m2),
        torch.nn.Parameter(tensor),
        tensor.numpy(),
        tensor.bool(),
        conjugate,
        tensor.shape,
        tuple(tensor.shape),
        tensor.dtype,
        tensor.device,
        torch.tensor(1.0),
        torch.zeros(0),
    ]
    assert len({keys.encode(value) for value in different}) == len(different)
    for strange in (tensor.to_sparse(), torch.empty(1, device="meta")):
        with pytest.raises(KeyEncodingError, match="make it a dense one"):
            keys.encode(strange)
    with pytest.raises(KeyEncodingError, match="register it"):
        keys.encode(torch.nn.Linear(1, 1))
