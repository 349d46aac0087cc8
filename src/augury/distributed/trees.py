"""Trees of MLlib, read from how it prints them: every number in full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.distributed.frames import predictions
from augury.learning.fitting import Fitted, Nodes, Tree, forest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from augury.learning.labels import Training

_LINE = re.compile(
    r"\s*(?:Tree \d+ \(weight (?P<weight>\S+)\):"
    r"|If \(feature (?P<feature>\d+) <= (?P<threshold>\S+)\)"
    r"|Else \(.*\)"
    r"|Predict: (?P<value>\S+))"
)


def fitted_trees(
    model: Any, training: Training, parameters: Mapping[str, bool | float | int | str]
) -> Fitted:
    """Return a fitted tree, forest or boosted trees.

    Parameters
    ----------
    model
        A regression model of MLlib, whose prediction is the sum of its weighted trees; the mean, if
        it is a random forest.
    training
        What it was fitted to.
    parameters
        What it was fitted with.
    """
    trees = list(_trees(model.toDebugString, training.rows))
    arrays, cover = forest(trees, training.rows.shape[1])
    return Fitted(
        "forest", arrays, lambda rows: predictions(model, rows, "prediction"), parameters, cover
    )


def _trees(printed: str, rows: NDArray[np.float32]) -> Iterator[Tree]:
    matches = [found for line in printed.splitlines() if (found := _LINE.fullmatch(line))]
    weights = [float(found["weight"]) for found in matches if found["weight"]]
    # A forest prints that each of its trees weighs 1, and means a share.
    share = 1 / len(weights) if printed.startswith("RandomForest") else 1.0
    lines = iter(matches)
    for weight in weights or [1.0]:
        nodes = Nodes()
        if weights:
            next(lines)
        _add(nodes, lines, rows, weight * share)
        yield nodes.tree()


def _add(
    nodes: Nodes, lines: Iterator[re.Match[str]], rows: NDArray[np.float32], weight: float
) -> int:
    """Add a node and all below it, with the rows that come there; return its number."""
    line = next(lines)
    # At least one came there when it was fitted, to a part of the rows each time.
    cover = float(max(1, len(rows)))
    if line["value"] is not None:
        return nodes.add(
            feature=-1, threshold=0.0, value=float(line["value"]) * weight, cover=cover
        )
    feature, threshold = int(line["feature"]), float(line["threshold"])
    at = nodes.add(feature=feature, threshold=threshold, value=0.0, cover=cover)
    left = rows[:, feature].astype(np.float64) <= threshold
    nodes.left[at] = _add(nodes, lines, rows[left], weight)
    next(lines)  # Else
    nodes.right[at] = _add(nodes, lines, rows[~left], weight)
    return at
