"""Frozen models: what they score, and what they refuse."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury._native import Model

Arrays = dict[str, NDArray[Any]]


def forest(trees: int = 9, depth: int = 4, features: int = 5, seed: int = 1) -> Arrays:
    """Random trees, of which some paths end early."""
    random = np.random.default_rng(seed)
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []

    def grow(level: int) -> int:
        at = len(feature)
        leaf = level == depth or random.random() < 0.2
        feature.append(-1 if leaf else int(random.integers(features)))
        threshold.append(0.0 if leaf else float(random.normal()))
        value.append(float(random.normal()))
        left.append(-1)
        right.append(-1)
        if not leaf:
            left[at] = grow(level + 1)
            right[at] = grow(level + 1)
        return at

    roots = [grow(0) for _ in range(trees)]
    return {
        "features": np.array([features], np.int32),
        "feature": np.array(feature, np.int32),
        "threshold": np.array(threshold, np.float32),
        "left": np.array(left, np.int32),
        "right": np.array(right, np.int32),
        "value": np.array(value, np.float32),
        "roots": np.array(roots, np.int32),
        "base": np.array([0.5], np.float32),
    }


def score_forest(arrays: Arrays, row: NDArray[np.float32]) -> float:
    total = float(arrays["base"][0])
    for root in arrays["roots"].tolist():
        at = root
        while arrays["feature"][at] >= 0:
            goes_left = row[arrays["feature"][at]] <= arrays["threshold"][at]
            at = int((arrays["left"] if goes_left else arrays["right"])[at])
        total += float(arrays["value"][at])
    return total


def linear(features: int = 5) -> Arrays:
    random = np.random.default_rng(2)
    return {
        "weights": random.normal(size=features).astype(np.float32),
        "bias": np.array([0.25], np.float32),
        "mean": random.normal(size=features).astype(np.float32),
        "scale": (0.5 + random.random(features)).astype(np.float32),
    }


def mlp(features: int = 5) -> Arrays:
    random = np.random.default_rng(3)
    widths = [features, 8, 4, 1]
    arrays: Arrays = {
        "mean": random.normal(size=features).astype(np.float32),
        "scale": (0.5 + random.random(features)).astype(np.float32),
    }
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        arrays[f"weights{i}"] = random.normal(size=(outputs, inputs)).astype(np.float32)
        arrays[f"bias{i}"] = random.normal(size=outputs).astype(np.float32)
    return arrays


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 100])
def test_a_forest_scores_as_walking_its_trees_does(rows: int) -> None:
    arrays = forest()
    model = Model("forest", arrays)
    assert model.features == 5
    x = np.random.default_rng(0).normal(size=(rows, 5)).astype(np.float32)
    expected = np.array([score_forest(arrays, row) for row in x], np.float32)
    np.testing.assert_allclose(model.score(x), expected, rtol=1e-5, atol=1e-5)


def test_a_forest_sends_what_is_no_number_to_the_right() -> None:
    arrays = forest()
    x = np.full((3, 5), np.nan, np.float32)
    np.testing.assert_allclose(Model("forest", arrays).score(x), score_forest(arrays, x[0]), 1e-5)


def test_linear_standardises() -> None:
    arrays = linear()
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    expected = ((x - arrays["mean"]) / arrays["scale"]) @ arrays["weights"] + arrays["bias"]
    np.testing.assert_allclose(Model("linear", arrays).score(x), expected, rtol=1e-4, atol=1e-5)


def test_a_network_has_relu_between_its_layers() -> None:
    arrays = mlp()
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    y = (x - arrays["mean"]) / arrays["scale"]
    for i in range(3):
        y = y @ arrays[f"weights{i}"].T + arrays[f"bias{i}"]
        y = np.maximum(y, 0) if i < 2 else y
    np.testing.assert_allclose(Model("mlp", arrays).score(x), y[:, 0], rtol=1e-4, atol=1e-4)


def set_at(name: str, at: int, value: float) -> Any:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


def drop(name: str) -> Any:
    return lambda arrays: arrays.pop(name)


def put(name: str, value: NDArray[Any]) -> Any:
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("forest", set_at("left", 0, 10_000)),
        ("forest", set_at("right", 0, -1)),
        ("forest", set_at("left", 0, 0)),
        ("forest", set_at("feature", 0, 5)),
        ("forest", set_at("threshold", 0, np.nan)),
        ("forest", set_at("value", 3, np.inf)),
        ("forest", set_at("roots", 1, 0)),
        ("forest", set_at("roots", 0, -1)),
        ("forest", set_at("features", 0, 0)),
        ("forest", put("roots", np.array([], np.int32))),
        ("forest", put("value", np.zeros(3, np.float32))),
        ("forest", put("value", np.zeros(3))),
        ("forest", put("more", np.zeros(3, np.float32))),
        ("forest", drop("base")),
        ("linear", set_at("scale", 0, 0)),
        ("linear", set_at("weights", 0, np.nan)),
        ("linear", put("mean", np.zeros(4, np.float32))),
        ("linear", put("bias", np.zeros(2, np.float32))),
        ("mlp", drop("weights0")),
        ("mlp", drop("weights2")),
        ("mlp", put("weights1", np.zeros((4, 7), np.float32))),
        ("mlp", put("bias2", np.zeros(2, np.float32))),
        ("mlp", set_at("bias0", 0, np.inf)),
        ("tree", drop("base")),
    ],
)
def test_refuses_what_is_no_model(kind: str, change: Any) -> None:
    arrays = {"linear": linear, "mlp": mlp}.get(kind, forest)()
    change(arrays)
    with pytest.raises(ValueError, match=r"\w"):
        Model(kind, arrays)


def test_refuses_rows_of_other_features() -> None:
    with pytest.raises(ValueError, match="rows of 5 features, not 4"):
        Model("linear", linear()).score(np.zeros((2, 4), np.float32))
