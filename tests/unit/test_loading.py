"""Single flight among threads."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from augury import Cache
from augury.errors import ConfigurationError, LoadCycleError
from tests.unit.colliding_keys import Key

WAIT = 30.0  # seconds until a test gives up


class Boom(Exception):
    pass


class Gate:
    """A loader that waits to be opened, and counts its calls."""

    def __init__(self, outcome: Any = "value") -> None:
        self.outcome = outcome
        self.calls = 0
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, key: object) -> Any:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(WAIT)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def waiters(count: int) -> None:
    """Wait until that many threads wait for a flight."""
    from augury import loading

    deadline = time.monotonic() + WAIT
    while len(loading._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:
        return error


def test_a_loader_runs_once_for_all_threads() -> None:
    cache: Cache[str, Any] = Cache(4)
    gate = Gate()
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(cache.get_or_load, "k", gate) for _ in range(16)]
        waiters(15)
        gate.open.set()
        assert {future.result(WAIT) for future in futures} == {"value"}
    assert gate.calls == 1
    assert cache["k"] == "value"
    assert not cache._flights
    stats = cache.stats()
    assert (stats.loads, stats.load_failures, stats.misses) == (1, 0, 16)
    assert stats.load_seconds > 0


def test_an_exception_reaches_all_waiters_and_is_not_cached() -> None:
    cache: Cache[str, Any] = Cache(4)
    gate = Gate(Boom("x"))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(cache.get_or_load, "k", gate) for _ in range(8)]
        waiters(7)
        gate.open.set()
        assert {type(future.exception(WAIT)) for future in futures} == {Boom}
    assert gate.calls == 1
    assert "k" not in cache
    assert cache.get_or_load("k", lambda _: 2) == 2
    assert cache.stats().load_failures == 1


def test_waiters_load_themselves_where_the_loading_thread_was_interrupted() -> None:
    cache: Cache[str, Any] = Cache(4)
    gate = Gate(KeyboardInterrupt())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(outcome, lambda: cache.get_or_load("k", gate))
        assert gate.entered.wait(WAIT)
        others = [pool.submit(cache.get_or_load, "k", lambda _: "new") for _ in range(3)]
        waiters(3)
        gate.open.set()
        assert isinstance(first.result(WAIT), KeyboardInterrupt)
        assert {other.result(WAIT) for other in others} == {"new"}
    assert not cache._flights


@pytest.mark.parametrize("write", ["set", "delete", "pop", "clear", "assign", "update"])
def test_a_write_during_a_load_wins(write: str) -> None:
    cache: Cache[str, Any] = Cache(4)
    gate = Gate("old")
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(cache.get_or_load, "k", gate)
        assert gate.entered.wait(WAIT)
        writes: dict[str, Callable[[], object]] = {
            "set": lambda: cache.set("k", "new"),
            "assign": lambda: cache.__setitem__("k", "new"),
            "update": lambda: cache.update({"k": "new"}),
            "delete": lambda: cache.delete("k"),
            "pop": lambda: cache.pop("k", 0),
            "clear": cache.clear,
        }
        writes[write]()
        assert cache.get("k") == ("new" if write in ("set", "assign", "update") else None)
        again = cache.get_or_load("k", lambda _: "newer")  # does not join the revoked load
        gate.open.set()
        assert loading.result(WAIT) == "old"
    assert cache["k"] == again != "old"
    assert not cache._flights


def test_popitem_revokes_a_load_too() -> None:
    cache: Cache[str, Any] = Cache(4)

    def loader(key: str) -> str:
        cache["k"] = "other"
        cache._flights["k"] = flight
        assert cache.popitem() == ("k", "other")
        return "loaded"

    from augury.loading import Flight

    flight = Flight()
    assert cache.get_or_load("k", loader) == "loaded"
    assert not flight.valid


def test_a_loader_may_load_other_keys_and_use_the_cache() -> None:
    cache: Cache[int, int] = Cache(3)

    def loader(key: int) -> int:
        if key == 5:
            cache.clear()
        return 1 if key == 0 else 1 + cache.get_or_load(key - 1, loader)

    assert cache.get_or_load(20, loader) == 21
    cache.validate()
    assert not cache._flights


def test_a_loader_that_needs_its_own_result_is_told_so() -> None:
    cache: Cache[str, int] = Cache(3)

    def loader(key: str) -> int:
        return cache.get_or_load(key, loader)

    with pytest.raises(LoadCycleError, match="'k' needs its own result"):
        cache.get_or_load("k", loader)
    assert not cache._flights
    assert cache.get_or_load("k", lambda _: 1) == 1


def test_a_cycle_through_threads_is_found() -> None:
    cache: Cache[str, Any] = Cache(3)
    both = threading.Barrier(2)

    def loader(key: str) -> Any:
        both.wait(WAIT)
        return cache.get_or_load("b" if key == "a" else "a", lambda _: "never")

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(outcome, partial(cache.get_or_load, k, loader)) for k in "ab"]
        results = [future.result(WAIT) for future in futures]
    assert any(isinstance(result, LoadCycleError) for result in results)
    assert not cache._flights


def test_a_landed_flight_is_part_of_no_cycle() -> None:
    """Though one who waited for it has not woken up yet, and loads what its owner now wants."""
    from augury import loading

    mine, other = loading.Flight(), loading.Flight()
    mine.land()
    other.owner = -1
    loading._waiting[-1] = mine
    threading.Timer(0.05, other.land).start()
    try:
        with mine._gate:  # as the one who wakes up does for a moment
            other.wait("k")
    finally:
        del loading._waiting[-1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals")
def test_a_signal_handler_may_wait_while_its_thread_waits() -> None:
    cache: Cache[str, Any] = Cache(3)
    outer, inner = Gate("outer"), Gate("inner")
    answers = []

    def handle(*_: object) -> None:
        threading.Timer(0.05, inner.open.set).start()
        answers.append(cache.get_or_load("inner", inner))
        outer.open.set()

    former = signal.signal(signal.SIGALRM, handle)
    try:
        with ThreadPoolExecutor(2) as pool:
            for key, gate in (("outer", outer), ("inner", inner)):
                pool.submit(cache.get_or_load, key, gate)
                assert gate.entered.wait(WAIT)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            answers.append(cache.get_or_load("outer", outer))
    finally:
        signal.signal(signal.SIGALRM, former)
    assert answers == ["inner", "outer"]


def test_what_names_a_cycle_may_wait_itself() -> None:
    """The key's repr waits for a thread that waits for a load."""
    cache: Cache[Any, Any] = Cache(3)
    gate = Gate("slow")

    class Telling(Key):
        def __repr__(self) -> str:
            with ThreadPoolExecutor(2) as pool:
                both = [pool.submit(cache.get_or_load, "slow", gate) for _ in range(2)]
                waiters(2)
                gate.open.set()
                return str(both[0].result(WAIT))

    with pytest.raises(LoadCycleError, match="slow"):
        cache.get_or_load(Telling(1), lambda key: cache.get_or_load(key, lambda _: 0))


