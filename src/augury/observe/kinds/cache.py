"""What a cache has done, how good that was, who decides, and what a model makes of its keys."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.events import Stats
from augury.observe.deciding import policy_view
from augury.observe.learned import Learned
from augury.observe.shadow import BURST, Shadow, share_of
from augury.observe.views import CacheView, CurveView, Point
from augury.observe.watch import Watch

_POINTS = 100  # of a curve
_of_parents: list[Shadow] = []
"""Shadows as they were when a process forked, never freed: a thread may have been at work on them
without the GIL, and does not exist in the child."""


class CacheWatch(Watch[Cache[Any, Any]]):
    """Watches an `augury.Cache`."""

    SECTION = "caches"

    def __init__(self, name: str, observed: Cache[Any, Any], keep: int) -> None:
        super().__init__(name, observed, keep)
        self._before = observed.stats()
        self._history: deque[Point] = deque(maxlen=keep)
        self._learned = Learned()
        self._curve: CurveView | None = None
        self._shadow = self._begin(observed)

    def _begin(self, observed: Cache[Any, Any]) -> Shadow:
        """Take a sample of the reads from now on."""
        entries = _room(observed)
        shadow = Shadow(entries, share_of(entries), warm=len(observed) > 0)
        if not observed._observe_reads(BURST, shadow.share):
            raise ConfigurationError(
                f"{self.name!r} is observed already, by another Observer or under another name"
            )
        return shadow

    @classmethod
    def handles(cls, observed: object) -> bool:
        """Return whether it is one."""
        return isinstance(observed, Cache)

    def sample(self, observed: Cache[Any, Any], at: float) -> None:
        """Add a point to its history."""
        stats = observed.stats()
        requests, hits = _reads(stats)
        before = _reads(self._before)
        if requests >= before[0]:  # else somebody has reset them
            requests, hits = requests - before[0], hits - before[1]
        self._before = stats
        if not 0.5 < share_of(_room(observed)) / self._shadow.share < 2.0:
            self.stop(observed)
            self._shadow = self._begin(observed)  # it was resized, or entries weigh otherwise now
        shadow = self._shadow
        shadow.feed(observed._take_reads())
        if shadow.replay():
            self._curve = _curve_view(shadow, observed)
        self._learned.look(observed)
        ratio = hits / requests if requests else None
        lru = _moved(ratio, shadow.lru)
        optimum = _moved(ratio, shadow.optimum)
        if lru is not None and optimum is not None:
            optimum = max(lru, optimum)  # both are estimates
        self._history.append(
            Point(
                at=at,
                requests=requests,
                hit_ratio=ratio,
                lru=lru,
                optimum=optimum,
            )
        )

    def begin_anew(self) -> None:
        """Follow the reads by another shadow: this is a forked child."""
        observed = self.observed
        if observed is not None:
            _of_parents.append(self._shadow)
            self.stop(observed)
            self._shadow = self._begin(observed)

    def stop(self, observed: Cache[Any, Any]) -> None:
        """Take no sample any more."""
        observed._observe_reads(0, 0.0)

    def tell(self, observed: Cache[Any, Any]) -> CacheView:
        """Return what is known of it."""
        stats = observed.stats()
        each = stats.load_seconds / stats.loads if stats.loads else 0.0
        return CacheView(
            name=self.name,
            capacity=observed.capacity,
            weight=observed.weight,
            entries=len(observed),
            hits=stats.hits + stats.negative_hits,
            misses=stats.misses,
            insertions=stats.insertions,
            evictions=stats.evictions,
            expirations=stats.expirations,
            rejections=stats.rejections,
            loads=stats.loads,
            load_failures=stats.load_failures,
            load_seconds=stats.load_seconds,
            hit_ratio=stats.hit_ratio,
            saved_seconds=(stats.hits + stats.negative_hits) * each,
            policy=policy_view(observed),
            model=self._learned.tell(observed),
            curve=self._curve,
            history=list(self._history),
        )


def _reads(stats: Stats) -> tuple[int, int]:
    """Return the reads, and those of them that hit."""
    return stats.requests, stats.hits + stats.negative_hits


def _moved(ratio: float | None, by: float | None) -> float | None:
    return None if ratio is None or by is None else min(1.0, max(0.0, ratio + by))


def _mean_weight(cache: Cache[Any, Any]) -> float:
    entries = len(cache)
    return cache.weight / entries if entries else 1.0


def _room(cache: Cache[Any, Any]) -> int:
    """Return how many entries as heavy as those that it holds a cache has room for."""
    return max(1, round(cache.capacity / _mean_weight(cache)))


def _curve_view(shadow: Shadow, cache: Cache[Any, Any]) -> CurveView | None:
    curve = shadow.curve()
    if curve is None:
        return None
    last = len(curve.capacities) - 1
    at = np.unique(np.geomspace(1, last + 1, _POINTS).astype(int) - 1)
    return CurveView(
        capacities=(curve.capacities[at] * _mean_weight(cache)).astype(int).tolist(),
        miss_ratios=curve.miss_ratios[at].tolist(),
        present=cache.capacity,
    )


WATCH = CacheWatch
