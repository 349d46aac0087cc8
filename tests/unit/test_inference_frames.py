"""Frames of pandas and polars as rows of bytes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from augury import Cache
from augury.errors import InputError, OutputError
from augury.inference import CachedModel
from augury.inference.frames import batch_of_frame, join

pytest.importorskip("sklearn")


def keys(frame: Any) -> list[tuple[bytes, bytes]]:
    """What each row is known by."""
    batch = batch_of_frame(frame)
    assert batch is not None
    assert batch.rows.shape[0] == len(frame)
    assert batch.rows.flags.c_contiguous
    return [(batch.signature, row.tobytes()) for row in batch.rows]


def column(values: Any, dtype: Any = object) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype=dtype)})


def mixed() -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "price": random.random(120),
            "visits": random.integers(0, 5, 120),
            "page": pd.Series(random.choice(["home", "cart", "", "ünï"], 120), dtype=object),
            "browser": pd.Categorical(random.choice(["a", "b"], 120)),
            "member": random.random(120) > 0.5,
            "age": pd.array(random.integers(18, 30, 120), "Int64"),
            "seen": pd.date_range("2026-01-01", periods=120, freq="h"),
            "city": pd.array(random.choice(["x", "y"], 120), "string"),
        }
    )


DIFFERENT = [
    "a", "a\0", "", "b" * 100, "1", "None", "nan", "\ud800", None, float("nan"), pd.NA, pd.NaT,
    0.0, -0.0, 0, False, 1, 1.0, True, 10**5000, -1, np.int64(1), np.float32(1), np.uint64(1),
]  # fmt: skip


def test_cells_of_objects_are_told_apart_by_type_and_value() -> None:
    found = keys(column(DIFFERENT))
    assert len(set(found)) == len(DIFFERENT)
    assert keys(column(DIFFERENT)) == found
    assert keys(column([*DIFFERENT[:3], "c" * 1000]))[:3] == found[:3]


@pytest.mark.parametrize(
    "cell", [b"a", (1,), [1], Decimal(1), datetime.date(2026, 1, 1), object(), np.str_("a")]
)
def test_a_cell_that_is_no_number_or_text_is_refused(cell: Any) -> None:
    with pytest.raises(InputError, match=f"column 'x' holds a {type(cell).__name__}"):
        keys(column(["a", cell]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (column([1], "int64"), column([1], "int32")),
        (column([1], "int64"), column([1], "Int64")),
        (column([0, None], "Int64"), column([0, 0], "Int64")),
        (column([0, None], "Float64"), column([0, 0], "Float64")),
        (column([False, None], "boolean"), column([False, False], "boolean")),
        (column(["a"], "string"), column(["a"], object)),
        (column([0.0]), column([-0.0])),
        (column([1.5], float), pd.DataFrame({"y": [1.5]})),
        (column([1.5], float), pd.DataFrame({0: [1.5]})),
        (pd.DataFrame({"0": [1.5]}), pd.DataFrame({0: [1.5]})),
        (column(["2026"], "M8[ns]"), column(["2026"], "M8[s]")),
        (
            column(["2026"], "M8[ns]").x.dt.tz_localize("UTC").to_frame(),
            column(["2026"], "M8[ns]").x.dt.tz_localize("Europe/Paris").to_frame(),
        ),
        (column(["a"], pd.CategoricalDtype(["a"])), column(["b"], pd.CategoricalDtype(["b"]))),
        (
            column(["a"], pd.CategoricalDtype(["a", "b"])),
            column(["a"], pd.CategoricalDtype(["b", "a"])),
        ),
        (column([1], pd.CategoricalDtype([1])), column(["1"], pd.CategoricalDtype(["1"]))),
        (
            column(["a"], pd.CategoricalDtype(["a"])),
            column(["a"], pd.CategoricalDtype(["a"], ordered=True)),
        ),
        (pl.DataFrame({"x": [1, None]}), pl.DataFrame({"x": [1, 0]})),
        (pl.DataFrame({"x": ["", None]}), pl.DataFrame({"x": ["", ""]})),
        (pl.DataFrame({"x": [1.0]}), pd.DataFrame({"x": [1.0]})),
    ],
)
def test_frames_that_a_model_may_tell_apart_differ(one: Any, other: Any) -> None:
    assert keys(one) != keys(other)


@pytest.mark.parametrize("frame", [mixed(), pl.from_pandas(mixed()), mixed()[["price"]]])
def test_a_row_is_the_same_in_any_batch(frame: Any) -> None:
    order = np.random.default_rng(2).permutation(len(frame))[:50]
    part = frame.iloc[order] if hasattr(frame, "iloc") else frame[order]
    everything = keys(frame)
    assert keys(part) == [everything[at] for at in order]


def test_one_dtype_is_packed_as_column_by_column() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((5, 3)), columns=list("abc"))
    other = pd.DataFrame({"a": frame.a, "b": frame.b, "c": frame.c})
    assert keys(frame) == keys(other)
    batch = batch_of_frame(frame)
    assert batch is not None
    assert batch.floats == ((0, 24, "<f8"),)


@pytest.mark.parametrize("frame", [mixed(), pl.from_pandas(mixed())])
def test_frames_of_several_calls_are_joined_with_their_dtypes(frame: Any) -> None:
    parts = [frame[:5], frame[5:50], frame[50:]]
    assert keys(join(parts)) == keys(frame)


def test_what_lies_under_a_mask_is_no_part_of_a_row() -> None:
    masked = pd.arrays.IntegerArray(np.array([1, 7]), np.array([False, True]))
    assert keys(pd.DataFrame({"x": masked})) == keys(column([1, None], "Int64"))


def test_what_is_no_frame_is_left_alone() -> None:
    assert batch_of_frame(np.ones((2, 2))) is None
    assert batch_of_frame([[1.0]]) is None


def test_polars_columns_without_bytes_are_refused() -> None:
    wide = pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)})
    for frame in (pl.DataFrame({"x": [[1]]}), pl.DataFrame({"x": [b"a"]}), wide):
        with pytest.raises(InputError, match="column 'x' is of"):
            keys(frame)


def test_a_model_of_mixed_columns_gets_frames() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    frame = mixed()
    y = (frame.price > 0.5) ^ (frame.page == "cart")
    labels = np.where(y, "buys", "leaves")
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["price", "visits"]),
            (OneHotEncoder(handle_unknown="ignore"), ["page", "browser", "city"]),
        ),
        DecisionTreeClassifier(random_state=0),
    ).fit(frame, labels)
    cached = CachedModel(model, Cache(10_000), bypass=False)
    batch = frame.iloc[[0, 5, 5, 0, 7]]
    for rows in (batch, frame, frame.iloc[::-1]):
        assert np.array_equal(cached(rows), model.predict(rows))
        assert np.array_equal(cached.predict_proba(rows), model.predict_proba(rows))
    assert cached.stats.computed == 2 * len(frame)


def test_a_model_of_polars_gets_frames_of_polars() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from sklearn.tree import DecisionTreeClassifier

    frame = pl.from_pandas(mixed()).select("price", "visits", "page")
    encode = make_column_transformer((OrdinalEncoder(), ["page"]), remainder="passthrough")
    model = make_pipeline(encode, DecisionTreeClassifier(random_state=0))
    model.fit(frame, frame["visits"] > 2)
    cached = CachedModel(model, Cache(10_000), bypass=False)
    for rows in (frame[[5, 1, 5]], frame, frame.reverse()):
        assert np.array_equal(cached(rows), model.predict(rows))
    assert cached.stats.computed == len(frame)


def test_a_column_that_is_missing_is_the_models_own_error() -> None:
    from sklearn.tree import DecisionTreeClassifier

    frame = mixed()[["price", "visits"]]
    model = DecisionTreeClassifier().fit(frame, frame.price > 0.5)
    cached = CachedModel(model, Cache(1_000), bypass=False)
    with pytest.raises(ValueError, match="feature names"):
        cached(frame[["price"]])
    assert np.array_equal(cached(frame), model.predict(frame))


def test_arrays_whose_bytes_say_too_little_are_refused_or_told_apart() -> None:
    seen: list[Any] = []

    def model(rows: Any) -> Any:
        seen.append(rows)
        return np.array([row.tolist()[0] for row in rows], float)

    cached = CachedModel(model, Cache(1_000), bypass=False)
    with pytest.raises(InputError, match="masked array"):
        cached(np.ma.MaskedArray([[1.0, 2.0]], [[True, False]]))
    number = np.array([(1.0, 2.0)], [("a", "f8"), ("b", "f8")])
    assert cached(number).tolist() == [1.0]
    assert cached(number.view([("a", "i8"), ("b", "f8")])).tolist() != [1.0]
    assert len(seen) == 2


def test_decimals_round_floating_point_columns_only() -> None:
    from sklearn.tree import DecisionTreeRegressor

    frame = pd.DataFrame({"x": [1.0, 2.0], "n": [1, 2], "s": pd.array([0.5, None], "Float64")})
    model = DecisionTreeRegressor().fit(frame.fillna(0), [1.0, 2.0])
    cached = CachedModel(model, Cache(1_000), decimals=2, bypass=False)
    cached(frame)
    cached(frame.assign(x=frame.x + 0.001))
    assert cached.stats.hits == 2
    cached(frame.assign(n=frame.n + 1))
    assert cached.stats.hits == 2


def test_outputs_that_are_frames_or_sparse_are_refused() -> None:
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = mixed()[["price", "visits"]]
    scaler = StandardScaler().set_output(transform="pandas").fit(frame)
    with pytest.raises(OutputError, match="set_output"):
        CachedModel(scaler, Cache(10))(frame)
    with pytest.raises(OutputError, match="sparse_output=False"):
        CachedModel(OneHotEncoder().fit(frame), Cache(10))(frame)


def test_frames_without_columns_or_rows() -> None:
    assert len(set(keys(pd.DataFrame(index=range(3))))) == 1
    assert keys(pd.DataFrame({"a": [], "b": pd.Series([], dtype=object)})) == []
    assert keys(pl.DataFrame({"a": [None, None]}))[0] != keys(pl.DataFrame({"b": [None]}))[0]
