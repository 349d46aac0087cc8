"""The prefetcher over the lives of caches, threads and processes, and under hostile keys."""

from __future__ import annotations

import gc
import os
import random
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from augury import Cache, Prefetcher
from augury.prefetch import PrefetchOptions
from tests.unit import own_process
from tests.unit.test_prefetcher import PAGES, PATIENCE, RUNS, Store, by_hand, read_run, until

ALL = PrefetchOptions(precision=0.1)


class Writes(RuleBasedStateMachine):
    """Reads, writes and fetches in any order: what a read finds is never older than a write.

    A batch is taken, answered and stored in steps, between which anything may happen.
    """

    keys = st.integers(0, 30)

    def __init__(self) -> None:
        super().__init__()
        self.cache: Cache[int, int] = Cache(12, policy="lru")
        self.truth = dict.fromkeys(range(100), 0)
        self.version = 0
        self.fetching: list[tuple[int, list[int], dict[int, int]]] = []
        self.prefetcher = by_hand(self.cache, Store(), options=PrefetchOptions(precision=0.05))

    def teardown(self) -> None:
        self.prefetcher.close()

    def newer(self, key: int) -> int:
        self.version += 1
        self.truth[key] = self.version
        return self.version

    @rule(first=keys, length=st.integers(1, 8))
    def read(self, first: int, length: int) -> None:
        for key in range(first, first + length):
            assert self.cache.get_or_load(key, self.truth.__getitem__) == self.truth[key]

    @rule(key=keys)
    def write(self, key: int) -> None:
        self.cache[key] = self.newer(key)

    @rule(key=keys)
    def write_and_delete(self, key: int) -> None:
        self.newer(key)
        self.cache.delete(key)

    @rule(key=keys)
    def write_what_is_refused(self, key: int) -> None:
        self.cache.set(key, self.newer(key), size=1_000)

    @rule()
    def write_all_and_clear(self) -> None:
        for key in self.truth:
            self.newer(key)
        self.cache.clear()

    @rule(key=keys)
    def load_while_it_is_written(self, key: int) -> None:
        old = self.truth[key]

        def load(key: int) -> int:
            self.newer(key)
            self.cache.delete(key)
            return old

        self.cache.get_or_load(key, load)

    @rule(capacity=st.integers(1, 30))
    def resize(self, capacity: int) -> None:
        self.cache.resize(capacity)

    @rule(most=st.integers(1, 10))
    def begin_to_fetch(self, most: int) -> None:
        batch, keys = self.cache._prefetch_take(most)
        self.fetching.append((batch, keys, {key: self.truth.get(key, 0) for key in keys}))

    @rule(data=st.data(), answers=st.booleans())
    def end_to_fetch(self, data: st.DataObject, answers: bool) -> None:
        if not self.fetching:
            return
        at = data.draw(st.integers(0, len(self.fetching) - 1))
        batch, keys, found = self.fetching.pop(at)
        if answers:
            for key in keys:
                self.cache._prefetch_store(batch, key, found[key])
        self.cache._prefetch_finish(batch, answers)

    @rule()
    def run(self) -> None:
        self.prefetcher._source = Store(value=lambda key: self.truth.get(key, 0))
        self.prefetcher.run_pending()

    @rule()
    def fork_or_pause(self) -> None:
        self.prefetcher.begin_anew()
        self.prefetcher.paused = True
        self.prefetcher.paused = False

    @invariant()
    def nothing_is_out_of_date(self) -> None:
        for key, value in self.cache.items():
            assert value == self.truth.get(key, 0), key

    @invariant()
    def all_is_consistent(self) -> None:
        self.cache.validate()
        counts = self.cache.stats()
        assert counts.prefetch_hits + counts.prefetch_unused <= counts.prefetched


Writes.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestWrites = Writes.TestCase