def test_no_cycle_is_seen_where_a_landed_flight_is_just_being_left() -> None:
    """Two threads that load each other's keys, one after the other, never form a cycle."""
    cache: Cache[tuple[int, int], int] = Cache(10_000)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def load(thread: int) -> None:
            for number in range(1500):
                # What is loaded needs only keys of smaller numbers.
                def loader(key: tuple[int, int]) -> int:
                    if key[1] == 0:
                        return 0
                    return cache.get_or_load((1 - key[0], key[1] - 1), loader) + 1

                assert cache.get_or_load((thread, number), loader) == number

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(load, thread) for thread in (0, 1)]:
                future.result(WAIT)
    finally:
        sys.setswitchinterval(switch)


def test_the_board_is_left_clean_whatever_writes_meanwhile() -> None:
    """Loads, writes, deletions and clears of few keys by many threads at once."""
    cache: Cache[int, int] = Cache(4)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def work(thread: int) -> None:
            for number in range(1500):
                key = (number * 7 + thread) % 5
                kind = (number + thread) % 9
                if kind == 0:
                    cache[key] = key
                elif kind in (1, 2):
                    cache.delete(key)
                elif kind == 3 and number % 5 == 0:
                    cache.clear()
                else:
                    assert cache.get_or_load(key, lambda k: k) == key

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(work, thread) for thread in range(8)]:
                future.result(WAIT)
    finally:
        sys.setswitchinterval(switch)
    assert not cache._flights
    cache.validate()


