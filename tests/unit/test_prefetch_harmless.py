"""Fetching ahead hardly ever costs anything, whatever is asked for, and takes bounded memory."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import _native, policies
from augury.prefetch import PrefetchOptions, PrefetchResult, simulate_prefetch

REQUESTS = 40_000
ONLINE = [name for name in policies.names() if name != "belady"]
Keys = NDArray[np.uint64]


def random(rng: np.random.Generator) -> Keys:
    return rng.integers(0, 4000, REQUESTS, dtype=np.uint64)


def zipf(rng: np.random.Generator) -> Keys:
    return rng.permutation(1 << 20)[rng.zipf(1.1, REQUESTS) % 20_000].astype(np.uint64)


def scans(rng: np.random.Generator) -> Keys:
    """Hot keys, and now and then a scan of keys in no order that never come again."""
    hot = rng.integers(0, 300, REQUESTS, dtype=np.uint64)
    cold = rng.permutation(1 << 30 >> 10)[:REQUESTS].astype(np.uint64) + np.uint64(1000)
    return np.where(np.arange(REQUESTS) // 500 % 4 == 3, cold, hot)


def loop_that_just_fits(rng: np.random.Generator) -> Keys:
    return np.resize(rng.permutation(1 << 20)[:250].astype(np.uint64), REQUESTS)


def shifting(rng: np.random.Generator) -> Keys:
    """What has been learned is wrong from one stretch to the next."""
    stretches = [
        np.resize(rng.permutation(800), 4000) if i % 2 else rng.integers(0, 800, 4000)
        for i in range(REQUESTS // 4000)
    ]
    return np.concatenate(stretches).astype(np.uint64)


TRACES = [random, zipf, scans, loop_that_just_fits, shifting]


def run(keys: Keys, policy: str, capacity: int = 250, **options: float) -> PrefetchResult:
    (result,) = simulate_prefetch(keys, [policy], [capacity], options=PrefetchOptions(**options))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize("policy", ONLINE)
@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.__name__)
def test_misses_are_hardly_more(trace: Callable[[np.random.Generator], Keys], policy: str) -> None:
    found = run(trace(np.random.default_rng(1)), policy)
    assert found.result.misses <= 1.005 * found.without.misses + 5


@pytest.mark.parametrize("precision", [0.3, 0.5, 0.8])
def test_as_much_of_what_is_fetched_is_used_as_was_asked(precision: float) -> None:
    """The next key is one of several, each likelier or less likely."""
    rng = np.random.default_rng(1)
    ways = rng.permutation(4000).reshape(2000, 2)
    likely = rng.random(2000)
    starts = rng.integers(0, 2000, REQUESTS)
    seconds = np.where(
        rng.random(REQUESTS) < likely[starts], ways[starts, 1], rng.integers(0, 4000, REQUESTS)
    )
    keys = np.column_stack([ways[starts, 0], seconds]).ravel().astype(np.uint64)
    report = run(keys, "lru", 200, precision=precision).report
    assert report.fetched > 50
    assert report.precision >= precision - 0.02


def test_memory_is_bounded_however_many_keys_there_are() -> None:
    simulation = _native.PrefetchSimulation(
        "lru",
        1000,
        weighed=False,
        seed=1,
        parameters={},
        model=None,
        keys=4096,
        predictors=0xFFFFFFFF,
        depth=1,
        most=4,
        share=0.1,
        precision=0.5,
        delay=0,
    )
    keys = np.random.default_rng(1).permutation(1_000_000).astype(np.uint64)
    hashes = _native.hash_integers(keys)
    ids = np.arange(len(keys), dtype=np.uint32)
    times = ids // np.uint32(100) + np.uint32(1)
    sessions = ids % np.uint32(5000)
    simulation.feed(ids, hashes, None, keys, times, sessions, True)
    assert simulation.predictor_bytes < 4096 * 250 + (1 << 20)
    simulation.validate()
