"""Frozen records of what happened."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Cause(enum.StrEnum):
    """Why an entry left a cache."""

    SIZE = "size"
    """It was evicted to make room, or was too heavy for the whole cache."""
    EXPIRY = "expiry"
    """Its time to live had passed."""
    EXPLICIT = "explicit"
    """It was deleted, popped or cleared."""
    REPLACED = "replaced"
    """Its key got another value."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a cache has done since it was made or since `reset_stats()`.

    Examples
    --------
    >>> import augury
    >>> cache = augury.Cache(2)
    >>> cache["a"] = 1
    >>> cache.get("a"), cache.get("b")
    (1, None)
    >>> cache.stats().hit_ratio
    0.5
    """

    hits: int
    """Reads that found a value."""
    misses: int
    """Reads that found none."""
    negative_hits: int
    """Reads that found a remembered absence or error; in neither of the above."""
    insertions: int
    """Writes of a key that was not there."""
    updates: int
    """Writes of a key that was there."""
    evictions: int
    """Entries that left to make room."""
    expirations: int
    """Entries that left because their time to live had passed."""
    removals: int
    """Entries deleted, popped or cleared."""
    rejections: int
    """Writes refused because the entry was heavier than the capacity."""
    loads: int
    """Calls of a loader that have ended."""
    load_failures: int
    """Those of them that raised."""
    load_seconds: float
    """Time spent in loaders."""

    @property
    def requests(self) -> int:
        """Reads of every kind."""
        return self.hits + self.misses + self.negative_hits

    @property
    def hit_ratio(self) -> float:
        """Share of reads answered by the cache, negative ones included; 0.0 before the first."""
        return (self.hits + self.negative_hits) / self.requests if self.requests else 0.0

    @property
    def miss_ratio(self) -> float:
        """Share of reads that the cache could not answer; 0.0 before the first."""
        return self.misses / self.requests if self.requests else 0.0
