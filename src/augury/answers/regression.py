"""Models of an answer by the features of its box: what the fits of trees and networks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.answers.examples import Examples
from augury.answers.features import Features
from augury.answers.fits import Estimator
from augury.answers.region import Box
from augury.answers.scale import Scale
from augury.answers.target import LABEL, Target
from augury.errors import ArtefactError

Rows: TypeAlias = NDArray[np.float32]
Regressor: TypeAlias = Callable[
    [Rows, NDArray[np.float64], int], tuple[str, Mapping[str, NDArray[Any]]]
]
"""Fits rows to values, with a seed; returns the kind of a native model, and its arrays."""


class Fitting(Protocol):
    """The ``fit`` of a module, as `augury.answers.fits.Fit` describes it."""

    def __call__(
        self, examples: Examples, target: Target, seed: int, before: Estimator | None = None
    ) -> Estimator:
        """Return what has been fitted."""


_FOLDS = 3  # parts, of which each is estimated by a model that was fitted to the others
_NULL = 10.0  # standard deviations of all answers, that an estimate of NULL counts as being off
_LEAST = 0.01  # of the mean residual: below this, residuals are not told apart


@dataclass(frozen=True, eq=False)
class Regression:
    """Estimates a quantity, and how far off that is likely to be."""

    features: Features
    scale: Scale
    value: Scorer
    """Of the value on the scale."""
    residual: Scorer
    """Of the logarithm of how far `value` is off, on the scale."""

    def estimate(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return estimates and spreads of boxes."""
        rows = self.features.rows(boxes)
        estimates = self.scale.all_back(self.value.score(rows))
        spreads = np.exp(self.residual.score(rows))
        if self.scale.unit:
            spreads = spreads * np.hypot(estimates, self.scale.unit)
        known = self.features.known(boxes)
        return np.where(known, estimates, np.nan), np.where(known, spreads, np.nan)

    def estimate_one(self, box: Box) -> tuple[float, float]:
        """Return the estimate and the spread of one box."""
        row = self.features.row(box)
        if row is None:
            return np.nan, np.nan
        rows = np.array((row,), np.float32)
        estimate = self.scale.back(self.value.score_one(rows))
        return estimate, math.exp(self.residual.score_one(rows)) * self.scale.stretch(estimate)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what it is made of."""
        return {
            "scale": np.array([self.scale.unit]),
            **_within("features", self.features.arrays()),
            **_within("value", self.value.arrays()),
            **_within("residual", self.residual.arrays()),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Regression:
        """Make it of its arrays."""
        features = Features.restore(_only("features", arrays))
        return cls(
            features,
            Scale(float(arrays["scale"][0])),
            Scorer.restore(_only("value", arrays), features),
            Scorer.restore(_only("residual", arrays), features),
        )


@dataclass(frozen=True, eq=False)
class Classification:
    """Estimates which label it is: its code. The spread is the chance that it is another one."""

    features: Features
    labels: NDArray[np.float64]
    """Codes of the labels that were seen."""
    chances: Sequence[Scorer]
    """Of each label, how likely it is."""

    def estimate(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return codes of the likeliest labels, and the chances of others."""
        rows = self.features.rows(boxes)
        chances = np.stack([each.score(rows) for each in self.chances], axis=1)
        known = self.features.known(boxes)
        return (
            np.where(known, self.labels[chances.argmax(axis=1)], np.nan),
            np.where(known, _doubt(chances.max(axis=1)), np.nan),
        )

    def estimate_one(self, box: Box) -> tuple[float, float]:
        """Return the code of the likeliest label, and the chance of others."""
        row = self.features.row(box)
        if row is None:
            return np.nan, np.nan
        rows = np.array((row,), np.float32)
        chances = [each.score_one(rows) for each in self.chances]
        best = max(chances)
        return float(self.labels[chances.index(best)]), float(_doubt(best))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what it is made of."""
        scorers = (_within(f"chance{at}", each.arrays()) for at, each in enumerate(self.chances))
        merged = {"labels": self.labels, **_within("features", self.features.arrays())}
        for each in scorers:
            merged |= each
        return merged

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Classification:
        """Make it of its arrays."""
        labels, features = arrays["labels"], Features.restore(_only("features", arrays))
        parts = [_only(f"chance{at}", arrays) for at in range(len(labels))]
        return cls(features, labels, [Scorer.restore(part, features) for part in parts])


@dataclass(frozen=True, eq=False)
class Scorer:
    """A native model, and what it is made of."""

    kind: str
    parts: Mapping[str, NDArray[Any]]

    @cached_property
    def native(self) -> _native.Model:
        """The model that scores."""
        try:
            return _native.Model(self.kind, dict(self.parts))
        except (TypeError, ValueError) as error:
            raise ArtefactError(f"the model's arrays make no {self.kind}: {error}") from error

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Return a score for each row."""
        return self.native.score(rows).astype(np.float64)

    def score_one(self, rows: Rows) -> float:
        """Return the score of the only row."""
        return float(self.native.score(rows)[0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what it is made of."""
        return _within(self.kind, self.parts)

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], features: Features) -> Scorer:
        """Make it of its arrays, and the native model, which checks them."""
        kind = next(iter(arrays), "none").partition("/")[0]
        scorer = cls(kind, _only(kind, arrays))
        if scorer.native.features != len(features.kept):
            raise ArtefactError("the model takes rows of other features")
        return scorer


def fitting(regressor: Regressor) -> Fitting:
    """Return a module's ``fit``: of models of boxes, by what fits rows to values."""

    def fit(
        examples: Examples,
        target: Target,
        seed: int,
        before: Estimator | None = None,  # noqa: ARG001 - there is nothing to go on from
    ) -> Estimator:
        return _fit_regression(regressor, examples, target, seed)

    return fit


def _fit_regression(
    regressor: Regressor, examples: Examples, target: Target, seed: int
) -> Estimator:
    """Fit a model of boxes by what fits rows.

    How far off it is likely to be is learned from estimates of models that were fitted without the
    example.
    """
    examples = examples.chosen(target.asked(examples))
    values = target.of(examples)
    if target.kind == LABEL:
        return _fit_classification(regressor, examples, values, seed)
    known = np.isfinite(values)
    scale = Scale.fitting(values[known], target)
    scaled = scale.of(values)
    mean, deviation = float(scaled[known].mean()), float(scaled[known].std())
    features = Features.of(examples, np.where(known, scaled, mean))
    rows = features.rows(examples.boxes)
    off = np.full(len(rows), _NULL * deviation)
    off[known] = np.abs(
        _estimated_apart(regressor, rows[known], scaled[known], seed) - scaled[known]
    )
    least = max(_LEAST * float(off[known].mean()), 1e-9)
    return Regression(
        features,
        scale,
        Scorer(*regressor(rows[known], scaled[known], seed)),
        Scorer(*regressor(rows, np.log(off + least), seed)),
    )


def restore_regression(arrays: Mapping[str, NDArray[Any]], target: Target) -> Estimator:
    """Make of its arrays what a function of `fitting` returned."""
    return (Classification if target.kind == LABEL else Regression).restore(arrays)


def _fit_classification(
    regressor: Regressor, examples: Examples, codes: NDArray[np.float64], seed: int
) -> Classification:
    """Fit the chance of each label as the mean of an indicator."""
    examples, codes = examples.chosen(np.isfinite(codes)), codes[np.isfinite(codes)]
    labels = np.unique(codes)
    features = Features.of(examples, codes)
    rows = features.rows(examples.boxes)
    return Classification(
        features, labels, [Scorer(*regressor(rows, (codes == each) * 1.0, seed)) for each in labels]
    )


def _estimated_apart(
    regressor: Regressor, rows: Rows, values: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return estimates of each by a model that it was not fitted to."""
    fold = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS
    estimates = np.zeros(len(rows))
    for at in range(_FOLDS):
        apart = fold == at
        estimates[apart] = Scorer(*regressor(rows[~apart], values[~apart], seed)).score(rows[apart])
    return estimates


def _doubt(chances: Any) -> Any:
    """Return the chance of all other labels; never 0, as a spread is above it."""
    return np.clip(1.0 - chances, 1e-6, 1.0)


def _within(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{name}/{each}": array for each, array in arrays.items()}


def _only(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    start = f"{name}/"
    return {each[len(start) :]: array for each, array in arrays.items() if each.startswith(start)}
