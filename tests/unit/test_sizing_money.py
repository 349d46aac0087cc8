"""The recommended size is the one that trying all of them finds."""

from __future__ import annotations

import numpy as np
import pytest

from augury.accesslog import InMemoryTrace
from augury.errors import ConfigurationError
from augury.sizing import Curve, Goal, Miss, Prices, Tenant, Tier, curve, split
from augury.sizing.money import GIB, MONTH


def workload(keys: int = 500, requests: int = 20_000, seed: int = 1) -> InMemoryTrace:
    drawn = (keys * np.random.default_rng(seed).random(requests) ** 3).astype(np.uint64)
    return InMemoryTrace(drawn, sizes=np.full(requests, 1_000, np.uint64))


@pytest.fixture(scope="module")
def found() -> Curve:
    return curve(workload(), method="exact")


def test_the_best_is_the_cheapest(found: Curve) -> None:
    price, miss = 5_000.0, Miss(cost=1e-9, requests_per_second=1_000.0)
    best = Prices(found, [Tier(gib_month=price)], miss).recommend().best

    def cost(capacity: int) -> float:
        missed = found.at(capacity) * 1_000.0 * MONTH * 1e-9
        return capacity * 1_000 / GIB * price + missed

    assert 0 < best.capacities[0] < 500
    assert best.cost == pytest.approx(min(cost(c) for c in [0, *found.capacities.tolist()]))
    assert best.bytes == (best.capacities[0] * 1_000,)


def test_goals_are_reached_by_the_smallest(found: Curve) -> None:
    hits = Prices(found).recommend(Goal(hit_ratio=0.8))
    assert hits.why == "goal"
    (size,) = hits.best.capacities
    assert found.at(size) <= 0.2 < found.at(size - 16)
    slow = Prices(found, [Tier(latency=1e-6)], Miss(latency=0.01)).recommend(Goal(latency=0.003))
    assert slow.best.latency <= 0.003
    assert slow.best.latency == pytest.approx(0.003, rel=0.05)


def test_two_tiers(found: Curve) -> None:
    tiers = [Tier("memory", 4.0, 1e-6), Tier("disk", 0.1, 1e-4)]
    best = Prices(found, tiers, Miss(latency=0.02)).recommend(Goal(latency=0.001)).best
    memory, disk = best.capacities
    assert memory == 0 < disk  # the disk is cheaper, and fast enough
    assert best.latency <= 0.001
    assert sum(best.hit_ratios) == pytest.approx(1 - best.miss_ratio)
    fast = Prices(found, tiers, Miss(latency=0.02)).recommend(Goal(latency=0.0006)).best
    assert fast.capacities[0] >= memory
    with pytest.raises(ConfigurationError, match="no size reaches the goal"):
        Prices(found, tiers, Miss(latency=0.02)).recommend(Goal(latency=1e-9))


def test_without_prices_it_is_the_knee(found: Curve) -> None:
    told = Prices(found).recommend()
    assert (told.why, told.best.capacities) == ("knee", (found.knee,))
    assert told.next_gib is not None
    assert told.next_gib.miss_ratio == found.least
    limited = Prices(found).recommend(Goal(budget=10_000.0))
    assert limited.best.capacities == (10,)


def test_the_next_gib_costs_what_it_does_not_save(found: Curve) -> None:
    told = Prices(found, [Tier(gib_month=4.0)]).recommend(Goal(hit_ratio=1 - found.least))
    assert told.next_gib_saves == pytest.approx(-4.0, rel=1e-3)


def test_entries_of_unknown_size() -> None:
    bare = curve([1, 2, 1, 3] * 10)
    told = Prices(bare).recommend()
    assert (told.best.bytes, told.next_gib, told.next_gib_saves) == (None, None, None)
    for goal, tiers in ((Goal(budget=100), [Tier()]), (Goal(), [Tier(gib_month=1)])):
        with pytest.raises(ConfigurationError, match="how many bytes an entry takes"):
            Prices(bare, tiers).recommend(goal)
    ones = InMemoryTrace(np.array([1, 2, 1], np.uint64), sizes=np.ones(3, np.uint64))
    assert Prices(curve(ones)).unit is None
    assert Prices(bare, entry_bytes=50).recommend(Goal(budget=100)).best.bytes == (100,)


def test_bad_figures(found: Curve) -> None:
    for wrong in (-1.0, float("nan"), float("inf")):
        for make in (
            lambda value: Tier(gib_month=value),
            lambda value: Tier(latency=value),
            lambda value: Miss(cost=value),
            lambda value: Miss(latency=value),
            lambda value: Miss(requests_per_second=value),
            lambda value: Goal(latency=value),
            lambda value: Goal(hit_ratio=value),
            lambda value: Goal(budget=value),
            lambda value: Prices(found, entry_bytes=value),
            lambda value: Tenant("a", found, weight=value),
            lambda value: Tenant("a", found, unit=value),
            lambda value: split([Tenant("a", found)], value),
        ):
            with pytest.raises(ConfigurationError, match="must"):
                make(wrong)
    for budget in (0.0, -5.0):
        with pytest.raises(ConfigurationError, match="must be more than 0"):
            Goal(budget=budget)
        with pytest.raises(ConfigurationError, match="must be more than 0"):
            split([Tenant("a", found)], budget)
    with pytest.raises(ConfigurationError, match="requests a second"):
        Prices(found, miss=Miss(cost=1.0)).recommend()
    with pytest.raises(ConfigurationError, match="1 to 3 tiers"):
        Prices(found, [Tier()] * 4)
    with pytest.raises(ConfigurationError, match="at least one tenant"):
        split([], 5)


def test_a_split_is_as_good_as_the_best_of_all() -> None:
    """Where curves are convex; budgets are hull points, so that nothing is left in between."""
    tenants = [
        Tenant("a", curve(workload(300, seed=1), method="exact")),
        Tenant("b", curve(workload(900, 5_000, seed=2), method="exact")),
        Tenant("c", curve(workload(100, seed=3), method="exact"), weight=100.0),
    ]
    for budget in (50, 200, 600):
        shares = split(tenants, budget)
        assert sum(share.size for share in shares) == pytest.approx(budget)

        def weighted(sizes: tuple[float, ...]) -> float:
            return sum(t.misses_count * t.curve.at(s) for t, s in zip(tenants, sizes, strict=True))

        best = min(
            weighted((a, b, budget - a - b))
            for a in range(0, budget + 1, 5)
            for b in range(0, budget + 1 - a, 5)
        )
        assert weighted(tuple(share.size for share in shares)) <= best * 1.02
        assert weighted(tuple(share.size for share in shares)) <= weighted((budget / 3,) * 3)


def test_a_split_sees_beyond_a_plateau() -> None:
    scan = curve([*range(100)] * 50)  # nothing hits below 100 entries
    hot = curve([number % 10 for number in range(500)])
    shares = split([Tenant("scan", scan), Tenant("hot", hot)], 110)
    assert [share.capacity for share in shares] == [100, 10]
    assert shares[0].miss_ratio == pytest.approx(0.02)
    assert shares[0].even_miss_ratio == 1.0
