"""What a prefetcher is told by its cache."""

from __future__ import annotations

from typing import Any, NamedTuple

from augury.cache import Cache

_MEMORY = 1 / 8  # of how long loads take


class Counts(NamedTuple):
    """What the cache has counted."""

    requests: int
    misses: int
    fetched: int
    late: int
    revoked: int
    """Written while they were wanted or under way."""
    waiting: int
    """To be fetched."""
    stored: int
    """By all prefetchers of the cache so far, as the next two."""
    used: int
    unused: int
    lag: float
    """Requests that pass while a batch is fetched."""
    fetched_by: list[int]
    used_by: list[int]
    waited: list[int]


class Loads:
    """How long loads of a cache take, of late."""

    def __init__(self, cache: Cache[Any, Any]) -> None:
        self._loads, self._seconds = self._now(cache)
        self._usual = 0.0

    @staticmethod
    def _now(cache: Cache[Any, Any]) -> tuple[int, float]:
        stats = cache.stats()
        return stats.loads, stats.load_seconds

    def usual(self, cache: Cache[Any, Any]) -> float:
        """Return the seconds that one takes; 0.0 while that is not known."""
        before, seconds_before = self._loads, self._seconds
        self._loads, self._seconds = self._now(cache)
        if self._loads > before:  # else there was none, or the statistics were reset
            mean = (self._seconds - seconds_before) / (self._loads - before)
            self._usual += (_MEMORY if self._usual else 1.0) * (mean - self._usual)
        return self._usual
