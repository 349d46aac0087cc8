"""The live cache as a mapping: what it is, what it refuses, what subclasses may do."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import ItemsView, KeysView, MutableMapping, ValuesView
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from augury import Cache, Cause, Policy, cached, policies
from augury.errors import AuguryError, ConfigurationError

POLICIES = policies.names(offline=False)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_online_policy_serves(policy: str) -> None:
    cache: Cache[int, int] = Cache(10, policy=policy)
    for number in range(100):
        cache[number] = number
        assert cache[number] == number
    assert len(cache) == 10
    assert cache.policy == Policy(policy)
    cache.validate()


def test_offline_policies_are_refused() -> None:
    for policy in {*policies.names()} - {*POLICIES}:
        with pytest.raises(ConfigurationError, match="needs to know the future"):
            Cache(10, policy=policy)


def test_policies_take_parameters() -> None:
    cache: Cache[int, int] = Cache(10, policy="s3fifo(small=0.5)")
    assert cache.policy.parameters == {"small": 0.5}
    assert repr(cache) == "<Cache policy='s3fifo(small=0.5)' weight=0 of 10>"
    precise = Policy("s3fifo", {"small": 0.1234567})
    assert policies.parse(str(precise)) == precise
    twice = "s3fifo(small=0.1, small=0.2)"
    for policy in ("nothing", twice, "lru(x=1)", "s3fifo(small=7)", "lru(", "", 5, None):
        with pytest.raises(ConfigurationError):
            Cache(10, policy=policy)  # type: ignore[arg-type]


def test_set_tells_that_the_policy_gave_up_the_very_entry() -> None:
    cache: Cache[int, str] = Cache(4, policy="fifo")
    for key in range(4):
        cache[key] = "old"
    assert cache.set(0, "new", size=4) is False  # the oldest leaves first
    assert sorted(cache) == [1, 2, 3]
    assert cache.set(3, "new", size=2) is True


def test_it_is_a_mutable_mapping() -> None:
    cache: Cache[str, int] = Cache(10)
    assert isinstance(cache, MutableMapping)
    cache.update(a=1)
    cache.update({"b": 2}, c=3)
    cache.update([("d", 4)])
    assert dict(cache) == {"a": 1, "b": 2, "c": 3, "d": 4}
    keys, values, items = cache.keys(), cache.values(), cache.items()
    assert isinstance(keys, KeysView)
    assert isinstance(values, ValuesView)
    assert isinstance(items, ItemsView)
    assert keys & {"a", "z"} == {"a"}
    assert items & {("a", 1), ("b", 7)} == {("a", 1)}
    del cache["a"]
    assert len(keys) == len(values) == len(items) == 3  # they are views
    assert sorted(values) == [2, 3, 4]
    assert "a" not in keys
    assert ("b", 2) in items
    assert ("b", 3) not in items
    assert ("b", mock.ANY) in items
    assert ("a", mock.ANY) not in items
    assert 5 not in items  # type: ignore[operator]
    assert {**cache} == {"b": 2, "c": 3, "d": 4}


def test_iteration_sees_one_moment() -> None:
    cache: Cache[int, int] = Cache(10)
    cache.update({number: number for number in range(5)})
    seen = []
    for key in cache:
        seen.append(key)
        cache.clear()
        cache[key + 100] = key
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_equality_is_that_of_mappings() -> None:
    one: Cache[str, int] = Cache(10)
    two: Cache[str, int] = Cache(99, policy="fifo")
    assert one == two == {}
    one["a"] = 1
    assert one != two
    two["a"] = 1
    assert one == two == {"a": 1}
    assert one != [("a", 1)]  # type: ignore[comparison-overlap]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert not Cache[int, int](5)
    assert one


def test_it_is_neither_copied_nor_pickled() -> None:
    cache: Cache[str, int] = Cache(10)
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"cannot be pickled or copied; .* dict\(cache\)"):
            way(cache)


def test_subclasses_may_add_and_override() -> None:
    class Counting(Cache[str, int]):
        writes = 0

        def __init__(self, capacity: int) -> None:
            super().__init__(capacity, policy="fifo")
            self.name = "mine"

        def __setitem__(self, key: str, value: int) -> None:
            self.writes += 1
            super().__setitem__(key, value)

        def get(self, key: str, default: Any = None, /) -> Any:
            return super().get(key, default) or -1

    cache = Counting(2)
    cache["a"] = 1
    cache.update(b=2, c=3)
    assert cache.writes == 3
    assert cache.name == "mine"
    assert cache.get("a") == -1
    assert cache.get("c") == 3
    assert repr(cache) == "<Counting policy='fifo' weight=2 of 2>"
    assert cached(cache)(len)("four") == 4
    assert weakref.ref(cache)() is cache

    class Forgotten(Cache[str, int]):
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="__init__"):
        Forgotten()["a"] = 1


def test_no_attribute_is_added_by_mistake() -> None:
    cache: Cache[str, int] = Cache(10)
    with pytest.raises(AttributeError):
        cache.capasity = 5  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        cache.capacity = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": 0},
        {"ttl": -1.0},
        {"ttl": float("nan")},
        {"ttl": "60"},
        {"ttl": timedelta(0)},
        {"ttl": 10**400},
        {"weigher": 5},
        {"on_evict": "print"},
        {"clock": 0.0},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 1.0},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cache(10, **options)
    assert next(iter(options)) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, AuguryError)
    assert isinstance(caught.value, ValueError)


def test_times_to_live() -> None:
    now = 0.0
    cache: Cache[str, int] = Cache(10, ttl=timedelta(seconds=4), clock=lambda: now)
    cache["default"] = 1
    cache.set("short", 1, ttl=0.5)
    cache.set("delta", 1, ttl=timedelta(milliseconds=1500))
    cache.set("ever", 1, ttl=None)
    cache.set("infinite", 1, ttl=float("inf"))
    cache.set("aeons", 1, ttl=1e300)
    cache.set("least", 1, ttl=1e-300)
    assert [cache.ttl(key) for key in ("default", "short", "delta")] == [4.0, 0.5, 1.5]
    assert [cache.ttl(key) for key in ("ever", "infinite", "aeons")] == [None] * 3
    now = 0.5
    assert {*cache} == {"default", "delta", "ever", "infinite", "aeons"}
    now = 3.9
    assert cache["default"] == 1  # reading does not prolong
    now = 4.0
    assert "default" not in cache
    assert len(cache) == 3
    now = 8.9e9
    assert len(cache) == 3


def test_the_system_clock_expires() -> None:
    cache: Cache[str, int] = Cache(10)
    cache.set("a", 1, ttl=1e-6)
    cache.set("b", 1, ttl=1000)
    while "a" in cache:
        pass
    assert cache.get("a") is None
    assert [*cache] == ["b"]
    left = cache.ttl("b")
    assert left is not None
    assert 0 < left < 1000


def test_a_listener_is_told_why() -> None:
    now = 0.0
    told: list[tuple[str, int, Cause]] = []
    cache: Cache[str, int] = Cache(
        2, policy="lru", on_evict=lambda *event: told.append(event), clock=lambda: now
    )
    cache["a"] = 1
    cache["a"] = 2
    cache["b"] = 3
    cache["c"] = 4
    del cache["b"]
    cache.set("d", 5, ttl=1)
    now = 1.0
    assert cache.get("d") is None
    cache.set("c", 6, size=3)
    assert told == [
        ("a", 1, Cause.REPLACED),
        ("a", 2, Cause.SIZE),
        ("b", 3, Cause.EXPLICIT),
        ("d", 5, Cause.EXPIRY),
        ("c", 4, Cause.SIZE),
    ]


def test_statistics() -> None:
    cache: Cache[str, int] = Cache(2)
    assert cache.stats().hit_ratio == cache.stats().miss_ratio == 0.0
    cache["a"] = 1
    assert (cache.get("a"), cache.get("x"), cache.peek("a"), "a" in cache) == (1, None, 1, True)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.requests) == (1, 1, 2)
    assert stats.hit_ratio == stats.miss_ratio == 0.5
    cache.reset_stats()
    assert cache.stats().requests == 0
    assert len(cache) == 1


def test_none_is_a_value() -> None:
    cache: Cache[str, None] = Cache(2)
    cache["a"] = None
    assert "a" in cache
    assert cache.get("a", 5) is None
    assert cache.setdefault("a") is None
    assert cache.pop("a", 5) is None
    assert cache.get_or_load("b", lambda _: None) is None
    assert cache.stats().loads == 1
    assert cache.get_or_load("b", lambda _: 1) is None  # type: ignore[arg-type]


def test_methods_check_how_they_are_called() -> None:
    cache: Any = Cache(2)
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (cache.get, (), {}),
        (cache.get, (1, 2, 3), {}),
        (cache.peek, (1, 2, 3), {}),
        (cache.pop, (), {}),
        (cache.set, (1,), {}),
        (cache.set, (1, 2, 3), {}),
        (cache.set, (1, 2), {"tll": 3}),
        (cache.setdefault, (), {}),
        (cache.get_many, (5,), {}),
        (cache.get_many, ([[]],), {}),
        (Cache, (), {}),
        (Cache, (10, "lru"), {}),
    ]
    for function, positional, keywords in calls:
        with pytest.raises(TypeError):
            function(*positional, **keywords)
    assert len(cache) == 0
