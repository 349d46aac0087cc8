"""What a sample of the keys tells about all, and how far that may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury import _native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_WIDTH = 1.96  # standard errors in half a confidence interval of 95%


@dataclass(frozen=True, slots=True)
class Estimate:
    """Ratios at points of a curve, with what is unknown of each."""

    ratios: Floats
    residuals: Floats
    """By group of keys and point: by how much the ratio would move if the group were not so."""
    drift: Floats
    """By point: the standard error that comes with the estimate of the number of keys."""
    rate: float

    @property
    def errors(self) -> Floats:
        """Half the width of the 95% confidence interval."""
        return self.errors_of(self.residuals)

    def errors_of(self, residuals: Floats) -> Floats:
        """Return the errors if the groups' residuals were these."""
        groups = len(residuals)
        scale = (1.0 - self.rate) * groups / max(1, groups - 3)
        variance: Floats = scale * (residuals**2).sum(axis=0) + self.drift**2
        return _WIDTH * np.sqrt(variance)


def estimate(
    missed: Floats, sampled: Floats, keys: Floats, whole: float, distinct: float, rate: float
) -> Estimate:
    """Estimate ratios of all requests from a sample of the keys, each counted as so many times.

    Keys differ a lot in how often they are asked for, so that what a sample counts is far off; but
    it is off alike in requests and keys, of which the number is known. So the misses are corrected
    by these, as much as the groups of keys tell that they go with them: the regression estimator
    (C.-E. Särndal et al., "Model assisted survey sampling", 1992, chapter 6). SHARDS' own
    adjustment of the first bucket is the special case that requests which are too many or too few
    are all hits.

    Parameters
    ----------
    missed
        By group of keys and point: misses, or missed bytes.
    sampled, keys
        By group: requests or bytes, and keys.
    whole
        Requests or bytes of the whole trace.
    distinct
        Keys of the whole trace.
    rate
        Share of the keys in the sample; if it is 1.0, nothing is corrected.
    """
    counted = missed.sum(axis=0)
    if rate >= 1.0:
        nothing = np.zeros(missed.shape[1])
        return Estimate(counted / whole, np.zeros_like(missed), nothing, 1.0)
    known = np.column_stack((sampled, keys))
    centred = known - known.mean(axis=0)
    deviations = missed - missed.mean(axis=0)
    slopes = np.linalg.lstsq(centred, deviations, rcond=None)[0]
    ratios = (counted + (np.array((whole, distinct)) - known.sum(axis=0)) @ slopes) / whole
    return Estimate(
        ratios=_falling(ratios),
        residuals=(deviations - centred @ slopes) / whole,
        drift=np.abs(slopes[1]) * distinct * _native.DISTINCT_ERROR / whole,
        rate=rate,
    )


def estimate_alone(missed: Floats, sampled: Floats, rate: float) -> Estimate:
    """Estimate as `estimate` does where nobody counted the requests and keys that were left out.

    What is too many in the sample is then too many of hits and misses alike.
    """
    ratios = missed.sum(axis=0) / sampled.sum()
    residuals = (missed - sampled[:, np.newaxis] * ratios) / sampled.sum()
    return Estimate(_falling(ratios), residuals, np.zeros(missed.shape[1]), rate)


def _falling(ratios: Floats) -> Floats:
    return np.minimum.accumulate(np.clip(ratios, 0.0, 1.0))


def depth_errors(ratios: Floats, entries: Floats, distinct: float, rate: float) -> Floats:
    """Return the error of ratios for the depths in the stack being estimates.

    Of so many entries, a sample has as many as by the binomial law, given how many keys there are
    in all; what that amounts to depends on how steep the curve is.

    Parameters
    ----------
    ratios
        At points of the curve.
    entries
        How many keys fit, at each point.
    """
    if rate >= 1.0 or len(ratios) < 2:
        return np.zeros_like(ratios)
    steepness = np.abs(np.gradient(ratios, np.log(entries)))
    rest = np.clip(1.0 - entries / distinct, 0.0, 1.0)
    errors: Floats = _WIDTH * steepness * np.sqrt(rest * (1.0 - rate) / (rate * entries))
    return np.minimum(errors, 1.0)
