"""Miss-ratio curves are what counting by hand, and replaying at every size, says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury import _native
from augury.accesslog import InMemoryTrace, requests_of
from augury.errors import ConfigurationError, TraceError
from augury.simulation import simulate
from augury.sizing import Curve, curve


def skewed(requests: int, keys: int, power: float = 3, seed: int = 1) -> NDArray[np.uint64]:
    random = np.random.default_rng(seed)
    drawn: NDArray[np.uint64] = (keys * random.random(requests) ** power).astype(np.uint64)
    return drawn


def sized(keys: NDArray[np.uint64]) -> InMemoryTrace:
    return InMemoryTrace(keys, sizes=10 + keys * 7 % 50)


def depths(keys: list[int], weights: list[int]) -> list[float]:
    """Stack distances as the definition says, in quadratic time; infinite of first requests."""
    stack: list[tuple[int, int]] = []
    found: list[float] = []
    for key, weight in zip(keys, weights, strict=True):
        at = next((at for at, (other, _) in enumerate(stack) if other == key), None)
        if at is None:
            found.append(np.inf)
        else:
            found.append(weight + sum(other for _, other in stack[:at]))
            del stack[at]
        stack.insert(0, (key, weight))
    return found


def off(found: Curve, exact: Curve) -> float:
    """Mean absolute error, over a hundred sizes spaced evenly."""
    sizes = np.linspace(0, float(exact.capacities[-1]), 101)[1:]
    return float(np.mean([abs(found.at(size) - exact.at(size)) for size in sizes]))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=300))
def test_exact_is_exact(keys: list[int]) -> None:
    found = curve(keys, method="exact")
    true = np.array(depths(keys, [1] * len(keys)))
    for capacity, ratio in zip(found.capacities, found.miss_ratios, strict=True):
        assert ratio == pytest.approx(np.mean(true > capacity))
    assert found.least == pytest.approx(len(set(keys)) / len(keys))
    assert (found.distinct, found.requests, found.rate) == (len(set(keys)), len(keys), 1.0)
    assert not found.errors.any()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=200))
def test_exact_is_exact_by_bytes(keys: list[int]) -> None:
    trace = sized(np.array(keys, np.uint64))
    weights = [10 + key * 7 % 50 for key in keys]
    found = curve(trace, method="exact", by_bytes=True)
    true, of = np.array(depths(keys, weights)), np.array(weights)
    assert found.byte_miss_ratios is not None
    for at, capacity in enumerate(found.capacities):
        assert found.miss_ratios[at] == pytest.approx(np.mean(true > capacity))
        assert found.byte_miss_ratios[at] == pytest.approx(of[true > capacity].sum() / of.sum())


def test_exact_is_what_the_simulator_counts() -> None:
    """Through many renumberings of the stack."""
    keys = skewed(30_000, 4_000)
    found = curve(keys, method="exact")
    for capacity in found.capacities[::20].tolist():
        simulated = simulate(keys, policy="lru", capacity=capacity)
        assert found.at(capacity) == pytest.approx(simulated.miss_ratio)
    by_bytes = curve(sized(keys), method="exact", by_bytes=True)
    for capacity in by_bytes.capacities[::20].tolist():
        if capacity >= 60:  # no value is larger
            simulated = simulate(sized(keys), policy="lru", capacity=capacity, by_bytes=True)
            assert by_bytes.at(capacity) == pytest.approx(simulated.miss_ratio)
            assert by_bytes.byte_ratio_at(capacity) == pytest.approx(simulated.byte_miss_ratio)


@pytest.mark.parametrize("by_bytes", [False, True])
def test_shards_of_all_keys_is_exact(by_bytes: bool) -> None:
    trace = sized(skewed(20_000, 3_000))
    exact = curve(trace, method="exact", by_bytes=by_bytes)
    for chosen in ({"sample": 1.0}, {"most_keys": 3_000}, {}):
        found = curve(trace, method="shards", by_bytes=by_bytes, **chosen)
        assert found.miss_ratios.tolist() == exact.miss_ratios.tolist()
        assert found.byte_miss_ratios is not None
        assert exact.byte_miss_ratios is not None
        assert found.byte_miss_ratios.tolist() == exact.byte_miss_ratios.tolist()
        assert found.capacities.tolist() == exact.capacities.tolist()
        assert not found.errors.any()


@pytest.mark.parametrize("by_bytes", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {"method": "shards", "sample": 0.1},
        {"method": "shards", "most_keys": 4_000},
        {"method": "aet", "sample": 0.1},
        {"method": "aet", "most_keys": 4_000},
        {"method": "simulation", "sample": 0.1},
        {"method": "simulation", "most_keys": 4_000},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_samples_are_near_and_know_how_near(how: dict[str, object], by_bytes: bool) -> None:
    trace = sized(skewed(400_000, 40_000, power=2))
    exact = curve(trace, method="exact", by_bytes=by_bytes)
    found = curve(trace, by_bytes=by_bytes, **how)  # type: ignore[arg-type]
    assert 0.08 < found.rate < 0.12
    assert found.distinct == pytest.approx(exact.distinct, rel=0.02)
    assert off(found, exact) < 0.015
    assert (np.diff(found.miss_ratios) <= 0).all()
    inside = [
        abs(found.at(size) - exact.at(size)) <= found.error_at(size) + 0.005
        for size in np.linspace(0.1, 0.9, 20) * exact.capacities[-1]
    ]
    assert np.mean(inside) > 0.7
    assert 0 < found.errors.mean() < 0.1


def test_fixed_size_takes_fixed_memory() -> None:
    few, many = (_native.StackDistances(1.0, 1_000, 1, False) for _ in range(2))
    few.feed(np.arange(10_000, dtype=np.uint64))
    for start in range(0, 1_000_000, 100_000):
        many.feed(np.arange(start, start + 100_000, dtype=np.uint64))
    assert few.keys == many.keys == 1_000
    assert many.bytes == few.bytes
    assert many.rate == pytest.approx(0.001, rel=0.15)
    assert many.distinct == pytest.approx(1_000_000, rel=0.02)


def test_a_cyclic_scan_has_a_cliff() -> None:
    found = curve(np.tile(np.arange(20, dtype=np.uint64), 50), method="exact")
    assert (found.at(19), found.at(20), found.knee) == (1.0, 0.02, 20)


@pytest.mark.parametrize("policy", ["fifo", "s3fifo", "auto", "belady", "learned"])
def test_simulation_of_all_keys_is_the_simulation(policy: str) -> None:
    keys = skewed(20_000, 2_000)
    found = curve(keys, policy, capacities=["10%", 50])
    assert found.capacities.tolist() == [50, found.distinct // 10]
    for capacity in found.capacities.tolist():
        simulated = simulate(keys, policy=policy, capacity=capacity)
        assert found.at(capacity) == pytest.approx(simulated.miss_ratio, abs=0.001)


def test_simulation_of_a_sample_of_text() -> None:
    keys = [f"user:{key}" for key in skewed(100_000, 10_000).tolist()]
    whole = curve(keys, "s3fifo", sample=1.0)
    found = curve(keys, "s3fifo", sample=0.2)
    assert off(found, whole) < 0.02
    assert not whole.errors.any()
    assert found.errors.any()


def test_aet_knows_a_stationary_trace() -> None:
    keys = skewed(500_000, 5_000, power=2)
    exact = curve(keys, method="exact")
    assert off(curve(keys, method="aet", sample=1.0), exact) < 0.005


@pytest.mark.parametrize("method", ["exact", "shards", "aet", "simulation"])
def test_one_key(method: str) -> None:
    found = curve([7, 7, 7, 7], method=method)
    assert (found.capacities.tolist(), found.miss_ratios.tolist()) == ([1], [0.25])
    assert (found.knee, found.least, found.at(100)) == (1, 0.25, 0.25)
    assert curve([7], method=method).miss_ratios.tolist() == [1.0]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"method": "guess"}, "method must be one of exact, shards, aet, simulation, not 'guess'"),
        ({"policy": "fifo", "method": "shards"}, "measures LRU"),
        ({"sample": 0.0}, "sample must be above 0"),
        ({"sample": float("nan")}, "sample must be above 0"),
        ({"most_keys": 0}, "most_keys must be from 1"),
        ({"method": "exact", "sample": 0.1}, "leave the sample out"),
        ({"method": "simulation", "sample": 0.1, "most_keys": 10}, "either sample or most_keys"),
        ({"by_bytes": True}, "has no sizes"),
        ({"by_bytes": True, "policy": "fifo"}, "has no sizes"),
        ({"capacities": []}, "at least one capacity"),
        ({"capacities": [0]}, "must be more than 0"),
        ({"seed": -1}, "seed must be"),
        ({"sample": 1e-9}, "no key of the trace is in the sample"),
        ({"sample": 1e-9, "policy": "fifo"}, "no key of the trace is in the sample"),
    ],
)
def test_refusals(how: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        curve([1, 2, 1], **how)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_an_empty_trace_and_sizes_that_are_none() -> None:
    with pytest.raises(TraceError, match="at least one request"):
        curve([])
    endless = InMemoryTrace(np.array([1, 2], np.uint64), sizes=np.full(2, 2**63, np.uint64))
    with pytest.raises(TraceError, match="add up to more than"):
        curve(endless)


def test_the_same_sample_twice() -> None:
    trace = requests_of(skewed(50_000, 9_000))
    one, same, other = (curve(trace, sample=0.1, seed=seed) for seed in (1, 1, 2))
    assert one.miss_ratios.tolist() == same.miss_ratios.tolist()
    assert one.miss_ratios.tolist() != other.miss_ratios.tolist()
