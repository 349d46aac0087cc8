"""What every fit returns, and how estimators of libraries become the arrays of a native model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import LearningError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

    Rows = NDArray[np.float32]
    Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model as the native core scores it, and as the library that fitted it does."""

    kind: str
    """``"forest"``, ``"linear"`` or ``"mlp"``."""
    arrays: Mapping[str, NDArray[Any]]
    """Of the native model."""
    predict: Callable[[Rows], Scores]
    """The library's own score of rows: what the native one has to equal."""
    parameters: Mapping[str, bool | float | int | str]
    """What the model was fitted with."""
    cover: NDArray[np.float32] | None = None
    """Of a forest: the training rows of each node."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as a library has it: nodes by number, the root first.

    `feature` is negative at leaves; where it is not, a row goes left if its feature is at most the
    threshold.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]


@dataclass(slots=True)
class Nodes:
    """Collects nodes into a `Tree`, each before its children."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    cover: list[float] = field(default_factory=list)

    def add(self, *, feature: int, threshold: float, value: float, cover: float) -> int:
        """Add a node without children and return its number."""
        for column, entry in (
            *((self.feature, feature), (self.threshold, threshold), (self.left, 0)),
            *((self.right, 0), (self.value, value), (self.cover, cover)),
        ):
            column.append(entry)  # type: ignore[arg-type]
        return len(self.feature) - 1

    def tree(self) -> Tree:
        """Return what was collected."""
        return Tree(
            np.array(self.feature),
            np.array(self.threshold),
            np.array(self.left),
            np.array(self.right),
            np.array(self.value),
            np.array(self.cover),
        )


def forest(trees: Iterable[Tree], features: int) -> tuple[dict[str, NDArray[Any]], Rows]:
    """Return the arrays of a forest whose score is the sum of its trees, and the nodes' cover.

    Thresholds are rounded down to the next number of 32 bits: since the features have 32 bits, each
    row goes the same way as in 64.
    """
    parts: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value", "cover")
    }
    roots = []
    count = 0
    for tree in trees:
        roots.append(count)
        inner = tree.feature >= 0
        parts["feature"].append(np.where(inner, tree.feature, -1))
        parts["threshold"].append(np.where(inner, rounded_down(tree.threshold), 0))
        parts["left"].append(np.where(inner, tree.left + count, -1))
        parts["right"].append(np.where(inner, tree.right + count, -1))
        parts["value"].append(np.where(inner, 0.0, tree.value))
        parts["cover"].append(tree.cover)
        count += len(tree.feature)
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    cover = whole.pop("cover").astype(np.float32)
    integers = {"feature", "left", "right"}
    arrays = {
        name: array.astype(np.int32 if name in integers else np.float32)
        for name, array in whole.items()
    }
    arrays["roots"] = np.array(roots, np.int32)
    arrays["base"] = np.zeros(1, np.float32)
    arrays["features"] = np.array([features], np.int32)
    return arrays, cover


def rounded_down(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest numbers of 32 bits that are not above these.

    Examples
    --------
    >>> rounded_down(np.array([0.1, 0.5])).tolist() == [float(np.float32(0.1)) - 2**-27, 0.5]
    True
    """
    near = numbers.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > numbers, below, near)


def standard(rows: Rows) -> tuple[Rows, Rows]:
    """Return the mean of each feature and its standard deviation, 1 where it is constant."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = rows.std(axis=0, dtype=np.float64).astype(np.float32)
    # Below this a deviation is what rounding left of a constant.
    return mean, np.where(scale > 1e-6 * np.maximum(1, np.abs(mean)), scale, np.float32(1))


def linear_time(
    training: Training, weights: NDArray[Any], bias: float, mean: Rows, scale: Rows
) -> tuple[dict[str, NDArray[Any]], Line]:
    """Return the arrays of a linear model of time, from a classifier's decision function.

    The line from its decisions to times is returned, too; see `line_of_time`.
    """
    line = line_of_time(training, ((training.rows - mean) / scale) @ weights + bias)
    arrays = {
        "weights": (line.slope * weights).astype(np.float32),
        "bias": np.array([line(bias)], np.float32),
        "mean": mean,
        "scale": scale,
    }
    return arrays, line


def line_of_time(training: Training, decision: NDArray[Any]) -> Line:
    """Return the straight line from a classifier's decisions of the rows to times.

    A classifier says how sure it is that a key is asked for again in time; the cache compares times
    to the next request. The line that fits best between the two keeps the order.
    """
    line = Line.through(decision, training.time, training.weight)
    if not line.slope < 0:  # no better than chance: at least the order is the classifier's
        return Line(-1.0, float(np.average(training.time, weights=training.weight)))
    return line


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    slope: float
    intercept: float

    def __call__(self, x: Any) -> Any:
        """Return the line's value at `x`, a number or an array."""
        return self.slope * x + self.intercept

    @classmethod
    def through(cls, x: Scores, y: Scores, weight: Scores) -> Line:
        """Return the line of least weighted squares; a flat one if `x` is constant."""
        x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
        spread = float(np.average((x - x_mean) ** 2, weights=weight))
        if not spread > 0:
            return cls(0.0, float(y_mean))
        slope = float(np.average((x - x_mean) * (y - y_mean), weights=weight)) / spread
        return cls(slope, float(y_mean - slope * x_mean))


def fit_classifier(
    training: Training, estimator: Any, parameters: Mapping[str, bool | float | int | str]
) -> Fitted:
    """Fit a linear classifier of scikit-learn to "is asked for again before it would be evicted".

    Parameters
    ----------
    training
        The rows, which are standardised first.
    estimator
        With a ``decision_function``.
    parameters
        What it was made with.

    Raises
    ------
    LearningError
        If all rows are of one class.
    """
    need_both_classes(training)
    mean, scale = standard(training.rows)
    estimator.fit((training.rows - mean) / scale, training.again, sample_weight=training.weight)
    arrays, line = linear_time(
        training, estimator.coef_[0], float(estimator.intercept_[0]), mean, scale
    )

    def predict(rows: Rows) -> Scores:
        return np.asarray(line(estimator.decision_function((rows - mean) / scale)))

    return Fitted("linear", arrays, predict, parameters)


def need_both_classes(training: Training) -> None:
    """Raise a `LearningError` unless some rows are asked for again in time and some are not."""
    if training.again.all() or not training.again.any():
        every = "every" if training.again.any() else "no"
        raise LearningError(
            f"{every} key is asked for again before it would be evicted, so that a classifier has "
            "nothing to learn; choose a model of time such as gbm"
        )
