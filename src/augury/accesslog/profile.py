"""What a trace is like: how many keys, how popular, how far apart their requests are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury import _native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog.spool import Spool

_POINTS = 64  # ranks and sizes at which curves are given


@dataclass(frozen=True, slots=True)
class Profile:
    """What a trace is like."""

    requests: int
    """How many there are."""
    distinct: int
    """Distinct keys."""
    footprint: int | None
    """Sum of the sizes of the distinct keys when first asked for, in bytes; if the trace says."""
    seconds: float | None
    """From the earliest to the latest request; if the trace says."""
    sessions: int | None
    """Distinct sessions, if the trace says who asked; all requests of which it does not say it are
    one."""
    requests_per_session: float | None
    """Mean number of requests of a session, if the trace says who asked."""
    one_hit_wonders: int
    """Keys asked for exactly once: whatever they displace was displaced in vain."""
    skew: float | None
    """Exponent of the Zipf law that fits best: the k-th most popular key is asked for in
    proportion to k ** -skew. Least squares of the logarithms at ranks spaced geometrically, over
    the keys asked for twice or more; None if these are fewer than ten."""
    hottest_percent: float
    """Share of the requests that the most popular 1% of the keys get, from 0.0 to 1.0."""
    median_reuse_distance: int | None
    """Half of the repeated requests have no more than so many distinct keys, their own included,
    since the last request of their key; None if no key is repeated."""
    popularity: tuple[tuple[int, int], ...]
    """Rank of a key, from 1, and its requests, at ranks spaced geometrically."""
    lru_miss_ratios: tuple[tuple[int, float], ...]
    """Capacity in entries and the miss ratio that LRU would have: the reuse distances, summed up
    (R. L. Mattson et al., 1970). Exact up to 16 entries, else at most 1/16 off in capacity."""

    def as_dict(self) -> dict[str, object]:
        """Return what `augury inspect --json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}


def profile(spool: Spool, *, progress: Callable[[float], object] | None = None) -> Profile:
    """Measure a trace in one pass, O(log keys) a request and about 12 bytes of memory a key.

    Parameters
    ----------
    spool
        The trace.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    Profile
        What was counted.

    Examples
    --------
    >>> from augury.accesslog import Spool, profile, requests_of
    >>> with Spool(requests_of(["a", "b", "a", "a"])) as spool:
    ...     found = profile(spool)
    >>> found.one_hit_wonders, found.median_reuse_distance
    (1, 1)
    """
    reuse = _native.Reuse()
    done = 0
    for chunk in spool.chunks():
        reuse.feed(chunk.ids)
        done += len(chunk.ids)
        if progress is not None:
            progress(done / spool.requests)
    frequencies = np.sort(reuse.frequencies())[::-1]
    hottest = frequencies[: max(1, spool.distinct // 100)]
    distances = reuse.distances()
    return Profile(
        requests=spool.requests,
        distinct=spool.distinct,
        footprint=spool.footprint if spool.sized else None,
        seconds=spool.seconds,
        sessions=spool.sessions or None,
        requests_per_session=spool.requests / spool.sessions if spool.sessions else None,
        one_hit_wonders=int((frequencies == 1).sum()),
        skew=_zipf(frequencies),
        hottest_percent=float(hottest.sum(dtype=np.uint64)) / spool.requests,
        median_reuse_distance=_median(distances),
        popularity=tuple(
            (int(rank), int(frequencies[rank - 1])) for rank in _spaced(len(frequencies))
        ),
        lru_miss_ratios=_miss_ratios(distances, spool),
    )


def _spaced(highest: int) -> NDArray[np.int64]:
    """Return whole numbers from 1 to `highest`, spaced geometrically."""
    return np.unique(np.geomspace(1, highest, _POINTS).round().astype(np.int64))


def _zipf(frequencies: NDArray[np.uint32]) -> float | None:
    repeated = int((frequencies > 1).sum())
    if repeated < 10:
        return None
    ranks = _spaced(repeated)
    slope = np.polyfit(np.log(ranks), np.log(frequencies[ranks - 1]), 1)[0]
    return max(0.0, -float(slope))


def _median(distances: NDArray[np.uint64]) -> int | None:
    repeated = int(distances.sum())
    if not repeated:
        return None
    middle = int(np.searchsorted(np.cumsum(distances), (repeated + 1) // 2))
    return int(_native.Reuse.bounds()[middle])


def _miss_ratios(distances: NDArray[np.uint64], spool: Spool) -> tuple[tuple[int, float], ...]:
    capacities = _native.Reuse.bounds()
    hits = np.cumsum(distances)
    shown = np.searchsorted(capacities, _spaced(spool.distinct))
    return tuple(
        (int(capacities[at]), 1.0 - int(hits[at]) / spool.requests) for at in np.unique(shown)
    )
