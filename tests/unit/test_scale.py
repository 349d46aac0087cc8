"""The parts of `benchmarks/scale.py`: what they say where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scaling import costs, hot_keys, placement, replication
from benchmarks.scaling.placement import Ring, imbalance, jump

NUMBERS = np.arange(20_000, dtype=np.uint64)
MEASURED = {
    "value": 200.0,
    "bytes_per_entry": 70.0,
    "hit_ns": 100.0,
    "record_1_percent_ns": 20.0,
    "log_row_bytes": 10.0,
    "learn_cpu_seconds": 4.0,
    "tier_bytes_per_entry": 380.0,
    "tier_server_cpu_us": 10.0,
    "tier_get_bytes": 290.0,
    "invalidation_bytes": 40.0,
    "decode_us": 1.0,
}


def test_a_node_that_leaves_a_ring_moves_its_own_keys_only() -> None:
    before, after = Ring((0, 1, 2, 3)).place(NUMBERS), Ring((0, 1, 3)).place(NUMBERS)
    assert ((before == after) | (before == 2)).all()
    assert set(after.tolist()) == {0, 1, 3}


def test_a_node_that_comes_takes_its_share_only() -> None:
    for before, after in (
        (Ring((0, 1, 2)).place(NUMBERS), Ring((0, 1, 2, 3)).place(NUMBERS)),
        (jump(NUMBERS, 3), jump(NUMBERS, 4)),
    ):
        assert ((before == after) | (after == 3)).all()
        assert 0.15 < np.mean(before != after) < 0.35


@pytest.mark.parametrize("slack", [1.0, 1.05, 1.5])
def test_bounds_hold_and_every_key_has_a_node(slack: float) -> None:
    placed = Ring(tuple(range(7))).place_bounded(NUMBERS, slack)
    assert placed.min() >= 0
    assert np.bincount(placed).max() <= np.ceil(slack * len(NUMBERS) / 7)


def test_jump_is_balanced() -> None:
    assert jump(NUMBERS, 1).max() == 0
    assert imbalance(jump(NUMBERS, 10)) < 1.1


def test_copies_are_on_different_nodes_the_first_on_the_keys_own() -> None:
    ring = Ring((0, 1, 2, 3), 10)
    copies = ring.copies(NUMBERS, 3)
    assert (copies[:, 0] == ring.place(NUMBERS)).all()
    assert all(len(set(row)) == 3 for row in copies[:500].tolist())


def test_results_are_the_same_for_a_seed() -> None:
    assert placement.compare(1_000, 5, 3) == placement.compare(1_000, 5, 3)
    assert replication.compare_stale(3) == replication.compare_stale(3)
    assert hot_keys.compare(1_000, 5, 5, 1e3, 3) == hot_keys.compare(1_000, 5, 5, 1e3, 3)


def test_near_caches_take_load_off_the_tier() -> None:
    rates = hot_keys.popularity(1_000, 1.0) * 1e4
    assert rates.sum() == pytest.approx(1e4)
    beyond = hot_keys.reach_tier(rates, 10, processes=5, lifetime=10.0)
    assert (beyond[10:] == rates[10:]).all()
    # A process that asks often fetches a key once a lifetime.
    assert beyond[:10] == pytest.approx([5 / 10] * 10, rel=0.01)


def test_who_waits_loads_once_a_lifetime() -> None:
    asked = {"rate": 1_000.0, "lifetime": 10.0, "takes": 0.1, "seconds": 100.0, "seed": 1}
    assert hot_keys.loads(groups=1, **asked) == 10  # type: ignore[arg-type]
    assert hot_keys.loads(groups=5, **asked) == 50  # type: ignore[arg-type]
    assert 700 < hot_keys.loads(groups=1 << 40, **asked) < 1_300  # type: ignore[arg-type]


def test_as_many_copies_as_failures_lose_something_more_do_not() -> None:
    assert replication.lost(2_000, 10, copies=1, failed=1, seed=1) == pytest.approx(0.1, abs=0.03)
    assert replication.lost(2_000, 10, copies=3, failed=2, seed=1) == 0.0


def test_copies_are_stale_as_long_as_they_lag() -> None:
    found = replication.stale(writes=0.1, lag=1.0, copies=1, seconds=100_000.0, seed=1)
    assert found["lost_writes_of_a_failure"] == pytest.approx(0.1, rel=0.1)  # Little's law
    none = replication.stale(writes=0.1, lag=1e-9, copies=1, seconds=1_000.0, seed=1)
    assert none["stale_reads"] < 0.001


@pytest.mark.parametrize("skew", [0.8, 0.9, 1.0, 1.1])
def test_the_share_of_the_popular_is_that_of_the_sum(skew: float) -> None:
    exact = hot_keys.popularity(100_000, skew)[:1_000].sum()
    assert costs.popular(1_000, 100_000, skew) == pytest.approx(exact, abs=0.002)


def test_loads_add_up() -> None:
    loads = costs.plans(MEASURED, costs.Assumptions())
    assert len(loads) == len(costs.RATES) * len(costs.KEYS)
    for load in loads:
        asked = load.near_hits + load.tier_hits + load.source_requests / load.requests
        assert asked == pytest.approx(1.0)
    ten = costs.plan(1e5, 1e9, MEASURED, costs.Assumptions(gib_month=40.0))
    one = costs.plan(1e5, 1e9, MEASURED, costs.Assumptions(gib_month=4.0))
    assert ten.money - one.money == pytest.approx(36 * (one.tier_gib + one.near_gib))
    assert "| 100,000 |" in costs.table([one])
