"""What an advisor is told, and what it says: records that turn into JSON as they are."""

from __future__ import annotations

import msgspec

Key = str | bytes | int
"""Of an external cache. In JSON text or a number."""


class Access(msgspec.Struct, frozen=True):
    """A read of an external cache, whether it found the key or not.

    Examples
    --------
    >>> Access("user:1", size=312, hit=False)
    Access(key='user:1', size=312, time=None, hit=False, session=None)
    """

    key: Key
    size: int = 1
    """Bytes that the entry takes there; without meaning where the capacity is in entries."""
    time: float | None = None
    """Seconds since 1970; by default when it is recorded."""
    hit: bool | None = None
    """Whether the external cache had it; None: not known."""
    session: str | int | None = None
    """Who asked: what comes next is learned within sessions."""


class Next(msgspec.Struct, frozen=True):
    """A key that probably comes soon."""

    key: Key
    score: float
    """Probability that it is asked for within `Advisor.within` accesses: how often guesses of its
    kind have been right of late."""
    reason: str
    """Who says so: a predictor of `augury.prefetch.predictors`."""


class Admission(msgspec.Struct, frozen=True):
    """Whether to store a key."""

    admit: bool
    """Whether to."""
    reason: str
    """Why, in a few words."""


class Eviction(msgspec.Struct, frozen=True):
    """A key to evict; the one to evict first comes first."""

    key: Key
    reason: str
    """Why, in a few words."""


class AdvisorStats(msgspec.Struct, frozen=True, kw_only=True):
    """What an advisor has seen so far."""

    accesses: int
    """How many were recorded."""
    hits: int
    """That the shadow cache had: what the external cache could reach by following the advice."""
    told: int
    """Accesses that said whether they hit,"""
    told_hits: int
    """and that did."""
    entries: int
    """Keys that the shadow cache holds at present."""
    weight: int
    """What these take, in the unit of the capacity."""
    to_evict: int
    """Keys that the shadow cache has evicted and `Advisor.evict` has not named yet."""
    keys_known: int
    """To the predictors."""

    @property
    def hit_ratio(self) -> float:
        """Of the shadow cache; 0.0 before the first access."""
        return self.hits / self.accesses if self.accesses else 0.0