def test_threads_never_see_a_value_older_than_a_write() -> None:
    """A writer announces a version before it deletes the key; who reads after that sees it."""
    cache: Cache[int, int] = Cache(60, policy="lru")
    truth = dict.fromkeys(range(200), 0)
    written = dict(truth)
    stop = threading.Event()
    wrong: list[object] = []

    def load(keys: Sequence[int]) -> dict[int, int]:
        found = {key: truth.get(key, 0) for key in keys}
        stop.wait(random.random() * 0.002)
        return found

    def reads() -> None:
        try:
            while not stop.is_set():
                for key in range(100):
                    least = written[key]
                    value = cache.get_or_load(key, truth.__getitem__)
                    if value < least:
                        wrong.append((key, value, least))
        except Exception as error:
            wrong.append(error)

    def writes() -> None:
        for version in range(1, 1_500):
            key = random.randrange(100)
            truth[key] = version
            cache.delete(key)
            written[key] = version
        stop.set()

    with Prefetcher(cache, load, options=ALL) as prefetcher:
        threads = [threading.Thread(target=reads) for _ in range(3)]
        threads.append(threading.Thread(target=writes))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not wrong
        assert prefetcher.report().fetched > 0
    cache.validate()


def test_threads_may_do_anything_at_once() -> None:
    cache: Cache[Any, Any] = Cache(50, policy="s3fifo")
    wrong: list[Exception] = []
    stop = threading.Event()

    def use(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not stop.is_set():
                read_run(cache, (start := chance.randrange(500)), start + 10)
                cache.pop(chance.randrange(500), None)
                if chance.random() < 0.05:
                    cache.clear()
                if chance.random() < 0.05:
                    cache.resize(chance.randrange(1, 100))
                if chance.random() < 0.05:
                    prefetcher.paused = chance.random() < 0.3
                if chance.random() < 0.05:
                    prefetcher.run_pending()
        except Exception as error:
            wrong.append(error)

    with Prefetcher(cache, Store(), options=ALL) as prefetcher:
        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: wrong or prefetcher.report().requests > 30_000)
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    cache.validate()


def test_closing_while_it_fetches() -> None:
    cache: Cache[Any, Any] = Cache(200, policy="lru")
    store = Store()
    store.go_on.clear()
    prefetcher = Prefetcher(cache, store, options=RUNS)
    read_run(cache, 0, 50)
    assert store.begun.wait(PATIENCE)
    closing = threading.Thread(target=prefetcher.close)
    closing.start()
    until(lambda: prefetcher.closed)
    store.go_on.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert not [key for key in cache if key >= 50]  # what came too late was dropped
    prefetcher.close()
    assert prefetcher.run_pending() == 0
    assert prefetcher.report().requests > 0
    assert "closed" in repr(prefetcher)


def test_a_source_may_close_its_prefetcher_or_use_its_cache() -> None:
    cache: Cache[Any, Any] = Cache(200, policy="lru")
    closed = threading.Event()

    def load(keys: Sequence[int]) -> dict[int, int]:
        cache.clear()
        cache.get("something")
        prefetcher.close()
        closed.set()
        return {key: -key for key in keys}

    prefetcher: Prefetcher[Any, Any] = Prefetcher(cache, load, options=RUNS)
    read_run(cache, 0, 50)
    assert closed.wait(PATIENCE)
    assert prefetcher._thread is not None
    prefetcher._thread.join(PATIENCE)
    assert not prefetcher._thread.is_alive()


def test_collecting_garbage_may_close_it_at_any_time() -> None:
    class Closes:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            prefetcher.close()

    threshold = gc.get_threshold()
    try:
        for many in range(2, 12):
            cache: Cache[Any, Any] = Cache(200, policy="lru")
            prefetcher = by_hand(cache, Store())
            read_run(cache, 0, 50)
            gc.collect()
            Closes()
            gc.set_threshold(many)
            prefetcher.run_pending()
            gc.set_threshold(*threshold)
            gc.collect()
            assert prefetcher.closed
            cache.validate()
    finally:
        gc.set_threshold(*threshold)


class Node:
    """A part of a cycle."""

    other: Any = None


def abandoned() -> tuple[list[weakref.ref[Any]], threading.Thread]:
    """A cache that only its prefetcher, its source and a kept key refer to, and the thread."""
    cache: Cache[Any, Any] = Cache(200, policy="lru")
    node, key = Node(), Node()
    node.other = key.other = cache

    def load(wanted: Sequence[Any]) -> dict[Any, Any]:
        return {key: (node, -key) for key in wanted}

    gone = weakref.ref(Prefetcher(cache, load, options=RUNS))
    gc.collect()
    prefetcher = gone()
    assert prefetcher is not None  # nobody refers to it but the cache
    assert prefetcher._thread is not None
    read_run(cache, 0, 50)
    cache.get(key)
    until(lambda: 50 in cache)
    ends = [weakref.ref(each) for each in (cache, node, key, load, prefetcher)]
    return ends, prefetcher._thread


