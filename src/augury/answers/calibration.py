"""How far estimates are off, by what was seen of queries that the model was not fitted to.

Split conformal prediction (Papadopoulos et al., ECML 2002), normalised by the spread and Mondrian
(Vovk et al., 2003): within each region, the width is that quantile of residual / spread which holds
for one more example of it as often as asked. After that, adaptive conformal inference (Gibbs,
Candès, NeurIPS 2021) asks for a higher quantile where verified answers were off more often.

Split conformal intervals hold on the mean of all draws of the examples. Those that happen to be
narrow are given, and the others are not, so a little more is asked for, by how much the coverage of
so many examples varies (Vovk, Conditional validity of inductive conformal predictors, ACML 2012).
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augury.answers.answer import Tolerance
from augury.answers.target import LABEL, Target
from augury.errors import MissingExtraError
from augury.forks import renew_in_child

_SIZE = 150  # examples of a region, that there are enough for: few say little of their tail
_LEAST = 60  # examples of a region: fewer say too little of a quantile of 0.95
_MARGIN = 1.0  # standard deviations of a region's coverage that are asked for beyond the nominal
_TINIEST = 1e-300  # what nothing is allowed is divided by
_FINEST = 0.01  # of the tolerance: errors of rounding are no misses, and nobody asked for less
_KEPT = 5_000  # scores: older ones are of worse models
_MOST = 10  # classes of estimates, and of spreads in each
_TEMPLATE_RATE = 0.005  # how much a verified answer changes what is asked of all regions,
_REGION_RATE = 0.01  # and of its own, of which there are fewer


class Calibration(Protocol):
    """Makes an interval of an estimate and its spread."""

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        """Return how far the answer may be from the estimate; infinite if nobody knows."""

    def half_widths(
        self, estimates: NDArray[np.float64], spreads: NDArray[np.float64], confidence: float
    ) -> NDArray[np.float64]:
        """Return the same for many."""

    def note(self, estimate: float, spread: float, truth: float) -> None:
        """Learn from an answer that has been verified."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what it is made of."""


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """Queries that a model was not fitted to, from the oldest: what it said, and what was true."""

    estimates: NDArray[np.float64]
    spreads: NDArray[np.float64]
    truths: NDArray[np.float64]
    """NaN stands for NULL."""

    @classmethod
    def none(cls) -> Scores:
        """Return those of a model that comes from elsewhere."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        return len(self.estimates)

    def then(self, later: Scores) -> Scores:
        """Return these and later ones; of all, the newest."""
        return Scores(
            np.concatenate([self.estimates, later.estimates])[-_KEPT:],
            np.concatenate([self.spreads, later.spreads])[-_KEPT:],
            np.concatenate([self.truths, later.truths])[-_KEPT:],
        )


@dataclass(frozen=True, slots=True)
class Regions:
    """Classes of queries whose answers are off alike: by estimate, and by spread for the tolerance.

    An answer is given if its interval is narrow enough, so that it has to be right as often among
    those with a small spread as it is among all.
    """

    estimates: list[float]
    """Where the classes of estimates end, but the last."""
    ratios: list[list[float]]
    """Of each of them, where the classes of spread / tolerance end, but the last."""
    tolerance: Tolerance | None

    @classmethod
    def of(
        cls,
        estimates: NDArray[np.float64],
        spreads: NDArray[np.float64],
        tolerance: Tolerance | None,
        size: int,
    ) -> Regions:
        """Return as many classes as there are for this size, which all have about."""
        cells = len(estimates) // size
        across = max(1, min(_MOST, int(cells**0.5)))
        along = max(1, min(_MOST, cells // across))
        ends = _ends(estimates, across)
        shares = spreads / np.maximum(_allowed(tolerance, estimates), _TINIEST)
        place = np.searchsorted(ends, estimates, side="right")
        return cls(
            ends, [_ends(shares[place == at], along) for at in range(len(ends) + 1)], tolerance
        )

    def __len__(self) -> int:
        return sum(len(ends) + 1 for ends in self.ratios)

    @property
    def starts(self) -> list[int]:
        """The number of each class of estimates' first region, and how many there are."""
        return [0, *np.cumsum([len(ends) + 1 for ends in self.ratios]).tolist()]

    def find(self, estimates: NDArray[np.float64], spreads: NDArray[np.float64]) -> NDArray[Any]:
        """Return the number of each example's region."""
        place = np.searchsorted(self.estimates, estimates, side="right")
        shares = spreads / np.maximum(_allowed(self.tolerance, estimates), _TINIEST)
        found = np.zeros(len(estimates), np.int64)
        for at, (ends, start) in enumerate(zip(self.ratios, self.starts, strict=False)):
            those = place == at
            found[those] = start + np.searchsorted(ends, shares[those], side="right")
        return found


