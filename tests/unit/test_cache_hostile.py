"""Keys, values, listeners, weighers and clocks that raise, lie or use the cache themselves."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from augury import Cache, Cause, cached, policies
from augury._native import hash_integers
from augury.errors import ConfigurationError
from tests.unit.colliding_keys import Key

POLICIES = policies.names(offline=False)


class Boom(Exception):
    pass


class Unhashable:
    def __hash__(self) -> int:
        raise Boom("hash")


class Incomparable:
    def __init__(self, number: int = 0) -> None:
        self.number = number

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise Boom("eq")


OPERATIONS: dict[str, Callable[[Cache[Any, Any], Any], object]] = {
    "get": lambda cache, key: cache.get(key),
    "subscript": lambda cache, key: cache[key],
    "peek": lambda cache, key: cache.peek(key),
    "contains": lambda cache, key: key in cache,
    "ttl": lambda cache, key: cache.ttl(key),
    "set": lambda cache, key: cache.set(key, 1),
    "assign": lambda cache, key: cache.__setitem__(key, 1),
    "setdefault": lambda cache, key: cache.setdefault(key, 1),
    "update": lambda cache, key: cache.update([(key, 1)]),
    "set_many": lambda cache, key: cache.set_many([(key, 1)]),
    "get_many": lambda cache, key: cache.get_many([key]),
    "delete": lambda cache, key: cache.delete(key),
    "delete_many": lambda cache, key: cache.delete_many([key]),
    "del": lambda cache, key: cache.__delitem__(key),
    "pop": lambda cache, key: cache.pop(key),
    "get_or_load": lambda cache, key: cache.get_or_load(key, lambda _: 1),
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


@every_operation
@pytest.mark.parametrize("key", [Unhashable(), [], {}, bytearray(b"x"), (1, [])])
def test_an_unhashable_key_raises_and_changes_nothing(name: str, key: Any) -> None:
    cache: Cache[Any, Any] = Cache(4)
    cache["a"] = 1
    before = cache.stats()
    with pytest.raises((Boom, TypeError)):
        OPERATIONS[name](cache, key)
    assert cache.stats() == before
    assert dict(cache) == {"a": 1}
    cache.validate()


@every_operation
def test_what_eq_raises_reaches_the_caller_and_changes_nothing(name: str) -> None:
    cache: Cache[Any, Any] = Cache(4)
    held = Incomparable()
    cache[held] = value = object()
    references = sys.getrefcount(held), sys.getrefcount(value)
    before = cache.stats()
    for _ in range(50):
        with pytest.raises(Boom, match="eq"):
            OPERATIONS[name](cache, Incomparable())
    assert cache.stats() == before
    assert (sys.getrefcount(held), sys.getrefcount(value)) == references
    assert cache[held] is value  # identity comes before __eq__
    cache.validate()


DISTURBANCES: dict[str, Callable[[Cache[Any, Any]], object]] = {
    "delete the entry": lambda cache: cache.pop(next(iter(cache), None), None),
    "clear": lambda cache: cache.clear(),
    "evict all": lambda cache: [cache.set(("other", i), i) for i in range(30)],
    "grow": lambda cache: cache.resize(500) or [cache.set(("other", i), i) for i in range(400)],  # type: ignore[func-returns-value]
    "shrink": lambda cache: cache.resize(1),
    "replace all": lambda cache: [cache.set(key, "new") for key in [*cache]],
    "collect": lambda cache: gc.collect(),
    "expire": lambda cache: [cache.set(key, 0, ttl=1e-9) for key in [*cache]] + [len(cache)],
}


@every_operation
@pytest.mark.parametrize("disturbance", DISTURBANCES)
@pytest.mark.parametrize("sought", [0, 3, 99])
def test_eq_may_do_anything_to_the_cache(name: str, disturbance: str, sought: int) -> None:
    cache: Cache[Any, Any] = Cache(8)

    def disturb() -> None:
        DISTURBANCES[disturbance](cache)

    for number in range(6):
        cache[Key(number)] = number
    key = Key(sought, disturb)
    with contextlib.suppress(KeyError):
        OPERATIONS[name](cache, key)
    cache.validate()
    assert len(cache) == len([*cache])
    cache.clear()
    assert len(cache) == 0
    cache.validate()


def test_a_key_that_always_disturbs_ends_in_an_error() -> None:
    cache: Cache[Any, int] = Cache(8)

    class Restless(Key):
        def __eq__(self, other: object) -> bool:
            cache["x"] = cache.get("x", 0) + 1
            return False

        __hash__ = Key.__hash__

    cache[Key(0)] = 0
    with pytest.raises(RuntimeError, match="changed the cache again and again"):
        cache.get(Restless(1))
    cache.validate()


def test_equal_keys_are_one_and_the_first_is_kept() -> None:
    cache: Cache[Any, int] = Cache(8)
    first, second = Key(1), Key(1)
    cache[first] = 1
    cache[second] = 2
    assert next(iter(cache)) is first
    assert cache[second] == 2
    cache[1] = 1
    cache[True] = 2
    cache[1.0] = 3
    assert cache[1] == 3
    assert len(cache) == 2
    nan = float("nan")
    cache[nan] = 5
    assert cache[nan] == 5
    assert -nan not in cache


def test_a_key_whose_hash_changes_does_no_harm() -> None:
    class Fickle:
        value = 1

        def __hash__(self) -> int:
            return self.value

    cache: Cache[Any, int] = Cache(3)
    key = Fickle()
    for value in range(100):
        key.value = value
        cache[key] = value
        cache.validate()
    assert len(cache) == 3
    assert cache[key] == 99
    cache.clear()
    cache.validate()


@pytest.mark.parametrize("hashes", [[1, 2], [0], [-1], [-2], [2**61 - 2], [0, 2**32, 2**60]])
def test_any_number_of_keys_may_share_a_hash(hashes: list[int]) -> None:
    class Shared:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return hashes[self.number % len(hashes)]

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Shared) and self.number == other.number

    cache: Cache[Any, int] = Cache(700, policy="fifo")
    for number in range(800):
        cache[Shared(number)] = number
    cache.validate()
    assert sorted(cache.values()) == [*range(100, 800)]
    assert cache[Shared(500)] == 500
    assert Shared(3) not in cache


def test_a_search_ends_however_slots_were_pushed_about() -> None:
    """Each chunk of the table has an entry that it passed on, so that no chunk ends a search."""
    numbers = np.arange(2000, dtype=np.uint64)
    home = ((hash_integers(numbers) >> np.uint64(32)) & np.uint64(1)).tolist()
    left = [n for n in range(2000) if home[n] == 0]
    right = [n for n in range(2000) if home[n] == 1]
    cache: Cache[int, int] = Cache(18)
    for key in left[:13]:  # the 13th goes to the other chunk
        cache[key] = key
    for key in left[:12]:
        del cache[key]
    for key in right[:12]:
        cache[key] = key
    cache.validate()
    assert cache.get(left[100]) is None
    assert cache.get(right[100]) is None


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("policy", POLICIES)
def test_finalisers_may_use_the_cache(policy: str) -> None:
    cache: Cache[int, Any] = Cache(10, policy=policy)
    alive = 0

    class Value:
        def __init__(self, number: int) -> None:
            nonlocal alive
            alive += 1
            self.number = number

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1
            cache.get(self.number)
            cache.delete(self.number + 1)
            if self.number < 1000:
                cache[self.number + 1000] = Value(self.number + 1000)
            len(cache)

    for number in range(300):
        cache[number % 40] = Value(number)
        if number % 7 == 0:
            cache.pop(number % 40 - 3, None)
        if number % 100 == 0:
            cache.clear()
        cache.validate()
    for _ in range(3):
        cache.clear()
    assert len(cache) == 0
    assert alive == 0
    cache.validate()


def test_a_cache_may_hold_itself_and_nest_deeply() -> None:
    cache: Cache[Any, Any] = Cache(4)
    cache["self"] = cache
    assert cache["self"] is cache
    assert cache == cache
    outer: Cache[int, Any] = Cache(1)
    for _ in range(100_000):
        inner, outer = outer, Cache(1)
        outer[0] = inner
    del outer, inner


def test_values_that_compare_strangely() -> None:
    array = np.arange(3)
    cache: Cache[str, Any] = Cache(4)
    cache["array"] = array
    cache["nan"] = nan = float("nan")
    assert ("array", array) in cache.items()
    assert ("nan", nan) in cache.items()
    assert ("none", None) not in cache.items()
    assert array in cache.values()


# ---------------------------------------------------------------- listeners


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: seen.append(raised.exc_type))
    yield seen
    seen.clear()


def test_what_a_listener_raises_goes_to_the_unraisable_hook(unraisable: list[Any]) -> None:
    def listener(key: str, value: int, cause: Cause) -> None:
        raise Boom

    cache: Cache[str, int] = Cache(1, on_evict=listener)
    cache["a"] = 1
    cache["b"] = 2
    cache["b"] = 3
    assert cache.pop("b") == 3
    cache["c"] = 4
    cache.clear()
    assert unraisable == [Boom] * 4
    with pytest.raises(KeyError):
        del cache["c"]
    cache.validate()


def test_a_listener_leaves_the_error_of_the_operation_alone() -> None:
    told: list[Any] = []

    def listener(key: Any, value: Any, cause: Cause) -> None:
        told.append((key, cause))
        assert sys.exc_info()[0] is None
        cache.get("other")

    cache: Cache[Any, int] = Cache(4, on_evict=listener)

    def drop() -> None:
        cache.delete("x")
        raise Boom

    cache["x"] = 1
    cache[Key(0)] = 0
    with pytest.raises(Boom):
        cache.get(Key(1, drop))
    assert told == [("x", Cause.EXPLICIT)]


@pytest.mark.parametrize("policy", POLICIES)
def test_listeners_may_use_the_cache(policy: str) -> None:
    depth = 0
    events: list[tuple[int, Cause]] = []

    def listener(key: int, value: int, cause: Cause) -> None:
        nonlocal depth
        events.append((key, cause))
        cache.validate()
        if depth < 3:
            depth += 1
            cache[key + 1000] = value
            cache.pop(key + 1, None)
            if key % 17 == 0:
                cache.clear()
            depth -= 1

    cache: Cache[int, int] = Cache(5, policy=policy, on_evict=listener)
    for number in range(200):
        cache[number % 23] = number
        cache.get(number % 7)
    cache.clear()
    stats = cache.stats()
    dropped = stats.evictions + stats.removals + stats.updates
    assert dropped == len(events)
    assert len(cache) == stats.insertions - stats.evictions - stats.removals
    cache.validate()


def test_a_listener_that_never_stops_inserting_is_stopped(unraisable: list[Any]) -> None:
    """By the recursion limit, which leaves no room for calling the hook either."""

    def listener(key: int, value: int, cause: Cause) -> None:
        cache[key + 1] = value

    cache: Cache[int, int] = Cache(1, on_evict=listener)
    cache[0] = 0
    cache[1] = 1
    assert len(cache) == 1
    cache.validate()


# ---------------------------------------------------------------- weighers and clocks


@pytest.mark.parametrize("weight", [-1, 0, 2**62 + 1, 2**64, 10**400, 1.0, math.nan, "1", None])
def test_a_weight_that_makes_no_sense_is_refused(weight: Any) -> None:
    cache: Cache[str, int] = Cache(10, weigher=lambda key, value: weight if key == "bad" else 2)
    cache["good"] = 1
    with pytest.raises(ConfigurationError, match="sizes must be"):
        cache["bad"] = 2
    with pytest.raises(ConfigurationError, match="sizes must be"):
        cache.set("worse", 2, size=weight)
    with pytest.raises(ConfigurationError, match="capacity"):
        Cache(weight)
    with pytest.raises(ConfigurationError, match="capacity"):
        cache.resize(weight)
    assert dict(cache) == {"good": 1}
    assert cache.weight == 2
    cache.validate()


def test_weights_are_whatever_is_an_integer() -> None:
    cache: Cache[str, Any] = Cache(10, weigher=lambda key, value: value)
    cache["a"] = np.int64(3)
    cache["b"] = True
    assert cache.weight == 4
    assert cache.set("c", 11) is False
    assert cache.stats().rejections == 1
    assert cache.set("a", 2**62) is False  # and what was there is out of date
    assert "a" not in cache


def test_weighers_may_raise_and_use_the_cache() -> None:
    def weigh(key: Any, value: Any) -> int:
        if value == "raise":
            raise Boom
        if value == "clear":
            cache.clear()
        if value == "write":
            cache.set(key, "inner", size=1)
        return 3

    cache: Cache[Any, Any] = Cache(9, weigher=weigh)
    cache["a"] = 1
    with pytest.raises(Boom):
        cache["a"] = "raise"
    assert cache["a"] == 1
    cache["b"] = "clear"
    assert dict(cache) == {"b": "clear"}
    cache["c"] = "write"
    assert cache["c"] == "write"
    assert cache.weight == 6
    cache.validate()


@pytest.mark.parametrize("time", [math.nan, -1, -math.inf, math.inf, 1e10, 1e300])
def test_a_clock_that_makes_no_sense_is_refused(time: float) -> None:
    now = 1.0
    cache: Cache[str, int] = Cache(10, ttl=5, clock=lambda: now)
    cache["a"] = 1
    now = time
    for operation in OPERATIONS.values():
        with pytest.raises(ConfigurationError, match="clock"):
            operation(cache, "a")
    now = 2.0
    assert cache["a"] == 1
    cache.validate()


def test_a_clock_may_raise_go_back_and_use_the_cache() -> None:
    now = 1000.0

    def clock() -> float:
        if now < 0:
            raise Boom
        cache.peek("x") if now == 7 else None
        return now

    cache: Cache[str, int] = Cache(10, ttl=5, clock=clock)
    cache["a"] = 1
    now = -1
    for operation in OPERATIONS.values():
        with pytest.raises(Boom):
            operation(cache, "a")
    now = 500.0
    assert cache["a"] == 1
    cache["b"] = 2
    cache.validate()
    now = 1001.0
    assert "b" not in cache
    assert cache["a"] == 1
    now = 2000.0
    assert len(cache) == 0
    cache.validate()


def test_only_the_caches_own_clock_decides() -> None:
    """Entries with a deadline that appear in the middle of a write count by the same clock."""
    cache: Cache[Any, int] = Cache(8, clock=lambda: 0.0)

    def appear() -> None:
        cache.set(Key(2), 2, ttl=1)

    cache[Key(1)] = 1
    cache.set(Key(2, appear), 3)
    assert cache.stats().expirations == 0
    assert cache.stats().updates == 1


# ---------------------------------------------------------------- construction


def test_init_may_not_run_twice_even_from_its_own_arguments() -> None:
    cache: Cache[int, int] = Cache(4)
    with pytest.raises(RuntimeError, match="before"):
        cache.__init__(4)  # type: ignore[misc]

    class Capacity:
        def __index__(self) -> int:
            if depth[0] == 0:
                depth[0] = 1
                Cache.__init__(late, 3)
                late[1] = 1
            return 5

    depth = [0]
    late: Cache[int, int] = Cache.__new__(Cache)
    with pytest.raises(RuntimeError, match="before"):
        Cache.__init__(late, Capacity())  # type: ignore[arg-type]
    assert late.capacity == 3
    assert late[1] == 1


@every_operation
def test_a_cache_without_init_is_empty_and_refuses_writes(name: str) -> None:
    cache: Cache[Any, Any] = Cache.__new__(Cache)
    with contextlib.suppress(RuntimeError, KeyError):
        OPERATIONS[name](cache, "a")
    assert len(cache) == 0
    assert [*cache] == []
    with pytest.raises(RuntimeError):
        cache.clear()


# ---------------------------------------------------------------- garbage collection inside


@pytest.mark.parametrize("read", ["keys", "values", "items"])
def test_the_collector_may_run_in_the_middle_of_a_snapshot(read: str) -> None:
    """What is being listed may vanish whenever CPython allocates a container."""
    cache: Cache[Any, Any] = Cache(500)
    generations = gc.get_threshold()

    def disturb(phase: str, info: dict[str, int]) -> None:
        cache.clear()

    for _ in range(20):
        for number in range(300):
            cache[(number, "key")] = [number]
        gc.callbacks.append(disturb)
        gc.set_threshold(1)
        try:
            for item in getattr(cache, f"_{read}")():
                repr(item)
        finally:
            gc.callbacks.remove(disturb)
            gc.set_threshold(*generations)
    cache.validate()


def test_keyword_names_may_run_code_when_compared() -> None:
    class Name(str):
        def __eq__(self, other: object) -> bool:
            shelf.clear()
            return str.__eq__(self, str(other))

        __hash__ = str.__hash__

    shelf: Cache[Any, Any] = Cache(8)

    @cached(shelf)
    def function(**options: int) -> int:
        return sum(options.values())

    for _ in range(20):
        assert function(**{Name("a"): 1}) == 1
        assert function(**{Name("a"): 1}) == 1
    shelf.validate()


def test_weakref_callbacks_see_a_dead_cache() -> None:
    seen: list[Any] = []
    cache: Cache[int, int] = Cache(3)
    cache[1] = 1
    reference = weakref.ref(cache, seen.append)
    del cache
    assert seen == [reference]
