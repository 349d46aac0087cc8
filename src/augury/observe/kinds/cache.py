"""What a cache has done, how good that was, who decides, and what a model makes of its keys."""

from __future__ import annotations

from collections import deque
from typing import Any

from augury.cache import Cache
from augury.events import Stats
from augury.observe.views import CacheView, Point, PolicyView
from augury.observe.watch import Watch


class CacheWatch(Watch[Cache[Any, Any]]):
    """Watches an `augury.Cache`."""

    SECTION = "caches"

    def __init__(self, name: str, observed: Cache[Any, Any], keep: int) -> None:
        super().__init__(name, observed, keep)
        self._before = observed.stats()
        self._history: deque[Point] = deque(maxlen=keep)

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
        self._history.append(
            Point(
                at=at,
                requests=requests,
                hit_ratio=hits / requests if requests else None,
                lru=None,
                optimum=None,
            )
        )

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
            policy=_policy(observed),
            history=list(self._history),
        )


def _reads(stats: Stats) -> tuple[int, int]:
    """Return the reads, and those of them that hit."""
    return stats.requests, stats.hits + stats.negative_hits


def _policy(cache: Cache[Any, Any]) -> PolicyView:
    name = str(cache.policy)
    return PolicyView(policy=name, ruling=name, reason="it was made with this policy")


WATCH = CacheWatch