# ---------------------------------------------------------------- remembered failures


def test_a_key_error_is_remembered_for_negative_ttl() -> None:
    now = 0.0
    cache: Cache[str, int] = Cache(4, clock=lambda: now)
    calls: list[str] = []

    def loader(key: str) -> int:
        calls.append(key)
        raise KeyError(key)

    for _ in range(3):
        with pytest.raises(KeyError, match="k"):
            cache.get_or_load("k", loader, negative_ttl=5, error_ttl=50)
    assert calls == ["k"]
    stats = cache.stats()
    assert (stats.misses, stats.negative_hits, stats.loads) == (1, 2, 1)
    now = 5.0
    with pytest.raises(KeyError):
        cache.get_or_load("k", loader, negative_ttl=5)
    assert len(calls) == 2


def test_other_errors_are_remembered_for_error_ttl() -> None:
    now = 0.0
    cache: Cache[str, int] = Cache(4, clock=lambda: now)
    calls: list[str] = []

    def loader(key: str) -> int:
        calls.append(key)
        raise Boom

    for _ in range(3):
        with pytest.raises(Boom) as caught:
            cache.get_or_load("k", loader, error_ttl=5)
    assert len(calls) == 1
    assert len(caught.traceback) < 10  # it does not grow each time it is raised
    now = 6.0
    with pytest.raises(Boom):
        cache.get_or_load("k", loader, negative_ttl=5)
    with pytest.raises(Boom):
        cache.get_or_load("k", loader)
    assert len(calls) == 3


def test_a_remembered_failure_is_no_entry() -> None:
    events: list[Any] = []
    cache: Cache[str, int] = Cache(4, on_evict=lambda *event: events.append(event))

    def loader(key: str) -> int:
        raise Boom

    for key in "ab":
        with pytest.raises(Boom):
            cache.get_or_load(key, loader, error_ttl=None)
    assert len(cache) == 0
    assert not [*cache, *cache.values(), *cache.items()]
    assert "a" not in cache
    assert cache.get("a") is None
    assert cache.peek("a") is None
    assert cache.get_many("ab") == {}
    for absent in (lambda: cache.ttl("a"), lambda: cache["a"], lambda: cache.pop("a")):
        with pytest.raises(KeyError):
            absent()
    with pytest.raises(KeyError):
        cache.popitem()
    assert cache.delete("b") is False
    assert cache.setdefault("a", 1) == 1
    assert cache.get_or_load("a", loader) == 1
    cache.clear()
    cache.validate()
    assert [event[:2] for event in events] == [("a", 1)]


def test_failures_are_counted_through_every_change() -> None:
    cache: Cache[int, int] = Cache(3)

    def loader(key: int) -> int:
        if key % 2:
            raise Boom
        return key

    for number in range(60):
        key = number * number % 11
        outcome(lambda key=key: cache.get_or_load(key, loader, error_ttl=10))  # type: ignore[misc]
        cache.validate()
        assert len(cache) == len([*cache])
    cache.clear()
    assert len(cache) == 0


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize("there", [False, True])
def test_wrong_arguments_are_told_of_at_once(there: bool) -> None:
    cache: Cache[str, int] = Cache(4)
    if there:
        cache["k"] = 1
    with pytest.raises(TypeError, match=r"get_or_load\(\) takes 2 positional arguments"):
        cache.get_or_load("k")  # type: ignore[call-arg]
    with pytest.raises(
        TypeError, match=r"get_or_load\(\) got an unexpected keyword argument 'tll'"
    ):
        cache.get_or_load("k", lambda _: 1, tll=3)  # type: ignore[call-arg]


def test_options_of_what_is_loaded() -> None:
    now = 0.0
    cache: Cache[str, int] = Cache(10, clock=lambda: now, ttl=100)
    cache.get_or_load("a", lambda _: 1, ttl=2, size=3)
    cache.get_or_load("b", lambda _: 1)
    cache.get_or_load("c", lambda _: 1, ttl=None)
    assert cache.weight == 5
    assert (cache.ttl("a"), cache.ttl("b"), cache.ttl("c")) == (2, 100, None)
    assert cache.get_or_load("d", lambda _: 1, size=11) == 1
    assert "d" not in cache
    with pytest.raises(ConfigurationError, match="ttl"):
        cache.get_or_load("e", lambda _: 1, ttl=-1)
    assert not cache._flights


