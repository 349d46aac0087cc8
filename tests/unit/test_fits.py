"""Every model that can be fitted scores natively as in its library, learns, and refuses alike."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from augury._native import Model
from augury.errors import ConfigurationError, LearningError, MissingExtraError
from augury.features import FEATURES
from augury.learning.fits import fit_names, load_fit
from augury.learning.fitting import rounded_down
from augury.learning.labels import Training

RANDOM = np.random.default_rng(5)


def generated(rows: int = 3_000) -> Training:
    """Time grows with the first feature and, but for trees not linearly, with the second."""
    x = RANDOM.normal(size=(rows, len(FEATURES))).astype(np.float32)
    x[:, 3] = 31.875  # a constant feature
    x[:, 4] = 1e4 + 1e3 * x[:, 4]  # one of another scale
    time = (6 + 2 * x[:, 0] + np.abs(x[:, 1])).astype(np.float32)
    weight = RANDOM.uniform(1, 2, rows).astype(np.float32)
    return Training(x, time, time < 6, weight)


@pytest.fixture(params=fit_names())
def name(request: pytest.FixtureRequest) -> str:
    try:
        load_fit(request.param)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    return str(request.param)


def test_scores_natively_as_its_library_does(name: str) -> None:
    fitted = load_fit(name).fit(generated(), 1)
    fresh = generated().rows
    native = Model(fitted.kind, dict(fitted.arrays)).score(fresh)
    assert native == pytest.approx(np.asarray(fitted.predict(fresh)), rel=1e-4, abs=1e-4)


def test_scores_on_a_threshold_as_its_library_does(name: str) -> None:
    """Rows of a grid, so that many lie on the very thresholds between them."""
    training = generated()
    grid = ((training.rows / 4).round() * 4 + 0.1).astype(np.float32)
    training = Training(grid, training.time, training.again, training.weight)
    fitted = load_fit(name).fit(training, 1)
    native = Model(fitted.kind, dict(fitted.arrays)).score(grid)
    assert native == pytest.approx(np.asarray(fitted.predict(grid)), rel=1e-4, abs=1e-4)


def test_learns(name: str) -> None:
    fitted = load_fit(name).fit(generated(), 1)
    fresh = generated()
    scores = Model(fitted.kind, dict(fitted.arrays)).score(fresh.rows)
    assert np.corrcoef(scores, fresh.time)[0, 1] > 0.8
    # A score is a time, not only an order.
    assert np.abs(scores - fresh.time).mean() < 1.5


def test_learns_the_same_from_the_same(name: str) -> None:
    training = generated()
    one, two = (load_fit(name).fit(training, 7) for _ in range(2))
    assert {k: v.tolist() for k, v in one.arrays.items()} == {
        k: v.tolist() for k, v in two.arrays.items()
    }


def test_puts_up_with_constant_features_and_times(name: str) -> None:
    x = np.full((400, len(FEATURES)), 3, np.float32)
    again = np.arange(400) % 2 == 0
    training = Training(x, np.full(400, 5, np.float32), again, np.ones(400, np.float32))
    fitted = load_fit(name).fit(training, 1)
    assert Model(fitted.kind, dict(fitted.arrays)).score(x) == pytest.approx(5, abs=0.1)


def test_either_learns_from_one_class_or_says_why_not(name: str) -> None:
    training = generated()
    for again in (np.zeros_like(training.again), np.ones_like(training.again)):
        one_class = Training(training.rows, training.time, again, training.weight)
        if name in {"svm", "logistic", "online"}:
            with pytest.raises(LearningError, match="a classifier has nothing to learn"):
                load_fit(name).fit(one_class, 1)
        else:  # a model of time
            assert load_fit(name).fit(one_class, 1).arrays


def test_forests_know_how_many_rows_each_node_had(name: str) -> None:
    fitted = load_fit(name).fit(generated(), 1)
    if fitted.kind != "forest":
        assert fitted.cover is None
        return
    assert fitted.cover is not None
    inner = fitted.arrays["feature"] >= 0
    children = (
        fitted.cover[fitted.arrays["left"][inner]] + fitted.cover[fitted.arrays["right"][inner]]
    )
    assert fitted.cover.min() > 0
    assert fitted.cover[inner] == pytest.approx(children, rel=1e-5)


@pytest.mark.skipif(find_spec("lightgbm") is None, reason="lightgbm is not installed")
def test_contributions_are_those_of_lightgbm() -> None:
    import lightgbm

    from augury.learning.fits.gbm import forest_of
    from augury.models import Artefact, contributions
    from tests.unit.test_artefact import card

    training = generated()
    booster = lightgbm.train(
        {"num_leaves": 15, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5},
        lightgbm.Dataset(training.rows, training.time),
        num_boost_round=12,
    )
    arrays, cover = forest_of(booster, len(FEATURES), len(training.rows))
    rows = generated(200).rows
    found = contributions(Artefact("forest", arrays, card(), {"cover": cover}), rows)
    theirs = np.asarray(booster.predict(rows, pred_contrib=True))
    assert found.values == pytest.approx(theirs[:, :-1], abs=1e-4)
    assert found.expected == pytest.approx(theirs[0, -1], abs=1e-4)


def test_refuses_a_model_that_there_is_not() -> None:
    with pytest.raises(ConfigurationError, match="unknown model 'oracle'; there are: forest, gbm"):
        load_fit("oracle")


@pytest.mark.parametrize(
    ("model", "package", "extra"),
    [
        ("gbm", "lightgbm", "learn"),
        ("mlp", "torch", "torch"),
        ("online", "river", "learn"),
        ("svm", "sklearn", "learn"),
        ("gbm", "sklearn", "learn"),
    ],
)
def test_names_the_extra_that_is_missing(
    model: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", sys.modules.get("sklearn") or pytest)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*\[{extra}\]"):
        load_fit(model)


def test_rounding_down_keeps_each_comparison() -> None:
    thresholds = RANDOM.normal(size=1_000)
    rounded = rounded_down(thresholds)
    near = np.stack(
        [rounded, np.nextafter(rounded, np.float32(9)), np.nextafter(rounded, np.float32(-9))]
    )
    assert np.array_equal(near.astype(np.float64) <= thresholds, near <= rounded)
