"""How good a model's predictions are: as a classifier, as probabilities, as times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Judged

_BINS = 10  # of a reliability diagram


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions of the class "is asked for again before it would be evicted" against the truth.

    A metric that the rows do not define (of one class only, or none predicted) is None.
    """

    rows: int
    """Rows of which the truth is known."""
    positive: float
    """Share of them that were asked for again in time."""
    accuracy: float
    """Share predicted rightly, at a probability of one half."""
    precision: float | None
    """Of those predicted to be asked for again in time, the share that were."""
    recall: float | None
    """Of those asked for again in time, the share predicted to be."""
    f1: float | None
    """Harmonic mean of precision and recall."""
    roc_auc: float | None
    """Probability that a row of the class scores above one that is not; 0.5 is chance."""
    brier: float
    """Mean squared error of the probabilities; 0 is best, positive * (1 - positive) is chance."""
    error: float | None
    """Median absolute error of the predicted time, in octaves, over rows asked for again."""
    reliability: tuple[tuple[float, float, int], ...]
    """Of rows with about the same predicted probability: its mean, the share that were of the
    class, and how many they are."""

    def as_dict(self) -> dict[str, Any]:
        """Return what `augury learn --json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}

    def scores(self) -> dict[str, float]:
        """Return the metrics that are defined, as a model card has them."""
        return {
            name: float(value)
            for name, value in self.as_dict().items()
            if isinstance(value, float | int)
        }


def evaluate(
    scores: NDArray[np.float32], judged: Judged, calibration: tuple[float, float]
) -> Evaluation | None:
    """Compare scores with what happened; None if there is no row to compare.

    Parameters
    ----------
    scores
        A model's, one a row.
    judged
        The truth.
    calibration
        From `calibrate`, of rows before these.

    Returns
    -------
    Evaluation or None
        The measures of a classifier; None without rows.
    """
    again = judged.again
    if not len(again):
        return None
    chance = probability(scores, calibration)
    said = chance >= 0.5
    right = int((said & again).sum())
    precision = right / int(said.sum()) if said.any() else None
    recall = right / int(again.sum()) if again.any() else None
    f1 = 2 * right / (int(said.sum()) + int(again.sum())) if (said | again).any() else None
    known = np.isfinite(judged.time)
    return Evaluation(
        rows=len(again),
        positive=float(again.mean()),
        accuracy=float((said == again).mean()),
        precision=precision,
        recall=recall,
        f1=f1,
        roc_auc=_roc_auc(chance, again),
        brier=float(((chance - again) ** 2).mean()),
        error=float(np.median(np.abs(scores - judged.time)[known])) if known.any() else None,
        reliability=_reliability(chance, again),
    )


def _roc_auc(chance: NDArray[np.float64], again: NDArray[np.bool_]) -> float | None:
    if again.all() or not again.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(again, chance))


def _reliability(
    chance: NDArray[np.float64], again: NDArray[np.bool_]
) -> tuple[tuple[float, float, int], ...]:
    bins = np.minimum((chance * _BINS).astype(int), _BINS - 1)
    return tuple(
        (float(chance[bins == at].mean()), float(again[bins == at].mean()), int((bins == at).sum()))
        for at in np.unique(bins)
    )


def calibrate(scores: NDArray[np.float32], again: NDArray[np.bool_]) -> tuple[float, float]:
    """Return intercept and slope of the probability that a score stands for (Platt, 1999).

    Where the rows are of one class, the probability is about their share, whatever the score.
    """
    if len(again) == 0 or again.all() or not again.any() or np.ptp(scores) == 0:
        share = (again.sum() + 1) / (len(again) + 2)  # never quite certain
        return float(np.log(share / (1 - share))), 0.0
    from sklearn.linear_model import LogisticRegression

    centre, scale = float(scores.mean()), float(scores.std())
    fitted = LogisticRegression(C=100.0).fit(((scores - centre) / scale)[:, None], again)
    slope = float(fitted.coef_[0, 0]) / scale
    return float(fitted.intercept_[0]) - slope * centre, slope


def probability(
    scores: NDArray[np.floating[Any]], calibration: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the probability that a key is asked for again before it would be evicted.

    Parameters
    ----------
    scores
        A model's, of any shape.
    calibration
        Intercept and slope, from `calibrate`.

    Examples
    --------
    >>> probability(np.array([3.0]), (3.0, -1.0)).tolist()
    [0.5]
    """
    intercept, slope = calibration
    return 1 / (1 + np.exp(-np.clip(intercept + slope * np.asarray(scores, np.float64), -50, 50)))
