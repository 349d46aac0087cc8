"""What the shadows of an observed cache say is what whole simulations of the same reads say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import augury
from augury.observe import Observer, shadow
from augury.observe.views import CacheView

REQUESTS = 400_000


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_PAUSE", 0.0)
    monkeypatch.setattr(shadow, "_REST", 0.0)


@pytest.fixture(scope="module")
def keys() -> list[int]:
    random = np.random.default_rng(1)
    popular = np.minimum(random.zipf(1.2, REQUESTS) - 1, 99_999)
    return [int(key) for key in random.permutation(100_000)[popular]]


@pytest.fixture
def observer() -> Iterator[Observer]:
    with Observer(interval=3600) as observer:
        yield observer


def observed(
    observer: Observer, cache: augury.Cache[int, int], keys: list[int], samples: int = 10
) -> CacheView:
    observer.add("cache", cache)
    for part in np.array_split(np.array(keys), samples):
        for key in part.tolist():
            cache.get_or_load(key, lambda key: key)
        observer.sample()
    return observer.snapshot().caches[0]


def hit_ratio(keys: list[int], policy: str, capacity: int, warm: float = 0.5) -> float:
    return 1 - augury.simulate(keys, policy=policy, capacity=capacity, warm=warm).miss_ratio


@pytest.mark.parametrize("policy", ["lru", "fifo", "auto"])
@pytest.mark.parametrize("capacity", [500, 20_000])
def test_lru_and_the_optimum_are_what_simulation_says(
    observer: Observer, keys: list[int], policy: str, capacity: int
) -> None:
    cache: augury.Cache[int, int] = augury.Cache(capacity, policy=policy)
    point = observed(observer, cache, keys).history[-1]
    assert point.lru == pytest.approx(hit_ratio(keys, "lru", capacity, 0.9), abs=0.02)
    assert point.optimum == pytest.approx(hit_ratio(keys, "belady", capacity), abs=0.02)
    if policy == "lru":
        assert point.lru == pytest.approx(point.hit_ratio, abs=0.005)


def test_reads_left_out_of_a_burst_do_not_mislead(observer: Observer, keys: list[int]) -> None:
    cache: augury.Cache[int, int] = augury.Cache(500, policy="lru")
    point = observed(observer, cache, keys, samples=3).history[-1]
    assert point.lru == pytest.approx(point.hit_ratio, abs=0.005)


def test_the_curve_has_the_present_size_on_it(observer: Observer, keys: list[int]) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2_000, policy="lru")
    curve = observed(observer, cache, keys).curve
    assert curve is not None
    assert curve.present == 2_000
    assert curve.capacities == sorted(set(curve.capacities))
    found = float(np.interp(2_000, curve.capacities, curve.miss_ratios))
    assert found == pytest.approx(1 - hit_ratio(keys, "lru", 2_000, 0.0), abs=0.02)


def test_a_cache_that_weighs_is_compared_in_its_own_unit(
    observer: Observer, keys: list[int]
) -> None:
    cache: augury.Cache[int, int] = augury.Cache(
        100_000, policy="lru", weigher=lambda key, value: 50
    )
    view = observed(observer, cache, keys)
    assert view.history[-1].lru == pytest.approx(view.history[-1].hit_ratio, abs=0.01)
    assert view.curve is not None
    found = float(np.interp(100_000, view.curve.capacities, view.curve.miss_ratios))
    assert found == pytest.approx(1 - hit_ratio(keys, "lru", 2_000, 0.0), abs=0.02)


def test_a_warm_cache_is_compared_only_with_warm_shadows(
    observer: Observer, keys: list[int]
) -> None:
    cache: augury.Cache[int, int] = augury.Cache(5_000, policy="lru")
    for key in range(100_000, 105_000):
        cache[key] = key
    history = observed(observer, cache, keys[:40_000], samples=20).history
    assert history[0].lru is None
    assert history[-1].lru == pytest.approx(history[-1].hit_ratio, abs=0.02)


def test_a_resized_cache_is_sampled_anew(observer: Observer, keys: list[int]) -> None:
    cache: augury.Cache[int, int] = augury.Cache(500, policy="lru")
    observed(observer, cache, keys[:50_000])
    cache.resize(50_000)
    for key in keys[50_000:60_000]:
        cache.get_or_load(key, lambda key: key)
    observer.sample()
    point = observer.snapshot().caches[0].history[-1]
    assert (point.requests, point.lru) == (10_000, None)


def test_who_rules_and_why(observer: Observer, keys: list[int]) -> None:
    cache: augury.Cache[int, int] = augury.Cache(500)
    view = observed(observer, cache, []).policy
    assert (view.policy, view.ruling) == ("auto", "most workloads")
    assert view.candidates == {}
    assert view.reason == "nothing was compared yet, and it is what rules at first"
    for key in keys:
        cache.get_or_load(key, lambda key: key)
    view = observer.snapshot().caches[0].policy
    assert view.ruling in view.candidates
    assert len(view.candidates) == 4
    assert all(0.5 < ratio < 0.9 for ratio in view.candidates.values())
    assert f"{view.candidates[view.ruling]:.1%} of the requests" in view.reason


def test_a_policy_that_never_changes_says_so(observer: Observer) -> None:
    view = observed(observer, augury.Cache(5, policy="s3fifo"), [1, 2]).policy
    assert (view.ruling, view.reason) == ("s3fifo", "the cache was made with it")


READERS: list[Callable[[augury.Cache[int, int]], object]] = [
    lambda cache: cache.get(1),
    lambda cache: cache.get_many([1]),
    lambda cache: cache.get_or_load(1, lambda _: 1),
    lambda cache: cache[1],
]


@pytest.mark.parametrize("read", READERS)
def test_native_notes_reads_however_they_are_made(
    read: Callable[[augury.Cache[int, int]], object],
) -> None:
    cache: augury.Cache[int, int] = augury.Cache(10)
    cache._observe_reads(3, 1.0)
    cache.get(1)
    cache[1] = 1
    read(cache)
    assert (cache._take_reads() & np.uint64(1)).tolist() == [0, 1]


def test_native_notes_bursts_of_a_share_of_the_keys() -> None:
    cache: augury.Cache[int, int] = augury.Cache(10)
    assert len(cache._take_reads()) == 0
    cache._observe_reads(3, 1.0)
    for _ in range(2):
        for key in range(5):
            cache.get(key)
        first = cache._take_reads().tolist()
        assert len(set(first)) == 3
    assert not cache._observe_reads(10_000, 0.25)
    cache._observe_reads(0, 0.0)
    assert cache._observe_reads(10_000, 0.25)
    for key in range(10_000):
        cache.get(key)
    assert 2_200 < len(cache._take_reads()) < 2_800
    cache._observe_reads(0, 0.0)
    cache.get(1)
    assert len(cache._take_reads()) == 0
    with pytest.raises(ValueError, match="share"):
        cache._observe_reads(1, 2.0)


def test_prefetching_and_observing_do_not_disturb_each_other() -> None:
    cache: augury.Cache[int, int] = augury.Cache(100)
    cache._observe_reads(1_000, 0.5)
    with augury.Prefetcher(
        cache, lambda keys: {key: key for key in keys}, background=False
    ) as prefetcher:
        for key in range(1_000):
            cache.get(key)
        assert prefetcher.report().requests == 1_000
        assert 400 < len(cache._take_reads()) < 600
    for key in range(1_000):
        cache.get(key)
    assert 400 < len(cache._take_reads()) < 600


def test_of_a_burst_only_its_reads_are_kept() -> None:
    follower = shadow.Shadow(10, 1.0, warm=False)
    burst = np.zeros(shadow.BURST, dtype=np.uint64)
    follower.feed(burst[:3])
    (kept,) = follower._window
    assert kept.base is None
    assert kept.nbytes == 24
