"""What is observed is told of rightly, waits for nobody, and may go."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

import augury
from augury.advice import Access, Advisor
from augury.errors import ConfigurationError
from augury.observe import Observer, Snapshot
from augury.tiers import Memory
from augury.tiers.contract import Health
from tests.unit.own_process import run


@pytest.fixture
def observer() -> Iterator[Observer]:
    with Observer(interval=3600) as observer:
        yield observer


def test_a_cache_is_told_of_as_its_statistics_say(observer: Observer) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2, policy="lru")
    observer.add("numbers", cache)
    for key in (1, 2, 1, 3):
        cache.get_or_load(key, lambda key: key)
    observer.sample()
    observer.sample()
    view = observer.snapshot().caches[0]
    assert (view.name, view.capacity, view.entries, view.weight) == ("numbers", 2, 2, 2)
    assert (view.hits, view.misses, view.evictions, view.loads) == (1, 3, 1, 3)
    assert view.hit_ratio == 0.25
    assert view.saved_seconds == pytest.approx(view.load_seconds / 3)
    assert [(point.requests, point.hit_ratio) for point in view.history] == [(4, 0.25), (0, None)]


def test_statistics_that_are_reset_count_from_zero(observer: Observer) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    observer.add("numbers", cache)
    cache.get(1), cache.get(2)
    observer.sample()
    cache.reset_stats()
    cache.get(1)
    observer.sample()
    assert [point.requests for point in observer.snapshot().caches[0].history] == [2, 1]


def test_history_keeps_the_last_samples() -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    with Observer(interval=3600, keep=3) as observer:
        observer.add("numbers", cache)
        for reads in range(5):
            for _ in range(reads):
                cache.get(1)
            observer.sample()
        history = observer.snapshot().caches[0].history
    assert [point.requests for point in history] == [2, 3, 4]


def test_a_snapshot_is_json_and_back(observer: Observer) -> None:
    cache: augury.Cache[str, int] = augury.Cache(2)
    observer.add("a 'name' <of> €", cache)
    cache.get("x")
    observer.sample()
    snapshot = observer.snapshot()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_what_is_gone_is_forgotten_and_its_name_free(observer: Observer) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    observer.add("numbers", cache)
    del cache
    gc.collect()
    assert observer.snapshot().caches == []
    another: augury.Cache[int, int] = augury.Cache(3)
    observer.add("numbers", another)
    assert observer.snapshot().caches[0].capacity == 3


def test_names_are_unique_among_their_kind(observer: Observer) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    tiers: augury.Tiers[int, int] = augury.Tiers([Memory(10)])
    observer.add("same", cache)
    observer.add("same", tiers)
    with pytest.raises(ConfigurationError, match="'same' is observed already"):
        observer.add("same", augury.Cache(2))
    observer.remove("same")
    snapshot = observer.snapshot()
    assert not snapshot.caches
    assert not snapshot.tiers
    with pytest.raises(ConfigurationError, match="nothing is observed as 'same'"):
        observer.remove("same")


def test_one_observer_a_cache(observer: Observer) -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    another = Observer()
    another.add("numbers", cache)
    with pytest.raises(ConfigurationError, match="'numbers' is observed already, by another"):
        observer.add("numbers", cache)
    del another
    gc.collect()
    observer.add("numbers", cache)
    with pytest.raises(ConfigurationError, match="under another name"):
        observer.add("the same", cache)
    observer.remove("numbers")
    observer.add("the same", cache)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Observer(interval=0), "interval must be from"),
        (lambda: Observer(keep=0), "keep must be from"),
        (lambda: Observer().add("x", {}), "a dict cannot be observed"),
        (lambda: Observer().add("x", augury.CachedModel), "cannot be observed"),
        (lambda: Observer().add("", augury.Cache(1)), "a name is text"),
    ],
)
def test_refusals_are_one_line(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_closed_observer_takes_nothing_more() -> None:
    observer = Observer()
    cache: augury.Cache[int, int] = augury.Cache(2)
    observer.add("numbers", cache)
    observer.close()
    observer.close()
    assert observer.snapshot().caches == []
    with pytest.raises(ConfigurationError, match="closed"):
        observer.add("numbers", cache)


def test_it_samples_by_itself_and_stops_with_its_last_reference() -> None:
    cache: augury.Cache[int, int] = augury.Cache(2)
    observer = Observer(interval=0.01)
    observer.add("numbers", cache)
    thread = next(each for each in threading.enumerate() if each.name == "augury-observe")
    while not observer.snapshot().caches[0].history:
        pass
    del observer
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_a_forked_child_goes_on_by_itself() -> None:
    program = """
