"""Cycles are freed, and nothing leaks: not objects, not references, not memory."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from augury import Cache, cached, policies


class Node:
    """Something that can be part of a cycle."""

    other: Any = None


def through_a_value(node: Node) -> Any:
    cache: Cache[str, Any] = Cache(4)
    cache["k"] = node
    node.other = cache
    return cache


def through_a_key(node: Node) -> Any:
    cache: Cache[Any, int] = Cache(4)
    cache[node] = 1
    node.other = cache
    return cache


def through_a_listener(node: Node) -> Any:
    cache: Cache[str, int] = Cache(4, on_evict=lambda *event: node)
    node.other = cache
    return cache


def through_a_weigher(node: Node) -> Any:
    cache: Cache[str, int] = Cache(4, weigher=lambda key, value: 1 if node else 2)
    node.other = cache
    return cache


def through_a_clock(node: Node) -> Any:
    cache: Cache[str, int] = Cache(4, clock=lambda: 1.0 if node else 2.0)
    node.other = cache
    return cache


def through_a_loader(node: Node) -> Any:
    cache: Cache[str, Any] = Cache(4)

    def loader(key: str) -> Any:
        return lambda: (node, cache, loader)

    node.other = cache.get_or_load("k", loader)
    return cache


def through_a_remembered_error(node: Node) -> Any:
    cache: Cache[str, Any] = Cache(4)

    def loader(key: str) -> Any:
        error = ValueError()
        error.node = node  # type: ignore[attr-defined]
        node.other = cache
        raise error

    with pytest.raises(ValueError):  # noqa: PT011
        cache.get_or_load("k", loader, error_ttl=None)
    return cache


def through_a_subclass(node: Node) -> Any:
    class Mine(Cache[str, Any]):
        pass

    mine = Mine(4)
    mine.attribute = node  # type: ignore[attr-defined]
    node.other = mine
    return mine


def through_a_decorated_function(node: Node) -> Any:
    @cached
    def function(x: Any) -> Any:
        return node, function, x

    function(1)
    function(node)
    node.other = function
    return function


def through_a_decorated_coroutine(node: Node) -> Any:
    @cached(10, ttl=5, stale=1)
    async def function(x: Any) -> Any:
        return node, function, x

    node.other = function
    return function


def through_a_decorated_method(node: Node) -> Any:
    class Owner:
        @cached(10)
        def method(self) -> Any:
            return node, self

    owner = Owner()
    owner.method()
    node.other = owner
    return owner


def through_a_key_of_a_call(node: Node) -> Any:
    @cached
    def function(x: Any) -> Any:
        return x

    node.other = function.cache_key(node)
    return function


@pytest.mark.parametrize(
    "make", [each for name, each in [*globals().items()] if name.startswith("through_")]
)
def test_a_cycle_is_collected(make: Callable[[Node], Any]) -> None:
    node = Node()
    dead = weakref.ref(node)
    made = weakref.ref(make(node))
    del node
    gc.collect()
    assert dead() is None
    assert made() is None


@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_a_collected_cache_frees_all_it_held(policy: str) -> None:
    nodes = [Node() for _ in range(50)]
    references = [weakref.ref(node) for node in nodes]
    cache: Cache[int, Any] = Cache(50, policy=policy)
    for number, node in enumerate(nodes):
        cache[number] = node
        node.other = cache
    nodes.clear()
    del node, cache
    gc.collect()
    assert [reference() for reference in references] == [None] * 50


def test_every_operation_gives_its_references_back() -> None:
    key, value, other = "a key", Node(), ("not", "there")
    now = 0.0
    cache: Cache[Any, Any] = Cache(
        4, weigher=lambda k, v: 1, on_evict=lambda *event: None, clock=lambda: now
    )

    def raising(_: Any) -> Any:
        raise ValueError

    operations: list[Callable[[], object]] = [
        lambda: cache.set(key, value),
        lambda: cache.set(key, value, ttl=5),
        lambda: cache.set(key, value, size=9),
        lambda: cache.set(key, value, ttl=-1),
        lambda: cache.set(key, value, size="x"),  # type: ignore[arg-type]
        lambda: cache.__setitem__(key, value),
        lambda: cache.get(key, value),
        lambda: cache.get(other, value),
        lambda: cache[key],
        lambda: cache[other],
        lambda: cache.peek(key),
        lambda: cache.peek(other, value),
        lambda: key in cache,
        lambda: cache.ttl(key),
        lambda: cache.ttl(other),
        lambda: cache.get_many([key, other]),
        lambda: cache.get_many([key, []]),
        lambda: cache.setdefault(key, value),
        lambda: cache.setdefault(other, value),
        lambda: [*cache.keys(), *cache.values(), *cache.items()],
        lambda: cache.get_or_load(key, raising),
        lambda: cache.get_or_load(("x",), raising),
        lambda: cache.get_or_load(("x",), raising, error_ttl=1),
        lambda: cache.get_or_load(("y",), lambda _: value),
        lambda: cache.pop(other, value),
        lambda: cache.pop(other),
        cache.popitem,
        lambda: cache.delete(key),
        lambda: cache.delete([]),
        lambda: cache.resize(0),
        lambda: cache.update({key: value, other: value}),
        cache.clear,
        cache.popitem,
    ]

    def round_of_all() -> None:
        for operation in operations:
            try:
                operation()
            except Exception:
                continue

    round_of_all()
    before = [sys.getrefcount(each) for each in (key, value, other, cache, raising)]
    for _ in range(100):
        round_of_all()
    gc.collect()
    assert [sys.getrefcount(each) for each in (key, value, other, cache, raising)] == before


def test_many_operations_leave_no_memory_behind() -> None:
    now = 0.0
    cache: Cache[Any, Any] = Cache(64, clock=lambda: now, on_evict=lambda *event: None)

    @cached(64, ttl=10)
    def function(x: Any, *, y: Any = None) -> Any:
        return [x]

    def work(rounds: int) -> None:
        nonlocal now
        for number in range(rounds):
            key = ("key", number % 200)
            cache.set(key, [number], ttl=1 + number % 7)
            cache.get(("key", number % 90))
            cache.get_or_load(("key", number % 300), lambda k: {"k": k})
            cache.pop(("key", number % 50), None)
            function(number % 150, y=str(number % 3))
            now += 0.01
            if number % 1000 == 0:
                cache.clear()
        cache.clear()
        function.cache_clear()
        gc.collect()

    work(2_000)
    tracemalloc.start()
    try:
        work(2_000)
        before, _ = tracemalloc.get_traced_memory()
        work(20_000)  # of five operations each
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_objects_are_freed_as_they_leave() -> None:
    cache: Cache[int, Node] = Cache(3, policy="lru")
    references = []
    for number in range(6):
        node = Node()
        references.append(weakref.ref(node))
        cache[number] = node
    del node
    assert [reference() is None for reference in references] == [True] * 3 + [False] * 3
    cache[5] = Node()
    assert references[5]() is None
    cache.delete(4)
    assert references[4]() is None
    cache.clear()
    assert references[3]() is None


def test_size_in_memory_is_told() -> None:
    cache: Cache[int, int] = Cache(100_000)
    empty = sys.getsizeof(cache)
    cache.update({number: number for number in range(50_000)})
    assert empty < 20_000
    assert 50_000 * 16 < sys.getsizeof(cache) < 50_000 * 200
