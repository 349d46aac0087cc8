"""Policies that rank entries, against plain models and optima found by brute force."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from augury._native import Simulation, hash_integers
from tests.unit.next_access import NEVER, following


def replay(
    policy: str,
    capacity: int,
    ids: list[int],
    sizes: list[int] | None = None,
    parameters: dict[str, float] | None = None,
) -> Simulation:
    simulation = Simulation(
        policy, capacity, weighed=sizes is not None, parameters=parameters or {}
    )
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


def gdsf_misses(capacity: int, ids: list[int], sizes: list[int]) -> int:
    """Keep every priority up to date, and look for the lowest among all."""
    resident: dict[int, tuple[float, int, int]] = {}  # priority, last request, requests
    weight = dict(zip(ids, sizes, strict=True))
    total = misses = 0
    base = 0.0
    for now, key in enumerate(ids):
        if key in resident:
            requests = resident[key][2] + 1
            resident[key] = (base + requests / weight[key], now, requests)
            continue
        misses += 1
        if weight[key] > capacity:
            continue
        base_before = base
        while total + weight[key] > capacity:
            victim = min(resident, key=lambda each: resident[each][:2])
            base = max(base, resident.pop(victim)[0])
            total -= weight[victim]
        resident[key] = (base_before + 1 / weight[key], now, 1)
        total += weight[key]
    return misses


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_gdsf_evicts_the_lowest_priority(seed: int, sized: bool) -> None:
    random = np.random.default_rng(seed)
    weight = random.integers(1, 60, 600) if sized else np.ones(600, int)
    ids = (600 * random.random(8_000) ** 2).astype(int).tolist()
    sizes = weight[ids].tolist()
    for entries in (1, 5, 30, 200):
        capacity = entries * (30 if sized else 1)
        assert replay("gdsf", capacity, ids, sizes).misses == gdsf_misses(capacity, ids, sizes)


def test_gdsf_lets_former_favourites_go() -> None:
    # Six keys have five places to share, and so miss, until the favourite of old has left.
    ids = [0] * 50 + [1, 2, 3, 4, 5, 6] * 100
    misses = replay("gdsf", 6, ids).misses
    assert 100 < misses < 400
    assert replay("gdsf", 6, ids + [1, 2, 3, 4, 5, 6] * 100).misses == misses


def hyperbolic_misses(capacity: int, ids: list[int], sizes: list[int]) -> int:
    """Compare the rates of all; there must be no two equal."""
    since: dict[int, int] = {}
    requests: dict[int, int] = {}
    weight = dict(zip(ids, sizes, strict=True))
    misses = 0
    for now, key in enumerate(ids):
        if key in since:
            requests[key] += 1
            continue
        misses += 1
        if weight[key] > capacity:
            continue
        while sum(weight[each] for each in since) + weight[key] > capacity:
            rates = {each: requests[each] / ((now - since[each]) * weight[each]) for each in since}
            assume(len(set(rates.values())) == len(rates))
            victim = min(rates, key=lambda each: rates[each])
            del since[victim]
        since[key] = now
        requests[key] = 1
    return misses


@settings(max_examples=100, deadline=None)
@given(
    ids=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    weights=st.permutations([17, 19, 23, 29, 31, 37]),
    capacity=st.integers(37, 120),
)
def test_hyperbolic_evicts_the_lowest_rate_of_a_sample_of_all(
    ids: list[int], weights: list[int], capacity: int
) -> None:
    sizes = [weights[each] for each in ids]
    simulation = replay("hyperbolic", capacity, ids, sizes, {"sample": 1024})
    assert simulation.misses == hyperbolic_misses(capacity, ids, sizes)


def test_lhd_keeps_a_part_of_a_loop_that_is_too_large() -> None:
    ids = list(range(300)) * 100
    optimum = replay("belady", 200, ids).misses
    assert replay("lru", 200, ids).misses == len(ids)
    assert replay("lhd", 200, ids).misses < 1.5 * optimum


@pytest.mark.parametrize("policy", ["gdsf", "hyperbolic", "lhd"])
def test_heavy_entries_make_room_for_many_light_ones(policy: str) -> None:
    random = np.random.default_rng(5)
    ids = random.integers(0, 400, 40_000)
    sizes = np.where(ids % 4 == 0, 100, 1)
    light = int((sizes == 1).sum())
    simulation = replay(policy, 1_000, ids.tolist(), sizes.tolist())
    missed_light = (100 * simulation.misses - simulation.missed_bytes) / 99
    assert missed_light < 0.15 * light
