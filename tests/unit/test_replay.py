"""What is simulated is what runs: the live cache decides exactly as the simulator does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache, policies
from augury._native import Simulation, hash_integers

POLICIES = policies.names(offline=False)
REQUESTS, KEYS = 20_000, 2_000


def generate(seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Skewed requests with a scan and a shift of what is popular; a size for each key."""
    random = np.random.default_rng(seed)
    ids = (KEYS * random.random(REQUESTS) ** 4).astype(np.uint32)
    ids[REQUESTS // 2 :] = (ids[REQUESTS // 2 :] + KEYS // 3) % KEYS
    ids[5_000:6_000] = np.arange(1_000)
    sizes = random.integers(1, 400, KEYS).astype(np.uint64)
    return ids, sizes


def simulate(
    policy: str,
    capacity: int,
    keys: NDArray[np.uint64],
    sizes: NDArray[np.uint64] | None,
    seed: int,
) -> tuple[int, int]:
    distinct, ids = np.unique(keys, return_inverse=True)
    simulation = Simulation(policy, capacity, weighed=sizes is not None, seed=seed)
    simulation.feed(ids.astype(np.uint32), hash_integers(distinct), sizes)
    simulation.validate()
    return simulation.misses, simulation.entries


def replay(
    policy: str,
    capacity: int,
    keys: NDArray[np.uint64],
    sizes: NDArray[np.uint64] | None,
    seed: int,
) -> tuple[int, int]:
    cache: Cache[int, None] = Cache(capacity, policy=policy, seed=seed)
    missing = object()
    weights = [1] * len(keys) if sizes is None else sizes.tolist()
    for key, weight in zip(keys.tolist(), weights, strict=True):
        if cache.get(key, missing) is missing:
            cache.set(key, None, size=weight)
    cache.validate()
    stats = cache.stats()
    assert stats.requests == len(keys)
    assert stats.insertions - stats.evictions == len(cache)
    assert stats.insertions + stats.rejections == stats.misses
    return stats.misses, len(cache)


@pytest.mark.parametrize("weighed", [False, True], ids=["unit", "weighed"])
@pytest.mark.parametrize("policy", POLICIES)
def test_counts_are_equal(policy: str, weighed: bool) -> None:
    for seed, capacity in ((1, 1), (2, 7), (3, 100), (4, 650), (5, 3_000)):
        ids, size_of = generate(seed)
        # Keys up to 2^64: the live cache takes Python's hash of each.
        keys = ids.astype(np.uint64) * np.uint64([1, 2**40 + 1][seed % 2])
        sizes = size_of[ids] if weighed else None
        room = capacity * (150 if weighed else 1)
        expected = simulate(policy, room, keys, sizes, seed)
        assert replay(policy, room, keys, sizes, seed) == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_seeds_decide_alike(policy: str) -> None:
    ids, _ = generate(9)
    keys = ids.astype(np.uint64)
    for seed in (0, 7, 2**64 - 1):
        assert replay(policy, 50, keys, None, seed) == simulate(policy, 50, keys, None, seed)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cleared_cache_begins_anew(policy: str) -> None:
    ids, _ = generate(3)
    cache: Cache[int, int] = Cache(100, policy=policy, seed=5)
    misses = []
    for _ in range(2):
        before = cache.stats().misses
        for key in ids[:5_000].tolist():
            if cache.get(key) is None:
                cache[key] = key
        misses.append(cache.stats().misses - before)
        cache.clear()
    assert misses[0] == misses[1]
