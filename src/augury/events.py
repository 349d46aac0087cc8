"""Frozen records of what happened."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    prefetched: int = 0
    """Entries that a prefetcher stored before anyone asked for them; no insertions."""
    prefetch_hits: int = 0
    """Those of them that were asked for while they waited; hits, too."""
    prefetch_unused: int = 0
    """Those of them that left, or were written, before anyone asked."""

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


class Step(enum.StrEnum):
    """What the learner of a cache did."""

    DEPLOYED = "deployed"
    """A new model won in simulation, and decides from now on."""
    KEPT = "kept"
    """A new model did not win; what decided before goes on."""
    WITHDRAWN = "withdrawn"
    """The policy without a model won; no model decides from now on."""
    DRIFTED = "drifted"
    """The model in use predicts worse than it did; another one is trained at once."""
    FOLLOWED = "followed"
    """Another version became current in the registry, and decides from now on."""
    FAILED = "failed"
    """Something could not be done; the cache goes on as before."""
    UNAVAILABLE = "unavailable"
    """What training takes is not installed; the cache goes on without it."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the learner of a cache did, and why.

    Examples
    --------
    >>> print(Learned(Step.KEPT, "no model won", requests=20_000))
    kept: no model won
    """

    step: Step
    """What it did."""
    reason: str
    """Why, in one line."""
    requests: int = 0
    """Requests that it looked at."""
    miss_ratios: Mapping[str, float] = field(default_factory=dict)
    """In simulation of the end of these, at the cache's capacity: of the ``"new"`` model, the model
    ``"in use"``, and the policy with ``"none"``."""
    version: int | None = None
    """Of the model in the registry, if there is one."""
    cpu_seconds: float = 0.0
    """Processor time that it took."""
    at: float = field(default_factory=time.time)
    """When: seconds since 1970."""

    @property
    def log_fields(self) -> dict[str, object]:
        """What a log record of it carries besides its text."""
        return {
            "augury_event": str(self.step),
            "augury_reason": self.reason,
            "augury_requests": self.requests,
            "augury_version": self.version,
        }

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}"


class Trouble(enum.StrEnum):
    """What can go wrong with a tier without an error for whoever reads."""

    UNAVAILABLE = "unavailable"
    """It is down, hung, full or read-only; it was done without."""
    CORRUPT = "corrupt"
    """Bytes in it could not be read, and counted as a miss."""
    DROPPED = "dropped"
    """A write did not reach it."""
    LOST = "lost"
    """The connection that hears of writes was lost; every copy above it was dropped."""
    REFRESH = "refresh"
    """A new value could not be loaded; the stale one stays."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a tier, and was coped with.

    Examples
    --------
    >>> print(Fault(Trouble.UNAVAILABLE, "redis", "connection refused"))
    redis unavailable: connection refused
    """

    trouble: Trouble
    """What it is."""
    tier: str
    """Name of the tier."""
    reason: str
    """Why, in one line."""

    @property
    def log_fields(self) -> dict[str, object]:
        """What a log record of it carries besides its text."""
        return {
            "augury_event": str(self.trouble),
            "augury_tier": self.tier,
            "augury_reason": self.reason,
        }

    def __str__(self) -> str:
        return f"{self.tier} {self.trouble}: {self.reason}"


@dataclass(frozen=True, slots=True)
class TiersStats:
    """What an `augury.Tiers` has done since it was made."""

    hits: Mapping[str, int]
    """Entries found in each tier, by its name."""
    loads: int
    """Keys that the source was asked for."""
    load_failures: int
    """Those of them for which it raised."""
    joined: int
    """Keys that somebody else in this process was fetching already."""
    waited: int
    """Looks at keys that another process was loading."""
    refreshes: int
    """Loads in the background, of entries that were stale or about to be."""
    waiting: int
    """Writes that are still to be done."""
    faults: Mapping[Trouble, int]
    """What went wrong and was coped with."""
