"""The backend for Django, in memory and in tiers; Django's own cases too, where its source is."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")
pytest.importorskip("redis")

from django.conf import settings
from django.core.cache import CacheHandler, CacheKeyWarning

from augury import Cache
from augury.errors import CodecError, ConfigurationError
from augury.integrations.django import AuguryCache
from tests.servers import valkey

if not settings.configured:
    settings.configure(SECRET_KEY="of-tests", USE_TZ=False)

BACKEND = "augury.integrations.django.AuguryCache"


def location(kind: str, path: Path) -> Any:
    if kind == "memory":
        return str(path)
    url = valkey.shared().url
    return [url] if kind == "redis" else ["memory", url]


def options(kind: str, path: Path) -> dict[str, Any]:
    return {} if kind == "memory" else {"namespace": str(path), "pickle": True}


@pytest.fixture(params=["memory", "redis", "memory and redis"])
def caches(request: Any, tmp_path: Path) -> Iterator[CacheHandler]:
    common = {
        "BACKEND": BACKEND,
        "LOCATION": location(request.param, tmp_path),
        "OPTIONS": options(request.param, tmp_path),
    }
    handler = CacheHandler(
        {
            "default": common,
            "prefix": {**common, "KEY_PREFIX": "other"},
            "second": {**common, "VERSION": 2},
            "own keys": {**common, "KEY_FUNCTION": lambda key, prefix, version: f"own-{key}"},
            "for ever": {**common, "TIMEOUT": None},
        }
    )
    yield handler
    handler["default"].clear()


@pytest.fixture
def cache(caches: CacheHandler) -> Any:
    return caches["default"]


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


class Plain:
    """Only pickle can carry it."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Plain({self.value})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


class Unpicklable:
    def __getstate__(self) -> Any:
        raise pickle.PickleError


