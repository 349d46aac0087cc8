"""What a model goes by: the features that move its scores, and which way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import ArtefactError
from augury.features import FEATURES
from augury.models import contributions, is_explicable

if TYPE_CHECKING:
    from augury.models import Artefact

_POINTS = 12  # of a curve of partial dependence


@dataclass(frozen=True, slots=True)
class Influence:
    """What one feature does to a model's scores, over rows that it learned from."""

    feature: str
    """Its name."""
    unit: str
    """Of the feature."""
    importance: float
    """Mean absolute contribution to the score (Shapley value), in octaves of time."""
    dependence: tuple[tuple[float, float], ...]
    """Value of the feature, and the mean score if every row had that value (partial dependence,
    Friedman 2001), at quantiles of the feature."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a model goes by."""

    expected: float
    """The score when nothing is known: log2 of the time to the next request, in stays."""
    influences: tuple[Influence, ...]
    """The features, from the most important."""

    def as_dict(self) -> dict[str, Any]:
        """Return what `augury explain --json` prints."""
        return {
            "expected": self.expected,
            "features": [
                {name: getattr(each, name) for name in each.__slots__} for each in self.influences
            ],
        }


def explain(artefact: Artefact) -> Explanation:
    """Tell what a model goes by, from the sample of rows that its file keeps.

    Parameters
    ----------
    artefact
        From `augury.learn` or `augury.load_model`.

    Returns
    -------
    Explanation
        What each feature adds to the scores, and which way.

    Raises
    ------
    ArtefactError
        If the file keeps no such rows.
    """
    background = artefact.explanation.get("background")
    if background is None or not len(background) or not is_explicable(artefact):
        raise ArtefactError(f"{artefact!r} keeps no rows to explain it by; train it again")
    found = contributions(artefact, background)
    importance = np.abs(found.values).mean(axis=0)
    influences = [
        Influence(
            feature.name, feature.unit, float(importance[at]), _dependence(artefact, background, at)
        )
        for at, feature in enumerate(FEATURES)
    ]
    return Explanation(found.expected, tuple(sorted(influences, key=lambda each: -each.importance)))


def _dependence(artefact: Artefact, background: Any, at: int) -> tuple[tuple[float, float], ...]:
    points = np.unique(np.quantile(background[:, at], np.linspace(0, 1, _POINTS)))
    curve = []
    for point in points:
        rows = background.copy()
        rows[:, at] = point
        curve.append((float(point), float(artefact.score(rows).mean(dtype=np.float64))))
    return tuple(curve)
