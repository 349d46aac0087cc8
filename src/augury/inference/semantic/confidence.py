"""Bounds for a share of which some trials are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_STEPS = 60  # halvings of an interval within [0, 1]


def upper_bound(count: int, trials: int, confidence: float) -> float:
    """Return what a share does not exceed, with this confidence.

    The one-sided bound of C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial
    limits illustrated in the case of the binomial", Biometrika 26 (1934).

    Parameters
    ----------
    count
        How many of the trials had it.
    trials
        How many there were, independent of each other.
    confidence
        From 0 to 1, both excluded.

    Examples
    --------
    >>> round(upper_bound(0, 299, 0.95), 4)  # the rule of three: about 3 / trials
    0.01
    >>> upper_bound(0, 0, 0.95)
    1.0
    """
    if count >= trials:
        return 1.0
    at = np.arange(count)
    steps = np.log((trials - at) / (at + 1.0))
    coefficients = np.concatenate([[0.0], np.cumsum(steps)])  # of the terms, their logarithms
    places = np.arange(count + 1)

    def too_low(share: float) -> bool:
        terms = coefficients + places * math.log(share) + (trials - places) * math.log1p(-share)
        return float(np.exp(terms).sum()) > 1 - confidence

    return _border(count / trials, 1.0, too_low)


def clustered_bound(
    counts: NDArray[np.int64], trials: NDArray[np.int64], confidence: float, alike: float = 0.0
) -> float:
    """Return `upper_bound` for trials that come in clusters, within which they are alike.

    They count as the fewer independent trials that would tell as much: E. L. Korn and
    B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Survey Methodology 24 (1998).

    Parameters
    ----------
    counts, trials
        Of each cluster, how many trials had it, and how many there were.
    alike
        What `intraclass_correlation` is at least. Few counts do not tell, and none nothing at all.

    Examples
    --------
    >>> apart = clustered_bound(np.array([1, 0, 1, 0] * 10), np.full(40, 4), 0.95)
    >>> together = clustered_bound(np.array([4, 0, 0, 0, 0, 0, 0, 0] * 5), np.full(40, 4), 0.95)
    >>> apart < together
    True
    """
    count, total = int(counts.sum()), int(trials.sum())
    if total == 0:
        return 1.0
    alike = max(alike, intraclass_correlation(counts, trials))
    share = count / total
    fewer = max(1, math.floor(effective_trials(trials, alike)))
    return upper_bound(min(fewer, math.ceil(share * fewer)), fewer, confidence)


def effective_trials(trials: NDArray[np.int64], alike: float) -> float:
    """Return how many independent trials tell as much as these, of clusters that are so alike."""
    total = int(trials.sum())
    return total / (1 + alike * _others(trials)) if total else 0.0


def intraclass_correlation(counts: NDArray[np.int64], trials: NDArray[np.int64]) -> float:
    """Return how alike trials of one cluster are: 0.0 as those of different ones, 1.0 all the same.

    It is what makes the variance of the share as large as that among the clusters says it is.

    Parameters
    ----------
    counts, trials
        As of `clustered_bound`.

    Examples
    --------
    >>> intraclass_correlation(np.array([4, 0, 0, 4, 0, 0]), np.full(6, 4)) > 0.9
    True
    >>> intraclass_correlation(np.array([1, 1, 2, 1, 1, 2]), np.full(6, 4))
    0.0
    """
    count, total = int(counts.sum()), int(trials.sum())
    clusters = int(np.count_nonzero(trials))
    if count in (0, total) or clusters < 2 or _others(trials) == 0.0:
        return 0.0
    share = count / total
    variance = clusters / (clusters - 1) * float(((counts - share * trials) ** 2).sum()) / total**2
    effect = variance * total / (share * (1 - share))
    return max(0.0, (effect - 1) / _others(trials))


def _others(trials: NDArray[np.int64]) -> float:
    """Return how many others a trial has in its cluster, on the average of all trials."""
    return float((trials**2).sum() / trials.sum()) - 1


def anytime_bounds(count: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return between what a share lies, looked at after every trial for ever.

    With this confidence the share is within all these intervals at once, so that whoever looks
    again and again is not fooled by chance, as with bounds for a fixed number of trials. The
    interval holds each share whose likelihood is not too small beside the mean one, under a
    Beta(1/2, 1/2) prior: H. Robbins, "Statistical methods related to the law of the iterated
    logarithm", Annals of Mathematical Statistics 41 (1970).

    Examples
    --------
    >>> [round(bound, 3) for bound in anytime_bounds(5, 100, 0.95)]
    [0.007, 0.156]
    >>> anytime_bounds(0, 0, 0.95)
    (0.0, 1.0)
    """
    if trials == 0:
        return (0.0, 1.0)
    mean = (
        math.lgamma(count + 0.5)
        + math.lgamma(trials - count + 0.5)
        - math.lgamma(trials + 1.0)
        - math.log(math.pi)
    )
    most = -math.log(1 - confidence)

    def unlikely(share: float) -> bool:
        likelihood = 0.0
        if count:
            likelihood += count * math.log(share)
        if trials > count:
            likelihood += (trials - count) * math.log1p(-share)
        return mean - likelihood > most

    found = count / trials
    low = _border(0.0, found, unlikely) if count else 0.0
    high = _border(found, 1.0, lambda share: not unlikely(share)) if count < trials else 1.0
    return (low, high)


def _border(low: float, high: float, below: Callable[[float], bool]) -> float:
    """Return where `below` turns false, by halving."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if below(middle):
            low = middle
        else:
            high = middle
    return high
