"""Pipelines of which the outputs of chosen steps are kept."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError, OutputError
from augury.inference.pipeline import CachedPipeline
from augury.tiers import Memory, Tiers

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

RANDOM = np.random.default_rng(0)
X = RANDOM.random((150, 6))
Y = np.where(X[:, 0] + X[:, 1] > 1, "buys", "leaves")


class Doubler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Notes how many rows it is run on; fails or loses rows where it is told to."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def fit(self, X: Any, y: Any = None) -> Doubler:
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        if np.any(np.asarray(X) < -100):
            raise RuntimeError("below zero")
        return np.asarray(X)[: -1 if np.any(np.asarray(X) > 100) else None] * self.factor


def fitted(last: Any = None) -> Any:
    steps = [
        ("double", Doubler()),
        ("scale", StandardScaler()),
        ("pca", PCA(3, random_state=0)),
        ("last", DecisionTreeClassifier(random_state=0) if last is None else last),
    ]
    return Pipeline(steps).fit(X, Y)


def cached(pipeline: Any, **options: Any) -> CachedPipeline:
    return CachedPipeline(pipeline, Cache(10_000), **({"bypass": False} | options))


def check(mine: CachedPipeline, rows: Any, *methods: str) -> None:
    for method in methods:
        expected = getattr(mine.pipeline, method)(rows)
        for _ in range(2):
            returned = getattr(mine, method)(rows)
            assert returned.dtype == expected.dtype
            if returned.dtype.kind == "f":
                # Sums of matrix products differ in the last bits with the size of the batch.
                np.testing.assert_allclose(returned, expected, rtol=1e-12, atol=1e-12)
            else:
                assert np.array_equal(returned, expected)


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("after", [None, "scale", ["scale", "pca"], ["pca", "double"]])
def test_outputs_are_those_of_the_pipeline(after: Any, final: bool) -> None:
    mine = cached(fitted(), after=after, final=final)
    check(mine, X, "predict", "predict_proba")
    check(mine, X[::-1].tolist(), "predict")
    assert mine.score(X, Y) == mine.pipeline.score(X, Y)
    weights = np.arange(len(X))
    assert mine.score(X, Y, sample_weight=weights) == mine.pipeline.score(X, Y, weights)
    assert mine.classes_.tolist() == ["buys", "leaves"]
    for name in [after] if isinstance(after, str) else after or ["pca"]:
        assert mine.stats[name].computed == len(X)
    assert ("predict" in mine.stats) is final


def test_decision_functions_and_transforms() -> None:
    check(cached(fitted(LinearSVC())), X, "decision_function", "predict")
    check(cached(fitted(LogisticRegression())), X, "predict_log_proba")
    check(cached(Pipeline(fitted().steps[:3])), X, "transform")


def test_a_new_last_step_reuses_what_comes_before() -> None:
    pipeline = fitted()
    mine = cached(pipeline, after=["scale", "pca"])
    check(mine, X, "predict", "predict_proba")
    pipeline["last"].fit(mine.output_after("pca", X), Y[::-1])
    check(mine, X, "predict")
    pipeline.set_params(last=LogisticRegression())
    pipeline["last"].fit(mine.output_after("pca", X), Y)
    check(mine, X, "predict", "predict_proba", "decision_function")
    assert mine.stats["pca"].computed == mine.stats["scale"].computed == len(X)


def test_fitting_all_on_the_same_rows_reuses_what_comes_before() -> None:
    mine = cached(fitted(), after="scale")
    check(mine, X, "predict")
    mine.pipeline.set_params(last__max_depth=1).fit(X, Y)
    check(mine, X, "predict")
    assert mine.stats["scale"].computed == len(X)


@pytest.mark.filterwarnings("ignore:Persisting input")  # joblib's, on a slow machine
def test_steps_that_scikit_learn_keeps_at_fitting_are_the_same_steps(tmp_path: Path) -> None:
    pipeline = fitted().set_params(memory=str(tmp_path)).fit(X, Y)
    mine = cached(pipeline, after="scale")
    check(mine, X, "predict")
    pipeline.set_params(last__max_depth=2).fit(X, Y)
    check(mine, X, "predict")
    assert mine.stats["scale"].computed == len(X)
    assert mine.stats["predict"].computed == 2 * len(X)


def test_a_new_early_step_makes_all_that_follows_unreachable() -> None:
    mine = cached(fitted(), after=["double", "scale", "pca"])
    check(mine, X, "predict", "predict_proba")
    mine.pipeline.set_params(pca__n_components=2).fit(X, Y)
    check(mine, X, "predict", "predict_proba")
    computed = {name: each.computed for name, each in mine.stats.items()}
    assert computed["scale"] == len(X)
    assert computed["pca"] == computed["predict"] == 2 * len(X)
    mine.pipeline.fit(X + np.arange(6) ** 2 * X[:, :1], Y)
    check(mine, X, "predict", "predict_proba")
    mine.pipeline["double"].factor = 3.0
    check(mine, X, "predict", "predict_proba")
    assert mine.stats["double"].computed == 2 * len(X)


def test_what_was_written_into_arrays_is_noticed_when_it_is_told() -> None:
    mine = cached(fitted())
    check(mine, X, "predict", "predict_proba")
    mine.pipeline["scale"].mean_ += 0.5
    mine.changed()
    check(mine, X, "predict", "predict_proba")
    assert mine.stats["pca"].computed == 2 * len(X)


def test_a_step_that_is_passed_through_is_another_one() -> None:
    mine = cached(fitted(), after="scale")
    check(mine, X, "predict")
    mine.pipeline.set_params(scale="passthrough").fit(X, Y)
    check(mine, X, "predict")
    mine.pipeline.steps.insert(1, ("again", Doubler()))
    mine.pipeline.fit(X, Y)
    check(mine, X, "predict")
    mine.pipeline.steps = [step for step in mine.pipeline.steps if step[0] != "scale"]
    with pytest.raises(ConfigurationError, match="no step 'scale' any more"):
        mine.predict(X)


def test_pipelines_of_equal_steps_share_them() -> None:
    cache: Cache[Any, Any] = Cache(10_000)
    first = CachedPipeline(fitted(), cache, after="pca", bypass=False)
    second = CachedPipeline(fitted(LogisticRegression()), cache, after="pca", bypass=False)
    first.predict(X)
    check(second, X, "predict")
    assert second.stats["predict"].computed == len(X)


def test_a_model_from_a_file_is_the_one_that_was_fitted() -> None:
    cache: Cache[Any, Any] = Cache(10_000)
    for last in (DecisionTreeClassifier(random_state=0), LinearSVC(), RandomForestClassifier(3)):
        fresh = fitted(last)
        CachedPipeline(fresh, cache, bypass=False).predict(X)
        loaded = CachedPipeline(pickle.loads(pickle.dumps(fresh)), cache, bypass=False)
        assert np.array_equal(loaded.predict(X), fresh.predict(X))
        assert loaded.stats["predict"].computed == 0


def test_a_model_of_large_arrays_has_a_fingerprint() -> None:
    pipeline = fitted()
    pipeline["double"].table_ = np.zeros((200, 200))
    mine = cached(pipeline)
    check(mine, X, "predict")
    pipeline["double"].table_ = np.ones((200, 200))
    check(mine, X, "predict")
    assert mine.stats["predict"].computed == 2 * len(X)


def test_a_model_that_refers_to_itself_has_a_fingerprint() -> None:
    pipeline = fitted()
    pipeline["double"].itself_ = pipeline["double"]
    mine = cached(pipeline)
    check(mine, X, "predict")
    pipeline["double"].factor = 3.0
    check(mine, X, "predict")
    pipeline["double"].lock_ = threading.Lock()
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        mine.predict(X)


def test_functions_are_told_apart_by_code_and_what_they_enclose() -> None:
    cache: Cache[Any, Any] = Cache(10_000)

    def scaled(factor: float) -> Any:
        return FunctionTransformer(lambda rows: rows * factor)

    functions = [scaled(2), scaled(3), FunctionTransformer(lambda rows: rows + 1)]
    for function in functions:
        pipeline = Pipeline([("function", function), ("last", StandardScaler())]).fit(X)
        mine = CachedPipeline(pipeline, cache, bypass=False)
        assert np.array_equal(mine.output_after("function", X), function.transform(X))


def test_tiers_keep_what_another_pipeline_reads() -> None:
    tiers: Tiers[Any, Any] = Tiers([Memory(10_000)])
    CachedPipeline(fitted(), tiers, after="pca").predict(X)
    other = CachedPipeline(fitted(), tiers, after="pca")
    check(other, X, "predict", "predict_proba")
    assert other.stats["predict"].computed == 0


def test_frames_of_mixed_columns() -> None:
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(
        page=RANDOM.choice(["home", "cart"], len(X))
    )
    encode = make_column_transformer(
        (StandardScaler(), list("abcdef")), (OneHotEncoder(sparse_output=False), ["page"])
    )
    pipeline = Pipeline([("encode", encode), ("last", DecisionTreeClassifier(random_state=0))])
    mine = cached(pipeline.fit(frame, Y))
    check(mine, frame, "predict", "predict_proba")
    check(mine, frame.iloc[[3, 3, 1]], "predict")
    assert mine.stats["encode"].computed == len(X)


def test_sparse_outputs_and_frames_are_refused_by_the_name_of_the_step() -> None:
    rows = RANDOM.choice(["a", "b"], (20, 2))
    labels = np.arange(20) % 2
    sparse = Pipeline([("encode", OneHotEncoder()), ("last", LogisticRegression())])
    with pytest.raises(OutputError, match=r"after step 'encode'.* sparse_output=False"):
        cached(sparse.fit(rows, labels)).predict(rows)
    frames = fitted()
    frames["scale"].set_output(transform="pandas")
    with pytest.raises(OutputError, match=r"after step 'scale'.* frame"):
        cached(frames, after="scale").predict(X)
    check(cached(frames.fit(X, Y), after="pca"), X, "predict")


def test_bad_input_poisons_nothing() -> None:
    mine = cached(fitted())
    with pytest.raises(ValueError, match="5 features"):
        mine.predict(X[:, :5])
    with pytest.raises(RuntimeError, match="below zero"):
        mine.predict(np.concatenate([X[:5], [[-200.0] * 6]]))
    with pytest.raises(OutputError, match="4 rows for 5 rows"):
        mine.predict(np.concatenate([X[:4], [[200.0] * 6]]))
    with pytest.raises(InputError, match="Python objects"):
        mine.predict(np.array([[object()] * 6]))
    with pytest.raises(InputError, match="ragged"):
        mine.predict([[1.0] * 6, [1.0] * 5])
    with pytest.raises(ValueError, match="NaN"):
        mine.predict(np.full((2, 6), np.nan))
    check(mine, X, "predict", "predict_proba")


def test_what_makes_no_cached_pipeline() -> None:
    with pytest.raises(ConfigurationError, match=r"is a sklearn\.pipeline\.Pipeline, not PCA"):
        cached(PCA())
    with pytest.raises(ConfigurationError, match="of double, scale, pca; not last"):
        cached(fitted(), after=["pca", "last"])
    with pytest.raises(ConfigurationError, match="not none"):
        cached(fitted(), after=[])
    with pytest.raises(ConfigurationError, match="after pca, not after 'scale'"):
        cached(fitted()).output_after("scale", X)
    with pytest.raises(ConfigurationError, match="verify"):
        cached(fitted(), verify="all")
    with pytest.raises(AttributeError, match="predict_proba"):
        cached(Pipeline([("a", PCA()), ("b", LinearRegression())])).predict_proba(X)
