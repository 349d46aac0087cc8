"""A sample of the rows tells the cube what no query has told it yet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy")

from augury.answers.examples import Examples
from augury.answers.fits import load_fit
from augury.answers.region import Dimension
from augury.answers.sample import Sample
from augury.answers.target import Target

WHO, WHEN = Dimension("who", ordered=False), Dimension("when", ordered=True, whole=True)
WHOS, WHENS = 4, 40
ROWS = Target("count", "rows")


def table(random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of each cell, which no product of factors is like."""
    return random.poisson(random.gamma(1.0, 40.0, (WHOS, WHENS)))


def boxes(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    who = random.integers(0, WHOS, count)
    ends = np.sort(random.integers(0, WHENS, (count, 2)), axis=1)
    return np.stack([np.stack([who, who], axis=1), ends], axis=1).astype(np.float64)


def counted(cells: NDArray[np.int64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    places = asked.astype(int)
    return np.array([float(cells[who, low : high + 1].sum()) for (who, _), (low, high) in places])


def drawn(random: np.random.Generator, cells: NDArray[np.int64], fraction: float) -> Sample:
    who, when = np.indices(cells.shape).reshape(2, -1)
    points = np.repeat(np.stack([who, when], axis=1), cells.ravel(), axis=0).astype(float)
    points = points[random.random(len(points)) < fraction]
    return Sample(points, {"rows": np.ones(len(points))}, fraction)


def test_a_sample_halves_the_error_of_what_was_not_asked() -> None:
    random = np.random.default_rng(1)
    cells = table(random)
    whole = np.array([[[w, w], [0, WHENS - 1]] for w in range(WHOS)], np.float64)
    asked = np.concatenate([whole, boxes(random, 30)])
    examples = Examples(
        (WHO, WHEN), (WHOS, 0), asked, {"rows": counted(cells, asked)}, np.arange(34.0)
    )
    later = boxes(random, 400)
    truth = counted(cells, later)
    errors = []
    for sample in (None, drawn(random, cells, 0.3)):
        told = dataclasses.replace(examples, sample=sample)
        estimates, spreads = load_fit("cube").fit(told, ROWS, 0).estimate(later)
        errors.append(float(np.median(np.abs(estimates - truth))))
        assert (np.abs(estimates - truth) <= 3 * spreads).mean() > 0.9
    assert errors[1] < 0.5 * errors[0]


def test_points_beyond_what_was_asked_do_no_harm() -> None:
    random = np.random.default_rng(2)
    cells = table(random)
    asked = boxes(random, 40)
    asked[:, 1] = np.clip(asked[:, 1], 10, 30)
    examples = Examples(
        (WHO, WHEN), (WHOS, 0), asked, {"rows": counted(cells, asked)}, np.arange(40.0)
    )
    for points in (np.zeros((0, 2)), np.array([[9.0, 20.0], [0.0, 1e9], [1.0, -1e9]])):
        sample = Sample(points, {"rows": np.ones(len(points))}, 0.1)
        told = dataclasses.replace(examples, sample=sample)
        estimates, _ = load_fit("cube").fit(told, ROWS, 0).estimate(asked)
        assert np.abs(estimates - counted(cells, asked)).max() < 1.0
