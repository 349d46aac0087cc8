"""A registry in Redis, alone or in a cluster, does what one in a folder does, on any machine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from augury import Cache
from augury.errors import ArtefactError, ConfigurationError, TierError
from augury.learning import Learner
from augury.tiers.redis import Exchange, Redis, RedisRegistry
from tests.servers.valkey import shared, shared_cluster, valkey
from tests.unit.test_artefact import linear
from tests.unit.test_registry import bias, publish

pytest.importorskip("redis")


@pytest.fixture(params=["alone", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    return shared().url if request.param == "alone" else shared_cluster().url


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def registry(url: str, name: str) -> Iterator[RedisRegistry]:
    made = RedisRegistry(url, name, timeout=30.0)
    yield made
    made.close()


@pytest.fixture
def elsewhere(url: str, name: str) -> Iterator[RedisRegistry]:
    """The same registry, as another machine has it."""
    made = RedisRegistry(url, name, timeout=30.0)
    yield made
    made.close()


def test_the_newest_is_current_everywhere(
    registry: RedisRegistry, elsewhere: RedisRegistry
) -> None:
    assert elsewhere.current() is None
    assert elsewhere.versions() == []
    publish(registry, 1, 2)
    assert [(v.number, v.current) for v in elsewhere.versions()] == [(1, False), (2, True)]
    current = elsewhere.current()
    assert current is not None
    assert (current.number, current.path.parent) == (2, elsewhere.folder)
    assert (bias(elsewhere), bias(elsewhere, 1)) == (2, 1)
    with pytest.raises(ArtefactError, match="has no version 7"):
        elsewhere.load(7)


def test_rolls_back_step_by_step_and_goes_on(
    registry: RedisRegistry, elsewhere: RedisRegistry
) -> None:
    with pytest.raises(ArtefactError, match="has no model yet"):
        registry.load()
    publish(registry, 1, 2, 3)
    assert registry.rollback().number == 2
    assert elsewhere.rollback().number == 1
    with pytest.raises(ArtefactError, match="no version was current before"):
        registry.rollback()
    assert bias(registry) == 1
    publish(elsewhere, 4)
    assert bias(registry) == 4
    assert registry.rollback().number == 1


def test_any_version_can_be_made_current(registry: RedisRegistry, elsewhere: RedisRegistry) -> None:
    publish(registry, 1, 2)
    assert not registry.publish(linear(bias=np.array([3], np.float32)), activate=False).current
    assert bias(elsewhere) == 2
    assert elsewhere.activate(3) == elsewhere.current()
    assert elsewhere.activate(3).number == 3
    assert bias(registry) == 3
    assert registry.rollback().number == 2
    with pytest.raises(ArtefactError, match="has no version 9"):
        registry.activate(9)


def test_prunes_but_for_what_is_needed(registry: RedisRegistry) -> None:
    publish(registry, 1, 2, 3, 4, 5)
    registry.rollback()
    registry.rollback()  # 3 is current, 2 was before
    assert registry.prune(keep=1) == [1, 4]
    assert [v.number for v in registry.versions()] == [2, 3, 5]
    assert {path.name.partition("-")[0] for path in registry.folder.iterdir()} == {
        "000002", "000003", "000005"
    }  # fmt: skip
    assert registry.rollback().number == 2
    with pytest.raises(ConfigurationError, match="keep"):
        registry.prune(keep=0)
    publish(registry, 6)
    assert [v.number for v in registry.versions()] == [2, 3, 5, 6]


def test_files_go_of_versions_that_another_machine_has_pruned(
    registry: RedisRegistry, elsewhere: RedisRegistry
) -> None:
    for number in (1, 2, 3):
        publish(registry, number)
        elsewhere.current()
    assert registry.prune(keep=1) == [1]
    assert elsewhere.prune(keep=1) == []
    assert len(list(elsewhere.folder.iterdir())) == 2


@pytest.mark.parametrize("number", ["9" * 5000, "\u0660" * 6, "../../1"])
def test_names_that_it_did_not_give_are_no_versions(registry: RedisRegistry, number: str) -> None:
    publish(registry, 1)
    stranger = f"{number}-{'0' * 32}"
    put = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"
    registry._hash.run(put, stranger, b"what?")
    assert [version.number for version in registry.versions()] == [1]
    registry._hash.run(put, "history", stranger.encode())
    with pytest.raises(ArtefactError, match="is damaged"):
        registry.current()


def test_writers_take_turns(registry: RedisRegistry, elsewhere: RedisRegistry) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(publish, registry, *range(8)) for _ in range(4)]:
            done.result()
    assert [v.number for v in elsewhere.versions()] == list(range(1, 33))


def test_what_was_damaged_on_its_way_is_not_used(
    registry: RedisRegistry, elsewhere: RedisRegistry
) -> None:
    publish(registry, 1)
    (field,) = [each for each in registry._hash.fields() if "-" in each]
    registry._hash.run("redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])", field, b"AUGURYML")
    with pytest.raises(ArtefactError, match="version 1 is damaged"):
        elsewhere.current()
    registry._hash.run("redis.call('HSET', KEYS[1], 'history', 'what?')")
    with pytest.raises(ArtefactError, match="is damaged"):
        elsewhere.current()


def test_a_tier_that_is_cleared_leaves_models(url: str, registry: RedisRegistry) -> None:
    publish(registry, 1)
    tier = Redis(url, namespace="augury-registry", timeout=30.0)
    tier.clear()
    tier.close()
    assert bias(registry) == 1


def test_a_cache_follows_it(registry: RedisRegistry, elsewhere: RedisRegistry) -> None:
    publish(registry, 1)
    cache: Cache[int, int] = Cache(100, policy="learned", model=elsewhere, learn=False)
    assert isinstance(cache.learner, Learner)
    assert cache.model is not None
    assert float(cache.model.arrays["bias"][0]) == 1
    publish(registry, 2)
    cache.learner.step()
    assert float(cache.model.arrays["bias"][0]) == 2
    registry.rollback()
    cache.learner.step()
    assert float(cache.model.arrays["bias"][0]) == 1
    cache.learner.close()


def test_a_lost_version_whose_number_is_given_again_is_told_apart(
    registry: RedisRegistry, elsewhere: RedisRegistry
) -> None:
    """A failover may lose what was published last."""
    cache: Cache[int, int] = Cache(100, policy="learned", model=elsewhere, learn=False)
    publish(registry, 1)
    assert cache.learner is not None
    cache.learner.step()
    registry._hash.delete()
    publish(registry, 2)
    cache.learner.step()
    assert cache.model is not None
    assert float(cache.model.arrays["bias"][0]) == 2
    cache.learner.close()


def test_a_server_that_is_lost_leaves_the_model_in_use(tmp_path: Path) -> None:
    with valkey() as server:
        registry = RedisRegistry(server.url, folder=tmp_path, timeout=1.0)
        publish(registry, 1)
        cache: Cache[int, int] = Cache(100, policy="learned", model=registry, learn=False)
        server.kill()
        with pytest.raises(TierError):
            registry.current()
        assert cache.learner is not None
        cache.learner.step()
        first, *others = [event.step.value for event in cache.learner.events]
        assert first == "followed"
        assert set(others) == {"failed"}
        assert cache.model is not None
        cache.learner.close()
        registry.close()
        assert list(tmp_path.glob("000001-*.augury"))


def test_contributions_come_from_each_node_once(url: str, name: str) -> None:
    exchange, other = (Exchange(url, name, timeout=30.0) for _ in range(2))
    assert other.received() == {}
    exchange.send("a", b"\x00first")
    exchange.send("a", b"\xffsecond")
    other.send("b", linear(bias=np.zeros(1, np.float32)).to_bytes())
    received = exchange.received()
    assert received.keys() == {"a", "b"}
    assert received["a"] == b"\xffsecond"
    exchange.clear()
    assert other.received() == {}
    exchange.close()
    other.close()
    for ttl in (0.0, 1e300):
        with pytest.raises(ConfigurationError, match="ttl"):
            Exchange(url, name, ttl=ttl)
