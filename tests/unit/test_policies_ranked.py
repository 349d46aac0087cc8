"""Policies that rank entries, against plain models and optima found by brute force."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury._native import Simulation, hash_integers

NEVER = np.iinfo(np.int64).max


def following(ids: list[int]) -> NDArray[np.int64]:
    """The index of the next request of the same id, for each request."""
    result = np.full(len(ids), NEVER, np.int64)
    last: dict[int, int] = {}
    for index, each in enumerate(ids):
        if each in last:
            result[last[each]] = index
        last[each] = index
    return result


def replay(
    policy: str, capacity: int, ids: list[int], sizes: list[int] | None = None
) -> Simulation:
    simulation = Simulation(policy, capacity, weighed=sizes is not None)
    simulation.feed(
        np.array(ids, np.uint32),
        hash_integers(np.arange(max(ids) + 1, dtype=np.uint64)),
        None if sizes is None else np.array(sizes, np.uint64),
        following(ids),
    )
    simulation.validate()
    return simulation


def fewest_misses(capacity: int, ids: tuple[int, ...], sizes: dict[int, int] | None = None) -> int:
    """Try every choice of victims; a key requested is always stored, as in a live cache."""
    weight = dict.fromkeys(ids, 1) if sizes is None else sizes

    @cache
    def misses_from(at: int, resident: frozenset[int]) -> int:
        if at == len(ids):
            return 0
        key = ids[at]
        if key in resident:
            return misses_from(at + 1, resident)
        room = capacity - weight[key]
        if room < 0:
            return 1 + misses_from(at + 1, resident)
        return 1 + min(
            misses_from(at + 1, frozenset((*kept, key)))
            for count in range(len(resident) + 1)
            for kept in combinations(sorted(resident), count)
            if sum(weight[each] for each in kept) <= room
        )

    return misses_from(0, frozenset())


@settings(max_examples=150, deadline=None)
@given(
    ids=st.lists(st.integers(0, 6), min_size=1, max_size=24),
    capacity=st.integers(1, 5),
)
def test_belady_is_optimal_when_all_weigh_the_same(ids: list[int], capacity: int) -> None:
    assert replay("belady", capacity, ids).misses == fewest_misses(capacity, tuple(ids))


@settings(max_examples=100, deadline=None)
@given(
    ids=st.lists(st.integers(0, 5), min_size=1, max_size=16),
    capacity=st.integers(1, 12),
    weights=st.lists(st.integers(1, 6), min_size=6, max_size=6),
)
def test_belady_is_never_better_than_the_optimum(
    ids: list[int], capacity: int, weights: list[int]
) -> None:
    sizes = dict(enumerate(weights))
    misses = replay("belady", capacity, ids, [sizes[each] for each in ids]).misses
    assert misses >= fewest_misses(capacity, tuple(ids), sizes)


def greedy_misses(capacity: int, ids: list[int], sizes: list[int]) -> int:
    """Evict the largest product of weight and time until the next request, by looking at all."""
    following_of = following(ids).tolist()
    resident: dict[int, tuple[int, int]] = {}
    total = misses = 0
    for now, (key, size) in enumerate(zip(ids, sizes, strict=True)):
        if key in resident:
            resident[key] = (resident[key][0], following_of[now])
            continue
        misses += 1
        if size > capacity:
            continue
        while total + size > capacity:
            victim = max(
                resident,
                key=lambda each: (
                    resident[each][1] == NEVER,
                    resident[each][0] * (resident[each][1] - now),
                ),
            )
            total -= resident.pop(victim)[0]
        resident[key] = (size, following_of[now])
        total += size
    return misses


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("capacity", [200, 2_000, 20_000])
def test_belady_evicts_the_largest_product_when_weights_differ(seed: int, capacity: int) -> None:
    random = np.random.default_rng(seed)
    # Weights with no small common factors, so that no two products are equal.
    weight = random.choice([3, 7, 11, 19, 31, 47, 83, 131, 199], 800)
    ids = (800 * random.random(8_000) ** 2).astype(int).tolist()
    sizes = weight[ids].tolist()
    assert replay("belady", capacity, ids, sizes).misses == greedy_misses(capacity, ids, sizes)


def test_belady_takes_keys_never_asked_for_again_first() -> None:
    # Keys 0 and 1 come back; 2, 3 and 4 pass through without harm.
    assert replay("belady", 3, [0, 1, 2, 3, 4, 0, 1]).misses == 5
