"""The learned policy: what a model changes, in simulations and in the live cache."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache
from augury._native import Model, Simulation, hash_integers
from augury.errors import ConfigurationError
from augury.features import FEATURES
from tests.unit.learnable import asked_four_times
from tests.unit.test_policies_auto import recent

NAMES = [feature.name for feature in FEATURES]


def ranking_by(name: str, sign: float = 1.0, features: int = len(FEATURES)) -> Model:
    """A model that evicts whose feature is the highest."""
    weights = np.zeros(features, np.float32)
    weights[NAMES.index(name)] = sign
    ones = np.ones(features, np.float32)
    return Model(
        "linear",
        {"weights": weights, "bias": np.zeros(1, np.float32), "mean": 0 * ones, "scale": ones},
    )


def skewed(requests: int, keys: int, seed: int = 0) -> NDArray[np.uint64]:
    return (keys * np.random.default_rng(seed).random(requests) ** 3).astype(np.uint64)


def misses(
    keys: NDArray[np.uint64],
    capacity: int,
    policy: str,
    model: Model | None,
    parameters: dict[str, float] | None = None,
) -> int:
    numbers, ids = np.unique(keys, return_inverse=True)
    simulation = Simulation(policy, capacity, model=model, parameters=parameters or {})
    simulation.feed(ids.astype(np.uint32), hash_integers(numbers), keys=numbers)
    simulation.validate()
    return simulation.misses


UNGUARDED = {"guard": 0.0}


def test_without_a_model_it_is_about_auto() -> None:
    keys = skewed(30_000, 3_000)
    auto = misses(keys, 300, "auto", None)
    assert abs(misses(keys, 300, "learned", None) - auto) < 0.01 * auto


def test_a_bad_model_does_harm_only_without_the_guard() -> None:
    keys = skewed(60_000, 3_000)
    auto = misses(keys, 300, "auto", None)
    backwards = ranking_by("usual")  # evicts the popular
    assert misses(keys, 300, "learned", backwards, UNGUARDED) > 1.1 * auto
    assert misses(keys, 300, "learned", backwards) < 1.04 * auto


def test_a_good_model_rules_and_misses_less_than_auto() -> None:
    keys = asked_four_times(40_000)
    dead = ranking_by("count")  # four requests, and that was it
    auto = misses(keys, 250, "auto", None)
    assert misses(keys, 250, "learned", dead) < 0.97 * auto


def test_a_model_of_few_requests_makes_it_better_than_lru_under_skew() -> None:
    keys = skewed(30_000, 3_000)
    assert misses(keys, 300, "learned", ranking_by("usual", -1)) < misses(keys, 300, "lru", None)


@pytest.mark.parametrize("capacity", [1, 2, 3, 64, 500, 10_000])
@pytest.mark.parametrize("name", ["age", "novelty"])  # all scores of the latter are equal
def test_any_model_serves_any_size(capacity: int, name: str) -> None:
    keys = skewed(20_000, 2_000)
    numbers, ids = np.unique(keys, return_inverse=True)
    simulation = Simulation("learned", capacity, model=ranking_by(name))
    simulation.feed(ids.astype(np.uint32), hash_integers(numbers), keys=numbers)
    simulation.validate()
    assert simulation.entries == min(capacity, len(numbers))


def test_models_change_in_between() -> None:
    keys = skewed(30_000, 3_000)
    numbers, ids = np.unique(keys, return_inverse=True)
    hashes = hash_integers(numbers)
    simulation = Simulation("learned", 200)
    for part, model in enumerate([None, ranking_by("age"), None, ranking_by("usual", -1)]):
        simulation.use_model(model)
        simulation.feed(ids[part * 7_000 : part * 7_000 + 7_000].astype(np.uint32), hashes)
        simulation.validate()
    assert simulation.entries == 200


def request(cache: Cache[int, int], keys: NDArray[np.uint64]) -> None:
    for key in keys.tolist():
        if cache.get(key) is None:
            cache[key] = 1


def loop(requests: int, keys: int) -> NDArray[np.uint64]:
    return np.arange(requests, dtype=np.uint64) % np.uint64(keys)


def test_a_new_model_wakes_the_shadows() -> None:
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    request(cache, loop(30_000, 500))  # nothing changes any more, and they rest
    cache._use_model(ranking_by("usual"), None)  # evicts the popular
    request(cache, asked_four_times(15_000) + 1_000)
    assert cache._inspect(0)[3] != "model"  # with which it began


def test_without_its_model_nobody_is_said_to_rule_by_it() -> None:
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    cache._use_model(ranking_by("count"), None)
    request(cache, asked_four_times(20_000) + 1_000_000)
    request(cache, recent()[:20_000].astype(np.uint64))
    cache._use_model(None, None)
    keys = loop(20_000, 2_000)
    for at in range(0, len(keys), 500):
        request(cache, keys[at : at + 500])
        assert not cache._inspect(0)[3].startswith("model")


def test_memory_stays_bounded() -> None:
    requests, capacity = 200_000, 1_000
    simulation = Simulation("learned", capacity, model=ranking_by("age"))
    ids = np.arange(requests, dtype=np.uint32)
    simulation.feed(ids, hash_integers(ids.astype(np.uint64)))
    floor = 65_536 * 64  # what a small cache remembers, too
    assert simulation.bytes - 8 * requests < floor + 1_000 * capacity


def test_the_live_cache_decides_as_the_simulation_does() -> None:
    keys = skewed(20_000, 2_000)
    model = ranking_by("age")
    cache: Cache[int, int] = Cache(150, policy="learned")
    cache._use_model(model, None)
    missed = 0
    for key in keys.tolist():
        if cache.get(key) is None:
            missed += 1
            cache[key] = key + 1
    cache.validate()
    assert missed == misses(keys, 150, "learned", model)


def test_a_live_cache_changes_models_and_keeps_its_entries() -> None:
    cache: Cache[object, int] = Cache(50, policy="learned")
    for each in range(40):
        cache[each] = each
        cache[f"user:{each}"] = each
        cache._use_model(None if each % 3 == 0 else ranking_by("age"), None)
        cache.validate()
    assert len(cache) == 50
    cache.clear()
    cache[-1] = cache[2**80] = 1
    cache.validate()
    assert len(cache) == 2


def test_a_live_cache_refuses_what_does_not_score_its_rows() -> None:
    cache: Cache[int, int] = Cache(5, policy="learned")
    for wrong in ("model", 3, ranking_by("age", features=len(FEATURES) + 1)):
        with pytest.raises(ConfigurationError):
            cache._use_model(wrong, None)  # type: ignore[arg-type]


def test_a_simulation_refuses_a_model_of_other_features() -> None:
    with pytest.raises(ValueError, match="other features"):
        Simulation("learned", 5, model=ranking_by("age", features=len(FEATURES) + 1))
