"""LFU, LRU-K and W-TinyLFU against their definitions, written plainly."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache
from tests.conformance.test_policies import replay, skewed


def misses(policy: str, capacity: int, ids: NDArray[np.uint32], **parameters: float) -> int:
    return replay(policy, capacity, ids, parameters=parameters).misses


def drifting(requests: int, seed: int = 0) -> NDArray[np.uint32]:
    """Skewed requests, for other keys in each quarter."""
    quarter = np.arange(requests, dtype=np.uint32) * 4 // requests
    return skewed(requests, 1000, seed) + np.uint32(1000) * quarter.astype(np.uint32)


def plain_lruk(capacity: int, ids: NDArray[np.uint32], k: int, *, remembers: bool) -> int:
    """LRU-K as the paper has it, with all of history or none of those that left."""
    times: dict[int, list[int]] = defaultdict(list)
    resident: set[int] = set()
    missed = 0
    for now, key in enumerate(ids.tolist(), start=1):
        if key not in resident:
            missed += 1
            if len(resident) == capacity:

                def rank(each: int) -> tuple[int, int]:
                    last = times[each]
                    return (last[-k] if len(last) >= k else 0, last[-1])

                victim = min(resident, key=rank)
                resident.remove(victim)
                if not remembers:
                    del times[victim]
            resident.add(key)
        times[key].append(now)
    return missed


@pytest.mark.parametrize("capacity", [1, 5, 50, 200])
def test_lruk_is_the_papers(capacity: int) -> None:
    ids = skewed(4_000, 400)
    for k in (1, 2, 3):
        assert misses("lruk", capacity, ids, k=k, ghost=0) == plain_lruk(
            capacity, ids, k, remembers=False
        )


def test_lruk_with_a_long_history_is_nearly_the_papers() -> None:
    ids = skewed(8_000, 400)
    exact = plain_lruk(100, ids, 2, remembers=True)
    assert misses("lruk", 100, ids, ghost=4) == pytest.approx(exact, rel=0.01)


def test_lru1_is_lru() -> None:
    ids = skewed(20_000, 2_000)
    assert misses("lruk", 300, ids, k=1) == misses("lru", 300, ids)


def test_lruk_remembers_keys_that_left() -> None:
    """Or what became popular later would never have a second-last request."""
    ids = drifting(20_000)
    assert misses("lruk", 100, ids) < 0.9 * misses("lruk", 100, ids, ghost=0)


def test_correlated_requests_count_as_one() -> None:
    """Each request comes twice, which tells nothing about a third."""
    ids = np.repeat(skewed(20_000, 2_000), 2)
    assert misses("lruk", 200, ids, correlated=0.1) < 0.95 * misses("lruk", 200, ids)


def plain_lfu(capacity: int, ids: NDArray[np.uint32]) -> int:
    counts: dict[int, tuple[int, int]] = {}  # requests while resident, time of the last
    missed = 0
    for now, key in enumerate(ids.tolist()):
        if key not in counts:
            missed += 1
            if len(counts) == capacity:
                counts.pop(min(counts, key=lambda each: counts[each]))
        counts[key] = (counts.get(key, (0, 0))[0] + 1, now)
    return missed


@pytest.mark.parametrize("capacity", [1, 5, 50, 200])
def test_lfu_without_age_is_lfu(capacity: int) -> None:
    """But for the order among equals, and counts from 63."""
    ids = skewed(4_000, 400)
    exact = plain_lfu(capacity, ids)
    assert misses("lfu", capacity, ids, age=0) == pytest.approx(exact, rel=0.01)


def test_age_lets_lfu_follow_what_is_popular_now() -> None:
    ids = drifting(40_000)
    assert misses("lfu", 100, ids) < 0.9 * misses("lfu", 100, ids, age=0)


def test_a_scan_does_not_flush_frequent_keys() -> None:
    popular = np.tile(np.arange(80, dtype=np.uint32), 10)
    scan = np.arange(1_000, 1_300, dtype=np.uint32)
    ids = np.concatenate([popular, scan, popular])
    unavoidable = 80 + len(scan)
    assert misses("lru", 100, ids) == unavoidable + 80
    assert misses("lfu", 100, ids, age=0) == unavoidable
    assert misses("lruk", 100, ids) == unavoidable
    assert misses("wtinylfu", 100, ids) <= unavoidable + 5


def test_wtinylfu_admits_only_who_is_asked_for_more() -> None:
    """A loop over more keys than fit: LRU misses all, who admits with care keeps most."""
    ids = (np.arange(60_000) % 1_200).astype(np.uint32)
    assert misses("lru", 1_000, ids) == len(ids)
    assert misses("wtinylfu", 1_000, ids) < 0.5 * len(ids)


def test_wtinylfus_window_adapts() -> None:
    """Keys are asked for a few times soon after they first are, which favours a large window."""
    fresh = np.arange(30_000)
    ago = np.random.default_rng(0).integers(0, 50, (3, 30_000))
    ids = np.vstack([fresh, np.maximum(fresh - ago, 0)]).T.ravel().astype(np.uint32)
    fixed = misses("wtinylfu", 100, ids, window=0.05, adapt=0)
    assert misses("wtinylfu", 100, ids, window=0.05) < 0.8 * fixed
    assert misses("wtinylfu", 100, ids) < 0.7 * fixed


def test_wtinylfu_weighs_a_candidate_against_all_it_replaces() -> None:
    """A heavy entry asked for a little more than each of ten light ones is not worth them."""
    light = np.tile(np.arange(90, dtype=np.uint32), 2)
    rounds = [np.concatenate([light, np.full(3, 100 + i, np.uint32)]) for i in range(40)]
    ids = np.concatenate(rounds)
    sizes = np.where(ids < 100, 1, 10).astype(np.uint64)
    simulation = replay("wtinylfu", 100, ids, sizes=sizes, weighed=True)
    assert simulation.misses < 90 + 40 * 3 + 400


@pytest.mark.parametrize(("policy", "most"), [("lfu", 20), ("lruk", 52), ("wtinylfu", 36)])
def test_memory_an_entry(policy: str, most: int) -> None:
    """Beyond hash and simulator: slabs have grown by up to a half more than is in use."""
    capacity, requests = 10_000, 100_000
    ids = np.concatenate([np.arange(requests), np.arange(requests)]).astype(np.uint32)
    simulation = replay(policy, capacity, ids)
    plain = replay("random", capacity, ids)
    assert simulation.bytes - plain.bytes + 8 * 1.5 * capacity < most * capacity


def test_w_tinylfu_does_not_age_its_counts_more_often_than_their_number_allows() -> None:
    """A cache that has shrunk still has the counts of the large one it was, to go through all."""
    cache: Cache[int, int] = Cache(1000, policy="wtinylfu(adapt=0,window=0,protected=0)")
    for key in range(1000):
        cache[key] = key
    for _ in range(15):
        cache.get(0)
    cache.resize(2)
    for key in range(1000, 1200):
        cache[key] = key
    assert 0 in cache
