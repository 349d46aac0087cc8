"""Intervals: those of crepes, right as often as asked among what is given, adaptive."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("crepes")

from augury.answers import Tolerance
from augury.answers.calibration import Conformal, Scores, calibrate, quantile
from augury.answers.target import Target

COUNT = Target("count", "rows")
LABEL = Target("label", "value")
NOISES = ["normal", "laplace", "t3", "uniform", "skew"]
Draw = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def draw(noise: str, count: int, random: np.random.Generator) -> Draw:
    """Estimates, spreads that know the noise of each roughly, and truths."""
    truths = np.exp(random.normal(4, 1.5, count))
    deviations = np.exp(random.normal(0, 0.7, count)) * 0.01 * truths
    off: Any = {
        "normal": lambda: random.normal(size=count),
        "laplace": lambda: random.laplace(size=count),
        "t3": lambda: random.standard_t(3, count),
        "uniform": lambda: random.uniform(-1, 1, count),
        "skew": lambda: random.exponential(size=count) - 1,
    }[noise]()
    spreads = deviations * np.exp(random.normal(0, 0.5, count))
    return truths + deviations * off, spreads, truths


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("count", [4, 9, 19, 98, 99, 400])
def test_quantiles_are_those_of_crepes(count: int, confidence: float) -> None:
    random = np.random.default_rng(count)
    residuals, sigmas = random.normal(size=count), random.uniform(0.5, 2, count)
    import crepes

    fitted = crepes.ConformalRegressor().fit(residuals, sigmas=sigmas)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are too few
        low, high = fitted.predict_int(np.zeros(1), np.full(1, 3.0), confidence=confidence)[0]
    scores = np.sort(np.abs(residuals) / sigmas)[::-1]
    assert 3.0 * quantile(scores, 1 - confidence) == pytest.approx(high)
    assert low == -high


@pytest.mark.parametrize("noise", NOISES)
def test_intervals_hold_among_the_answers_that_are_given(noise: str) -> None:
    tolerance, covered, given, all_covered = Tolerance(relative=0.05), [], [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        calibration = calibrate(COUNT, Scores(*draw(noise, 1_000, random)), tolerance, 0.95)
        estimates, spreads, truths = draw(noise, 5_000, random)
        widths = calibration.half_widths(estimates, spreads, 0.95)
        narrow = widths <= 0.05 * np.abs(estimates)
        holds = np.abs(estimates - truths) <= widths
        covered.append(holds[narrow].mean())
        all_covered.append(holds.mean())
        given.append(narrow.mean())
    assert np.mean(covered) > 0.945
    assert np.min(covered) > 0.91
    assert 0.95 < np.mean(all_covered) < 0.985
    assert np.mean(given) > 0.25


def test_intervals_hold_in_every_class_of_estimates() -> None:
    random = np.random.default_rng(1)
    # Small answers are far noisier than their spread says, and large ones less noisy.
    estimates = random.uniform(0, 100, 16_000)
    truths = estimates + random.normal(size=16_000) * np.where(estimates < 30, 4.0, 0.3)
    spreads = np.ones(16_000)
    fits, later = slice(0, 6_000), slice(6_000, None)
    calibration = calibrate(
        COUNT,
        Scores(estimates[fits], spreads[fits], truths[fits]),
        Tolerance(absolute=20),
        0.95,
    )
    widths = calibration.half_widths(estimates[later], spreads[later], 0.95)
    holds = np.abs(estimates - truths)[later] <= widths
    tenth = (estimates[later] // 10).astype(int)
    assert min(holds[tenth == each].mean() for each in range(10)) > 0.92
    assert np.median(widths[tenth == 0]) > 5 * np.median(widths[tenth == 9])


def test_one_is_as_many() -> None:
    random = np.random.default_rng(2)
    for tolerance in (None, Tolerance(2.0), Tolerance(relative=0.05), Tolerance(2.0, 0.05)):
        calibration = calibrate(COUNT, Scores(*draw("normal", 900, random)), tolerance, 0.95)
        estimates, spreads, _ = draw("normal", 200, random)
        estimates[:2], spreads[2:4] = np.nan, np.nan
        estimates[4:6] = 0.0  # of which no share is allowed
        spreads[:2] = np.nan
        for confidence in (0.8, 0.95):
            widths = calibration.half_widths(estimates, spreads, confidence)
            ones = [
                calibration.half_width(estimate, spread, confidence)
                for estimate, spread in zip(estimates.tolist(), spreads.tolist(), strict=True)
            ]
            assert ones == pytest.approx(widths.tolist())
            assert [one == 0.0 for one in ones] == [width == 0.0 for width in widths]
            assert np.isinf(widths[:4]).all()


def test_few_examples_allow_no_interval() -> None:
    few = np.ones(18)
    calibration = calibrate(COUNT, Scores(few, few, few), None, 0.95)
    assert calibration.half_width(1.0, 1.0, 0.95) == np.inf
    assert calibrate(COUNT, Scores.none(), None, 0.95).half_width(1.0, 1.0, 0.5) == np.inf


def test_null_is_infinitely_far_off() -> None:
    values = np.full(200, 5.0)
    truths = np.where(np.arange(200) % 5 == 0, np.nan, 5.0)
    calibration = calibrate(COUNT, Scores(values, np.ones(200), truths), None, 0.95)
    assert calibration.half_width(5.0, 1.0, 0.95) == np.inf
    assert calibration.half_width(5.0, 1.0, 0.7) == 0.0


def test_a_label_is_certain_or_not() -> None:
    random = np.random.default_rng(3)
    doubts: NDArray[np.float64] = random.uniform(0.001, 0.5, 3_000)
    codes = random.integers(0, 3, 3_000).astype(np.float64)
    truths = np.where(random.random(3_000) < doubts, (codes + 1) % 3, codes)
    calibration = calibrate(LABEL, Scores(codes, doubts, truths), Tolerance(0.5), 0.95)
    widths = calibration.half_widths(codes, doubts, 0.95)
    assert set(widths.tolist()) == {0.0, np.inf}
    assert doubts[widths == 0].max() < 0.15
    assert (codes == truths)[widths == 0].mean() > 0.95


def shifted(calibration: Conformal, queries: int, by: float, seed: int) -> list[bool]:
    """Whether each of the answers held that were given, each query being verified at once."""
    estimates, spreads, truths = draw("normal", queries, np.random.default_rng(seed))
    truths = estimates + by * (truths - estimates)
    held: list[bool] = []
    for estimate, spread, truth in zip(estimates, spreads, truths, strict=True):
        width = calibration.half_width(estimate, spread, 0.95)
        if width <= 0.1 * abs(estimate):
            held.append(bool(abs(estimate - truth) <= width))
        calibration.note(estimate, spread, truth)
    return held


def test_intervals_adapt_to_drift() -> None:
    random = np.random.default_rng(4)
    calibration = calibrate(
        COUNT, Scores(*draw("normal", 2_000, random)), Tolerance(relative=0.1), 0.95
    )
    before = shifted(calibration, 1_500, 1.0, 5)
    assert len(before) > 900
    assert np.mean(before) > 0.94
    held = shifted(calibration, 3_000, 2.0, 6)
    assert np.mean(held[:100]) < 0.93
    assert len(held) < 800  # all that the database does not answer
    after = shifted(calibration, 3_000, 1.0, 7)
    assert len(after) > 500
    assert np.mean(after) > 0.94


def test_verified_answers_never_make_intervals_narrower_than_calibrated() -> None:
    random = np.random.default_rng(7)
    calibration = calibrate(COUNT, Scores(*draw("normal", 600, random)), None, 0.95)
    estimates, spreads, _ = draw("normal", 300, random)
    before = calibration.half_widths(estimates, spreads, 0.95)
    for estimate, spread in zip(estimates, spreads, strict=True):
        calibration.note(estimate, spread, estimate)
    assert (calibration.half_widths(estimates, spreads, 0.95) == before).all()


def test_is_restored_with_what_it_was_told() -> None:
    random = np.random.default_rng(8)
    for tolerance in (None, Tolerance(2.0), Tolerance(relative=0.05)):
        calibration = calibrate(COUNT, Scores(*draw("normal", 700, random)), tolerance, 0.9)
        estimates, spreads, _ = draw("normal", 100, random)
        for estimate, spread in zip(estimates, spreads, strict=True):
            calibration.note(estimate, spread, 2 * estimate)
        restored = Conformal.restore(calibration.arrays())
        for confidence in (0.5, 0.9):
            widths = calibration.half_widths(estimates, spreads, confidence)
            assert (restored.half_widths(estimates, spreads, confidence) == widths).all()
            assert restored.half_width(*draw_one(estimates, spreads), confidence) == widths[0]


def draw_one(estimates: NDArray[Any], spreads: NDArray[Any]) -> tuple[float, float]:
    return float(estimates[0]), float(spreads[0])


def test_threads_may_note_at_once() -> None:
    random = np.random.default_rng(9)
    examples = draw("normal", 600, random)
    alone, together = (calibrate(COUNT, Scores(*examples), None, 0.95) for _ in range(2))

    def note(calibration: Conformal) -> None:
        for _ in range(50):
            calibration.note(50.0, 1.0, 1e9)

    threads = [threading.Thread(target=note, args=(together,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(4):
        note(alone)
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(together.arrays()[name], array)


def test_nothing_is_finer_than_nothing_allowed() -> None:
    """Counts of 0 are right as they are, and of these 5% is 0."""
    zeros = np.zeros(400)
    scores = Scores(zeros, np.full(400, 0.02), zeros)
    calibration = calibrate(COUNT, scores, Tolerance(relative=0.05), 0.95)
    assert calibration.half_width(0.0, 0.02, 0.95) == 0.0
    assert calibration.half_widths(zeros, np.full(400, 0.02), 0.95).max() == 0.0
