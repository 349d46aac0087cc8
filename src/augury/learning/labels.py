"""What a model learns from a row: when the key is asked for again, and whether that is in time.

The end of a period hides the next request of many rows. Such a row says only "not yet", and it
says the less, the nearer to the end it is. Dropping those rows would make every key look popular;
taking "not yet" for "never" would make the last keys look dead. Here times are told apart up to a
horizon of half the period; a row that was not asked for again for that long is one "beyond it",
those that were not followed that long without a request are left out, and each row that is kept
counts as 1 / (share of all rows that were followed that long): inverse probability of censoring
weights (Robins, Rotnitzky, AIDS Epidemiology 1992), exact where the requests are stationary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury.errors import LearningError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog import Spool
    from augury.features import Rows

_BEYOND = 1.0  # added to the logarithm of the horizon where the next request is beyond it
_HEAVIEST = 10.0  # weight of a row, so that a few late ones do not decide
_BINS = 1024  # of times between requests, spaced geometrically
LEAST_ROWS = 100
"""Rows that any model needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Rows with what there is to learn from them."""

    rows: NDArray[np.float32]
    """Features, one row a request."""
    time: NDArray[np.float32]
    """log2(1 + requests that pass before the key's); 1 more than at the horizon if beyond it."""
    again: NDArray[np.bool_]
    """Whether that is before LRU would evict a key that is not asked for."""
    weight: NDArray[np.float32]
    """How much the row counts, from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows of which it is known whether the key was asked for again in time."""

    rows: NDArray[np.float32]
    again: NDArray[np.bool_]
    time: NDArray[np.float32]
    """log2(1 + requests that pass before the key's); infinite if nobody knows."""


def training(rows: Rows, start: int, stop: int, residence: float) -> Training:
    """Label rows with what was known when request `stop` had not come yet.

    Parameters
    ----------
    rows
        Of requests from `start` on; later ones than `stop` are left out.
    residence
        Requests within which a key has to be asked for again, from `residence`.

    Raises
    ------
    LearningError
        If there are too few rows, or one has a feature that is no number.
    """
    inside = (rows.index >= start) & (rows.index < stop)
    time, features = _times(rows, stop)[inside], rows.X[inside]
    followed = stop - rows.index[inside].astype(np.float64)
    horizon = horizon_of(start, stop)
    kept = (time <= horizon) | (followed >= horizon)
    if (few := int(kept.sum())) < LEAST_ROWS:
        raise LearningError(
            f"there are {few:,} rows to learn from, and a model needs {LEAST_ROWS}; "
            "give a longer trace, or more of it (--until)"
        )
    check_finite(features)
    time = time[kept]
    capped = np.minimum(time, horizon)
    shorter = np.searchsorted(np.sort(followed), capped)
    return Training(
        features[kept],
        np.where(time <= horizon, np.log2(capped), np.log2(horizon) + _BEYOND).astype(np.float32),
        time <= min(residence, horizon),
        np.minimum(len(followed) / np.maximum(1, len(followed) - shorter), _HEAVIEST).astype(
            np.float32
        ),
    )


def judged(rows: Rows, start: int, end: int, stop: int, residence: float) -> Judged:
    """Return the rows of requests from `start` up to `end` that were followed for long enough.

    Parameters
    ----------
    stop
        The first request that nothing is known of; at least `end`.
    residence
        Requests that each row has to be followed for, asked for again or not: leaving out only
        those that were not would favour the popular.
    """
    index = rows.index.astype(np.float64)
    followed = (index >= start) & (index < end) & (stop - index > residence)
    time = _times(rows, stop)[followed]
    return Judged(rows.X[followed], time <= residence, np.log2(time).astype(np.float32))


def horizon_of(start: int, stop: int) -> float:
    """Return the number of requests up to which times are told apart in a period."""
    return max(2.0, (stop - start) / 2)


def check_finite(features: NDArray[np.float32]) -> None:
    """Raise a `LearningError` if a feature is no number."""
    if not np.isfinite(features).all():
        from augury.features import FEATURES

        bad = int(np.argmin(np.isfinite(features).all(axis=0)))
        raise LearningError(f"feature {FEATURES[bad].name} is not a number in some rows")


def _times(rows: Rows, stop: int) -> NDArray[np.float64]:
    """1 + requests that pass before the next of each row's key; infinite if not before `stop`."""
    times = np.where(rows.censored, np.inf, np.exp2(rows.label.astype(np.float64)).round())
    times[rows.index + times > stop] = np.inf
    return times


def residence(spool: Spool, stop: int, capacity: int) -> float:
    """Measure for how many requests LRU keeps an entry that is not asked for again.

    That is the time in which `capacity` distinct keys are asked for, on the average over all
    windows of the trace's first `stop` requests: the inverse of the average footprint (Xiang et
    al., HOTL: a higher order theory of locality, ASPLOS 2013). One pass, constant memory.

    Returns
    -------
    float
        Requests, at most `stop`: nothing is evicted if all keys fit.
    """
    edges = np.unique(np.geomspace(1, stop, _BINS).round().astype(np.int64))
    counts, sums = np.zeros(len(edges) + 1), np.zeros(len(edges) + 1)
    start = distinct = 0
    for chunk in spool.chunks(next_access=True):
        count = min(len(chunk.ids), stop - start)
        if count <= 0:
            break
        at = np.arange(start, start + count)
        assert chunk.next is not None
        ids = chunk.ids[:count].astype(np.int64)
        known = np.maximum.accumulate(np.concatenate(([distinct - 1], ids)))
        firsts = at[known[1:] > known[:-1]] + 1
        # The time to the next access, or to the end; and that from the beginning to the first.
        for times in (np.minimum(chunk.next[:count], stop) - at, firsts):
            bins = np.searchsorted(edges, times)
            counts += np.bincount(bins, minlength=len(counts))
            sums += np.bincount(bins, times, minlength=len(counts))
        distinct = int(known[-1]) + 1
        start += count
    longer = counts.sum() - np.cumsum(counts)[:-1]
    time_longer = sums.sum() - np.cumsum(sums)[:-1]
    footprint = distinct - (time_longer - longer * edges) / (start - edges + 1)
    if capacity >= distinct:
        return float(stop)
    return float(np.interp(capacity, footprint, edges))
