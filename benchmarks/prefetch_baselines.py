"""What benchmarks/prefetch.py compares with: prefetchers of the literature, in front of an LRU.

What they fetch ahead goes straight into the LRU cache, as the most recent, as in MITHRIL's
evaluation. Both see what Augury sees: `Markov` the sessions, where a trace says who asked. Their
tables are as large as the papers have them, or unbounded.

D. Joseph, D. Grunwald, "Prefetching using Markov predictors", ISCA 1997.
J. Yang, R. Karimi, T. Saemundsson, A. Wildani, Y. Vigfusson, "MITHRIL: mining sporadic associations
for cache prefetching", SoCC 2017; where the paper leaves a choice, as in its authors' code.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Prefetcher(Protocol):
    """Says which keys to fetch after a request."""

    def after(self, key: int, session: int, hit: bool) -> Sequence[int]: ...


@dataclass
class Counts:
    misses: int = 0
    fetched: int = 0
    used: int = 0


def replay(
    keys: Sequence[int],
    sessions: Iterable[int],
    capacity: int,
    prefetcher: Prefetcher,
    *,
    chances: int = 1,
) -> Counts:
    """Replay requests through an LRU cache that a prefetcher fills, too.

    Parameters
    ----------
    chances
        How often what was fetched ahead and not used is put in front again, plus one.
    """
    counts = Counts()
    # How many chances an entry that was fetched ahead has left, and 0 once it was asked for.
    cache: OrderedDict[int, int] = OrderedDict()

    def insert(key: int, left: int) -> None:
        while len(cache) >= capacity:
            oldest, others = cache.popitem(last=False)
            if others > 1:
                cache[oldest] = others - 1
        cache[key] = left

    for key, session in zip(keys, sessions, strict=True):
        hit = key in cache
        if hit:
            if cache[key]:
                counts.used += 1
                cache[key] = 0
            cache.move_to_end(key)
        else:
            counts.misses += 1
            insert(key, 0)
        for ahead in prefetcher.after(key, session, hit):
            if ahead not in cache:
                counts.fetched += 1
                insert(ahead, chances)
    return counts


class Markov:
    """First order: the likeliest successors of a key in its session, counted without a bound.

    Parameters
    ----------
    most
        Keys fetched after a request.
    threshold
        The least probability of a transition.
    support
        How often a key must have been seen before its successors are fetched.
    misses
        Whether only misses are learned from and followed, as Joseph and Grunwald do it.
    """

    def __init__(
        self, *, most: int, threshold: float, support: int = 1, misses: bool = False
    ) -> None:
        self._most = most
        self._threshold = threshold
        self._support = support
        self._misses = misses
        self._last: dict[int, int] = {}
        self._total: dict[int, int] = {}
        self._counts: dict[int, dict[int, int]] = {}
        self._first: dict[int, list[int]] = {}  # of each key, the most frequent first

    def after(self, key: int, session: int, hit: bool) -> Sequence[int]:
        if hit and self._misses:
            return ()
        before = self._last.get(session)
        self._last[session] = key
        if before is not None and before != key:
            self._count(before, key)
        total = self._total.get(key, 0)
        if total < self._support:
            return ()
        counts, least = self._counts[key], max(self._threshold * total, 1)
        return [following for following in self._first[key] if counts[following] >= least]

    def _count(self, before: int, key: int) -> None:
        self._total[before] = self._total.get(before, 0) + 1
        counts = self._counts.setdefault(before, {})
        counts[key] = counts.get(key, 0) + 1
        first = self._first.setdefault(before, [])
        if key not in first:
            if len(first) == self._most:
                if counts[key] <= counts[first[-1]]:
                    return
                first.pop()
            first.append(key)
        first.sort(key=lambda each: -counts[each])


class Mithril:
    """Mines which keys are asked for within a few requests of each other, again and again.

    Times are counts of requests. A key that is recorded moves from the recording table to the
    mining table when it has been seen `least` times, and leaves that when it has more than `most`
    times: it is frequent. A full mining table is sorted by first time and mined for pairs.

    Parameters
    ----------
    capacity
        Of the cache: the recording table has 4 rows an entry. (The paper bounds it, with all that
        is remembered, to a tenth of the bytes of the cache; at 4 KiB a block that is as much.)
    lookahead
        Within how many requests of each other the times of associated keys lie.
    least, most
        Times a key is seen (R and S of the paper).
    confidence
        How many of the times may not fit, and by how many their numbers may differ.
    partners
        Keys fetched after a request (P of the paper): the latest that were mined.
    rows
        Of the mining table. The authors have 2560, for traces of tens of millions of requests.
    every
        Whether every request is recorded; else misses only, as the authors have it.
    """

    def __init__(
        self,
        capacity: int,
        *,
        lookahead: int = 20,
        least: int = 2,
        most: int = 8,
        confidence: int = 1,
        partners: int = 2,
        rows: int = 2560,
        every: bool = False,
    ) -> None:
        self._lookahead = lookahead
        self._least = least
        self._most = most
        self._confidence = confidence
        self._partners = partners
        self._rows = rows
        self._every = every
        self._recorded = max(4 * capacity, 64)
        self._recording: OrderedDict[int, list[int]] = OrderedDict()
        self._mining: dict[int, list[int]] = {}
        self._list: dict[int, deque[int]] = {}
        self._clock = 0

    def after(self, key: int, session: int, hit: bool) -> Sequence[int]:  # noqa: ARG002
        self._clock += 1
        if self._every or not hit:
            self._record(key)
        return self._list.get(key, ())

    def _record(self, key: int) -> None:
        times = self._mining.get(key)
        if times is not None:
            times.append(self._clock)
            if len(times) > self._most:
                del self._mining[key]
            return
        times = self._recording.get(key)
        if times is None:
            times = self._recording[key] = []
            if len(self._recording) > self._recorded:
                self._recording.popitem(last=False)
        times.append(self._clock)
        if len(times) >= self._least:
            del self._recording[key]
            self._mining[key] = times
            if len(self._mining) >= self._rows:
                self._mine()

    def _mine(self) -> None:
        rows = sorted(self._mining.items(), key=lambda row: row[1][0])
        self._mining = {}
        for at, (key, times) in enumerate(rows):
            first = True
            for other in range(at + 1, len(rows)):
                partner, its = rows[other]
                if its[0] - times[0] > self._lookahead:
                    break
                if abs(len(its) - len(times)) > self._confidence:
                    continue
                if self._fit(times, its, first):
                    self._associate(key, partner)
                first = False

    def _fit(self, times: list[int], its: list[int], first: bool) -> bool:
        """Tell whether two keys are associated: the nearest row weakly, others strongly.

        Strongly: at least once one was asked for immediately after the other.
        """
        strong = first
        wrong = 0
        for a, b in zip(times[1:], its[1:], strict=False):
            apart = abs(a - b)
            wrong += apart > self._lookahead
            if wrong > self._confidence:
                return False
            strong = strong or apart == 1
        return strong

    def _associate(self, key: int, partner: int) -> None:
        partners = self._list.setdefault(key, deque(maxlen=self._partners))
        if partner not in partners:
            partners.append(partner)
