"""The live prefetcher: what it fetches, when it does not, and what users see of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from augury import Cache, Prefetcher, cached, session
from augury.errors import ConfigurationError
from augury.events import Cause
from augury.prefetch import PrefetchOptions
from augury.prefetch.budget import Budget, Patience
from augury.sources import Loader, Source

PATIENCE = 60.0  # seconds, for machines that are busy; no test takes that long otherwise
PAGES = [f"/page/{number * 7 % 40}" for number in range(40)]
RUNS = PrefetchOptions(predictors=["runs"], precision=0.1, most=1)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


class Store(Source[Any, Any]):
    """A source that remembers what it was asked for, and waits, or fails, if it is told to."""

    def __init__(self, value: Callable[[Any], Any] = lambda key: -key) -> None:
        self.value = value
        self.batches: list[list[Any]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.error: BaseException | None = None

    def load_many(self, keys: Sequence[Any]) -> dict[Any, Any]:
        self.batches.append(list(keys))
        found = {key: self.value(key) for key in keys}
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return found

    @property
    def asked(self) -> list[Any]:
        return [key for batch in self.batches for key in batch]


def by_hand(cache: Cache[Any, Any], source: Any, **given: Any) -> Prefetcher[Any, Any]:
    return Prefetcher(cache, source, **{"background": False, "options": RUNS, **given})


def read_run(cache: Cache[Any, Any], first: int, last: int) -> None:
    """Read integers one after the other, as if each were loaded when it is missed."""
    for key in range(first, last):
        if cache.get(key) is None:
            cache[key] = -key


def read_runs(cache: Cache[Any, Any], first: int, many: int = 10) -> None:
    """Have several integers wanted."""
    for start in range(first, first + many * 100, 100):
        read_run(cache, start, start + 5)


def expecting(cache: Cache[Any, Any], source: Any, **given: Any) -> Prefetcher[Any, Any]:
    """A prefetcher that wants 1000 and what comes after it."""
    prefetcher = by_hand(cache, source, **given)
    read_run(cache, 900, 1_000)
    return prefetcher


def wanted(cache: Cache[Any, Any]) -> int:
    return int(cache._prefetch_counts()[5])


@pytest.fixture
def cache() -> Cache[Any, Any]:
    return Cache(200, policy="lru")


def test_what_comes_next_is_there_when_it_is_asked_for(cache: Cache[Any, Any]) -> None:
    store = Store()
    with expecting(cache, store) as prefetcher:
        assert 1_000 not in cache
        while prefetcher.run_pending():
            pass
        assert cache.peek(1_000) == -1_000
        misses = cache.stats().misses
        assert cache[1_000] == -1_000
        assert cache.stats().misses == misses
        report = prefetcher.report()
    assert report.used == 1 == sum(report.waited) == report.by_predictor[2].used
    assert report.fetched == len(store.asked) == len(set(store.asked))
    assert report.requests == 101
    cache.validate()


def read_get(cache: Cache[Any, Any], key: Any) -> Any:
    return cache.get(key)


def read_item(cache: Cache[Any, Any], key: Any) -> Any:
    try:
        return cache[key]
    except KeyError:
        return None


def read_many(cache: Cache[Any, Any], key: Any) -> Any:
    return cache.get_many([key]).get(key)


def read_default(cache: Cache[Any, Any], key: Any) -> Any:
    return cache.setdefault(key, -key)


def read_through(cache: Cache[Any, Any], key: Any) -> Any:
    return cache.get_or_load(key, lambda key: -key)


def read_awaiting(cache: Cache[Any, Any], key: Any) -> Any:
    async def load(key: int) -> int:
        return -key

    return asyncio.run(cache.aget_or_load(key, load))


@pytest.mark.parametrize(
    "read", [read_get, read_item, read_many, read_default, read_through, read_awaiting]
)
def test_every_read_is_a_request(cache: Cache[Any, Any], read: Callable[..., Any]) -> None:
    with by_hand(cache, Store()) as prefetcher:
        for key in range(20):
            if read(cache, key) is None:
                cache[key] = -key
        assert prefetcher.report().requests == 20
        assert read(cache, 0) == 0
        assert prefetcher.report().requests == 21
        misses = prefetcher.report().misses
        assert misses == 20
        assert prefetcher.run_pending()
        assert read(cache, 20) == -20
        assert prefetcher.report().misses == misses


def test_neither_writes_nor_looks_are_requests(cache: Cache[Any, Any]) -> None:
    with by_hand(cache, Store()) as prefetcher:
        cache[1] = 1
        cache.set(2, 2)
        cache.delete(2)
        assert cache.peek(1) == 1
        assert 1 in cache
        assert list(cache.items()) == [(1, 1)]
        assert prefetcher.report().requests == 0


def test_calls_of_functions_are_requests(cache: Cache[Any, Any]) -> None:
    calls = []

    @cached(cache)
    def square(x: int) -> int:
        calls.append(x)
        return x * x

    def fetch(keys: Sequence[Any]) -> dict[Any, int]:
        return {key: key.arguments[0] ** 2 for key in keys}

    steps = [number * 7 % 300 for number in range(300)]
    with Prefetcher(cache, fetch, background=False) as prefetcher:
        for x in steps * 6:
            assert square(x) == x * x
            prefetcher.run_pending()
        assert prefetcher.report().used > 200
        assert prefetcher.report().requests == 1_800
    assert len(calls) == cache.stats().misses < 1_600


def test_sessions_are_told_apart(cache: Cache[Any, Any]) -> None:
    store = Store(value=str)
    small: Cache[Any, Any] = Cache(10, policy="lru")
    options = PrefetchOptions(predictors=["markov"], most=1)
    with Prefetcher(small, store, background=False, options=options) as prefetcher:
        users: list[tuple[str | bytes | int, list[str]]] = [
            ("ann", PAGES[:13]),
            (b"bob", PAGES[13:26]),
            (7, PAGES[26:]),
        ]
        at = 0
        for turn in range(6_000):
            # Whoever asks next depends on nothing that was asked.
            who, pages = users[turn * turn % 7 % 3]
            at = (turn // 3) % len(pages)
            with session(who):
                small.get_or_load(pages[at], str)
            prefetcher.run_pending()
        with_sessions = prefetcher.report()
    assert with_sessions.used > 0
    assert with_sessions.precision > 0.5


def test_a_thread_fetches_in_the_background(cache: Cache[Any, Any]) -> None:
    store = Store()
    with Prefetcher(cache, store, options=RUNS) as prefetcher:
        read_run(cache, 0, 50)
        until(lambda: 50 in cache)
        assert cache.get(50) == -50
        assert prefetcher.report().used >= 1
        thread = prefetcher._thread
        assert thread is not None
        assert thread.daemon
    assert not thread.is_alive()
    assert prefetcher.closed


@pytest.mark.parametrize("batch", [False, True])
def test_a_coroutine_function_can_be_the_source(cache: Cache[Any, Any], batch: bool) -> None:
    async def load(keys: Sequence[int]) -> dict[int, int]:
        await asyncio.sleep(0)
        return {key: -key for key in keys}

    async def load_one(key: int) -> int:
        return -key

    source = load if batch else Loader(load_one)
    with Prefetcher(cache, source, options=RUNS) as prefetcher:
        read_run(cache, 0, 50)
        until(lambda: 50 in cache)
        assert cache.peek(50) == -50
    if isinstance(source, Loader):
        assert source.load_many([3]) == {3: -3}  # who made a source closes it
        source.close()
    assert prefetcher.closed


def test_what_the_source_has_not_got_is_left_out(cache: Cache[Any, Any]) -> None:
    with expecting(cache, lambda keys: {}) as prefetcher:
        while prefetcher.run_pending():
            pass
        assert 1_000 not in cache
        assert prefetcher.report().fetched > 0
        read_run(cache, 1_000, 1_050)  # wanted anew
        assert prefetcher.run_pending()


def test_what_it_was_not_asked_for_is_not_stored(cache: Cache[Any, Any]) -> None:
    with expecting(cache, lambda keys: {"else": 1, **{key: -key for key in keys}}) as prefetcher:
        assert prefetcher.run_pending()
        assert "else" not in cache
        assert 1_000 in cache


# What a write does to what is under way


def write(cache: Cache[Any, Any]) -> None:
    cache[1_000] = "new"


def write_equal_key(cache: Cache[Any, Any]) -> None:
    cache[1_000.0] = "new"


def write_and_evict(cache: Cache[Any, Any]) -> None:
    cache[1_000] = "new"
    capacity = cache.capacity
    cache.resize(1)
    cache.resize(capacity)
    cache["other"] = 1


def delete(cache: Cache[Any, Any]) -> None:
    cache.delete(1_000)


def pop(cache: Cache[Any, Any]) -> None:
    cache.pop(1_000, None)


def refuse(cache: Cache[Any, Any]) -> None:
    assert not cache.set(1_000, "new", size=cache.capacity + 1)


def load(cache: Cache[Any, Any]) -> None:
    assert cache.get_or_load(1_000, lambda key: "new") == "new"


def default(cache: Cache[Any, Any]) -> None:
    cache.setdefault(1_000, "new")


def clear(cache: Cache[Any, Any]) -> None:
    cache.clear()


@pytest.mark.parametrize(
    "act", [write, write_equal_key, write_and_evict, delete, pop, refuse, load, default, clear]
)
@pytest.mark.parametrize("begun", [False, True], ids=["wanted", "under way"])
def test_nothing_out_of_date_is_stored(
    cache: Cache[Any, Any], act: Callable[[Cache[Any, Any]], None], begun: bool
) -> None:
    store = Store(value=lambda key: "old")
    with expecting(cache, store) as prefetcher:
        if not begun:
            act(cache)
            while prefetcher.run_pending():
                pass
            assert cache.peek(1_000) in (None, "new")
            return
        store.go_on.clear()
        thread = threading.Thread(target=prefetcher.run_pending)
        thread.start()
        assert store.begun.wait(PATIENCE)
        assert 1_000 in store.asked
        act(cache)
        store.go_on.set()
        thread.join(PATIENCE)
        assert cache.peek(1_000) in (None, "new")
        assert prefetcher.report().used == 0
    cache.validate()


def test_a_newer_fetch_is_told_from_an_older_one(cache: Cache[Any, Any]) -> None:
    with expecting(cache, Store()):
        older, keys = cache._prefetch_take(100)
        assert 1_000 in keys
        cache.delete(1_000)
        read_run(cache, 950, 1_000)
        newer, keys = cache._prefetch_take(100)
        assert 1_000 in keys
        assert not cache._prefetch_store(older, 1_000, "old")
        assert cache._prefetch_store(newer, 1_000, "new")
        assert not cache._prefetch_store(newer, 1_000, "twice")
        assert cache.peek(1_000) == "new"


def test_batches_of_another_prefetcher_are_told_apart(cache: Cache[Any, Any]) -> None:
    with expecting(cache, Store()):
        older, keys = cache._prefetch_take(100)
        assert 1_000 in keys
    with expecting(cache, Store()):
        newer, keys = cache._prefetch_take(100)
        assert 1_000 in keys
        assert not cache._prefetch_store(older, 1_000, "old")
        cache._prefetch_finish(older, False)
        assert cache._prefetch_store(newer, 1_000, "new")


def test_who_misses_a_key_under_way_does_not_wait(cache: Cache[Any, Any]) -> None:
    store = Store(value=lambda key: "fetched")
    with expecting(cache, store) as prefetcher:
        store.go_on.clear()
        thread = threading.Thread(target=prefetcher.run_pending)
        thread.start()
        assert store.begun.wait(PATIENCE)
        late = prefetcher.report().late
        assert cache.get_or_load(1_000, lambda key: "loaded") == "loaded"
        assert prefetcher.report().late == late + 1
        store.go_on.set()
        thread.join(PATIENCE)
        assert cache[1_000] == "loaded"


def test_what_is_missed_while_it_waits_is_not_fetched(cache: Cache[Any, Any]) -> None:
    store = Store()
    with expecting(cache, store) as prefetcher:
        late = prefetcher.report().late
        assert cache.get(1_000) is None
        assert prefetcher.report().late == late + 1
        while prefetcher.run_pending():
            pass
        assert 1_000 not in store.asked


# Values


def test_the_weigher_weighs_and_what_is_too_heavy_is_dropped() -> None:
    cache: Cache[Any, Any] = Cache(
        1_000, policy="lru", weigher=lambda key, value: value if value > 0 else 10
    )
    for sizes, stored in ((lambda key: 15, True), (lambda key: 900, False)):
        with expecting(cache, Store(value=sizes)) as prefetcher:
            assert prefetcher.run_pending()
            assert (1_000 in cache) is stored
        cache.validate()
        assert cache.weight <= 1_000
        cache.clear()


def test_a_weigher_that_fails_costs_only_its_key() -> None:
    def weigh(key: int, value: int) -> int:
        if key == 1_000:
            raise ValueError("no weight")
        return 1

    cache: Cache[int, int] = Cache(100, weigher=weigh)
    options = replace(RUNS, most=2, share=0.5)
    with expecting(cache, Store(), options=options) as prefetcher:
        assert prefetcher.run_pending()
        assert 1_000 not in cache
        assert 1_001 in cache
        assert not cache._prefetch_store(1, 999_999, 0)


@pytest.mark.parametrize(
    ("of_cache", "given", "lasts"),
    [(None, {}, None), (50, {}, 50), (50, {"ttl": None}, None), (None, {"ttl": 7}, 7)],
)
def test_time_to_live(of_cache: float | None, given: dict[str, Any], lasts: float | None) -> None:
    now = [0.0]
    cache: Cache[Any, Any] = Cache(200, ttl=of_cache, clock=lambda: now[0])
    with expecting(cache, Store(), **given) as prefetcher:
        assert prefetcher.run_pending()
        assert cache.ttl(1_000) == lasts
        now[0] = 60.0
        assert (1_000 in cache) is (lasts is None)


def test_what_has_expired_is_fetched_anew() -> None:
    now = [0.0]
    cache: Cache[Any, Any] = Cache(200, ttl=50, clock=lambda: now[0])
    cache[1_000] = "expired"
    now[0] = 51.0
    with expecting(cache, Store()) as prefetcher:
        assert prefetcher.run_pending()
        assert cache.peek(1_000) == -1_000


def test_listeners_are_told_of_what_nobody_used() -> None:
    told: list[tuple[Any, Cause]] = []
    cache: Cache[int, int] = Cache(
        30, policy="lru", on_evict=lambda key, value, cause: told.append((key, cause))
    )
    with expecting(cache, Store()) as prefetcher:
        assert prefetcher.run_pending()
        unused = {key for key in cache if key >= 1_000}
        assert unused
        for key in unused:
            cache[key] = 1
        assert {key for key, cause in told if cause is Cause.REPLACED} == unused
        assert prefetcher.report().unused >= len(unused)
        read_run(cache, 2_000, 2_010)
        assert prefetcher.run_pending()
        waiting = {key for key in cache if 2_010 <= key < 2_100}
        assert waiting
        cache.resize(1)
        assert {key for key, cause in told if cause is Cause.SIZE} >= waiting - {*cache}
    cache.validate()


def test_statistics_count_what_was_fetched_apart(cache: Cache[Any, Any]) -> None:
    with expecting(cache, Store()) as prefetcher:
        assert prefetcher.run_pending()
        stats = cache.stats()
        assert stats.prefetched == len(cache) - stats.insertions
        assert (stats.prefetch_hits, stats.prefetch_unused) == (0, 0)
        assert cache[1_000] == -1_000
        assert cache.stats().prefetch_hits == 1
        cache.clear()
        assert cache.stats().prefetch_unused == stats.prefetched - 1
        assert cache.stats().prefetched == stats.prefetched
        cache.reset_stats()
        stats = cache.stats()
        assert (stats.prefetched, stats.prefetch_hits, stats.prefetch_unused) == (0, 0, 0)
        report = prefetcher.report()
        assert (report.used, report.unused) == (1, report.fetched - 1)


def test_clear_forgets_keys_but_not_what_was_learned(cache: Cache[Any, Any]) -> None:
    store = Store(value=str)
    small: Cache[Any, Any] = Cache(10, policy="lru")
    with by_hand(small, store, options=PrefetchOptions()) as prefetcher:
        for page in PAGES * 30:
            small.get_or_load(page, str)
            prefetcher.run_pending()
        assert small.stats().prefetch_hits > 200
        small.clear()
        small.validate()
        small.reset_stats()
        for page in PAGES * 10:
            small.get_or_load(page, str)
            prefetcher.run_pending()
        assert small.stats().prefetch_hits > 200


@pytest.mark.parametrize("capacity", [1, 2, 3, 10])
def test_a_small_cache_stays_within_its_capacity(capacity: int) -> None:
    cache: Cache[Any, Any] = Cache(capacity, policy="lru")
    with by_hand(cache, Store()) as prefetcher:
        for key in [*range(300), *range(100)]:
            if cache.get(key) is None:
                cache[key] = -key
            prefetcher.run_pending()
            assert len(cache) <= capacity
        cache.validate()
        cache.resize(50)
        read_run(cache, 5_000, 5_100)
        prefetcher.run_pending()
        cache.resize(1)
        assert len(cache) <= 1
        cache.validate()


# Budget, patience


def test_requests_are_kept_within_the_budget() -> None:
    now = [0.0]
    cache: Cache[Any, Any] = Cache(2_000, policy="lru")
    store = Store()
    with by_hand(cache, store, requests_per_second=3) as prefetcher:
        prefetcher._budget = Budget(requests_per_second=3, clock=lambda: now[0])
        for second in range(1, 5):
            read_runs(cache, second * 10_000)
            while prefetcher.run_pending():
                pass
            assert len(store.asked) == 3 * second
            now[0] += 1.0


def test_bytes_are_kept_within_the_budget() -> None:
    now = [0.0]
    cache: Cache[Any, Any] = Cache(2_000, policy="lru")
    store = Store(value=lambda key: b"x" * 1_000)
    with by_hand(cache, store, bytes_per_second=500, batch=1) as prefetcher:
        prefetcher._budget = Budget(bytes_per_second=500, clock=lambda: now[0])
        read_runs(cache, 10_000)
        assert prefetcher.run_pending()
        assert not prefetcher.run_pending()
        now[0] = 1.0
        assert not prefetcher.run_pending()
        now[0] = 1.1
        assert prefetcher.run_pending()
        assert prefetcher.report().fetched_bytes == 2_000


@pytest.mark.parametrize("size", [float("inf"), float("nan"), -1, "1", None, 1 << 63])
def test_bytes_that_cannot_be_counted_are_not_stored(cache: Cache[Any, Any], size: Any) -> None:
    with expecting(cache, Store(), sizeof=lambda _: size, bytes_per_second=10) as prefetcher:
        assert prefetcher.run_pending()
        assert prefetcher._patience.rest() > 0.0
        assert 1_000 not in cache
        assert prefetcher.report().fetched_bytes == 0


def test_a_thread_may_wait_for_longer_than_a_clock_can_tell(cache: Cache[Any, Any]) -> None:
    store = Store()
    with Prefetcher(cache, store, options=RUNS, requests_per_second=1e-300) as prefetcher:
        read_run(cache, 0, 50)
        until(lambda: cache._prefetch_counts()[6])
        until(lambda: waits_for_long(prefetcher))
        assert prefetcher._thread is not None
        prefetcher._thread.join(0.05)
        assert prefetcher._thread.is_alive()
    assert not prefetcher._thread.is_alive()


def waits_for_long(prefetcher: Prefetcher[Any, Any]) -> bool:
    return prefetcher._gate.locked() and prefetcher._rest() > threading.TIMEOUT_MAX


def test_the_budget_is_a_budget() -> None:
    now = [0.0]
    budget = Budget(10, 100, clock=lambda: now[0])
    assert budget.grant(64) == 10
    budget.spend(keys=10, size=250)
    assert budget.grant(64) == 0
    assert budget.wait() == pytest.approx(1.51)
    now[0] = 100.0
    assert budget.grant(64) == 10  # what was not used long ago is not saved up
    assert Budget().grant(64) == 64
    assert Budget().wait() == 0.0
    slow = Budget(0.25, clock=lambda: now[0])
    assert slow.grant(64) == 1
    slow.spend(keys=1)
    assert slow.wait() == 4.0


def test_patience() -> None:
    now = [0.0]
    patience = Patience(4.0, clock=lambda: now[0])
    assert patience.answered(0.100, keys=1, load_seconds=0.05)
    assert patience.answered(0.500, keys=64)  # a batch of a source that loads key by key
    assert patience.answered(0.100, keys=1)
    assert not patience.answered(2.0, keys=1)
    for rest in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        patience.failed()
        assert patience.rest() == rest
    now[0] = 60.0
    assert patience.rest() == 0.0
    # A source that is slow from now on is usual some time later.
    assert sum(not patience.answered(2.0, keys=1) for _ in range(20)) < 5
    assert not Patience(4.0).answered(1.0, keys=2, load_seconds=0.1)
    assert Patience(4.0).answered(0.009, keys=2, load_seconds=0.0001)


def test_a_source_that_fails_is_left_alone_and_tried_again(cache: Cache[Any, Any]) -> None:
    now = [0.0]
    store = Store()
    store.error = OSError("down")
    with expecting(cache, store) as prefetcher:
        prefetcher._patience._clock = lambda: now[0]
        for rest in (0.5, 1.0, 2.0, 4.0):
            read_run(cache, 0, 1)
            read_run(cache, 900, 1_000)
            assert prefetcher.run_pending()
            assert wanted(cache) == 0
            assert prefetcher._patience.rest() == rest
            assert not prefetcher.run_pending()
            now[0] += rest
        store.error = None
        read_run(cache, 900, 1_000)
        assert prefetcher.run_pending()
        assert 1_000 in cache
        assert prefetcher._patience.rest() == 0.0
        store.error = OSError("down again")
        read_run(cache, 3_000, 3_050)
        assert prefetcher.run_pending()
        assert prefetcher._patience.rest() == 0.5


def test_a_slow_source_is_left_alone(cache: Cache[Any, Any]) -> None:
    pauses = iter([0.0, 0.2])

    def load(keys: Sequence[int]) -> dict[int, int]:
        time.sleep(next(pauses))
        return {key: -key for key in keys}

    with by_hand(cache, load, batch=2) as prefetcher:
        read_runs(cache, 1_000)
        assert prefetcher.run_pending() == 2
        assert prefetcher._rest() == 0.0
        read_runs(cache, 3_000)
        assert prefetcher.run_pending() == 2
        assert prefetcher._rest() > 0.0
        assert wanted(cache) == 0


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("nothing to say")


@pytest.mark.parametrize(
    "error", [OSError("down"), Unprintable(), SystemExit(3), asyncio.CancelledError()]
)
def test_a_thread_goes_on_after_a_failure(cache: Cache[Any, Any], error: BaseException) -> None:
    store = Store()
    store.error = error
    with Prefetcher(cache, store, options=RUNS) as prefetcher:
        read_run(cache, 0, 50)
        until(lambda: prefetcher._patience.rest() > 0.0)
        store.error = None

        def arrives() -> bool:
            read_run(cache, 30, 50)
            return 50 in cache

        until(arrives)


def test_an_interrupted_fetch_is_told(cache: Cache[Any, Any]) -> None:
    store = Store()
    store.error = KeyboardInterrupt()
    with expecting(cache, store) as prefetcher:
        with pytest.raises(KeyboardInterrupt):
            prefetcher.run_pending()
        assert prefetcher._rest() > 0.0


@pytest.mark.parametrize("answer", [None, [1], 5])
def test_a_source_that_answers_nonsense_fails(cache: Cache[Any, Any], answer: Any) -> None:
    class Wrong(Source[int, int]):
        def load_many(self, keys: Sequence[int]) -> Any:
            return answer

    with expecting(cache, Wrong()) as prefetcher:
        assert prefetcher.run_pending()
        assert prefetcher._rest() > 0.0


def test_paused(cache: Cache[Any, Any]) -> None:
    store = Store()
    with expecting(cache, store) as prefetcher:
        prefetcher.paused = True
        assert prefetcher.paused
        assert "paused" in repr(prefetcher)
        assert wanted(cache) == 0
        read_run(cache, 2_000, 2_050)
        assert not prefetcher.run_pending()
        assert wanted(cache) == 0
        prefetcher.paused = False
        read_run(cache, 3_000, 3_050)
        assert prefetcher.run_pending()
        assert 3_050 in cache
    assert 1_000 not in cache


def test_a_paused_thread_goes_on(cache: Cache[Any, Any]) -> None:
    with Prefetcher(cache, Store(), options=RUNS) as prefetcher:
        prefetcher.paused = True
        read_run(cache, 0, 50)
        prefetcher.paused = False
        read_run(cache, 100, 150)
        until(lambda: 150 in cache)
        assert 50 not in cache


def test_the_queue_is_bounded(cache: Cache[Any, Any]) -> None:
    store = Store()
    with expecting(cache, store, batch=2) as prefetcher:
        for start in range(10_000, 100_000, 1_000):
            read_run(cache, start, start + 20)
        assert wanted(cache) <= 8
        while prefetcher.run_pending():
            pass
        assert store.asked
        assert all(len(each) <= 2 for each in store.batches)
        assert min(store.asked) > 90_000  # the oldest were dropped


def test_what_requests_pass_meanwhile_is_measured(cache: Cache[Any, Any]) -> None:
    with by_hand(cache, Store(), options=PrefetchOptions()) as prefetcher:
        for turn in range(1_000):
            read_run(cache, turn, turn + 1)
            if turn % 40 == 39:
                prefetcher.run_pending()
        assert cache._prefetch_counts()[9] > 5


# What cannot be


def test_one_prefetcher_a_cache(cache: Cache[Any, Any]) -> None:
    with by_hand(cache, Store()), pytest.raises(ConfigurationError, match="already"):
        by_hand(cache, Store())
    by_hand(cache, Store()).close()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"batch": 0}, "batch"),
        ({"batch": True}, "batch"),
        ({"batch": 1 << 62}, "batch"),
        ({"ttl": -1}, "ttl"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"requests_per_second": float("nan")}, "requests_per_second"),
        ({"bytes_per_second": -5}, "bytes_per_second"),
        ({"sizeof": 5}, "sizeof"),
        ({"patience": 1}, "patience"),
        ({"patience": None}, "patience"),
        ({"options": {}}, "options"),
    ],
)
def test_nonsense_is_refused(cache: Cache[Any, Any], given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as caught:
        by_hand(cache, Store(), **given)
    assert "\n" not in str(caught.value)
    by_hand(cache, Store()).close()  # nothing is left of it


@pytest.mark.parametrize("source", [None, 5, dict, {}])
def test_sources_that_are_none(cache: Cache[Any, Any], source: Any) -> None:
    with pytest.raises(ConfigurationError, match="source"):
        by_hand(cache, source)


@pytest.mark.parametrize("not_a_cache", [{}, None, Cache])
def test_caches_that_are_none(not_a_cache: Any) -> None:
    with pytest.raises(ConfigurationError, match="serves an augury"):
        by_hand(not_a_cache, Store())