class Conformal:
    """Intervals that hold as often as asked, in every region.

    Safe to share among threads. Make one by `calibrate`.

    Parameters
    ----------
    regions
        Which there are.
    scores
        Of each region, residual / spread of the examples that speak for it, from the largest.
    confidence
        What verified answers are held against.
    """

    def __init__(
        self, regions: Regions, scores: list[NDArray[np.float64]], confidence: float
    ) -> None:
        self.regions = regions
        self.confidence = confidence
        self._scores = scores
        self._starts = regions.starts
        self._nominal = 1 - confidence
        self._template = self._nominal
        self._own = [self._nominal] * len(scores)
        self._factors = [self._factor(at, confidence) for at in range(len(scores))]
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def half_width(self, estimate: float, spread: float, confidence: float) -> float:
        """Return how far the answer may be from the estimate; infinite if nobody knows."""
        if not spread < np.inf:
            return np.inf
        region = self._region(estimate, spread)
        if confidence == self.confidence:
            factor = self._factors[region]
        else:
            factor = self._factor(region, confidence)
        tolerance = self.regions.tolerance
        finest = 0.0 if tolerance is None else _FINEST * tolerance.allowed(estimate)
        return max(factor * spread, finest)

    def half_widths(
        self, estimates: NDArray[np.float64], spreads: NDArray[np.float64], confidence: float
    ) -> NDArray[np.float64]:
        """Return the same for many."""
        known = np.isfinite(estimates) & np.isfinite(spreads)
        widths = np.full(len(estimates), np.inf)
        factors = np.array([self._factor(at, confidence) for at in range(len(self._scores))])
        found = self.regions.find(estimates[known], spreads[known])
        widths[known] = factors[found] * spreads[known]
        if self.regions.tolerance is not None:
            finest = _FINEST * _allowed(self.regions.tolerance, estimates)
            np.maximum(widths, finest, out=widths, where=known)
        return widths

    def note(self, estimate: float, spread: float, truth: float) -> None:
        """Learn from an answer that has been verified.

        One whose interval is infinite is held against the widest finite one, so that what drift
        has shut opens again once that holds.
        """
        if not spread < np.inf:
            return
        with self._lock:
            region = self._region(estimate, spread)
            factor = self._factors[region]
            if factor == np.inf and len(self._scores[region]):
                factor = float(self._scores[region][0])
            # Sums may be off by rounding, where the interval has no width.
            off = not abs(estimate - truth) <= factor * spread + 1e-9 * abs(truth)
            missed = self._nominal - off
            self._template = self._within(self._template + _TEMPLATE_RATE * missed)
            self._own[region] = self._within(self._own[region] + _REGION_RATE * missed)
            self._refresh()

    def _region(self, estimate: float, spread: float) -> int:
        regions = self.regions
        at = bisect_right(regions.estimates, estimate)
        allowed = 1.0 if regions.tolerance is None else regions.tolerance.allowed(estimate)
        share = spread / allowed if allowed else np.inf
        return self._starts[at] + bisect_right(regions.ratios[at], share)

    def _within(self, share: float) -> float:
        """Return a share to ask for: none above the nominal, so that nothing becomes narrower."""
        return min(self._nominal, max(0.0, share))

    def _factor(self, region: int, confidence: float) -> float:
        """Return the quantile asked for: never a lower one than if nothing had been verified."""
        asked = min(self._template, self._own[region]) * ((1 - confidence) / self._nominal)
        if asked <= 0.0:
            return np.inf
        scores = self._scores[region]
        margin = _MARGIN * (asked * (1 - asked) / (len(scores) + 2)) ** 0.5
        return quantile(scores, asked - margin)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `restore` makes it of again."""
        regions, tolerance = self.regions, self.regions.tolerance
        limits = (None, None) if tolerance is None else (tolerance.absolute, tolerance.relative)
        with self._lock:
            shares = np.array([self._template, *self._own])
        return {
            "confidence": np.array([self.confidence]),
            "tolerance": np.array([np.nan if each is None else each for each in limits]),
            "estimates": np.array(regions.estimates),
            "ratios": np.concatenate([*map(np.array, regions.ratios)]),
            "starts": np.array(self._starts),
            "scores": np.concatenate(self._scores),
            "ends": np.cumsum([len(each) for each in self._scores]),
            "shares": shares,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Conformal:
        """Make it of its arrays, as it was with all that it had been told by then.

        Raises
        ------
        ValueError
            If they do not fit each other.
        """
        limits = [None if np.isnan(each) else float(each) for each in arrays["tolerance"]]
        tolerance = None if limits == [None, None] else Tolerance(*limits)
        starts = arrays["starts"]
        counts = np.diff(starts) - 1
        ratios = np.split(arrays["ratios"], np.cumsum(counts)[:-1])
        estimates, ends, shares = arrays["estimates"], arrays["ends"], arrays["shares"]
        scores = np.split(arrays["scores"], ends[:-1])
        if not (
            len(counts) == len(estimates) + 1
            and (counts >= 0).all()
            and len(arrays["ratios"]) == counts.sum()
            and len(scores) == len(shares) - 1 == starts[-1]
            and (np.diff(ends, prepend=0) >= 0).all()
            and ends[-1] == len(arrays["scores"])
            and all((np.diff(each) <= 0).all() for each in scores)
        ):
            raise ValueError("the arrays of a calibration do not fit each other")
        regions = Regions(estimates.tolist(), [each.tolist() for each in ratios], tolerance)
        restored = cls(regions, scores, float(arrays["confidence"][0]))
        restored._template, *restored._own = shares.tolist()
        restored._refresh()
        return restored

    def _refresh(self) -> None:
        for at in range(len(self._scores)):
            self._factors[at] = self._factor(at, self.confidence)


def calibrate(
    target: Target,
    scores: Scores,
    tolerance: Tolerance | None,
    confidence: float,
) -> Conformal:
    """Return intervals by examples that the model was not fitted to.

    Parameters
    ----------
    target
        What is estimated. A label is right or wrong: the interval of a label that is sure enough
        has no width, and that of any other one is infinite.
    scores
        Of the examples. NULL is what every estimate is infinitely far off.
    tolerance
        That most answers will be asked for with.
    confidence
        That they will be asked for with.

    Raises
    ------
    MissingExtraError
        If crepes is not installed.
    """
    if target.kind == LABEL:
        tolerance = None
    known = np.isfinite(scores.estimates) & np.isfinite(scores.spreads)
    estimates, spreads, truths = (
        each[known] for each in (scores.estimates, scores.spreads, scores.truths)
    )
    residuals = np.where(np.isnan(truths), np.inf, np.abs(estimates - truths))
    if target.kind == LABEL:
        residuals = np.where(residuals == 0, 0.0, np.inf)
    # Of labels the spread is the chance of an error itself: only small classes are all sure.
    size = _LEAST if target.kind == LABEL else _SIZE
    regions = Regions.of(estimates, spreads, tolerance, size)
    region = regions.find(estimates, spreads)
    coarse = np.searchsorted(regions.starts, region, side="right") - 1
    levels = [_scores(residuals, spreads, bins) for bins in (region, coarse, np.zeros_like(region))]
    numbers = range(len(regions))
    places = np.searchsorted(regions.starts, numbers, side="right") - 1
    of_region = [
        next(
            (
                level[each]
                for level, each in zip(levels, (at, int(place), 0), strict=True)
                if len(level.get(each, ())) >= _LEAST
            ),
            levels[-1].get(0, np.zeros(0)),
        )
        for at, place in zip(numbers, places, strict=True)
    ]
    return Conformal(regions, of_region, confidence)


def _scores(
    residuals: NDArray[np.float64], spreads: NDArray[np.float64], bins: NDArray[np.int64]
) -> dict[int, NDArray[np.float64]]:
    """Return, of each bin, residual / spread from the largest."""
    try:
        from crepes import ConformalRegressor
    except ModuleNotFoundError:
        raise MissingExtraError("crepes", "answers") from None

    fitted = ConformalRegressor().fit(residuals, sigmas=spreads, bins=bins)
    numbers, scores = fitted.binned_alphas
    return dict(zip(map(int, numbers), scores, strict=True))


def quantile(scores: NDArray[np.float64], share: float) -> float:
    """Return what one more score is above with at most this probability.

    Parameters
    ----------
    scores
        From the largest.
    share
        The probability.

    Examples
    --------
    >>> quantile(np.arange(19.0, 0.0, -1.0), 0.05), quantile(np.arange(18.0, 0.0, -1.0), 0.05)
    (19.0, inf)
    """
    at = int(share * (len(scores) + 1)) - 1
    return float(scores[at]) if at >= 0 else np.inf


def _ends(values: NDArray[np.float64], classes: int) -> list[float]:
    """Return where classes of about the same size end, but the last."""
    if classes < 2 or not len(values):
        return []
    ends: list[float] = np.quantile(values, np.arange(1, classes) / classes).tolist()
    return sorted(set(ends))


def _allowed(tolerance: Tolerance | None, estimates: NDArray[np.float64]) -> NDArray[np.float64]:
    if tolerance is None:
        return np.ones(len(estimates))
    relative = (tolerance.relative or 0.0) * np.abs(estimates)
    allowed: NDArray[np.float64] = np.maximum(tolerance.absolute or 0.0, relative)
    return allowed
