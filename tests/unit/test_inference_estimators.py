"""Whatever scikit-learn can fit is cached rightly, and every change of it is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache
from augury.errors import OutputError
from augury.inference import CachedModel

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

Array = NDArray[Any]
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
SLOW = {
    "GridSearchCV", "HalvingGridSearchCV", "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor", "LogisticRegressionCV", "RFECV", "RandomizedSearchCV",
}  # fmt: skip
# What estimators that are made of others take.
INNER: tuple[dict[str, Any], ...] = (
    {},
    {"estimator": LogisticRegression()},
    {"estimators": [("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))]},
    {"steps": [("s", StandardScaler()), ("m", LogisticRegression())]},
    {"transformers": [("s", StandardScaler(), [0, 1])]},
    {"transformer_list": [("s", StandardScaler())]},
    {"dictionary": np.eye(4)},
)

random = np.random.default_rng(1)
FIRST, SECOND = random.random((40, 4)).round(3), (random.random((40, 4)) * 3 + 1).round(3)
ROWS = random.random((10, 4)).round(3)
KINDS = (random.random(40) > 0.5).astype(int)
TARGETS = (
    (KINDS, 1 - KINDS),
    (KINDS + 0.5, 1.5 - KINDS),
    (np.c_[KINDS, KINDS], np.c_[1 - KINDS, 1 - KINDS]),
)


def made(kind: Callable[..., Any]) -> Any:
    for options in INNER:
        try:
            model = kind(**options)
        except TypeError:
            continue
        own = model.get_params(deep=False)
        small = {"random_state": 0, "n_estimators": 5, "max_iter": 20}
        return model.set_params(**{name: small[name] for name in small if name in own})
    return None


def fitted(model: Any) -> tuple[Array, Array] | None:
    """Fit a model to the first of the targets that it takes; return this and another one."""
    for first, second in TARGETS:
        try:
            model.fit(FIRST, first)
        except Exception:  # of whatever kind: it takes no such target, or no numbers at all
            continue
        return first, second
    return None


def output_of(model: Any, method: str) -> Any:
    """Return what the bare model returns, or None if that is nothing that can be cached."""
    try:
        returned = getattr(model, method)(ROWS.copy())
    except Exception:
        return None
    return None if hasattr(returned, "toarray") else returned


def check_same(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    if isinstance(got, list):
        for one, other in zip(got, expected, strict=True):
            check_same(one, other)
        return
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, _ in all_estimators() if name not in SLOW])
def test_fitting_again_is_noticed(name: str) -> None:
    model = made(dict(all_estimators())[name])
    targets = None if model is None else fitted(model)
    if targets is None:
        pytest.skip("not fitted to numbers")
    for method in METHODS:
        expected = output_of(model, method)
        if expected is None:
            continue
        cached = CachedModel(model, Cache(1000), method=method, bypass=False)
        for _ in range(2):
            check_same(cached(ROWS.copy()), expected)
        kept = np.asarray(expected).size > 0  # nothing is kept of no columns
        assert cached.stats.hits == len(ROWS) * kept
        for step, rows, target in (("fit", SECOND, targets[1]), ("partial_fit", FIRST, targets[0])):
            if hasattr(model, step):
                getattr(model, step)(rows, target)
                expected = output_of(model, method)
                if expected is not None:
                    check_same(cached(ROWS.copy()), expected)


def more_trees(model: Any) -> None:
    model.set_params(n_estimators=9).fit(FIRST, KINDS)


CHANGES: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "partial_fit": (SGDClassifier(), lambda m: m.partial_fit(SECOND, 1 - KINDS)),
    "partial_fit of layers": (
        MLPRegressor(hidden_layer_sizes=(5,), max_iter=5),
        lambda m: m.partial_fit(SECOND, 1 - KINDS),
    ),
    "partial_fit of counts": (MultinomialNB(), lambda m: m.partial_fit(SECOND, 1 - KINDS)),
    "partial_fit of clusters": (MiniBatchKMeans(3, n_init=1), lambda m: m.partial_fit(SECOND)),
    "warm start": (RandomForestClassifier(3, warm_start=True), more_trees),
    "a parameter": (
        KNeighborsClassifier(weights="uniform"),
        lambda m: m.set_params(weights="distance", n_neighbors=1),
    ),
    "a step's parameter": (
        Pipeline([("scale", StandardScaler()), ("kinds", LogisticRegression())]),
        lambda m: m.set_params(scale__with_mean=False),
    ),
    "a step": (
        Pipeline([("scale", StandardScaler()), ("kinds", LogisticRegression())]),
        lambda m: m.set_params(scale="passthrough"),
    ),
    "a step's fit": (
        Pipeline([("scale", StandardScaler()), ("kinds", LogisticRegression())]),
        lambda m: m.named_steps["kinds"].fit(SECOND, 1 - KINDS),
    ),
    "a fit of what transforms some columns": (
        Pipeline(
            [
                ("scale", ColumnTransformer([("first", StandardScaler(), [0])])),
                ("kinds", KNeighborsClassifier()),
            ]
        ),
        lambda m: m["scale"].named_transformers_["first"].fit(SECOND[:, :1] * 5 + 3),
    ),
}


@pytest.mark.filterwarnings("ignore:.*(Converge|converge)")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: str) -> None:
    model, apply = CHANGES[change]
    model.fit(FIRST, KINDS)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    cached = CachedModel(model, Cache(1000), method=method, bypass=False)
    for _ in range(2):
        check_same(cached(ROWS), getattr(model, method)(ROWS))
    assert cached.stats.hits == len(ROWS)
    apply(model)
    check_same(cached(ROWS), getattr(model, method)(ROWS))
    assert cached.stats.hits == len(ROWS)


def test_models_of_equal_weights_share_and_others_never() -> None:
    cache: Cache[Any, Any] = Cache(1000)
    first, same, other = (LogisticRegression() for _ in range(3))
    first.fit(FIRST, KINDS)
    same.fit(FIRST, KINDS)
    other.fit(SECOND, KINDS)
    for model, hits in ((first, 0), (same, len(ROWS)), (other, 0)):
        cached = CachedModel(model, cache, bypass=False)
        check_same(cached(ROWS), model.predict(ROWS))
        assert cached.stats.hits == hits


def test_labels_that_are_objects_are_those_of_the_model_that_predicted() -> None:
    labels = np.array(["no", "yes"], object)
    model = LogisticRegression().fit(FIRST, labels[KINDS])
    cached = CachedModel(model, Cache(1000), bypass=False)
    for _ in range(2):
        check_same(cached(ROWS), model.predict(ROWS))
    assert set(cached(ROWS).tolist()) <= {"no", "yes"}


class Constant(BaseEstimator):  # type: ignore[misc]
    """Predicts what it was fitted to last; sets it in two steps, as all estimators do."""

    def fit(self, rows: Array, target: Array) -> Constant:
        self.value_ = target[0]
        self.count_ = len(target)
        return self

    def predict(self, rows: Array) -> Array:
        return np.full(len(rows), self.value_)


class Strange(Constant):
    """Predicts objects."""

    def predict(self, rows: Array) -> Array:
        return np.array([{"a": 1}] * len(rows), object)


def test_nothing_of_the_old_model_is_served_after_a_fit_has_returned() -> None:
    model = Constant().fit(ROWS, np.zeros(1))
    cached = CachedModel(model, Cache(1000), bypass=False)
    done = threading.Event()
    fitted_to = [0.0]

    def ask() -> int:
        asked = 0
        while not done.is_set():
            before = fitted_to[0]
            answer = cached(ROWS[asked % 5 : 5 + asked % 5])
            assert (answer >= before).all()
            assert (answer <= fitted_to[0] + 1).all()
            asked += 1
        return asked

    with ThreadPoolExecutor(3) as pool:
        askers = [pool.submit(ask) for _ in range(3)]
        for fit in range(1, 300):
            model.fit(ROWS, np.full(1, float(fit)))
            fitted_to[0] = float(fit)
            check_same(cached(ROWS), model.predict(ROWS))
        done.set()
        assert all(asker.result(60) for asker in askers)


def test_objects_that_are_no_classes_are_refused() -> None:
    cache: Cache[Any, Any] = Cache(10)
    with pytest.raises(OutputError, match="Python objects"):
        CachedModel(Strange().fit(ROWS, KINDS), cache)(ROWS)
    assert len(cache) == 0


class Plain(BaseEstimator):  # type: ignore[misc]
    """Returns a list of numbers, as estimators of one's own may."""

    def fit(self) -> None: ...

    def predict(self, rows: Any) -> list[float]:
        return [float(sum(row)) for row in rows]


def test_a_list_of_numbers_is_a_row_each() -> None:
    cached = CachedModel(Plain(), Cache(100), bypass=False)
    for _ in range(2):
        assert cached.predict(np.array([[1, 2], [3, 4]])).tolist() == [3.0, 7.0]


@pytest.mark.parametrize("kind", [list, tuple, lambda texts: np.array(texts, object)])
def test_texts_are_rows_whatever_their_lengths(kind: Any) -> None:
    texts = ["good film", "bad film", "good", "awful", "a good film indeed"]
    vectors = CountVectorizer()
    model = make_pipeline(vectors, LogisticRegression()).fit(texts, [1, 0, 1, 0, 1])
    cached = CachedModel(model, Cache(100), bypass=False)
    for count in (1, 3, 5):
        given = kind(texts[:count])
        assert np.array_equal(cached.predict(given), model.predict(given))
    assert cached.stats.computed == 5
