"""What users write must type-check, and have the types that they expect. Never run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import timedelta
from typing import Any, assert_type

import augury
from augury import Cache, CachedFunction, Cause, Policy, Stats, cached

cache: Cache[str, int] = Cache(10)
Cache[str, int](10, policy="s3fifo(small=0.2)", ttl=60, seed=3)
Cache[str, int](10, policy=Policy("lru"), ttl=timedelta(hours=1))
mapping: MutableMapping[str, int] = cache


def weigh(key: str, value: int) -> int:
    return len(key) + value


def told(key: str, value: int, cause: Cause) -> None:
    print(key, value, cause)


weighed: Cache[str, int] = Cache(10, weigher=weigh, on_evict=told, clock=lambda: 0.0)

cache["a"] = 1
assert_type(cache["a"], int)
assert_type(cache.get("a"), int | None)
assert_type(cache.get("a", 0), int)
assert_type(cache.get("a", "none"), int | str)
assert_type(cache.peek("a"), int | None)
assert_type(cache.peek("a", 0), int)
assert_type(cache.pop("a"), int)
assert_type(cache.pop("a", None), int | None)
assert_type(cache.popitem(), tuple[str, int])
assert_type(cache.setdefault("a", 1), int)
assert_type(cache.set("a", 1, ttl=3), bool)
assert_type(cache.set("a", 1, ttl=None, size=3), bool)
assert_type(cache.delete("a"), bool)
assert_type(cache.get_many(["a", "b"]), dict[str, int])
assert_type(cache.delete_many(["a", "b"]), int)
assert_type(cache.get_or_load("a", len), int)
assert_type(cache.get_or_load("a", lambda key: 1, negative_ttl=3, error_ttl=None), int)
assert_type(cache.ttl("a"), float | None)
assert_type(cache.capacity, int)
assert_type(cache.weight, int)
assert_type(cache.policy, Policy)
assert_type(cache.stats(), Stats)
assert_type(cache.stats().hit_ratio, float)
assert_type(len(cache), int)
assert_type("a" in cache, bool)
assert_type(iter(cache), Iterator[str])
assert_type(list(cache.keys()), list[str])
assert_type(list(cache.values()), list[int])
assert_type(list(cache.items()), list[tuple[str, int]])
cache.set_many({"a": 1}, ttl=5)
cache.set_many([("a", 1)])
cache.update(a=1)
cache.update({"a": 1})
cache.resize(20)
del cache["a"]


async def load(key: str) -> int:
    return len(key)


async def coroutines() -> None:
    assert_type(await cache.aget_or_load("a", load, ttl=5), int)


# ---------------------------------------------------------------- the decorator


@cached
def plain(x: int, *, y: str = "") -> float:
    return x + len(y)


@cached(cache, ttl=60, negative_ttl=timedelta(seconds=3), typed=False)
def shared(x: int) -> str:
    return str(x)


@cached(100, ttl=lambda result: result, key=lambda x: x, condition=bool, stale=5)
def full(x: int) -> int:
    return x


@cached(100)
async def awaited(x: int) -> str:
    return str(x)


assert_type(plain(1, y="a"), float)
assert_type(shared(1), str)
assert_type(full(1), int)
assert_type(plain.cache_info(), augury.CacheInfo)
assert_type(plain.cache_info().hits, int)
assert_type(plain.cache_forget(1, y="a"), bool)
assert_type(plain.cache, Cache[Any, Any])
plain.cache_clear()
function: Callable[[int], str] = shared
annotated: CachedFunction[[int], str] = shared


async def use() -> None:
    assert_type(await awaited(1), str)
    promise: Awaitable[str] = awaited(1)
    await promise


class Service:
    @cached(10)
    def method(self, x: int) -> str:
        return str(x)

    @property
    @cached(10)
    def prop(self) -> int:
        return 1

    @staticmethod
    @cached(10)
    def static(x: int) -> int:
        return x


service = Service()
assert_type(service.method(1), str)
assert_type(Service.method(service, 1), str)
assert_type(service.prop, int)
assert_type(Service.static(1), int)
service.method.cache_clear()
bound: Callable[[int], str] = service.method


class Subclass(Cache[str, bytes]):
    def size_of(self, key: str) -> int:
        return len(self.get(key, b""))


assert_type(Subclass(10)["a"], bytes)
