"""Models of answers: what every one of them has to do, whatever it is."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from augury.answers.examples import Examples
from augury.answers.features import Features
from augury.answers.fits import fit_names, load_fit
from augury.answers.region import Box, Dimension
from augury.answers.scale import Scale
from augury.answers.target import Target
from augury.errors import ConfigurationError, MissingExtraError

TARGETS = {
    "count": Target("count", "rows"),
    "sum": Target("sum", "sum:x"),
    "avg": Target("avg", "sum:x", "rows"),
    "value": Target("value", "value"),
    "label": Target("label", "value"),
}
DIMENSIONS = (
    Dimension("carrier", ordered=False),
    Dimension("distance", ordered=True),
    Dimension("month", ordered=True, whole=True),
)


def examples(kind: str, count: int = 700, seed: int = 1) -> Examples:
    """Boxes of three carriers, of which the last flies most; half of the distances have no end."""
    random = np.random.default_rng(seed)
    carrier = random.integers(0, 3, count)
    ends = np.sort(random.integers(1, 13, (count, 2)), axis=1)
    far = random.uniform(100, 2_000, count)
    rows = (carrier + 1.0) * (ends[:, 1] - ends[:, 0] + 1) * (1 - far / 4_000) * 100
    boxes = np.empty((count, 3, 2))
    boxes[:, 0] = carrier[:, None]
    boxes[:, 1, 0], boxes[:, 1, 1] = far, np.where(random.random(count) < 0.5, 2_000, np.inf)
    boxes[:, 2] = ends
    mean = 5 + 3.0 * carrier + ends.mean(axis=1)
    value = mean if kind != "label" else (mean > 10).astype(np.float64) + (mean > 14)
    measures = {"rows": np.round(rows), "sum:x": np.round(rows) * mean, "value": value}
    return Examples(DIMENSIONS, (3, 0, 0), boxes, measures, np.arange(float(count)))


def cases() -> list[tuple[str, str]]:
    return [(name, kind) for name in fit_names() for kind in TARGETS]


@pytest.mark.parametrize(("name", "kind"), cases())
def test_every_model_estimates(name: str, kind: str) -> None:
    try:
        fit = load_fit(name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    target = TARGETS[kind]
    if kind not in fit.KINDS:
        pytest.skip("not of this kind")
    model = fit.fit(examples(kind), target, 1)
    later = examples(kind, 300, seed=2)
    truths = target.of(later)
    estimates, spreads = model.estimate(later.boxes)
    known = np.isfinite(estimates)
    assert known.mean() > 0.95
    assert (spreads[known] > 0).all()
    if kind == "label":
        assert (estimates == truths)[known].mean() > 0.85
    else:
        off = np.abs(estimates - truths)[known]
        assert np.median(off) < 0.35 * np.median(np.abs(truths - np.median(truths)))
    boxes: list[Box] = [tuple((low, high) for low, high in box) for box in later.boxes.tolist()]
    ones = np.array([model.estimate_one(box) for box in boxes])
    np.testing.assert_allclose(ones[:, 0], estimates, rtol=1e-5)
    np.testing.assert_allclose(ones[:, 1], spreads, rtol=1e-4)
    restored = fit.restore(model.arrays(), target)
    np.testing.assert_allclose(restored.estimate(later.boxes)[0], estimates, rtol=1e-6)


@pytest.mark.parametrize("name", ["forest", "gbm", "mlp", "tree"])
def test_what_was_never_asked_for_is_not_estimated(name: str) -> None:
    fit = load_fit(name)
    model = fit.fit(examples("count", 200), TARGETS["count"], 1)
    inside: Box = ((1.0, 1.0), (500.0, 2_000.0), (2.0, 5.0))
    assert math.isfinite(model.estimate_one(inside)[0])
    for box in (
        ((7.0, 7.0), *inside[1:]),  # a new category
        (inside[0], (1.0, 2_000.0), inside[2]),
        (inside[0], (-math.inf, 2_000.0), inside[2]),
        (*inside[:2], (2.0, 24.0)),
    ):
        assert all(math.isnan(each) for each in model.estimate_one(box))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(model.estimate(np.array([box]))).all()
    assert np.isnan(model.estimate(np.full((1, 3, 2), np.nan))).all()


@pytest.mark.parametrize("name", ["forest", "gbm", "mlp", "tree"])
@pytest.mark.parametrize("kind", ["count", "value", "label"])
def test_all_may_be_alike(name: str, kind: str) -> None:
    few = examples(kind, 120)
    same = Examples(
        few.dimensions,
        few.sizes,
        few.boxes,
        dict.fromkeys(few.measures, np.full(120, 3.0)),
        few.times,
    )
    model = load_fit(name).fit(same, TARGETS[kind], 1)
    estimates, spreads = model.estimate(same.boxes)
    np.testing.assert_allclose(estimates, 3.0, rtol=0.05)
    assert (spreads > 0).all()


@pytest.mark.parametrize("name", ["forest", "gbm", "mlp", "tree"])
def test_null_is_far_off(name: str) -> None:
    """Where answers were NULL, nobody is to be sure of a number."""
    some = examples("avg")
    nothing = (some.boxes[:, 0, 0] == 1) & (some.boxes[:, 2, 0] > 3)
    measures = {each: np.where(nothing, 0.0, array) for each, array in some.measures.items()}
    model = load_fit(name).fit(replace(some, measures=measures), TARGETS["avg"], 1)
    estimates, spreads = model.estimate(some.boxes)
    assert np.isfinite(estimates).all()
    assert np.median(spreads[nothing]) > 10 * np.median(spreads[~nothing])


def test_unknown_models_are_told() -> None:
    assert {"forest", "gbm", "mlp", "tree"} <= set(fit_names())
    with pytest.raises(ConfigurationError, match="unknown model 'oracle'; there are: "):
        load_fit("oracle")


def test_features_are_restored() -> None:
    some = examples("count", 50)
    features = Features.of(some, some.measures["rows"])
    restored = Features.restore(features.arrays())
    np.testing.assert_array_equal(restored.rows(some.boxes), features.rows(some.boxes))


def test_large_categories_and_times_keep_their_differences() -> None:
    """Seconds since 1970 differ by less than numbers of 32 bits do."""
    start = 1.7e9
    boxes = np.array([[[start + at, start + at], [at, at]] for at in range(100)])
    when = (Dimension("when", ordered=True), Dimension("who", ordered=False))
    some = Examples(when, (0, 100), boxes.astype(np.float64), {}, np.zeros(100))
    rows = Features.of(some, np.arange(100.0)).rows(boxes)
    assert len(np.unique(rows[:, 0])) == 100


@pytest.mark.parametrize("unit", [0.0, 1.0, 50.0])
def test_scales_go_there_and_back(unit: float) -> None:
    scale = Scale(unit)
    values = np.array([-1e6, -3.0, 0.0, 0.5, 7e8])
    np.testing.assert_allclose(scale.all_back(scale.of(values)), values, rtol=1e-9, atol=1e-9)
    assert [scale.back(each) for each in scale.of(values).tolist()] == pytest.approx(
        values.tolist()
    )
    step = 1e-6
    for value in (0.5, 300.0):
        moved = scale.back(float(scale.of(np.array([value]))[0]) + step) - value
        assert moved / step == pytest.approx(scale.stretch(value), rel=1e-3)