def test_it_works_as_long_as_the_cache_lives_and_ends_with_it() -> None:
    ends, thread = abandoned()

    def collected() -> bool:
        gc.collect()
        return not any(each() for each in ends)

    until(collected)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_prefetcher_outlives_its_cache_without_harm() -> None:
    cache: Cache[Any, Any] = Cache(200, policy="lru")
    prefetcher = by_hand(cache, Store())
    del cache
    gc.collect()
    assert prefetcher.closed
    assert prefetcher.run_pending() == 0
    prefetcher.paused = True
    prefetcher.report()
    prefetcher.begin_anew()
    prefetcher.close()


def test_keys_are_released() -> None:
    class Key:
        """Counted."""

    cache: Cache[Any, int] = Cache(2, policy="lru")
    keys = [Key() for _ in range(50)]
    alive = [weakref.ref(key) for key in keys]

    def living() -> int:
        gc.collect()
        return sum(each() is not None for each in alive)

    with by_hand(cache, Store(), options=PrefetchOptions(keys=10)):
        for key in keys:
            cache.get(key)
        del keys, key
        assert living() == 10
        cache.clear()
        assert living() == 0
    with by_hand(cache, Store(), options=PrefetchOptions(keys=10)):
        alive = [weakref.ref(key) for key in (Key(), Key())]
        for each in alive:
            assert each() is None
        key = Key()
        alive = [weakref.ref(key)]
        cache.get(key)
        del key
        assert living() == 1
    assert living() == 0


def test_releasing_a_key_may_use_the_cache_or_end_the_prefetcher() -> None:
    class Key:
        """Does something when it goes."""

        def __init__(self, act: Any) -> None:
            self.act = act

        def __del__(self) -> None:
            self.act()

    cache: Cache[Any, Any] = Cache(2, policy="lru")
    acts: list[Callable[[Prefetcher[Any, Any]], object]] = [
        lambda prefetcher: cache.clear(),
        lambda prefetcher: cache.get("other"),
        lambda prefetcher: cache.set("other", 1),
        Prefetcher.run_pending,
        Prefetcher.close,
    ]
    for act in acts:
        prefetcher = by_hand(cache, Store(), options=PrefetchOptions(keys=3))
        for number in range(10):
            cache.get(Key(partial(act, prefetcher)))
            cache.get(number)
        prefetcher.close()
        gc.collect()
        cache.validate()


