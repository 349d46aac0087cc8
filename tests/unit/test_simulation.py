"""The simulator counts what a plain replay counts."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import augury
from augury.errors import ConfigurationError, TraceError
from augury.simulation import capacity_of, simulate, simulate_many
from tests.unit.test_artefact import linear


def lru_misses(keys: list[int], capacity: int) -> int:
    kept: OrderedDict[int, None] = OrderedDict()
    misses = 0
    for key in keys:
        if key not in kept:
            misses += 1
            if len(kept) == capacity:
                kept.popitem(last=False)
        kept[key] = None
        kept.move_to_end(key)
    return misses


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=200), st.integers(1, 15))
def test_counts_lru_as_a_plain_replay_does(keys: list[int], capacity: int) -> None:
    result = simulate(keys, policy="lru", capacity=capacity)
    assert result.misses == lru_misses(keys, capacity)
    assert result.requests == len(keys)


def test_text_and_numbers_of_the_same_digits_are_two_keys() -> None:
    assert simulate(["1", 1, "1", 1], capacity=5).misses == 2


def test_replays_more_than_one_chunk() -> None:
    keys = np.random.default_rng(1).integers(0, 5_000, 600_000, dtype=np.uint64)
    assert simulate(keys, policy="lru", capacity=500).misses == lru_misses(keys.tolist(), 500)


def test_many_at_once_count_as_each_alone() -> None:
    keys = (3_000 * np.random.default_rng(2).random(40_000) ** 3).astype(np.uint64)
    names = augury.policies.names()
    together = simulate_many(keys, names, ["1%", 100, "20%"], warm=0.3, jobs=3)
    alone = [
        simulate(keys, policy=name, capacity=size, warm=0.3)
        for name in names
        for size in ("1%", 100, "20%")
    ]
    assert [r.misses for r in together] == [r.misses for r in alone]
    assert [r.policy for r in together[::3]] == names
    assert {r.requests for r in together} == {28_000}


def test_warm_requests_fill_the_cache_and_are_not_counted() -> None:
    keys = list(range(10)) * 2
    assert simulate(keys, policy="lru", capacity=10, warm=0.5).misses == 0
    assert simulate(keys, policy="lru", capacity=10, warm=0.5).requests == 10
    assert simulate(keys, policy="lru", capacity=10, warm=0.49).misses == 1


def test_belady_knows_the_future_across_chunks() -> None:
    if "belady" not in augury.policies.names():
        pytest.skip("there is no belady yet")
    keys = np.tile(np.arange(1_000, dtype=np.uint64), 400)
    result = simulate(keys, policy="belady", capacity=500)
    lru = simulate(keys, policy="lru", capacity=500)
    assert lru.misses == 400_000
    # All 1000 keys once, then, of each 999 requests, the 499 or 500 whose key was not kept.
    assert result.misses == pytest.approx(1_000 + 399_000 * 500 / 999, rel=1e-3)


def test_progress_reaches_the_end() -> None:
    told: list[float] = []
    simulate_many(range(1_000), ["lru"], [10], progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("written", "by_bytes", "expected"),
    [
        ("1%", False, 50),
        (70, False, 70),
        ("0.001%", False, 1),
        ("1e3", False, 1000),
        ("64MiB", True, 64 << 20),
        ("64mib", True, 64 << 20),
        ("1.5 GB", True, 1_500_000_000),
        ("512", True, 512),
        ("2k", True, 2000),
        ("200%", False, 10_000),
    ],
)
def test_reads_sizes(written: str | int, by_bytes: bool, expected: int) -> None:
    assert capacity_of(written, 5_000, by_bytes=by_bytes) == expected


@pytest.mark.parametrize(
    "written",
    ["", "x", "-1", "0", "0%", "nan", "inf", "64MiB", "1e400", "1%%", "--", "5 0", -3, 0.1, "1.5"],
)
def test_refuses_sizes(written: str) -> None:
    with pytest.raises(ConfigurationError, match="size"):
        capacity_of(written, 5_000, by_bytes=False)


@pytest.mark.parametrize("warm", [1.0, -0.1, float("nan")])
def test_refuses_to_warm_with_everything(warm: float) -> None:
    with pytest.raises(ConfigurationError, match="warm"):
        simulate([1, 2], capacity=1, warm=warm)


def test_refuses_bytes_without_sizes() -> None:
    with pytest.raises(ConfigurationError, match="no sizes"):
        simulate([1, 2], capacity=1, by_bytes=True)


def test_refuses_an_empty_trace() -> None:
    with pytest.raises(TraceError, match="at least one request"):
        simulate([], capacity=1)


def test_refuses_a_model_that_is_none_or_that_nobody_asks() -> None:
    with pytest.raises(ConfigurationError, match="a model is an Artefact"):
        simulate([1, 2], policy="learned", capacity=1, model="first.augury")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not among the policies"):
        simulate([1, 2], policy="lru", capacity=1, model=linear())


def test_refuses_no_policy_of_that_name() -> None:
    with pytest.raises(ConfigurationError, match="unknown policy 'lur'"):
        simulate([1], policy="lur", capacity=1)
