"""The analytic curve: from how often keys are asked for, with no trace."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augury.errors import ConfigurationError, TraceError
from augury.sizing.curve import Curve
from augury.sizing.stack import points_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ANALYTIC = ("lru", "fifo", "lfu")
"""Policies of which an analytic curve is known."""

_COLUMNS = ("probability", "popularity", "p", "weight", "frequency", "requests", "count")
_ALL_POINTS = 64  # more keys than this, and capacities are spaced geometrically
_GROUPS = 1 << 16  # of keys about equally popular, so that millions take no longer


@dataclass(frozen=True, slots=True)
class Popularity:
    """Probabilities that sum to one.

    Examples
    --------
    >>> found = Popularity.of([0.3, 0.2, 0.15, 0.1])
    >>> round(found.total, 2), found.normalised
    (0.75, True)
    >>> found.probabilities.round(3).tolist()
    [0.4, 0.267, 0.2, 0.133]
    """

    probabilities: Floats
    """From the most to the least popular key."""
    total: float
    """What they summed to as given."""

    @property
    def normalised(self) -> bool:
        """Whether they had to be divided by their sum: as given, it was more than 1e-6 off 1."""
        return abs(self.total - 1.0) > 1e-6

    @staticmethod
    def of(probabilities: Iterable[float]) -> Popularity:
        """Check and normalise.

        Parameters
        ----------
        probabilities
            Of each key to be the one asked for; or counts, or any weights.

        Returns
        -------
        Popularity
            They sum to one.

        Raises
        ------
        ConfigurationError
            If there is none, all are 0, or one is negative, infinite or not a number.
        """
        values = np.asarray(list(probabilities), np.float64)
        if not len(values):
            raise ConfigurationError("name at least one probability")
        bad = np.flatnonzero(~np.isfinite(values) | (values < 0))
        if len(bad):
            raise ConfigurationError(
                f"probability {int(bad[0]) + 1} is {values[bad[0]]:g}; "
                "each must be a finite number, 0 or more"
            )
        total = float(values.sum())
        if not 0 < total < math.inf:
            raise ConfigurationError(f"the probabilities sum to {total:g}; they must be above 0")
        return Popularity(np.sort(values / total)[::-1], total)


def read_popularity(path: str | os.PathLike[str]) -> Popularity:
    """Return the probabilities in a CSV file at `path`, a key a line.

    The column is the one headed ``probability`` (or ``popularity``, ``p``, ``weight``,
    ``frequency``, ``requests``, ``count``); without such a header it is the last one.

    Raises
    ------
    TraceError
        If the file cannot be read, or a line has no number there.
    ConfigurationError
        As `Popularity.of`.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(at, row) for at, row in enumerate(csv.reader(file), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise TraceError(f"{path}: cannot read it as CSV: {why}") from error
    column = -1
    if rows and not _is_number(rows[0][1][-1]):
        heads = [head.strip().lower() for head in rows[0][1]]
        column = next((heads.index(name) for name in _COLUMNS if name in heads), -1)
        rows = rows[1:]
    values = []
    for at, row in rows:
        if not _is_number(row[column] if column < len(row) else ""):
            raise TraceError(f"{path}: line {at} has no number where the probability is")
        values.append(float(row[column]))
    if not values:
        raise TraceError(f"{path}: has no probability; write one a line")
    return Popularity.of(values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def analytic(
    popularity: Popularity | Iterable[float],
    policy: str = "lru",
    *,
    capacities: Sequence[str | float] | None = None,
) -> Curve:
    """Return the curve of a stationary workload without order: independent references.

    Parameters
    ----------
    popularity
        How likely each key is the one asked for.
    policy
        ``"lru"`` and ``"fifo"`` (random replacement is alike) by the approximation of H. Che,
        Y. Tung, Z. Wang, "Hierarchical web caching systems", IEEE JSAC 20(7), 2002, for FIFO as by
        V. Martina, M. Garetto, E. Leonardi, INFOCOM 2014. ``"lfu"`` that knows the probabilities
        keeps the most popular keys for good, which is the ideal static cache: no policy that does
        not know the future hits more.
    capacities
        In entries or percent of the keys; by default each, or 64 of them if there are more.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> static = analytic([0.4, 0.3, 0.2, 0.1], "lfu")
    >>> (1 - static.miss_ratios).round(3).tolist()
    [0.4, 0.7, 0.9, 1.0]
    >>> (1 - analytic([0.4, 0.3, 0.2, 0.1], "lru").miss_ratios).round(3).tolist()
    [0.294, 0.573, 0.823, 1.0]
    """
    if policy not in ANALYTIC:
        raise ConfigurationError(
            f"the analytic curve is known of {', '.join(ANALYTIC)}, not of {policy!r}"
        )
    known = popularity if isinstance(popularity, Popularity) else Popularity.of(popularity)
    wanted = known.probabilities[known.probabilities > 0]  # nobody asks for the others
    keys = len(wanted)
    if capacities is not None:
        points = points_of(capacities, keys, False)
    elif keys <= _ALL_POINTS:
        points = np.arange(1, keys + 1)
    else:
        points = np.unique(np.geomspace(1, keys, _ALL_POINTS).round().astype(np.int64))
    if policy == "lfu":
        hits = np.cumsum(wanted)[np.minimum(points, keys) - 1]
    else:
        grouped, counts = _grouped(wanted)
        hits = np.array([_che(grouped, counts, int(c), policy == "fifo") for c in points])
    return Curve(
        capacities=points.astype(np.int64),
        miss_ratios=np.minimum.accumulate(np.clip(1.0 - hits, 0.0, 1.0)),
        errors=np.zeros(len(points)),
        byte_miss_ratios=None,
        byte_errors=None,
        policy=policy,
        method="analytic",
        by_bytes=False,
        requests=0,
        distinct=keys,
        rate=1.0,
    )


def _grouped(probabilities: Floats) -> tuple[Floats, Floats]:
    """Return probabilities and how many keys have each, about."""
    values, counts = np.unique(probabilities, return_counts=True)
    if len(values) > _GROUPS:
        starts = np.linspace(0, len(values), _GROUPS, endpoint=False).astype(np.int64)
        keys = np.add.reduceat(counts, starts)
        return np.add.reduceat(values * counts, starts) / keys, keys.astype(np.float64)
    return values, counts.astype(np.float64)


def _che(probabilities: Floats, counts: Floats, capacity: int, fifo: bool) -> float:
    """Return the hit ratio: a key is there if it came within a time that all entries last."""
    if capacity >= counts.sum():
        return 1.0

    def present(log_time: float) -> Floats:
        expected = probabilities * math.exp(log_time)
        there: Floats = expected / (1.0 + expected) if fifo else -np.expm1(-expected)
        return there

    # Within `low` requests at most half the capacity fits; within `high` all but half a key does.
    low = math.log(capacity) - 1.0
    high = math.log(1.0 / float(probabilities[0])) + math.log(4.0 * float(counts.sum()))
    for _ in range(60):
        middle = (low + high) / 2
        if float(present(middle) @ counts) < capacity:
            low = middle
        else:
            high = middle
    return float((probabilities * present(high)) @ counts)
