"""What a cache tells of a key is true, readable, and changes nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

import augury
from augury import Cache, policies
from augury.errors import ArtefactError
from augury.features import FEATURES
from augury.learning import explain
from augury.models import Artefact
from tests.unit.learnable import popular_and_scans
from tests.unit.test_artefact import F, linear


@pytest.fixture(scope="module")
def model() -> Artefact:
    return augury.learn(popular_and_scans(), model="tree")


@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_every_policy_says_what_it_can(policy: str) -> None:
    now = 100.0
    cache: Cache[str, int] = Cache(
        10, policy=policy, weigher=lambda _, value: value, clock=lambda: now, learn=False
    )
    cache.set("there", 3, ttl=5)
    cache["kept"] = 1
    there, kept, absent = (cache.explain(key) for key in ("there", "kept", "absent"))
    assert (there.resident, there.weight) == (True, 3)
    assert there.expires_in == pytest.approx(5)
    assert (kept.resident, kept.weight, kept.expires_in) == (True, 1, None)
    assert (absent.resident, absent.weight, absent.expires_in) == (False, None, None)
    assert str(there).startswith("'there' is in the cache, weight 3, expires in 5.0 s\n")
    assert str(absent).startswith("'absent' is not in the cache\n")
    assert there.policy == policy
    assert policy in there.reason
    now += 6
    assert not cache.explain("there").resident
    assert cache.stats().expirations == 0  # and it did not take it out, either


@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_leaves_no_trace(policy: str, model: Artefact) -> None:
    plain: Cache[int, int] = Cache(40, policy=policy, learn=False)
    asked: Cache[int, int] = Cache(40, policy=policy, learn=False)
    if policies.describe(policy).learns:
        plain.use_model(model)
        asked.use_model(model)
    for key in popular_and_scans(3_000).tolist():
        for cache in (plain, asked):
            if cache.get(key) is None:
                cache[key] = 1
        if key % 7 == 0:
            asked.explain(key)
            asked.explain(-key)
    assert set(plain) == set(asked)
    assert plain.stats() == asked.stats()


def test_tells_the_models_prediction_and_why(model: Artefact) -> None:
    cache: Cache[int, int] = Cache(250, policy="learned", model=model, learn=False)
    for key in popular_and_scans(5_000).tolist():
        if cache.get(key) is None:
            cache[key] = 1
    popular, never = cache.explain(0), cache.explain(-1)
    assert popular.ruling == "model"
    assert popular.next_access is not None
    assert never.next_access is not None
    assert popular.next_access < never.next_access
    assert popular.probability is not None
    assert never.probability is not None
    assert popular.probability > never.probability
    assert len(popular.influences) == len(FEATURES)
    sizes = [abs(each.contribution or 0.0) for each in popular.influences]
    assert sizes == sorted(sizes, reverse=True)
    row = np.array(
        [
            32.0 if each.value is None else each.value
            for each in sorted(
                popular.influences, key=lambda each: [f.name for f in FEATURES].index(each.feature)
            )
        ],
        np.float32,
    )
    stay = next(each.value for each in popular.influences if each.feature == "stay")
    assert stay is not None
    wait = 2 ** (model.score(row[None])[0] + stay) - 1
    assert popular.next_access == pytest.approx(max(0.0, wait))
    assert "tree, learned from" in str(popular)
    assert popular.next_victim in cache


def test_tells_features_without_a_model_too() -> None:
    cache: Cache[str, int] = Cache(5, policy="learned", learn=False)
    cache["a"] = 1
    told = cache.explain("a")
    assert told.ruling == "most workloads"
    assert told.next_access is None
    assert told.stays is not None
    assert {each.contribution for each in told.influences} == {None}
    assert told.reason == "policy learned (most workloads) decides"


def test_a_model_whose_file_explains_nothing_still_predicts() -> None:
    bare = linear()
    cache: Cache[str, int] = Cache(
        5, policy="learned", model=Artefact(bare.kind, bare.arrays, bare.card), learn=False
    )
    told = cache.explain("a")
    assert told.next_access is not None
    assert told.influences[0].contribution is None


def test_a_model_kept_without_what_explains_it_still_predicts(model: Artefact) -> None:
    background = {"background": model.explanation["background"]}  # and a forest needs its cover
    bare = Artefact(model.kind, model.arrays, model.card, background)
    cache: Cache[str, int] = Cache(5, policy="learned", model=bare, learn=False)
    assert cache.explain("a").influences[0].contribution is None
    with pytest.raises(ArtefactError, match="keeps no rows to explain it by"):
        explain(bare)


def test_a_score_that_is_no_number_is_never() -> None:
    far = linear(weights=np.full(F, 3e38, np.float32), scale=np.full(F, 1e-30, np.float32))
    cache: Cache[str, int] = Cache(5, policy="learned", model=far, learn=False)
    cache["a"] = 1
    told = json.loads(cache.explain("a").to_json())
    assert told["next_access"] > 1e18


@pytest.mark.parametrize("key", ["a", 3, 2**70, ("t", 1), float("nan"), None, frozenset({1})])
def test_has_a_json_form(key: object) -> None:
    cache: Cache[object, int] = Cache(1, policy="learned", learn=False)
    cache[key] = 1
    told = json.loads(cache.explain(key).to_json())
    assert told["resident"] is True
    assert told["key"] == (key if isinstance(key, str | int | None) else repr(key))
    assert told["reason"]


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "key", [10**5_000, Mute(), ("user", Mute())], ids=["long", "mute", "nested"]
)
def test_keys_that_cannot_be_shown_are_explained_all_the_same(key: object) -> None:
    cache: Cache[object, int] = Cache(2, policy="lru")
    cache[key] = 1
    for asked in (key, "a"):  # which is next to leave in the second
        told = cache.explain(asked)
        assert "that cannot be shown>" in str(told)
        assert "that cannot be shown>" in told.to_json()


def test_keys_that_cannot_be_are_refused_as_everywhere() -> None:
    class Hostile:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("mine")

    cache: Cache[object, int] = Cache(3, policy="learned", learn=False)
    with pytest.raises(TypeError):
        cache.explain([])
    cache[Hostile()] = 1
    with pytest.raises(RuntimeError, match="mine"):
        cache.explain(Hostile())
