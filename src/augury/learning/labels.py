"""What a model learns from a row: when the key is asked for again, and whether that is in time.

A row says how long entries stay in the cache that asks (the feature ``stay``). Times are relative
to that, as the features are, so that what was learned of one size of cache and one trace serves
others: 0 is the time at which LRU would evict a key that is not asked for, 1 twice as long.

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
from augury.features import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from augury.features import Rows

_BEYOND = 1.0  # added to the logarithm of the horizon where the next request is beyond it
_HEAVIEST = 10.0  # weight of a row, so that a few late ones do not decide
_FARTHEST = 6.0  # octaves of stay: to evict, later is late, and sooner soon
_STAY = [feature.name for feature in FEATURES].index("stay")
LEAST_ROWS = 100
"""Rows that any model needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Rows with what there is to learn from them."""

    rows: NDArray[np.float32]
    """Features, one row a request."""
    time: NDArray[np.float32]
    """log2((1 + requests that pass before the key's) / (1 + stay)), from -6 to 6; 1 more than at
    the horizon if beyond it."""
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
    """log2((1 + requests that pass before the key's) / (1 + stay)); infinite if nobody knows."""


def training(rows: Rows, start: int, stop: int) -> Training:
    """Label rows with what was known when request `stop` had not come yet.

    Parameters
    ----------
    rows
        Of requests from `start` on; later ones than `stop` are left out.

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
    time, stay = time[kept], features[kept, _STAY]
    capped = np.minimum(time, horizon)
    relative = np.log2(capped) - stay + np.where(time > horizon, _BEYOND, 0)
    shorter = np.searchsorted(np.sort(followed), capped)
    return Training(
        features[kept],
        np.clip(relative, -_FARTHEST, _FARTHEST).astype(np.float32),
        time <= np.minimum(np.exp2(stay), horizon),
        np.minimum(len(followed) / np.maximum(1, len(followed) - shorter), _HEAVIEST).astype(
            np.float32
        ),
    )


def judged(rows: Rows, start: int, end: int, stop: int) -> Judged:
    """Return the rows of requests from `start` up to `end` that were followed for their stay.

    All of them, asked for again or not: leaving out only those that were not would favour the
    popular.

    Parameters
    ----------
    stop
        The first request that nothing is known of; at least `end`.
    """
    index, stay = rows.index.astype(np.float64), rows.X[:, _STAY]
    followed = (index >= start) & (index < end) & (stop - index > np.exp2(stay))
    relative = np.log2(_times(rows, stop)[followed]) - stay[followed]
    return Judged(rows.X[followed], relative <= 0, relative.astype(np.float32))


def joined(parts: Sequence[Judged]) -> Judged:
    """Return the rows of all parts, one after another."""
    names = ("rows", "again", "time")
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def horizon_of(start: int, stop: int) -> float:
    """Return the number of requests up to which times are told apart in a period."""
    return max(2.0, (stop - start) / 2)


def check_finite(features: NDArray[np.float32]) -> None:
    """Raise a `LearningError` if a feature is no number."""
    if not np.isfinite(features).all():
        bad = int(np.argmin(np.isfinite(features).all(axis=0)))
        raise LearningError(f"feature {FEATURES[bad].name} is not a number in some rows")


def _times(rows: Rows, stop: int) -> NDArray[np.float64]:
    """1 + requests that pass before the next of each row's key; infinite if not before `stop`."""
    times = np.where(rows.censored, np.inf, np.exp2(rows.label.astype(np.float64)).round())
    times[rows.index + times > stop] = np.inf
    return times
