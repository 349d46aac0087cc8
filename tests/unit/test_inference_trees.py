"""Trees run natively return what scikit-learn does, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from augury import Cache, _native
from augury.inference import CachedModel
from augury.inference.trees import Trees

CLASSIFIERS = (
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    RandomForestClassifier,
    ExtraTreesClassifier,
)
REGRESSORS = (
    DecisionTreeRegressor,
    ExtraTreeRegressor,
    RandomForestRegressor,
    ExtraTreesRegressor,
)
METHODS = ("predict", "predict_proba", "predict_log_proba")


def table(seed: int, rows: int, features: int, digits: int, nan: float) -> NDArray[np.float64]:
    """Rows with many equal numbers, so that thresholds are met, and of both zeros."""
    generator = np.random.default_rng(seed)
    made = np.round(generator.normal(0, 2, (rows, features)), digits)
    made[generator.random(made.shape) < nan] = np.nan
    return made


def fitted(kind: Any, seed: int, rows: NDArray[Any], **parameters: Any) -> Any:
    generator = np.random.default_rng(seed)
    if kind in REGRESSORS:
        target = np.round(np.nan_to_num(rows[:, 0]) + generator.normal(0, 1, len(rows)), 1)
    else:
        target = np.array(["cat", "dog", "eel", "fox"])[generator.integers(0, 4, len(rows))]
    if "n_estimators" in kind().get_params():
        parameters.setdefault("n_estimators", 7)
    return kind(random_state=seed, **parameters).fit(rows, target)


def equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def run_natively(model: Any, method: str, batches: list[NDArray[Any]]) -> None:
    """See that all batches come to the same, all but the first of a kind without the model."""
    trees = Trees.of(model, method)
    assert trees is not None
    with np.errstate(divide="ignore"):
        trees(batches[0])
        expected = [getattr(model, method)(batch) for batch in batches]
        trees._own = pytest.fail
        for batch, returned in zip(batches, expected, strict=True):
            assert equal(trees(batch), returned)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(CLASSIFIERS + REGRESSORS),
    seed=st.integers(0, 1_000),
    features=st.integers(1, 5),
    digits=st.integers(0, 8),
    depth=st.sampled_from([1, 2, None]),
    dtype=st.sampled_from([np.float32, np.float64, np.int32]),
)
def test_every_kind_returns_the_same_bits(
    kind: Any, seed: int, features: int, digits: int, depth: int | None, dtype: Any
) -> None:
    rows = table(seed, 60, features, digits, 0.0)
    model = fitted(kind, seed, rows, max_depth=depth)
    # Thresholds lie between what was seen: they are asked for themselves, too.
    inside = model.estimators_[0].tree_ if hasattr(model, "estimators_") else model.tree_
    asked = np.concatenate([rows, table(seed + 1, 40, features, digits, 0.0)])
    asked[: len(inside.threshold), 0] = inside.threshold[: len(asked)]
    asked = asked.astype(dtype)
    for method in METHODS if kind in CLASSIFIERS else ("predict",):
        run_natively(model, method, [asked, asked[:1], asked[5:38]])


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([
        DecisionTreeClassifier, DecisionTreeRegressor,
        RandomForestClassifier, RandomForestRegressor,
    ]),
    seed=st.integers(0, 1_000),
    seen=st.sampled_from([0.0, 0.3]),
)  # fmt: skip
def test_nan_goes_where_the_model_sends_it(kind: Any, seed: int, seen: float) -> None:
    model = fitted(kind, seed, table(seed, 80, 3, 1, seen))
    asked = table(seed + 1, 50, 3, 1, 0.4)
    run_natively(model, "predict", [asked, asked[:7], asked[7:]])


def test_one_tree_keeps_minus_zero() -> None:
    rows = np.array([[0.0], [1.0]])
    model = DecisionTreeRegressor().fit(rows, [-0.0, 1.0])
    run_natively(model, "predict", [rows])


def test_many_rows_and_one_tree_of_a_forest() -> None:
    rows = table(3, 700, 4, 3, 0.0)
    run_natively(fitted(RandomForestClassifier, 3, rows, n_estimators=1), "predict_proba", [rows])
    run_natively(fitted(RandomForestRegressor, 3, rows, n_estimators=40), "predict", [rows])


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: fitted(GradientBoostingClassifier, 1, rows),
        lambda rows: RandomForestRegressor(3).fit(rows, rows[:, :2]),
        lambda _: RandomForestClassifier(),
        lambda rows: type("Mine", (RandomForestClassifier,), {})(3).fit(rows, rows[:, 0] > 0),
    ],
    ids=["boosting", "two outputs", "not fitted", "a subclass"],
)
def test_other_models_are_left_alone(make: Callable[[NDArray[Any]], Any]) -> None:
    assert Trees.of(make(table(1, 50, 3, 2, 0.0)), "predict") is None


@pytest.mark.parametrize(
    "asked",
    [
        np.zeros((2, 2)),
        np.zeros(3),
        np.array([[0.0, np.inf, 0.0]]),
        np.array([[0.0, 1e300, 0.0]]),
        np.zeros((0, 3)),
    ],
    ids=["too few features", "one row only", "infinite", "too large for float32", "no rows"],
)
def test_what_the_model_refuses_is_refused(asked: NDArray[Any]) -> None:
    model = fitted(RandomForestClassifier, 1, table(1, 50, 3, 2, 0.0))
    cached = CachedModel(model, Cache(100), bypass=False)
    cached(table(2, 5, 3, 2, 0.0))
    with np.errstate(over="ignore"):
        with pytest.raises(ValueError) as expected:  # noqa: PT011
            model.predict(asked)
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            cached(asked)
    assert str(raised.value)[:30] == str(expected.value)[:30]  # equal rows are shown once


def test_names_of_columns_are_looked_at() -> None:
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame(table(1, 50, 3, 2, 0.0), columns=["a", "b", "c"])
    model = RandomForestRegressor(5, random_state=1).fit(rows, rows["a"])
    trees = Trees.of(model, "predict")
    assert trees is not None
    expected = model.predict(rows)
    assert equal(trees(rows), expected)
    assert equal(trees(rows), expected)
    with pytest.warns(UserWarning, match="feature names"):
        trees(rows.to_numpy())
    with pytest.raises(ValueError, match="order"):
        trees(rows[["b", "a", "c"]])


def test_more_trees_are_noticed() -> None:
    rows = table(1, 60, 3, 2, 0.0)
    model = fitted(RandomForestClassifier, 1, rows, warm_start=True)
    cached = CachedModel(model, Cache(1_000), method="predict_proba", bypass=False)
    assert equal(cached(rows), model.predict_proba(rows))
    model.set_params(n_estimators=12).fit(rows, model.predict(rows))
    for _ in range(2):
        assert equal(cached(rows), model.predict_proba(rows))
    assert equal(cached(rows + 0.5), model.predict_proba(rows + 0.5))


def test_trees_that_differ_are_not_used() -> None:
    rows = table(1, 60, 3, 2, 0.0)
    model = fitted(RandomForestClassifier, 1, rows)
    trees = Trees.of(model, "predict_proba")
    assert trees is not None
    trees._count += 1
    for _ in range(2):
        assert equal(trees(rows), model.predict_proba(rows))


def arrays(**changed: Any) -> dict[str, Any]:
    """A root that splits by the first feature, and its two leaves."""
    given = {
        "left": [1, -1, -1],
        "right": [2, -1, -1],
        "feature": [0, -2, -2],
        "threshold": [0.5, -2.0, -2.0],
        "nan_to_left": [0, 0, 0],
        "values": [[0.0], [1.0], [2.0]],
        "roots": [0],
    } | changed
    kinds = {"threshold": np.float64, "values": np.float64, "nan_to_left": np.uint8}
    return {name: np.array(value, kinds.get(name, np.int64)) for name, value in given.items()}


@pytest.mark.parametrize(
    "changed",
    [
        {"left": [3, -1, -1]},
        {"right": [-1, -1, -1]},
        {"left": [0, -1, -1]},
        {"left": [2, -1, -1]},
        {"feature": [1, 0, 0]},
        {"feature": [-1, 0, 0]},
        {"roots": [3]},
        {"roots": [-1]},
        {"roots": [0, 0]},
        {"threshold": [0.5]},
        {"values": [[0.0]]},
        {
            "left": [],
            "right": [],
            "feature": [],
            "threshold": [],
            "nan_to_left": [],
            "values": [[]],
        },
    ],
)
def test_arrays_that_make_no_trees_are_refused(changed: dict[str, Any]) -> None:
    sums = np.zeros((1, 1))
    trees = _native.TreeEnsemble(1, **arrays())
    trees.add(np.ones((1, 1), np.float32), sums)
    assert sums[0, 0] == 2.0
    with pytest.raises(ValueError, match=r".+"):
        _native.TreeEnsemble(1, **arrays(**changed))
    with pytest.raises(ValueError, match="features"):
        trees.add(np.ones((1, 2), np.float32), sums)