VALUES = [None, 0, True, 1.5, "é", b"\0", [1, {"a": (2,)}], {3}, Plain(4)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_returns_what_was_set(cache: Any, value: Any) -> None:
    cache.set("key", value)
    found = cache.get("key", "default")
    assert found == value
    assert type(found) is type(value)
    assert cache.get_many(["key", "none"]) == {"key": value}
    assert cache.has_key("key")
    assert "key" in cache
    assert cache.get("none", "default") == "default"
    assert "none" not in cache


def test_a_mutation_stays_with_whoever_mutates(cache: Any) -> None:
    value = [1]
    cache.set("key", value)
    value.append(2)
    cache.get("key").append(3)
    assert cache.get("key") == [1]
    assert cache.get_or_set("other", lambda: value) == [1, 2]
    value.append(4)
    assert cache.get("other") == [1, 2]


def test_adds_only_what_is_not_there(cache: Any) -> None:
    assert cache.add("key", 1) is True
    assert cache.add("key", 2) is False
    assert cache.get("key") == 1
    assert cache.add("none", None) is True
    assert cache.add("none", 3) is False


def test_adds_once_among_many_threads(cache: Any) -> None:
    added: list[bool] = []
    barrier = threading.Barrier(8)

    def add() -> None:
        barrier.wait()
        added.append(cache.add("lock", threading.get_ident()))

    in_threads(add, 8)
    assert sorted(added) == [False] * 7 + [True]


def in_threads(work: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_counts_without_losing_any(cache: Any) -> None:
    cache.set("n", 40)
    assert cache.incr("n") == 41
    assert cache.incr("n", 10) == 51
    assert cache.decr("n", 11) == 40
    in_threads(lambda: [cache.incr("n") for _ in range(20)], 4)
    assert cache.get("n") == 120
    for method in (cache.incr, cache.decr):
        with pytest.raises(ValueError, match="Key 'none' not found"):
            method("none")
    cache.set("word", "x")
    with pytest.raises(TypeError):
        cache.incr("word")


def test_counting_does_not_change_when_it_expires(cache: Any) -> None:
    cache.set("n", 1, timeout=0.3)
    cache.incr("n")
    wait(0.4)
    assert cache.get("n") is None


@pytest.mark.parametrize("timeout", [0, -1])
def test_past_its_time_at_once(cache: Any, timeout: int) -> None:
    cache.set("key", 1)
    cache.set("key", 2, timeout)
    assert cache.get("key") is None
    assert cache.add("key", 3, timeout) is True
    assert cache.get_or_set("key", lambda: 4, timeout) == 4
    assert cache.get("key") is None
    cache.set_many({"a": 1}, timeout)
    assert cache.get_many(["a", "key"]) == {}


def test_lives_as_long_as_it_is_told(cache: Any, caches: CacheHandler) -> None:
    cache.set("short", 1, 0.2)
    cache.set("longer", 1, 0.2)
    cache.set("shorter", 1, None)
    caches["for ever"].set("for-ever", 1)
    assert cache.touch("longer", None) is True
    assert cache.touch("shorter", 0.2) is True
    assert cache.touch("none") is False
    wait(0.3)
    assert cache.get_many(["short", "longer", "shorter", "for-ever"]) == {
        "longer": 1,
        "for-ever": 1,
    }
    assert cache.touch("longer", 0) is True
    assert cache.has_key("longer") is False


def test_deletes(cache: Any) -> None:
    assert cache.set_many({"a": 1, "b": [2], "c": 3}) == []
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    cache.delete_many(["b", "none"])
    assert cache.get_many("abc") == {"c": 3}
    cache.clear()
    assert cache.get("c") is None
    cache.close()
    cache.set("c", 4)
    assert cache.get("c") == 4


def test_sets_a_default_once_among_many_threads(cache: Any) -> None:
    made: list[int] = []
    found: list[Any] = []
    barrier = threading.Barrier(8)

    def default() -> list[int]:
        made.append(1)
        wait(0.05)
        return [7]

    def ask() -> None:
        barrier.wait()
        found.append(cache.get_or_set("key", default))

    in_threads(ask, 8)
    assert found == [[7]] * 8
    assert made == [1]
    assert cache.get_or_set("key", 8) == [7]
    assert cache.get_or_set("none", None) is None


def test_versions_and_prefixes_are_apart(cache: Any, caches: CacheHandler) -> None:
    cache.set("key", 1)
    cache.set("key", 2, version=2)
    assert (cache.get("key"), caches["second"].get("key")) == (1, 2)
    assert caches["prefix"].get("key") is None
    caches["prefix"].set("key", 3)
    assert cache.get("key") == 1
    assert cache.incr_version("key", 4) == 5
    assert (cache.get("key"), cache.get("key", version=5)) == (None, 1)
    assert caches["second"].decr_version("key") == 1
    assert cache.get("key") == 2
    with pytest.raises(ValueError, match="not found"):
        cache.incr_version("none")
    caches["own keys"].set("x", 4)
    assert caches["own keys"].get("x", version=9) == 4


@pytest.mark.parametrize("key", ["with space", "k" * 300, "bell\a"])
def test_warns_of_keys_that_memcached_would_refuse(cache: Any, key: str) -> None:
    for use in (cache.get, cache.delete, cache.has_key, cache.touch, lambda k: cache.add(k, 1)):
        with pytest.warns(CacheKeyWarning):
            use(key)


def test_refuses_what_pickle_refuses(cache: Any) -> None:
    with pytest.raises(pickle.PickleError):
        cache.set("key", Unpicklable())
    assert cache.get("key") is None


def test_coroutines_do_the_same(cache: Any) -> None:
    async def use() -> None:
        await cache.aset("key", [1])
        assert await cache.aget("key") == [1]
        assert await cache.aget("none", 2) == 2
        assert await cache.aadd("key", 3) is False
        assert await cache.aset_many({"n": 1, "b": 2}) == []
        assert await cache.aget_many(["n", "b", "none"]) == {"n": 1, "b": 2}
        assert await cache.aincr("n", 5) == 6
        assert await cache.adecr("n") == 5
        assert await asyncio.gather(*(cache.aincr("n") for _ in range(10)))
        assert await cache.aget("n") == 15
        assert await cache.aget_or_set("made", lambda: [8]) == [8]
        assert await cache.atouch("made", 0) is True
        assert await cache.ahas_key("made") is False
        assert await cache.aincr_version("key") == 2
        assert await cache.adelete("key", version=2) is True
        await cache.adelete_many(["n"])
        assert await cache.aget("n") is None
        await cache.aclear()
        assert await cache.aget("b") is None
        with pytest.raises(ValueError, match="not found"):
            await cache.aincr("none")
        await cache.aclose()

    asyncio.run(use())


@pytest.mark.parametrize("method", ["aget_or_set", "aadd"])
def test_coroutines_do_not_wait_for_threads(cache: Any, method: str) -> None:
    async def use() -> None:
        began, done = threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def default() -> int:
            began.set()  # and then it needs the loop, as `async_to_sync` does
            asyncio.run_coroutine_threadsafe(done.wait(), loop).result(5)
            return 7

        first = asyncio.create_task(asyncio.to_thread(cache.get_or_set, "key", default))
        await asyncio.to_thread(began.wait)
        second = asyncio.create_task(getattr(cache, method)("key", 8))
        await asyncio.sleep(0.01)
        done.set()
        assert await first == 7
        assert await second in (7, False)

    asyncio.run(use())


def test_threads_share_entries(caches: CacheHandler) -> None:
    caches["default"].set("key", 1)
    found: list[Any] = []
    in_threads(lambda: found.append(caches["default"].get("key")), 1)
    assert found == [1]


def test_other_processes_see_writes_though_memory_has_copies(tmp_path: Path) -> None:
    given = (location("memory and redis", tmp_path), {"OPTIONS": options("", tmp_path)})
    one = AuguryCache(*given)
    given[1]["OPTIONS"]["MAX_ENTRIES"] = 10  # apart from the first, as in another process
    other = AuguryCache(*given)
    one.set("key", 1)
    assert other.get("key") == 1
    one.set("key", 2)
    deadline = 200
    while other.get("key") != 2 and deadline:
        wait(0.01)
        deadline -= 1
    assert other.get("key") == 2


def test_places_and_names_are_apart(tmp_path: Path) -> None:
    one, other = AuguryCache(str(tmp_path), {}), AuguryCache(f"{tmp_path}2", {})
    one.set("key", 1)
    assert other.get("key") is None


def test_holds_no_more_than_it_may() -> None:
    cache = AuguryCache(uuid.uuid4().hex, {"OPTIONS": {"MAX_ENTRIES": 30, "policy": "lru"}})
    for number in range(50):
        cache.set(f"k{number}", number)
    assert len(cache.get_many(f"k{number}" for number in range(50))) == 30


def test_tiers_carry_no_pickle_unasked(tmp_path: Path) -> None:
    place = location("redis", tmp_path)
    plain = AuguryCache(place, {"OPTIONS": {"namespace": str(tmp_path)}})
    with pytest.raises(CodecError):
        plain.set("key", Plain(1))
    signed = AuguryCache(place, {"OPTIONS": options("redis", tmp_path)})
    signed.set("key", Plain(1))
    assert signed.get("key") == Plain(1)
    assert plain.get("key", "none") == "none"
    assert plain.get_many(["key"]) == {}
    assert plain.get_or_set("key", lambda: 7) == plain.get("key") == 7
    signed.set("key", Plain(1))
    with pytest.raises(ValueError, match="not found"):
        plain.incr("key")


made = Cache[Any, Any](10)


def test_uses_a_cache_of_ones_own() -> None:
    cache = AuguryCache("", {"OPTIONS": {"cache": lambda: made}})
    cache.set("key", 1)
    assert made[":1:key"] == 1


@pytest.mark.parametrize(
    ("place", "given", "says"),
    [
        ("http://host", {}, "none of memory"),
        ("", {"odd": 1}, "odd"),
        ("", {"cache": int}, "must make a Cache"),
        ("", {"MAX_ENTRIES": 0}, "capacity"),
    ],
)
def test_refuses_odd_settings(place: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        AuguryCache(place, {"OPTIONS": given})


SOURCE = os.environ.get("DJANGO_SOURCE", "")


@pytest.mark.slow
@pytest.mark.skipif(not SOURCE, reason="make django-tests gets the source, and sets DJANGO_SOURCE")
@pytest.mark.parametrize("kind", ["memory", "redis", "memory and redis"])
def test_passes_the_cases_of_django(kind: str, tmp_path: Path) -> None:
    place = location(kind, tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.servers.django_cases", SOURCE),
            place if isinstance(place, str) else " ".join(place),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "OK (skipped=3)" in done.stderr
