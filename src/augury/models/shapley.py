"""How much each feature adds to a score: Shapley values, from a model's own arrays.

Trees: path-dependent TreeSHAP (Lundberg et al., From local explanations to global understanding
with explainable AI for trees, Nature Machine Intelligence 2, 2020), the values of LightGBM's
``pred_contrib``. A leaf pays out only if all conditions on its path hold, so its game is a product
over the path's features, and the Shapley value of a product is an integral over the share t of
features that are known (Owen's multilinear extension): a Gauss-Legendre sum, exact for polynomials.
Linear models: weight times distance from the mean. Networks: no closed form; sampled orders of the
features against background rows (Strumbelj, Kononenko, KAIS 41, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from augury.models.artefact import Artefact

    Rows = NDArray[np.float32]
    Values = NDArray[np.float64]

_ORDERS = 32  # sampled orders of the features for a model without a closed form


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Of each row, what each feature adds to the expected score."""

    expected: float
    """Score to expect when nothing is known of a row."""
    values: NDArray[np.float64]
    """One row a row, one column a feature; with `expected`, they add up to the score."""


def is_explicable(artefact: Artefact) -> bool:
    """Return whether an artefact keeps what its `contributions` are computed from."""
    return ("cover" if artefact.kind == "forest" else "background") in artefact.explanation


def contributions(artefact: Artefact, rows: NDArray[np.float32]) -> Contributions:
    """Explain scores.

    Parameters
    ----------
    artefact
        The model.
    rows
        What it scored, of shape (rows, features).

    Returns
    -------
    Contributions
        In the score's unit, octaves of time. Exact for trees and linear
        models, sampled for networks.
    """
    rows = np.atleast_2d(np.asarray(rows, np.float32))
    if artefact.kind == "forest":
        return _of_forest(artefact.arrays, artefact.explanation["cover"], rows)
    if artefact.kind == "linear":
        return _of_linear(artefact.arrays, artefact.explanation["background"], rows)
    return _sampled(artefact, artefact.explanation["background"], rows)


def _of_forest(
    arrays: Mapping[str, NDArray[Any]], cover: NDArray[Any], rows: Rows
) -> Contributions:
    values = np.zeros(rows.shape)
    expected = float(arrays["base"].reshape(-1)[0])
    for root in arrays["roots"].tolist():
        for leaf, path in _paths(arrays, cover, root):
            value = float(arrays["value"][leaf])
            expected += value * float(np.prod([condition.share for condition in path]))
            if path:
                columns = [condition.feature for condition in path]
                shares = np.array([condition.share for condition in path])
                holds = np.stack([condition.holds(rows) for condition in path], axis=1)
                values[:, columns] += value * _of_product(holds, shares)
    return Contributions(expected, values)


@dataclass(slots=True)
class _Condition:
    """What a path through a tree demands of one feature, however often it asks."""

    feature: int
    low: float = -np.inf
    high: float = np.inf
    share: float = 1.0
    """Of the training rows, those that go this way."""

    def holds(self, rows: Rows) -> NDArray[np.bool_]:
        column = rows[:, self.feature]
        return (column > self.low) & (column <= self.high)


def _paths(
    arrays: Mapping[str, NDArray[Any]], cover: NDArray[Any], root: int
) -> Iterator[tuple[int, list[_Condition]]]:
    """Yield each leaf of a tree with what its path demands."""
    pending: list[tuple[int, dict[int, _Condition]]] = [(root, {})]
    while pending:
        node, path = pending.pop()
        feature = int(arrays["feature"][node])
        if feature < 0:
            yield node, list(path.values())
            continue
        threshold = float(arrays["threshold"][node])
        before = path.get(feature, _Condition(feature))
        for child, low, high in (
            (int(arrays["left"][node]), before.low, min(before.high, threshold)),
            (int(arrays["right"][node]), max(before.low, threshold), before.high),
        ):
            share = before.share * float(cover[child]) / float(cover[node])
            pending.append((child, {**path, feature: _Condition(feature, low, high, share)}))


def _of_product(holds: NDArray[np.bool_], shares: Values) -> Values:
    """Shapley values of the game prod(holds where known, shares where not), row by row."""
    features = len(shares)
    points, weights = np.polynomial.legendre.leggauss(max(1, (features + 1) // 2))
    values = np.zeros(holds.shape)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        factors = holds * point + shares * (1 - point)  # never 0: every child has rows
        others = factors.prod(axis=1, keepdims=True) / factors
        values += weight * (holds - shares) * others
    return values


def _of_linear(arrays: Mapping[str, NDArray[Any]], background: Rows, rows: Rows) -> Contributions:
    slopes = arrays["weights"].astype(np.float64) / arrays["scale"]
    mean = background.mean(axis=0, dtype=np.float64)
    expected = float(arrays["bias"].reshape(-1)[0] + slopes @ (mean - arrays["mean"]))
    return Contributions(expected, slopes * (rows - mean))


def _sampled(artefact: Artefact, background: Rows, rows: Rows) -> Contributions:
    random = np.random.default_rng(1)  # the same rows are explained the same way
    values = np.zeros(rows.shape)
    expected = float(artefact.score(background).mean(dtype=np.float64))
    for _ in range(_ORDERS):
        mixed = background[random.integers(0, len(background), len(rows))].copy()
        before = artefact.score(mixed).astype(np.float64)
        for column in random.permutation(rows.shape[1]):
            mixed[:, column] = rows[:, column]
            after = artefact.score(mixed).astype(np.float64)
            values[:, column] += (after - before) / _ORDERS
            before = after
    # What sampling leaves over is shared out, so that contributions add up to the score.
    rest = artefact.score(rows) - expected - values.sum(axis=1)
    return Contributions(expected, values + rest[:, None] / rows.shape[1])