import os, time, augury
from augury.observe import Observer
cache = augury.Cache(10)
observer = Observer(interval=0.01)
observer.add("numbers", cache)
child = os.fork()
if child == 0:
    before = len(observer.snapshot().caches[0].history)
    while len(observer.snapshot().caches[0].history) < before + 3:
        time.sleep(0.01)
    told = observer.snapshot().process
    os._exit(0 if told.endswith(str(os.getpid())) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run("", program, 60) == "0\n"


def test_a_fork_amid_a_sample_leaves_the_child_whole() -> None:
    program = """
import os, threading, augury
from augury.observe import Observer
from augury.sizing.live import LiveCurve
cache = augury.Cache(10)
observer = Observer(interval=3600)
observer.add("numbers", cache)
cache[1] = 1
cache.get(1)
amid, forked = threading.Event(), threading.Event()
real = LiveCurve.__call__
def held(self, name, chunk):
    with self._lock:
        amid.set()
        forked.wait()
    real(self, name, chunk)
LiveCurve.__call__ = held
sampling = threading.Thread(target=observer.sample)
sampling.start()
amid.wait()
child = os.fork()
LiveCurve.__call__ = real
if child == 0:
    cache.get(1)
    observer.sample()
    os._exit(0 if observer.snapshot().caches[0].history[-1].requests else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
forked.set()
sampling.join()
print(code)
"""
    assert run("", program, 60) == "0\n"


class Hanging(Memory):
    """It does not say how it is until it is allowed to."""

    def __init__(self) -> None:
        super().__init__(10)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def health(self) -> Health:
        self.asked.set()
        self.let_go.wait(60)
        raise RuntimeError("no\nidea")


def test_a_tier_that_hangs_holds_up_nobody(
    observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augury.observe.kinds.tiers._PATIENCE", 0.0)
    hanging = Hanging()
    tiers: augury.Tiers[int, int] = augury.Tiers([hanging])
    observer.add("tiers", tiers)
    observer.sample()
    assert hanging.asked.wait(60)
    observer.sample()
    told = observer.snapshot().tiers[0].tiers[0]
    assert not told.healthy
    assert told.reason is not None
    assert told.reason.startswith("has not answered")
    hanging.let_go.set()
    while (told := observer.snapshot().tiers[0].tiers[0]).reason != "no idea":
        pass
    assert not told.healthy


def test_whatever_else_can_be_observed_is_told_of(observer: Observer) -> None:
    tiers: augury.Tiers[int, int] = augury.Tiers([Memory(10)], source=lambda key: key)
    assert tiers.get(1) == 1
    cache: augury.Cache[int, int] = augury.Cache(10)
    prefetcher = augury.Prefetcher(cache, lambda keys: {key: key for key in keys}, background=False)
    answers = augury.Answers()
    answers.register("double", lambda x: 2 * x, {"x": int})
    answers.ask("double", x=3)
    model = augury.CachedModel(lambda rows: rows.sum(axis=1), augury.Cache(100))
    model(np.ones((4, 2)))
    advisor = Advisor(10, policy="lru")
    advisor.record([Access("a", hit=False), Access("a", hit=True)])
    things = {"t": tiers, "p": prefetcher, "a": answers, "m": model, "r": advisor}
    for name, each in things.items():
        observer.add(name, each)
    snapshot = observer.snapshot()
    assert (snapshot.tiers[0].loads, snapshot.tiers[0].tiers[0].healthy) == (1, True)
    assert (snapshot.prefetchers[0].fetched, snapshot.prefetchers[0].paused) == (0, False)
    assert snapshot.answers[0].queries[0].origins["database"] == 1
    assert snapshot.answers[0].queries[0].coverage is None
    assert (snapshot.models[0].rows, snapshot.models[0].computed) == (4, 1)
    (advice,) = snapshot.advisors
    assert (advice.accesses, advice.hits, advice.told_hits, advice.policy) == (2, 1, 1, "lru")
    prefetcher.close()
    answers.close()
