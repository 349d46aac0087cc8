"""What is simulated is what runs, also where keys are fetched ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache, Prefetcher, policies, session
from augury._native import PrefetchSimulation, hash_integers
from augury.prefetch import PrefetchOptions, PrefetchReport, predictors

REQUESTS = 6_000


def generate(seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint32]]:
    """Keys, times and sessions: paths that recur, runs, and chance."""
    random = np.random.default_rng(seed)
    paths = random.integers(0, 3_000, (60, 12))
    keys: list[int] = []
    sessions: list[int] = []
    while len(keys) < REQUESTS:
        who = int(random.integers(0, 3))
        kind = random.random()
        if kind < 0.6:
            some = paths[int(60 * random.random() ** 2)].tolist()
        elif kind < 0.8:
            first = int(random.integers(10_000, 1_000_000))
            some = list(range(first, first + 20))
        else:
            some = random.integers(0, 3_000, 6).tolist()
        keys += some
        sessions += [who] * len(some)
    times = np.cumsum(random.integers(0, 5, REQUESTS)) + 1_000
    return (
        np.array(keys[:REQUESTS], np.uint64),
        times.astype(np.uint32),
        np.array(sessions[:REQUESTS], np.uint32),
    )


def simulate(
    policy: str, capacity: int, seed: int, options: PrefetchOptions
) -> tuple[int, int, int, list[int]]:
    keys, times, sessions = generate(seed)
    distinct, ids = np.unique(keys, return_inverse=True)
    simulation = PrefetchSimulation(
        policy,
        capacity,
        weighed=False,
        seed=seed,
        parameters={},
        model=None,
        keys=options.keys_for(capacity),
        predictors=options.mask,
        depth=1,
        most=options.most,
        share=options.share,
        precision=options.precision,
        delay=0,
    )
    simulation.feed(
        ids.astype(np.uint32), hash_integers(distinct), None, distinct, times, sessions, True
    )
    counts = simulation.counts()
    return counts["misses"], counts["fetched"], counts["used"], counts["used_by"]


def replay(
    policy: str, capacity: int, seed: int, options: PrefetchOptions
) -> tuple[int, int, int, list[int]]:
    clock = [0.0]
    cache: Cache[int, int] = Cache(
        capacity, policy=policy, seed=seed, clock=lambda: clock[0], learn=False
    )

    def load(keys: Sequence[int]) -> dict[int, int]:
        return {key: -key for key in keys}

    # Patience without end: what a busy machine takes for a step must not count.
    with Prefetcher(cache, load, options=options, background=False, patience=1e12) as prefetcher:
        for key, clock[0], who in zip(*(each.tolist() for each in generate(seed)), strict=True):
            with session(who):
                value = cache.get(key)
            if value is None:
                cache[key] = value = -key
            assert value == -key
            prefetcher.run_pending()
        cache.validate()
        report = prefetcher.report()
    stats = cache.stats()
    check_counts(report, cache)
    assert (stats.misses, stats.prefetch_hits) == (report.misses, report.used)
    return report.misses, report.fetched, report.used, [each.used for each in report.by_predictor]


def check_counts(report: PrefetchReport, cache: Cache[int, int]) -> None:
    assert report.requests == REQUESTS
    assert report.late == 0
    assert sum(report.waited) == report.used
    assert sum(each.fetched for each in report.by_predictor) == report.fetched
    assert 0 <= report.fetched - report.used - report.unused <= cache.capacity


@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_counts_are_equal(policy: str) -> None:
    options = PrefetchOptions()
    for seed, capacity in ((1, 1), (2, 40), (3, 300)):
        expected = simulate(policy, capacity, seed, options)
        assert replay(policy, capacity, seed, options) == expected
    assert expected[2] > 500


@pytest.mark.parametrize("predictor", [each.name for each in predictors()])
def test_each_predictor_is_the_simulated_one(predictor: str) -> None:
    options = PrefetchOptions(predictors=[predictor], most=2, share=0.3, precision=0.4)
    assert replay("lru", 200, 4, options) == simulate("lru", 200, 4, options)


def test_keys_are_forgotten_alike() -> None:
    options = replace(PrefetchOptions(), keys=100)
    assert replay("s3fifo", 50, 5, options) == simulate("s3fifo", 50, 5, options)
