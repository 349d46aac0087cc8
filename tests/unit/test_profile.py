"""A profile tells what plain counting tells."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury import _native
from augury.accesslog import Profile, Spool, profile, requests_of
from augury.simulation import simulate


def profile_of(keys: list[int]) -> Profile:
    with Spool(requests_of(keys)) as spool:
        return profile(spool)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=300))
def test_counts_and_distances(keys: list[int]) -> None:
    found = profile_of(keys)
    counts = Counter(keys)
    assert found.requests == len(keys)
    assert found.distinct == len(counts)
    assert found.one_hit_wonders == sum(count == 1 for count in counts.values())
    assert found.popularity[0] == (1, max(counts.values()))
    for capacity, ratio in found.lru_miss_ratios:
        assert ratio == pytest.approx(simulate(keys, policy="lru", capacity=capacity).miss_ratio)


def test_sessions() -> None:
    with Spool(requests_of([1, 2, 3, 1], sessions=["ada", "bob", "ada", None])) as spool:
        found = profile(spool)
    assert (found.sessions, found.requests_per_session) == (3, 4 / 3)
    assert (profile_of([1]).sessions, profile_of([1]).requests_per_session) == (None, None)


def test_distances_through_renumbering() -> None:
    """The LRU miss ratios of a long trace equal the simulator's at every size."""
    keys = (20_000 * np.random.default_rng(4).random(200_000) ** 2).astype(np.uint64).tolist()
    for capacity, ratio in profile_of(keys).lru_miss_ratios[::8]:
        assert ratio == pytest.approx(
            simulate(keys, policy="lru", capacity=capacity).miss_ratio, abs=1e-12
        )


def test_buckets_are_in_order_and_fine() -> None:
    bounds = _native.Reuse.bounds()
    assert bounds[:16].tolist() == list(range(1, 17))
    widths = np.diff(bounds.astype(np.float64))
    assert (widths > 0).all()
    assert (widths <= bounds[:-1] / 16 + 1).all()
    assert bounds[-1] >= 2**31


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.4])
def test_finds_the_exponent_of_a_zipf_law(exponent: float) -> None:
    counts = (200_000 / np.arange(1, 2_000) ** exponent).astype(int)
    keys = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    np.random.default_rng(5).shuffle(keys)
    found = profile_of(keys)  # type: ignore[arg-type]
    assert found.skew == pytest.approx(exponent, abs=0.08)


def test_one_request() -> None:
    found = profile_of([5])
    assert found.skew is None
    assert found.median_reuse_distance is None
    assert found.hottest_percent == 1.0
    assert found.lru_miss_ratios == ((1, 1.0),)