class Odd:
    """A key whose comparison does something."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        self.act()
        return self is other


def fail() -> None:
    raise ValueError("not comparable")


def test_reading_compares_no_keys_that_a_look_up_would_not() -> None:
    compared = []
    cache: Cache[Any, int] = Cache(50, policy="lru")
    with by_hand(cache, Store(), options=ALL) as prefetcher:
        odd = [Odd(lambda: compared.append(1)) for _ in range(5)]
        for _ in range(20):
            for key in odd:
                cache.get(key)
        assert not compared  # none is there, so there is nothing to compare
        assert prefetcher.report().requests == 100


@pytest.mark.parametrize("fails", [True, False])
def test_keys_that_cannot_be_compared_cost_only_themselves(fails: bool) -> None:
    cache: Cache[Any, Any] = Cache(6, policy="lru")
    odd = [Odd(list) for _ in range(4)]
    options = PrefetchOptions(precision=0.05)

    def load(keys: Sequence[Any]) -> Any:
        # A dict cannot hold such keys either.
        return dict(zip(keys, range(len(keys)), strict=True))

    with by_hand(cache, load, options=options) as prefetcher:
        for turn in range(300):
            if turn == 100:
                for each in odd:
                    each.act = fail if fails else cache.clear
            for key in [*odd, *PAGES[:12]]:
                try:
                    if cache.get(key) is None:
                        cache[key] = 1
                except (ValueError, RuntimeError):
                    pass
            prefetcher._patience._until = 0.0
            prefetcher.run_pending()
        assert prefetcher.report().fetched > 0
    cache.validate()


@pytest.mark.parametrize("key", [[], {}, {1, 2}])
def test_keys_without_a_hash_are_refused_as_ever(key: Any) -> None:
    cache: Cache[Any, int] = Cache(5)
    with by_hand(cache, Store()) as prefetcher:
        with pytest.raises(TypeError):
            cache.get(key)
        assert prefetcher.report().requests == 0


@pytest.mark.parametrize(
    "first", [-20, -(2**63) - 20, 2**63 - 30, 2**64 - 30, 2**64, 2**61 - 30, 10**40]
)
def test_integers_at_the_ends_of_their_range(first: int) -> None:
    cache: Cache[Any, Any] = Cache(200, policy="lru")
    store = Store()
    with by_hand(cache, store) as prefetcher:
        read_run(cache, first, first + 60)
        while prefetcher.run_pending():
            pass
    assert all(type(key) is int for key in store.asked)
    assert all(0 <= key < 2**64 for key in store.asked)
    cache.validate()


def test_keys_of_many_types() -> None:
    cache: Cache[Any, Any] = Cache(5, policy="lru")
    keys = [True, 1.5, None, (1, "a"), frozenset({1}), "é", "\udc80", b"x", 10**30, -1, -2, Odd]
    with by_hand(cache, Store(value=repr), options=ALL) as prefetcher:
        for _ in range(200):
            for key in keys:
                assert cache.get_or_load(key, repr) == repr(key)
            prefetcher.run_pending()
        assert prefetcher.report().used > 0
    cache.validate()


# Processes


def run(program: str) -> str:
    start = """
        import os, sys, threading, time
        from augury import Cache, Prefetcher
        from augury.prefetch import PrefetchOptions
        sys.path.insert(0, ".")
        from tests.unit.test_prefetcher import RUNS, Store, read_run, until
        cache = Cache(200, policy="lru")
        """
    return own_process.run(start, program, 2 * PATIENCE)


def test_a_process_ends_though_a_prefetcher_is_open() -> None:
    program = """
        prefetcher = Prefetcher(cache, Store(), options=RUNS)
        read_run(cache, 0, 50)
        until(lambda: 50 in cache)
        print("done")
        """
    assert run(program) == "done\n"


def test_a_process_ends_though_its_source_hangs() -> None:
    program = """
        store = Store()
        store.go_on.clear()
        prefetcher = Prefetcher(cache, store, options=RUNS)
        read_run(cache, 0, 50)
        assert store.begun.wait(60)
        print("done")
        """
    assert run(program) == "done\n"


@pytest.mark.parametrize("told_by", ["listener", "finalizer"])
def test_a_process_ends_though_a_listener_runs(told_by: str) -> None:
    program = f"""
        begun = threading.Event()

        def tell():
            if threading.current_thread().name == "augury-prefetch" and not begun.is_set():
                begun.set()
                end = time.monotonic() + 0.5
                while time.monotonic() < end:
                    pass

        class Value:
            def __del__(self):
                tell()

        finalizer = {told_by!r} == "finalizer"
        cache = Cache(20, policy="lru", on_evict=None if finalizer else lambda *_: tell())
        store = Store(lambda key: Value())
        prefetcher = Prefetcher(cache, store, options=RUNS, patience=1e9)
        first = 0
        while not begun.is_set():
            first += 1_000
            for key in range(first, first + 30):
                cache.get_or_load(key, store.value)
            time.sleep(0.001)
        print("done")
        """
    assert run(program) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_goes_on_in_a_thread_of_its_own() -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        store = Store()
        store.go_on.clear()
        prefetcher = Prefetcher(cache, store, options=RUNS)
        read_run(cache, 0, 50)
        assert store.begun.wait(60)  # the parent's thread is about to fetch
        child = os.fork()
        if child == 0:
            store.go_on = threading.Event()
            store.go_on.set()
            assert prefetcher._thread is not None and prefetcher._thread.is_alive()
            read_run(cache, 1_000, 1_050)
            until(lambda: 1_050 in cache)
            prefetcher.close()
            cache.validate()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        store.go_on.set()
        until(lambda: 50 in cache)
        prefetcher.close()
        cache.validate()
        print("done")
        """
    assert run(program) == "done\n"
