"""`auto` finds the setting that suits the requests, and is never clearly worse than a fixed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from augury import Cache
from tests.conformance.test_policies import replay, skewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ids = NDArray[np.uint32]

REQUESTS, CAPACITY = 120_000, 1_000


def zipf() -> Ids:
    """A few keys are popular and stay so."""
    return skewed(REQUESTS, 12_000, seed=1)


def loop() -> Ids:
    """The same keys over and over, twice as many as fit."""
    return (np.arange(REQUESTS) % (2 * CAPACITY)).astype(np.uint32)


def recent() -> Ids:
    """Keys are asked for a few times soon after they came, and then no more."""
    draws = np.random.default_rng(2).exponential(CAPACITY / 3, REQUESTS)
    newest = np.arange(REQUESTS) // 3
    return np.maximum(newest - draws.astype(np.int64) + 5_000, 0).astype(np.uint32)


def flood() -> Ids:
    """Two of three requests are for keys that never come again."""
    ids = skewed(REQUESTS, 5_000, seed=3)
    once = np.random.default_rng(4).random(REQUESTS) < 0.67
    ids[once] = np.arange(10_000, 10_000 + once.sum(), dtype=np.uint32)
    return ids


def scans() -> Ids:
    """Popular keys, and now and then a scan of a few thousand others."""
    ids = skewed(REQUESTS, 5_000, seed=5)
    for start in range(10_000, REQUESTS, 20_000):
        ids[start : start + 4_000] = np.arange(10_000, 14_000, dtype=np.uint32)
    return ids


def drift() -> Ids:
    """Popularity moves on to other keys all the time."""
    return skewed(REQUESTS, 5_000, seed=6) + (np.arange(REQUESTS) // 12).astype(np.uint32)


def phases() -> Ids:
    """A loop, then what was new lately, then popular keys."""
    third = REQUESTS // 3
    parts = [loop()[:third], recent()[:third] + np.uint32(20_000), zipf()[:third]]
    return np.concatenate(parts)


WORKLOADS = [zipf, loop, recent, flood, scans, drift, phases]


def ratio(policy: str, ids: Ids, capacity: int = CAPACITY, **parameters: float) -> float:
    return replay(policy, capacity, ids, parameters=parameters).misses / len(ids)


@pytest.mark.parametrize("capacity", [50, CAPACITY])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_is_never_clearly_worse(workload: Callable[[], Ids], capacity: int) -> None:
    """To learn takes a few thousand requests, of the 40,000 to 120,000 that a workload is."""
    ids = workload()
    simple = min(ratio("s3fifo", ids, capacity), ratio("lru", ids, capacity))
    assert ratio("auto", ids, capacity) <= simple + 0.03


@pytest.mark.parametrize("workload", [loop, recent, drift])
def test_adapts_to_the_workload(workload: Callable[[], Ids]) -> None:
    ids = workload()
    assert ratio("auto", ids) < ratio("auto", ids, adapt=0) - 0.01


def test_follows_a_change() -> None:
    """After a loop, what suits it would cost hits for as long as it stayed in force."""
    first, then = loop(), recent() + np.uint32(20_000)
    both = np.concatenate([first, then])
    misses = replay("auto", CAPACITY, both).misses - replay("auto", CAPACITY, first).misses
    assert misses / len(then) < ratio("auto", then, adapt=0) - 0.05


def test_the_seed_draws_the_sample_and_decides_all() -> None:
    ids = phases()
    counts = [replay("auto", 6_000, ids, seed=seed).misses for seed in (1, 1, 2, 2, 3, 3)]
    assert counts[::2] == counts[1::2]


def test_loops_of_weighted_entries() -> None:
    ids = loop()
    sizes = 1 + ids.astype(np.uint64) * 7 % np.uint64(100)
    weighed = replay("auto", 50 * CAPACITY, ids, sizes=sizes, weighed=True)
    assert weighed.misses < 0.7 * len(ids)


def test_the_live_cache_is_the_simulated_one() -> None:
    ids = phases()
    cache: Cache[int, int] = Cache(CAPACITY, policy="auto")
    misses = 0
    for key in ids.tolist():
        if cache.get(key) is None:
            misses += 1
            cache[key] = key + 1
    assert misses / len(ids) == pytest.approx(ratio("auto", ids), abs=0.01)


def test_removed_keys_leave_the_shadows_too() -> None:
    """Or a candidate would be praised for hits that no policy could have."""
    cache: Cache[int, int] = Cache(100, policy="auto")
    for key in range(20_000):
        cache[key % 150] = key
        cache.pop(key % 150, None)
    assert len(cache) == 0
    cache.resize(10)
    for key in range(100):
        cache[key] = key
    assert len(cache) == 10
