"""Contributions are Shapley values: checked against their definition, and against LightGBM's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import features
from augury.learning.fitting import Nodes, forest
from augury.models import Artefact, contributions
from tests.unit.test_artefact import card, linear

F = len(features.FEATURES)
RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(30, F)).astype(np.float32)


def shapley(worth: Callable[[frozenset[int]], float], players: list[int]) -> dict[int, float]:
    values = {}
    for one in players:
        rest = [each for each in players if each != one]
        values[one] = sum(
            factorial(size)
            * factorial(len(rest) - size)
            / factorial(len(players))
            * (worth(frozenset({*chosen, one})) - worth(frozenset(chosen)))
            for size in range(len(players))
            for chosen in combinations(rest, size)
        )
    return values


def a_tree(depth: int) -> Nodes:
    nodes = Nodes()

    def grow(depth: int, cover: float) -> int:
        if depth == 0:
            return nodes.add(feature=-1, threshold=0, value=float(RANDOM.normal()), cover=cover)
        # Few features, so that a path asks for some of them more than once.
        at = nodes.add(
            feature=int(RANDOM.integers(4)), threshold=float(RANDOM.normal()), value=0, cover=cover
        )
        left = int(RANDOM.integers(1, int(cover)))
        nodes.left[at] = grow(depth - 1, left)
        nodes.right[at] = grow(depth - 1, cover - left)
        return at

    grow(depth, 1 << 20)
    return nodes


def expected_value(nodes: Nodes, row: NDArray[np.float32], known: frozenset[int]) -> float:
    """What a tree is expected to say when only some features are known (Lundberg, algorithm 1)."""

    def of(at: int) -> float:
        feature = nodes.feature[at]
        left, right = nodes.left[at], nodes.right[at]
        if feature < 0:
            return nodes.value[at]
        if feature in known:
            return of(left if row[feature] <= np.float32(nodes.threshold[at]) else right)
        share = nodes.cover[left] / nodes.cover[at]
        return share * of(left) + (1 - share) * of(right)

    return of(0)


def test_trees_by_the_definition() -> None:
    trees = [a_tree(depth) for depth in (0, 1, 4, 5)]
    for each in trees:  # thresholds as the native model has them
        each.threshold = [float(np.float32(threshold)) for threshold in each.threshold]
    arrays, cover = forest([each.tree() for each in trees], F)
    artefact = Artefact("forest", arrays, card(), {"cover": cover})
    found = contributions(artefact, ROWS)
    for row, values in zip(ROWS, found.values, strict=True):

        def worth(known: frozenset[int], row: NDArray[np.float32] = row) -> float:
            return sum(expected_value(each, row, known) for each in trees)

        by_definition = shapley(worth, [0, 1, 2, 3])
        assert values[:4] == pytest.approx([by_definition[at] for at in range(4)], abs=1e-5)
        assert not values[4:].any()
        assert found.expected == pytest.approx(worth(frozenset()), abs=1e-5)
    assert found.expected + found.values.sum(axis=1) == pytest.approx(
        artefact.score(ROWS), abs=1e-4
    )


def test_linear_models_by_their_weights() -> None:
    artefact = linear()
    found = contributions(artefact, ROWS)
    mean = artefact.explanation["background"].mean(axis=0)
    assert np.allclose(found.values, np.arange(F) * (ROWS - mean), atol=1e-4)
    assert np.allclose(found.expected + found.values.sum(axis=1), artefact.score(ROWS), atol=1e-3)


def test_networks_by_sampling() -> None:
    """Of a network that is linear where the rows are, the contributions are known."""
    weights = RANDOM.normal(size=(1, F)).astype(np.float32)
    arrays = {
        "weights0": np.concatenate([weights, -weights]),
        "bias0": np.zeros(2, np.float32),
        "weights1": np.array([[1, -1]], np.float32),
        "bias1": np.array([2], np.float32),
        "mean": np.zeros(F, np.float32),
        "scale": np.ones(F, np.float32),
    }
    background = RANDOM.normal(size=(256, F)).astype(np.float32)
    artefact = Artefact("mlp", arrays, card(), {"background": background})
    found = contributions(artefact, ROWS)
    assert found.expected + found.values.sum(axis=1) == pytest.approx(
        artefact.score(ROWS), abs=1e-3
    )
    exact = weights * (ROWS - background.mean(axis=0))
    assert np.corrcoef(found.values.ravel(), exact.ravel())[0, 1] > 0.95
    assert np.array_equal(found.values, contributions(artefact, ROWS).values)
