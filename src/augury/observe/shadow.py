"""What other caches would have made of the same reads: LRU, Belady's MIN, and LRU of other sizes.

All of it is measured on a sample of the keys, in caches scaled down by as much (C. Waldspurger,
T. Saemundsson, I. Ahmad, N. Park, "Cache modeling and optimization using miniature simulations",
USENIX ATC 2017). How a sample differs from all keys says little: what is told is by how much LRU
and MIN differ from the cache on the very reads of the sample, added to the cache's own hit ratio.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.accesslog import Chunk
from augury.sizing.curve import Curve
from augury.sizing.live import LiveCurve

Reads = NDArray[np.uint64]
"""As `_native.Cache._take_reads` returns them."""

BURST = 1 << 16
"""Reads that are looked at in an interval, at most: half a megabyte."""

_ENTRIES = 1 << 13  # of the scaled-down caches
_WINDOW = 1 << 18  # reads that MIN is tried on, and after which keys are numbered anew
_FEW = 1_000  # reads: a ratio of fewer is mostly chance
_FILLED = 4  # requests an entry, until a cache that began empty tells what a warm one does
_FORESEEN = 8  # requests an entry, until MIN is tried: with fewer it knows too little
# Seconds between two replays, and how many times as long as the last one took.
_PAUSE = 5.0
_REST = 50.0


def share_of(entries: int) -> float:
    """Return the share of the keys to look at, for a cache that has room for so many entries."""
    return min(1.0, _ENTRIES / max(entries, 1))


@dataclass(frozen=True, slots=True)
class _Interval:
    reads: int
    hits: int
    lru_hits: int


class Shadow:
    """Follows the reads of a sample of the keys of one cache.

    Parameters
    ----------
    entries
        How many the cache has room for.
    share
        Of the keys, that is looked at.
    warm
        Whether the cache holds entries already, which the shadows have to find first.
    """

    def __init__(self, entries: int, share: float, *, warm: bool) -> None:
        self.share = share
        self._capacity = max(1, round(entries * share))
        self._curve = LiveCurve(recorded=share)
        self._window: deque[Reads] = deque()
        self._kept = 0  # reads in the window
        self._recent: deque[_Interval] = deque()
        self._cold = _FILLED * self._capacity if warm else 0  # reads that tell nothing yet
        self._gap = False  # reads were left out before those to come
        self._optimum: float | None = None
        self._next = 0.0
        self._begin()

    def _begin(self) -> None:
        self._keys = _native.KeyIndex()
        self._lru = _native.Simulation("lru", self._capacity)

    def feed(self, reads: Reads) -> None:
        """Take the reads of an interval into account."""
        if not len(reads):
            return
        unsure = len(reads) // 4 if self._gap else 0  # the cache has seen what was left out
        self._gap = len(reads) == BURST
        self._curve("", Chunk(_keys(reads)))
        self._follow(reads[:unsure])
        counted = reads[unsure:]
        before = self._lru.misses
        self._follow(counted)
        missed = self._lru.misses - before
        if self._cold > 0 and self._lru.entries < self._capacity:
            self._cold -= len(reads)
        else:
            self._cold = 0
            self._recent.append(_Interval(len(counted), _hits(counted), len(counted) - missed))
            while sum(each.reads for each in self._recent) - self._recent[0].reads >= _FEW:
                self._recent.popleft()
        self._keep(reads)

    def _follow(self, reads: Reads) -> None:
        ids = self._keys.intern(_keys(reads))
        self._lru.feed(ids, _native.hash_integers(self._keys.keys()))

    def _keep(self, reads: Reads) -> None:
        self._window.append(reads.copy())  # else all the room of a burst would be kept with it
        self._kept += len(reads)
        while self._kept - len(self._window[0]) >= _WINDOW:
            self._kept -= len(self._window.popleft())
        if len(self._keys) > 2 * _WINDOW:  # most of which nobody asks for any more
            self._begin()
            self._follow(np.concatenate(self._window))

    def replay(self) -> bool:
        """Try MIN on the last reads, unless it was tried lately; return whether it was."""
        began = time.monotonic()
        if began < self._next or self._kept < _FORESEEN * self._capacity:
            return False
        self._optimum = _gain_of_min(np.concatenate(self._window), self._capacity)
        ended = time.monotonic()
        self._next = ended + max(_PAUSE, _REST * (ended - began))
        return True

    @property
    def lru(self) -> float | None:
        """How much more LRU hits than the cache, of all reads; None if that is not known yet."""
        reads = sum(each.reads for each in self._recent)
        gained = sum(each.lru_hits - each.hits for each in self._recent)
        return gained / reads if reads else None

    @property
    def optimum(self) -> float | None:
        """How much more MIN does; None if that is not known yet."""
        return self._optimum

    def curve(self) -> Curve | None:
        """Return LRU's misses by size, of all reads so far; None before the first."""
        return self._curve.curve() if self._curve.requests else None

    @property
    def bytes(self) -> int:
        """Memory that it takes, but for the scaled-down cache."""
        return self._curve.bytes + 8 * (self._kept + 3 * len(self._keys))


def _keys(reads: Reads) -> Reads:
    return reads >> np.uint64(1)


def _hits(reads: Reads) -> int:
    return int((reads & np.uint64(1)).sum())


def _gain_of_min(reads: Reads, capacity: int) -> float:
    """Return how much more of some reads MIN hits than the cache did.

    The first half fills it. In the last quarter it would know too little of what comes next.
    """
    keys = _native.KeyIndex()
    ids = keys.intern(_keys(reads))
    following = _native.NextAccess(len(ids), len(keys)).fill(ids)
    hashes = _native.hash_integers(keys.keys())
    optimum = _native.Simulation("belady", capacity)
    half, end = len(ids) // 2, len(ids) * 3 // 4
    optimum.feed(ids[:half], hashes, None, following[:half])
    optimum.reset_counts()
    optimum.feed(ids[half:end], hashes, None, following[half:end])
    counted = max(end - half, 1)
    return (counted - optimum.misses - _hits(reads[half:end])) / counted
