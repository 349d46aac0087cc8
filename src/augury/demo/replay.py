"""Replays the pages' questions through live caches in front of SQLite, side by side."""

from __future__ import annotations

import statistics
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from augury.cache import Cache
from augury.demo.flights import QUESTIONS, Key, Pages, connect
from augury.errors import AuguryError

Answer: TypeAlias = tuple[Any, ...] | None

BASELINE_SHARE = 20
"""Without a cache, one block of look-ups in so many is asked."""
_BLOCK = 100
_STRIDE = 997
"""One answer in so many is checked; a prime, so that it meets every kind of question."""
_HELD = 1000
"""About so many entries that a cache holds at the end are checked as well."""


@dataclass(frozen=True, slots=True)
class Week:
    """What was measured in one week of flights; times in microseconds a look-up."""

    lookups: int
    queries: int
    mean: float
    """Of processor time, so that other work of the machine does not count."""
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Run:
    """What came out of one policy at one size, or without a cache.

    Latencies are medians of the weeks' figures, because a machine has other work now and then.
    """

    policy: str | None
    """None: without a cache."""
    size: int
    weeks: tuple[Week, ...]
    checked: int
    """Answers compared with the database's. None was wrong, or there were no run."""

    @property
    def lookups(self) -> int:
        """How many questions were asked."""
        return sum(week.lookups for week in self.weeks)

    @property
    def queries(self) -> int:
        """How many of them the database had to answer."""
        return sum(week.queries for week in self.weeks)

    @property
    def hit_ratio(self) -> float:
        """Share of them that the cache answered."""
        return 1 - self.queries / self.lookups

    @property
    def mean(self) -> float:
        """Mean time of a look-up in microseconds, with the query where there was one."""
        return statistics.median(week.mean for week in self.weeks)

    @property
    def p50(self) -> float:
        """Median latency of a look-up in microseconds."""
        return statistics.median(week.p50 for week in self.weeks)

    @property
    def p99(self) -> float:
        """Latency in microseconds that one look-up in a hundred exceeds."""
        return statistics.median(week.p99 for week in self.weeks)

    def seconds(self, like: Run | None = None) -> float:
        """Return the processor time of all look-ups; of as many as `like` had, if given."""
        counts = [week.lookups for week in (like or self).weeks]
        return sum(w.mean * n for w, n in zip(self.weeks, counts, strict=True)) / 1e6


class _Service:
    """Answers questions from the database."""

    def __init__(self, database: Path) -> None:
        self._connection = connect(database)
        self._execute = self._connection.execute
        self.queries = 0

    def ask(self, key: Key) -> Answer:
        self.queries += 1
        answer: Answer = self._execute(QUESTIONS[str(key[0])], key[1:]).fetchone()
        return answer

    def close(self) -> None:
        self._connection.close()


def _query(key: Key, ask: Callable[[Key], Answer]) -> Answer:
    """Look up without a cache; written as `Cache.get_or_load` is called."""
    return ask(key)


@dataclass
class _Contestant:
    """A service with a cache in front, or without, and what was measured of it."""

    service: _Service
    policy: str | None = None
    size: int = 0
    cache: Cache[Key, Answer] | None = None
    weeks: list[Week] = field(default_factory=list)
    served: list[tuple[Key, Answer]] = field(default_factory=list)

    def play(self, keys: Sequence[Key]) -> None:
        before = self.service.queries
        nanoseconds = array("q")
        begun = time.thread_time_ns()
        if self.cache is None:
            for begin in range(0, len(keys), _BLOCK * BASELINE_SHARE):
                self._ask_all(_query, keys[begin : begin + _BLOCK], nanoseconds)
        else:
            for begin in range(0, len(keys), _STRIDE):
                self._ask_all(self.cache.get_or_load, keys[begin : begin + _STRIDE], nanoseconds)
        spent = (time.thread_time_ns() - begun) / 1e3
        times = np.frombuffer(nanoseconds, np.int64) / 1e3
        p50, p99 = np.percentile(times, (50, 99)).tolist()
        queries = self.service.queries - before
        self.weeks.append(Week(len(times), queries, spent / len(times), p50, p99))

    def _ask_all(
        self,
        look_up: Callable[[Key, Callable[[Key], Answer]], Answer],
        keys: Iterable[Key],
        nanoseconds: array[int],
    ) -> None:
        now, note, ask = time.perf_counter_ns, nanoseconds.append, self.service.ask
        for key in keys:
            begun = now()
            answer = look_up(key, ask)
            note(now() - begun)
        self.served.append((key, answer))

    def finish(self) -> Run:
        """Check answers against the database and sum up."""
        told = self.served
        if self.cache is not None:
            if self.cache.stats().misses != self.service.queries:
                raise AuguryError(f"{self.policy} at {self.size} counts its misses wrongly")
            told += list(self.cache.items())[:: max(1, self.size // _HELD)]
        for key, answer in told:
            if self.service.ask(key) != answer:
                raise AuguryError(f"{self.policy} at {self.size} answered {key} with {answer}")
        return Run(self.policy, self.size, tuple(self.weeks), len(told))


def race(
    database: Path,
    pages: Pages,
    cells: Iterable[tuple[str, int]],
    progress: Callable[[float], None],
) -> list[Run]:
    """Replay the same questions through every policy and size, and without a cache.

    All are alive at the same time and take turns week by week, in an order that shifts by one
    each week: whatever slows the machine slows them all alike. Without a cache one block of 100
    look-ups in `BASELINE_SHARE` is asked, because its cost does not depend on what came before.

    Parameters
    ----------
    database
        As `build_database` made it.
    pages
        As `read_pages` read them.
    cells
        Policies with sizes.
    progress
        ``progress(share)`` is told how much is done, from 0.0 to 1.0.

    Returns
    -------
    list of Run
        The one without a cache first, then one for each cell in their order.

    Raises
    ------
    AuguryError
        If a checked answer is not what the database says.
    """
    contestants = [_Contestant(_Service(database))]
    for policy, size in cells:
        cache: Cache[Key, Answer] = Cache(size, policy=policy)
        contestants.append(_Contestant(_Service(database), policy, size, cache))
    total = len(contestants) * len(pages.weeks)
    try:
        for turn, week in enumerate(pages.weeks):
            shift = turn % len(contestants)
            for place, contestant in enumerate(contestants[shift:] + contestants[:shift], 1):
                contestant.play(week)
                progress((turn * len(contestants) + place) / total)
        return [contestant.finish() for contestant in contestants]
    finally:
        for contestant in contestants:
            contestant.service.close()
