"""How long a loaded value is served."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from augury.errors import ConfigurationError
from augury.loading import DEFAULT, Default, Ttl, check_ttl, seconds
from augury.tiers.entry import ABSENT, Entry


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Turns what a source returned into entries.

    Examples
    --------
    >>> lifetimes = Lifetimes(ttl=60, stale=30, jitter=0)
    >>> entry = lifetimes.entry("v", 1000.0, cost=0.1)
    >>> entry.fresh_until, entry.expires
    (1060.0, 1090.0)
    """

    ttl: Ttl | Callable[[Any], Ttl] = None
    """Time to live, or a function of the value that returns it."""
    stale: float | timedelta = 0.0
    """How long beyond the time to live it is served while a new one is fetched, in seconds."""
    jitter: float = 0.1
    """Up to which share of its time to live, at random, each entry lives shorter: entries that
    were loaded together are not loaded together again."""
    negative_ttl: Ttl = None
    """How long to remember that the source has nothing; None: not at all."""

    def __post_init__(self) -> None:
        if not callable(self.ttl):
            check_ttl("ttl", self.ttl)
        check_ttl("negative_ttl", self.negative_ttl)
        if not isinstance(self.jitter, int | float) or not 0 <= self.jitter < 1:
            raise ConfigurationError(f"jitter must be from 0 to less than 1, not {self.jitter!r}")
        if self.stale != 0:
            check_ttl("stale", self.stale)
        if self.stale is None:
            raise ConfigurationError("stale must be a number of seconds, 0 for none")

    def entry(
        self,
        value: Any,
        now: float,
        *,
        cost: float = 0.0,
        tags: tuple[tuple[str, bytes], ...] = (),
        ttl: Ttl | Default = DEFAULT,
    ) -> Entry:
        """Return the entry of a value that was loaded at a cost of so many seconds."""
        if value is ABSENT:
            lives, stale = self.negative_ttl, 0.0
        else:
            lives, stale = self._ttl_of(value, ttl), seconds(self.stale)
        if lives is None:
            return Entry(value, written=now, cost=cost, tags=tags)
        span = seconds(lives) * (1.0 - self.jitter * random.random())
        return Entry(
            value,
            written=now,
            fresh_until=now + span,
            expires=now + span + stale,
            cost=cost,
            tags=tags,
        )

    def _ttl_of(self, value: Any, ttl: Ttl | Default) -> Ttl:
        if not isinstance(ttl, Default):
            return ttl
        if not callable(self.ttl):
            return self.ttl
        chosen = self.ttl(value)
        check_ttl("ttl", chosen)
        return chosen
