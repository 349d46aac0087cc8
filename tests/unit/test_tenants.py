"""Tenants with a cache each: whatever one does, nothing that another can see depends on it.

That is more than a measurement of time could show: an operation of one tenant's cache touches the
same state, and so does the same work, whatever others have asked for.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import augury
from augury import policies
from augury.codecs import Keyring, Serializer
from augury.inference import CachedModel
from augury.models import Registry
from augury.policies import Policy
from augury.tiers import Entry, Tier
from augury.tiers.disk import Disk
from augury.tiers.memory import Memory
from augury.tiers.redis import Redis
from tests.servers.valkey import valkey
from tests.unit.learnable import popular_and_scans
from tests.unit.test_artefact import linear

REQUESTS = 4_000
POLICIES = policies.names(offline=False)


def cache_of(policy: str) -> augury.Cache[int, Any]:
    learns = policies.describe(policy).learns
    more: dict[str, Any] = {"learn": False, "model": linear()} if learns else {}
    return augury.Cache(64, policy=Policy(policy), ttl=None, clock=lambda: 0.0, **more)


def seen_by_a(policy: str, disturb: Callable[[int], object]) -> list[object]:
    """Return all that tenant A sees of its cache, while something else goes on."""
    cache, chance, seen = cache_of(policy), random.Random(1), list[object]()
    for at in range(REQUESTS):
        disturb(at)
        key = int(200 * chance.random() ** 2)
        seen.append(cache.get(key))
        if seen[-1] is None:
            cache[key] = at
        if at % 400 == 0:
            told = cache.explain(key)
            seen += [str(told), cache.predict(key), cache.stats(), list(cache)]
    return seen


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_that_a_tenant_sees_depends_on_another(policy: str) -> None:
    other = cache_of(policy)

    def busy(at: int) -> None:
        for key in (at % 300, at % 7, 10_000 + at):
            if other.get(key) is None:
                other[key] = "of B"
        other.predict(at % 300)

    assert seen_by_a(policy, busy) == seen_by_a(policy, lambda _: None)


def test_one_cache_for_all_would_tell() -> None:
    shared: augury.Cache[object, Any] = augury.Cache(2, policy="lru")

    def is_evicted_after(asked_by_b: list[object]) -> bool:
        shared.clear()
        shared["probe of A"] = 1
        for key in asked_by_b:
            if shared.get(key) is None:
                shared[key] = 1
        return "probe of A" not in shared

    assert is_evicted_after(["x", "y"])
    assert not is_evicted_after(["x", "x"])


def test_nobody_waits_for_the_load_of_another_tenant() -> None:
    mine, other = cache_of("lru"), cache_of("lru")
    begun, end = threading.Event(), threading.Event()

    def slow(_: int) -> str:
        begun.set()
        end.wait(60)
        return "of B"

    thread = threading.Thread(target=other.get_or_load, args=(1, slow))
    thread.start()
    begun.wait(60)
    assert mine.get_or_load(1, lambda _: "of A") == "of A"  # with one flight, this would never end
    assert thread.is_alive()
    end.set()
    thread.join()
    assert (mine[1], other[1]) == ("of A", "of B")


def test_a_model_reaches_the_tenant_that_learned_it_only(tmp_path: Path) -> None:
    registries = [Registry(tmp_path / name) for name in ("a", "b")]
    caches = [
        augury.Cache[int, int](10, policy="learned", model=each, learn=False) for each in registries
    ]
    registries[1].publish(augury.learn(popular_and_scans().tolist(), "tree", rows=2_000))
    assert registries[0].versions() == []
    assert caches[0].model is None
    caches[1].use_model(registries[1].load())
    assert caches[0].model is None
    assert caches[0].predict(1) is None
    assert caches[1].predict(1) is not None


def test_outputs_of_a_model_are_kept_for_each_tenant() -> None:
    def compute(rows: Any) -> Any:
        ran.append(len(rows))
        return rows.sum(axis=1)

    ran: list[int] = []
    rows = np.ones((3, 2))
    for _ in ("a", "b"):
        CachedModel(compute, augury.Cache(100), version="1")(rows)
    assert ran == [1, 1] or ran == [3, 3]  # B's rows are computed as if A had never asked


def keyed(number: int) -> Serializer:
    return Serializer(keys=Keyring({1: bytes([number]) * 32}))


def check_apart(mine: Tier, other: Tier) -> None:
    """Check that two tiers know nothing of each other's entries."""
    keys = ["user:1", "user:2"]
    mine.set_many({key: Entry("of A") for key in keys})
    assert not other.get_many(keys)
    other.set_many({"user:1": Entry("of B")})
    other.delete_many(["user:2"])
    found = mine.get_many(keys)
    assert all(isinstance(each, Entry) and each.value == "of A" for each in found.values())
    assert len(found) == 2
    other.clear()
    assert len(mine.get_many(keys)) == 2


def test_tiers_of_tenants_in_memory_and_on_disk(tmp_path: Path) -> None:
    check_apart(Memory(10), Memory(10))
    with (
        closing(Disk(tmp_path / "a", "4MiB", serializer=keyed(1))) as mine,
        closing(Disk(tmp_path / "b", "4MiB", serializer=keyed(2))) as other,
    ):
        check_apart(mine, other)


def test_tenants_share_a_server_by_namespaces_and_keys_of_their_own() -> None:
    with (
        valkey() as server,
        closing(Redis(server.url, namespace="a", serializer=keyed(1))) as mine,
        closing(Redis(server.url, namespace="b", serializer=keyed(2))) as other,
    ):
        check_apart(mine, other)
        stored = {name: server.ask("GET", name) for name in server.ask("KEYS", "*")}
        assert not any(b"of A" in content for content in stored.values())
        for name, content in stored.items():  # whoever writes to the server moves entries
            server.ask("SET", b"b" + name[1:], content)
        told: list[str] = []
        other.on_corrupt = lambda error: told.append(str(error))
        assert not other.get_many(["user:1"])
        assert "of another context or key" in told[0]
