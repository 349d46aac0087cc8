"""Many threads, one cache."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from augury import Cache, Cause, cached, policies

WAIT = 60.0  # seconds until a test gives up
THREADS = 8


class Key:
    """Compares in Python, so that threads switch in the middle of searches."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 5

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.number == other.number


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Let threads switch as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def hammer(work: Any) -> None:
    start = threading.Barrier(THREADS)

    def run(thread: int) -> None:
        start.wait(WAIT)
        work(random.Random(thread))

    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(run, thread) for thread in range(THREADS)]:
            future.result(WAIT)


@pytest.mark.parametrize("kind", [int, str, Key])
@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_mixed_operations(policy: str, kind: Any) -> None:
    dropped: dict[Cause, int] = dict.fromkeys(Cause, 0)
    lock = threading.Lock()

    def listener(key: Any, value: tuple[Any, int], cause: Cause) -> None:
        assert key == value[0]
        with lock:
            dropped[cause] += 1

    def weigh(key: Any, value: tuple[Any, int]) -> int:
        return value[1]

    cache: Cache[Any, tuple[Any, int]] = Cache(40, policy=policy, weigher=weigh, on_evict=listener)

    def load(key: Any) -> tuple[Any, int]:
        return key, 2

    def work(numbers: random.Random) -> None:
        for _ in range(400):
            key = kind(numbers.randrange(60))
            match numbers.randrange(14):
                case 0 | 1:
                    cache[key] = (key, numbers.randrange(1, 5))
                case 2:
                    cache.set(key, (key, 3), ttl=numbers.choice([1e-6, 1e-3, 50]))
                case 3:
                    cache.delete(key)
                case 4:
                    taken = cache.pop(key, None)
                    assert taken is None or taken[0] == key
                case 5:
                    assert cache.get_or_load(key, load)[0] == key
                case 6:
                    assert cache.setdefault(key, (key, 1))[0] == key
                case 7:
                    assert all(k == v[0] for k, v in cache.items())
                case 8:
                    assert len(cache) <= 40
                case 9 if numbers.randrange(10) == 0:
                    cache.clear()
                case 10 if numbers.randrange(5) == 0:
                    cache.resize(numbers.choice([20, 40]))
                case 11:
                    cache.validate()
                case _:
                    found = cache.get(key)
                    assert found is None or found[0] == key

    hammer(work)
    cache.validate()
    assert not cache._flights
    left = len(cache._all_keys())  # nothing expired is left afterwards
    stats = cache.stats()
    assert left == stats.insertions - stats.evictions - stats.expirations - stats.removals - (
        dropped[Cause.SIZE] - stats.evictions
    )
    assert dropped[Cause.REPLACED] == stats.updates
    assert dropped[Cause.EXPLICIT] == stats.removals
    assert dropped[Cause.EXPIRY] == stats.expirations


@pytest.mark.parametrize("kind", [int, Key])
def test_setdefault_keeps_one_value(kind: Any) -> None:
    """Also where asking the weigher lets another thread in between."""
    for _ in range(30):
        cache: Cache[Any, object] = Cache(100, weigher=lambda key, value: 1)
        results: list[list[object]] = []

        def work(numbers: random.Random, cache: Any = cache, results: Any = results) -> None:
            results.append([cache.setdefault(kind(number), object()) for number in range(20)])

        hammer(work)
        assert all(each == results[0] for each in results)


def test_popitem_hands_out_each_entry_once() -> None:
    cache: Cache[int, int] = Cache(5_000)
    cache.update({number: number for number in range(4_000)})
    taken: list[int] = []

    def work(numbers: random.Random) -> None:
        while True:
            try:
                taken.append(cache.popitem()[0])
            except KeyError:
                return

    hammer(work)
    assert sorted(taken) == [*range(4_000)]


def test_a_decorated_function_among_threads() -> None:
    calls: list[int] = []

    @cached(1_000)
    def function(x: int) -> int:
        calls.append(x)
        return -x

    def work(numbers: random.Random) -> None:
        for _ in range(1_000):
            x = numbers.randrange(300)
            assert function(x) == -x

    hammer(work)
    assert sorted(calls) == sorted({*calls})
    info = function.cache_info()
    assert info.currsize == len(calls)
    assert info.hits + info.misses == THREADS * 1_000