def test_a_wrong_negative_ttl_hides_no_one() -> None:
    cache: Cache[str, int] = Cache(10)
    with pytest.raises(ConfigurationError, match="ttl"):
        cache.get_or_load("e", dict[str, int]().__getitem__, negative_ttl=-1)
    assert not cache._flights


# ---------------------------------------------------------------- what is left behind


def test_a_failed_load_leaves_no_cycles() -> None:
    """What its frames held is free as soon as the exception is, without the collector."""
    cache: Cache[str, Any] = Cache(4)

    class Held:
        pass

    held = Held()
    reference = weakref.ref(held)

    def loader(key: str) -> None:
        raise Boom(reference())

    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(Boom):
            cache.get_or_load("k", loader)
        with contextlib.suppress(Boom):
            cache.get_or_load("k", loader, error_ttl=10)
        with contextlib.suppress(Boom):
            cache.get_or_load("k", loader)  # the one remembered
        cache.clear()
        del held
        assert reference() is None
    finally:
        gc.enable()


def test_the_cache_may_die_while_it_loads() -> None:
    cache: Cache[str, Any] = Cache(4)
    reference = weakref.ref(cache)

    def loader(key: str) -> int:
        nonlocal cache
        del cache
        return 1

    assert cache.get_or_load("k", loader) == 1
    gc.collect()
    assert reference() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    cache: Cache[str, Any] = Cache(4)
    cache["old"] = 1
    gate = Gate()
    thread = threading.Thread(target=cache.get_or_load, args=("k", gate))
    thread.start()
    assert gate.entered.wait(WAIT)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loaded = cache.get_or_load("k", lambda _: "mine")
            cache.validate()
            status = 0 if loaded == cache["k"] == "mine" and cache["old"] == 1 else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 10
    done, status = os.waitpid(child, os.WNOHANG)
    while done == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
        done, status = os.waitpid(child, os.WNOHANG)
    if done == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    gate.open.set()
    thread.join(WAIT)
    assert done == child, "the child hangs"
    assert os.waitstatus_to_exitcode(status) == 0
    assert cache["k"] == "value"


@pytest.mark.parametrize("write", ["set", "delete", "pop"])
def test_a_load_that_begins_while_a_write_compares_keys_is_revoked(write: str) -> None:
    cache: Cache[Key, str] = Cache(8)
    cache[Key(0)] = "another"
    gate = Gate("old")
    with ThreadPoolExecutor(1) as pool:
        loads = []

        def begin() -> None:
            loads.append(pool.submit(cache.get_or_load, Key(1), gate))
            assert gate.entered.wait(WAIT)

        key = Key(1, begin)
        writes: dict[str, Callable[[], object]] = {
            "set": lambda: cache.set(key, "new"),
            "delete": lambda: cache.delete(key),
            "pop": lambda: cache.pop(key, "none"),
        }
        writes[write]()
        gate.open.set()
        assert loads[0].result(WAIT) == "old"
    assert cache.get(Key(1)) == ("new" if write == "set" else None)
    assert not cache._flights


def test_a_write_takes_no_flight_off_the_board_that_it_does_not_revoke() -> None:
    from augury.loading import Flight

    cache: Cache[Any, str] = Cache(8)
    flights = [Flight()]
    cache._flights[Key(1)] = flights[0]
    compared = []

    class Changing(Key):
        __hash__ = Key.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(other)
            if len(compared) == 2:  # as if the first had landed and the second begun just now
                flights.append(Flight())
                cache._flights.clear()
                cache._flights[other] = flights[1]
            return True

    cache.set(Changing(1), "new")
    on_board = [*cache._flights.values()]
    assert all(flight in on_board or not flight.valid for flight in flights)


def test_a_flight_is_not_put_on_a_board_that_comparing_keys_has_removed() -> None:
    from augury.loading import Flight

    cache: Cache[Key, str] = Cache(8)
    cache._flights[Key(0)] = Flight()

    def loader(key: Key) -> str:
        cache[Key(1)] = "new"
        return "old"

    assert cache.get_or_load(Key(1, cache.clear), loader) == "old"
    assert cache[Key(1)] == "new"
